// Everything that can go wrong: one error whose kind says what a caller can do about it.

import Foundation
internal import IndwellNative

/// A call that failed.
public struct IndwellError: Error, Sendable, Hashable, LocalizedError {
    /// What a caller can do about an error. The same in every language, raw values included.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// Correct the request; the details name the field.
        case invalidRequest = "invalid_request"
        /// Send less, or load with a larger context.
        case contextOverflow = "context_overflow"
        /// Try again later.
        case overloaded = "overloaded"
        /// Give it more time, or less to do.
        case deadlineExceeded = "deadline_exceeded"
        /// Nothing: it was asked for.
        case cancelled = "cancelled"
        /// Name another model or file.
        case modelLoad = "model_load"
        /// Use a smaller model or context.
        case outOfMemory = "out_of_memory"
        /// Ask again without ``CacheMode/onlyIfCached``.
        case notCached = "not_cached"
        /// Load another engine.
        case engineClosed = "engine_closed"
        /// Load another engine, and report it: this one failed inside. With `Isolation.process` it goes on: ask again.
        case enginePoisoned = "engine_poisoned"
        /// Do without it on this machine or with this model.
        case unsupported = "unsupported"
        /// Load an engine after the fork.
        case forked = "forked"
        /// See to the disk or the network.
        case io = "io"
        /// Report it.
        case `internal` = "internal"
    }

    /// What an error is about, in parts; what does not apply is nil.
    public struct Details: Sendable, Hashable {
        /// The option or argument, as it is spelled here.
        public let field: String?
        /// Its value.
        public let value: String?
        /// What the value may be.
        public let limit: String?
        /// What to do.
        public let remedy: String?
        /// After how many milliseconds to try again.
        public let retryAfterMs: Int?
    }

    /// What to do about it.
    public let kind: Kind
    /// One sentence for a person: the value, the limit and the remedy.
    public let message: String
    /// The same in parts.
    public let details: Details

    public var errorDescription: String? { message }
}

extension IndwellError {
    init(_ error: NativeError) {
        switch error {
        case .Failed(let kind, let text, let details):
            self.init(kind: Kind(kind), message: text, details: Details(details))
        }
    }

    static func `internal`(_ message: String) -> IndwellError {
        IndwellError(kind: .internal, message: message, details: .empty)
    }

    static var cancelled: IndwellError {
        IndwellError(kind: .cancelled, message: "the request was cancelled", details: .empty)
    }
}

extension IndwellError.Details {
    static var empty: IndwellError.Details {
        IndwellError.Details(field: nil, value: nil, limit: nil, remedy: nil, retryAfterMs: nil)
    }
}

/// Calls the native library; its errors become ``IndwellError``.
func callNative<T>(_ call: () throws -> T) throws -> T {
    do {
        return try call()
    } catch let error as NativeError {
        throw IndwellError(error)
    }
}

/// Calls the native library and waits; its errors become ``IndwellError``.
func awaitNative<T>(_ call: () async throws -> T) async throws -> T {
    do {
        return try await call()
    } catch let error as NativeError {
        throw IndwellError(error)
    }
}
