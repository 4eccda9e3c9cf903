// The engine: load, submit, dispatch, keep, stats, close. Owns the native engine; knows nothing of how an answer is read.

import Foundation
internal import IndwellNative

/// A model, loaded and ready to answer. Any number of tasks call one engine; it batches them.
///
/// ```swift
/// let engine = try await Engine.load("smollm2-135m")
/// for try await event in engine.chat("Hello") { print(event.text, terminator: "") }
/// let reply = try await engine.chat("Hello", options: RequestOptions(maxTokens: 64)).reply()
/// ```
///
/// An engine that is no longer referenced is closed. Engines that are open when the process exits are closed then.
public final class Engine: Sendable {
    private let native: NativeEngine

    /// What is loaded. Still known after ``close()``.
    public let model: ModelInfo

    private init(_ native: NativeEngine) {
        self.native = native
        self.model = ModelInfo(native.model())
    }

    /// Loads `model`: an alias such as `smollm2-135m`, which is fetched the first time, or the path of a GGUF file.
    ///
    /// A task that is cancelled meanwhile gets a `CancellationError` when the load has ended, and the engine is closed.
    ///
    /// - Parameter onProgress: hears how far it is, on a thread of its own.
    /// - Throws: ``IndwellError``: `modelLoad` for a file that is missing, unreadable or not a model, or an unknown
    ///   alias; `invalidRequest` for an option out of its range; `outOfMemory`; `io` where the alias's file could not
    ///   be fetched or written, or another engine uses ``EngineOptions/responseCacheDir``.
    public static func load(
        _ model: String,
        options: EngineOptions = EngineOptions(),
        onProgress: (@Sendable (LoadProgress) -> Void)? = nil
    ) async throws -> Engine {
        _ = ProcessExit.closesEngines
        let listener = onProgress.map(ProgressListener.init)
        let native = try await awaitNative {
            try await NativeEngine.load(model: model, options: options.native, listener: listener)
        }
        try Task.checkCancellation()
        return Engine(native)
    }

    /// Asks for the answer to one message of a user. As ``chat(_:options:)-([Message],_)``.
    public func chat(_ message: String, options: RequestOptions = RequestOptions()) -> TokenStream {
        chat([.user(message)], options: options)
    }

    /// Asks for the answer to a conversation, through the model's own chat template.
    ///
    /// The request starts when the stream is first read, each time it is iterated. Then it can fail with
    /// ``IndwellError``: `invalidRequest` for no messages or an option out of its range, `contextOverflow` for a
    /// conversation longer than the context, `unsupported` for a model without a chat template, `overloaded` for a
    /// full queue, and `engineClosed`.
    public func chat(_ messages: [Message], options: RequestOptions = RequestOptions()) -> TokenStream {
        TokenStream { [native] in
            try native.chat(messages: messages.map(\.native), options: options.native)
        }
    }

    /// Asks for the continuation of `prompt`, without a chat template.
    ///
    /// With `parseSpecial`, text such as `<|im_start|>` in the prompt becomes the token it names; never do that with
    /// text from strangers. Starts and fails as ``chat(_:options:)-([Message],_)``.
    public func complete(
        _ prompt: String,
        options: RequestOptions = RequestOptions(),
        parseSpecial: Bool = false
    ) -> TokenStream {
        TokenStream { [native] in
            try native.complete(prompt: prompt, parseSpecial: parseSpecial, options: options.native)
        }
    }

    /// Answers a request in the shape of OpenAI's HTTP API, without HTTP: chat completions, completions and models, with
    /// or without `/v1` before their paths.
    ///
    /// ```swift
    /// let body = #"{"messages": [{"role": "user", "content": "Hello"}], "stream": true}"#
    /// for try await event in engine.dispatch("POST", "/v1/chat/completions", body: Data(body.utf8)) {
    ///     if case .chunk(let text) = event { print(text, terminator: "") }
    /// }
    /// ```
    ///
    /// What goes wrong with the request is a response in OpenAI's shape, with its status, not an error that is thrown.
    ///
    /// - Parameters:
    ///   - method: such as `GET` and `POST`.
    ///   - path: such as `/v1/models`.
    ///   - body: the request's JSON.
    public func dispatch(_ method: String, _ path: String, body: Data = Data()) -> HttpExchange {
        HttpExchange { [native] in
            native.dispatch(method: method, path: path, body: body)
        }
    }

    /// Computes the beginning of chats that is one message of a user, and keeps it. As
    /// ``cachePrefix(_:cacheSalt:timeout:)-([Message],_,_)``.
    public func cachePrefix(
        _ message: String,
        cacheSalt: String? = nil,
        timeout: Duration? = nil
    ) async throws -> CachedPrefix {
        try await cachePrefix([.user(message)], cacheSalt: cacheSalt, timeout: timeout)
    }

