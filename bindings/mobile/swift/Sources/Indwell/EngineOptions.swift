// How an engine is loaded. Plain values: the engine judges them, not their initializers.

/// How an engine is loaded. What is nil has its default. A value out of its range fails `Engine.load` with
/// `invalidRequest`.
public struct EngineOptions: Sendable, Hashable {
    /// Tokens that all running requests together have room for; 8192. One request is also bounded by what the model
    /// was trained for.
    public var contextTokens: Int?
    /// Requests that run at once, 1 to 256, the others wait; 32.
    public var sequencesMax: Int?
    /// Tokens of one step, at least ``sequencesMax``; 512.
    public var batchTokens: Int?
    /// Tokens of prompts in one step while others are being answered, at most; 256.
    public var prefillChunkTokens: Int?
    /// How long a prompt that is computed beside a stream may make the time between two of its tokens, a millisecond
    /// to a minute, in whole milliseconds: of the prompt so much is computed in a step as that leaves time for. Two and
    /// a half times as long as the streams take alone, or as long as a batch of 64 tokens takes where that is longer.
    public var itlTarget: Duration?
    /// Threads that compute; as many as the process may use of the machine.
    public var threads: Int?
    /// Requests that may wait; 256. One more fails with `overloaded`.
    public var queueRequestsMax: Int?
    /// Tokens of prompts that may wait, all requests together; 1048576.
    public var queueTokensMax: Int?
    /// ``RequestOptions/maxTokens`` of a request that has none; 512.
    public var defaultMaxTokens: Int?
    /// Layers of the model on the GPU; all of them where there is one.
    public var gpuLayers: Int?
    /// Whether to use flash attention; llama.cpp decides.
    public var flashAttention: Bool?
    /// Where llama.cpp computes; ``Isolation/inProcess``.
    public var isolation: Isolation?
    /// Whether answers are drafted from what they repeat; ``Speculation/auto``.
    public var speculation: Speculation?
    /// Events that a stream's reader may be behind before its request pauses; 256.
    public var streamCapacity: Int?
    /// Tokens of cached prefixes that no request is using, at most, up to ``contextTokens``; 2048, or half of the
    /// context where that is less. 0 for no prefix cache.
    public var prefixCacheTokens: Int?
    /// Bytes of cached prefixes in the host's memory, at most; 1 GiB, or an eighth of the memory where that is less.
    /// 0 for none.
    public var hostCacheBytes: Int?
    /// The folder of cached prefixes on disk, which is made if it is not there; none.
    public var diskCacheDir: String?
    /// Bytes of files in ``diskCacheDir``, at most; 10 GiB.
    public var diskCacheBytes: Int?
    /// Bytes of complete answers that are kept for the same questions, at most; 64 MiB, or a 64th of the memory where
    /// that is less. 0 for none: then the same requests in flight are each computed, too.
    public var responseCacheBytes: Int?
    /// How long an answer is kept, more than zero; while there is room.
    public var responseCacheTtl: Duration?
    /// The folder of answers that outlive the process, which is made if it is not there; none. One engine at a time uses
    /// it: loading a second one fails with `io`.
    public var responseCacheDir: String?
    /// Bytes of memory that the engine may take, all together: weights, KV cells, scratch and both caches, as
    /// ``Engine/memory()`` shows them; no such bound. Options that are not given are cut to fit: first the caches, then
    /// ``contextTokens``, down to 512. What does not fit even so is `outOfMemory` before anything is allocated.
    public var memoryBytes: Int?
    /// The Jinja template of chats; the model's own.
    public var chatTemplate: String?
    /// How the model writes tool calls, by the parser's name; found from the template.
    public var toolParser: String?
    /// How the model marks what it thinks, by the parser's name; found from the template.
    public var reasoningParser: String?

    public init(
        contextTokens: Int? = nil,
        sequencesMax: Int? = nil,
        batchTokens: Int? = nil,
        prefillChunkTokens: Int? = nil,
        itlTarget: Duration? = nil,
        threads: Int? = nil,
        queueRequestsMax: Int? = nil,
        queueTokensMax: Int? = nil,
        defaultMaxTokens: Int? = nil,
        gpuLayers: Int? = nil,
        flashAttention: Bool? = nil,
        isolation: Isolation? = nil,
        speculation: Speculation? = nil,
        streamCapacity: Int? = nil,
        prefixCacheTokens: Int? = nil,
        hostCacheBytes: Int? = nil,
        diskCacheDir: String? = nil,
        diskCacheBytes: Int? = nil,
        responseCacheBytes: Int? = nil,
        responseCacheTtl: Duration? = nil,
        responseCacheDir: String? = nil,
        memoryBytes: Int? = nil,
        chatTemplate: String? = nil,
        toolParser: String? = nil,
        reasoningParser: String? = nil
    ) {
        self.contextTokens = contextTokens
        self.sequencesMax = sequencesMax
        self.batchTokens = batchTokens
        self.prefillChunkTokens = prefillChunkTokens
        self.itlTarget = itlTarget
        self.threads = threads
        self.queueRequestsMax = queueRequestsMax
        self.queueTokensMax = queueTokensMax
        self.defaultMaxTokens = defaultMaxTokens
        self.gpuLayers = gpuLayers
        self.flashAttention = flashAttention
        self.isolation = isolation
        self.speculation = speculation
        self.streamCapacity = streamCapacity
        self.prefixCacheTokens = prefixCacheTokens
        self.hostCacheBytes = hostCacheBytes
        self.diskCacheDir = diskCacheDir
        self.diskCacheBytes = diskCacheBytes
        self.responseCacheBytes = responseCacheBytes
        self.responseCacheTtl = responseCacheTtl
        self.responseCacheDir = responseCacheDir
        self.memoryBytes = memoryBytes
        self.chatTemplate = chatTemplate
        self.toolParser = toolParser
        self.reasoningParser = reasoningParser
    }
}

/// Where an engine computes.
public enum Isolation: String, Sendable, Hashable {
    /// In this process: what ends llama.cpp ends the application.
    case inProcess = "in_process"
    /// In a process of its own. What it was answering when it ends fails with `enginePoisoned`, and the engine goes on
    /// with a new one. Not on iOS, where an application starts no processes.
    case process
}

/// Whether what an answer seems to go on with is drafted, and several tokens verified in one step.
public enum Speculation: String, Sendable, Hashable {
    /// From what it repeats of its prompt or itself, where that is worth it. The answers are the same.
    case auto
    /// Never.
    case off
}
