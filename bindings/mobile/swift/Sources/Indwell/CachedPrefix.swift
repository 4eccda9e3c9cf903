// A prefix that is kept. Owns the life of the native prefix: who gives it up, and when.

internal import IndwellNative

/// The beginning of chats, computed and kept at hand until this is unpinned or no longer referenced: for the requests
/// that begin with it.
///
/// It is the last thing to give way when memory is short. Where it must, it is restored at the next request that begins
/// with it, if there is a host tier. A handle keeps nothing of its engine open, and is harmless when the engine is
/// closed.
public final class CachedPrefix: Sendable {
    private let native: NativePrefix

    /// How many tokens it has, those of the chat template included.
    public let tokens: Int

    private init(_ native: NativePrefix, tokens: Int) {
        self.native = native
        self.tokens = tokens
    }

    /// Lets go of it: it stays cached as any other prefix, and gives way as one. A second call does nothing. Never
    /// blocks.
    public func unpin() {
        native.unpin()
    }

    /// Waits until what was submitted is cached. A task that is cancelled holds nothing afterwards: the last reference to
    /// the native prefix went, which gives it up.
    static func submitted(_ submit: () throws -> NativePrefix) async throws -> CachedPrefix {
        try Task.checkCancellation()
        let native = try callNative(submit)
        do {
            let tokens = try await withTaskCancellationHandler {
                try await awaitNative { try await native.cached() }
            } onCancel: {
                native.cancel()
            }
            try Task.checkCancellation()
            return CachedPrefix(native, tokens: Int(tokens))
        } catch {
            // Who cancelled hears of that, not of the request's end.
            try Task.checkCancellation()
            throw error
        }
    }
}
