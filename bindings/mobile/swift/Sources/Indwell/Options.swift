// How an engine is loaded and a request is asked for. Plain values: the engine judges them, not their initializers.

/// Who says a ``Message``.
public enum Role: String, Sendable, Hashable {
    /// Whoever runs the application: instructions that hold for the whole conversation.
    case system
    /// Whoever asks.
    case user
    /// The model.
    case assistant
}

/// One turn of a conversation.
public struct Message: Sendable, Hashable {
    /// Who says it.
    public var role: Role
    /// What is said.
    public var content: String

    public init(role: Role, content: String) {
        self.role = role
        self.content = content
    }

    /// What the user says.
    public static func user(_ content: String) -> Message { Message(role: .user, content: content) }

    /// What the application says to the model.
    public static func system(_ content: String) -> Message { Message(role: .system, content: content) }

    /// What the model said.
    public static func assistant(_ content: String) -> Message { Message(role: .assistant, content: content) }
}

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
    /// Tokens of prompts in one step while others are being answered; 256.
    public var prefillChunkTokens: Int?
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

    public init(
        contextTokens: Int? = nil,
        sequencesMax: Int? = nil,
        batchTokens: Int? = nil,
        prefillChunkTokens: Int? = nil,
        threads: Int? = nil,
        queueRequestsMax: Int? = nil,
        queueTokensMax: Int? = nil,
        defaultMaxTokens: Int? = nil,
        gpuLayers: Int? = nil,
        flashAttention: Bool? = nil,
        streamCapacity: Int? = nil,
        prefixCacheTokens: Int? = nil,
        hostCacheBytes: Int? = nil,
        diskCacheDir: String? = nil,
        diskCacheBytes: Int? = nil,
        responseCacheBytes: Int? = nil,
        responseCacheTtl: Duration? = nil,
        responseCacheDir: String? = nil
    ) {
        self.contextTokens = contextTokens
        self.sequencesMax = sequencesMax
        self.batchTokens = batchTokens
        self.prefillChunkTokens = prefillChunkTokens
        self.threads = threads
        self.queueRequestsMax = queueRequestsMax
        self.queueTokensMax = queueTokensMax
        self.defaultMaxTokens = defaultMaxTokens
        self.gpuLayers = gpuLayers
        self.flashAttention = flashAttention
        self.streamCapacity = streamCapacity
        self.prefixCacheTokens = prefixCacheTokens
        self.hostCacheBytes = hostCacheBytes
        self.diskCacheDir = diskCacheDir
        self.diskCacheBytes = diskCacheBytes
        self.responseCacheBytes = responseCacheBytes
        self.responseCacheTtl = responseCacheTtl
        self.responseCacheDir = responseCacheDir
    }
}

/// How an answer is made. What is nil has its default. A value out of its range fails the request with
/// `invalidRequest`.
public struct RequestOptions: Sendable, Hashable {
    /// Tokens of the answer at most, at least 1; ``EngineOptions/defaultMaxTokens``.
    public var maxTokens: Int?
    /// How freely the model chooses, 0 or more; 0 takes the likeliest token every time.
    public var temperature: Double?
    /// Choose among the so many likeliest tokens; 0 for all.
    public var topK: Int?
    /// Choose among the likeliest tokens that together have this probability, above 0 and at most 1.
    public var topP: Double?
    /// Leave out tokens below this part of the likeliest one's probability, from 0 to 1.
    public var minP: Double?
    /// What the choice starts from, 0 to 4294967294: the same seed makes the same choices; a fresh one.
    public var seed: Int?
    /// The answer ends before the first of these, 64 at most, none of them empty.
    public var stop: [String]?
    /// The request fails with `deadlineExceeded` after this time, waiting included; more than zero.
    public var timeout: Duration?
    /// Whether log-probabilities are wanted.
    public var logprobs: Bool?
    /// How the request uses the caches; ``CacheMode/use``.
    public var cache: CacheMode?
    /// Shares cached prefixes and answers only with requests that have the same salt, 1 to 1024 bytes: for tenants that
    /// must not learn of each other's prompts; none.
    public var cacheSalt: String?
    /// How long this answer is kept for the same questions, more than zero; ``EngineOptions/responseCacheTtl``.
    public var cacheTtl: Duration?
    /// Lets the answer to an earlier question that means the same serve this one; the same question only.
    public var semantic: Semantic?

    public init(
        maxTokens: Int? = nil,
        temperature: Double? = nil,
        topK: Int? = nil,
        topP: Double? = nil,
        minP: Double? = nil,
        seed: Int? = nil,
        stop: [String]? = nil,
        timeout: Duration? = nil,
        logprobs: Bool? = nil,
        cache: CacheMode? = nil,
        cacheSalt: String? = nil,
        cacheTtl: Duration? = nil,
        semantic: Semantic? = nil
    ) {
        self.maxTokens = maxTokens
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.minP = minP
        self.seed = seed
        self.stop = stop
        self.timeout = timeout
        self.logprobs = logprobs
        self.cache = cache
        self.cacheSalt = cacheSalt
        self.cacheTtl = cacheTtl
        self.semantic = semantic
    }
}