    /// Computes the beginning of chats, and keeps it at hand until the handle is unpinned: for instructions that many
    /// chats begin with. A task that is cancelled meanwhile gives it up at once, and gets a `CancellationError`.
    ///
    /// ```swift
    /// let instructions = Message.system("You answer in one sentence.")
    /// let prefix = try await engine.cachePrefix([instructions])
    /// let reply = try await engine.chat([instructions, .user("What is a llama?")]).reply()
    /// print("\(reply.usage.cachedTokens) of \(reply.usage.promptTokens) tokens were cached")
    /// prefix.unpin()
    /// ```
    ///
    /// - Parameters:
    ///   - cacheSalt: keeps it for requests with the same ``RequestOptions/cacheSalt`` alone.
    ///   - timeout: how long it may take, waiting included.
    /// - Throws: ``IndwellError``: `unsupported` where there is no prefix cache or no chat template, and otherwise as a
    ///   request does.
    public func cachePrefix(
        _ messages: [Message],
        cacheSalt: String? = nil,
        timeout: Duration? = nil
    ) async throws -> CachedPrefix {
        try await CachedPrefix.submitted { [native] in
            try native.cachePrefix(
                messages: messages.map(\.native),
                cacheSalt: cacheSalt,
                timeoutMs: timeout.map(\.milliseconds)
            )
        }
    }

    /// What the caches hold and have done, at this moment; after ``close()``, at its end.
    public func caches() throws -> CacheStats {
        CacheStats(try callNative { try native.caches() })
    }

    /// What the engine takes of memory, part by part, and what it may take; after ``close()``, nothing.
    public func memory() throws -> EngineMemory {
        EngineMemory(try callNative { try native.memory() })
    }

    /// Gives back at least `bytes` of the memory that cached prefixes take, coldest first, if there are as many. For an
    /// application that is told to use less memory.
    ///
    /// - Returns: the bytes that it gave back.
    /// - Throws: ``IndwellError``: `invalidRequest` for fewer than 0 bytes, `engineClosed`.
    @discardableResult
    public func trim(_ bytes: Int) async throws -> Int {
        Int(clamping: try await awaitNative { try await native.trim(bytes: Int64(bytes)) })
    }

    /// Forgets every stored answer, in memory and on disk. Those that are being computed at this moment are not stored
    /// either.
    ///
    /// - Parameter cacheSalt: forgets only the answers to requests with this ``RequestOptions/cacheSalt``; nil for all,
    ///   with a salt or without.
    /// - Returns: how many answers it forgot.
    /// - Throws: ``IndwellError``: `invalidRequest` for what is no salt, `engineClosed`.
    @discardableResult
    public func invalidateResponses(cacheSalt: String? = nil) async throws -> Int {
        Int(clamping: try await awaitNative { try await native.invalidateResponses(cacheSalt: cacheSalt) })
    }

    /// The engine's counters, at this moment; after ``close()``, its last ones.
    public func stats() throws -> EngineStats {
        EngineStats(try callNative { try native.stats() })
    }

    /// The engine's counters as Prometheus reads them, in OpenMetrics' text format.
    public func metricsText() throws -> String {
        try callNative { try native.metricsText() }
    }

    /// Whether it serves no more: closed, or failed inside.
    public var isClosed: Bool { native.isClosed() }

    /// Closes the engine once everybody has been served: from now on requests are refused with `engineClosed`, and those
    /// that were accepted come to their ends. For an application that is told to end; ``close()`` ends it at once,
    /// meanwhile too. A task that is cancelled meanwhile ends its own wait, and not the drain.
    ///
    /// - Parameter timeout: how long they may take; then those that are left end with `engineClosed`. Nil for no limit,
    ///   and a stream that is no longer read is waited for.
    /// - Returns: whether every request came to its own end.
    /// - Throws: ``IndwellError``: `invalidRequest` for a timeout that is none; nothing has happened then.
    @discardableResult
    public func drain(timeout: Duration? = nil) async throws -> Bool {
        try await awaitNative { try await native.drain(timeoutMs: timeout.map(\.milliseconds)) }
    }

    /// Ends every request with `engineClosed` and frees the model. A second call does nothing.
    ///
    /// Blocks its thread until the step in progress has ended.
    public func close() throws {
        try callNative { try native.shutDown() }
    }
}

/// Hands the native side's progress to a closure.
private final class ProgressListener: NativeProgressListener {
    private let onProgress: @Sendable (LoadProgress) -> Void

    init(_ onProgress: @escaping @Sendable (LoadProgress) -> Void) {
        self.onProgress = onProgress
    }

    func onProgress(progress: NativeProgress) {
        onProgress(LoadProgress(progress))
    }
}

/// Closes every engine when the process exits: what follows unloads llama.cpp, and no engine may be in a step then.
private enum ProcessExit {
    static let closesEngines: Void = {
        atexit { nativeCloseAll() }
    }()
}
