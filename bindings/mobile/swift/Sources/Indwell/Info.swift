// What is loaded, how it is doing, and what it could run on. Plain values, and the two calls that need no engine.

internal import IndwellNative

/// A loaded model.
public struct ModelInfo: Sendable, Hashable {
    /// Its own name, or else its file's.
    public let name: String
    /// Where its file is.
    public let path: String
    /// Its architecture, size and quantization.
    public let description: String
    /// How many weights it has.
    public let parameters: Int
    /// The size of its weights.
    public let sizeBytes: Int
    /// How many tokens it knows.
    public let vocabularySize: Int
    /// The longest context it was trained for.
    public let trainedContextTokens: Int
    /// The longest one request can have here, prompt and answer together.
    public let contextTokens: Int
    /// Whether `Engine.chat` can be used.
    public let hasChatTemplate: Bool
}

/// What an engine takes of memory, in bytes, all devices together. Weights that are mapped from their file count in full,
/// though the system can drop them from memory and read them again.
public struct EngineMemory: Sendable, Hashable {
    /// What it may take: ``EngineOptions/memoryBytes``. `nil` where nothing was said.
    public let budgetBytes: Int?
    /// The most that it can come to, both caches full: never more than the budget.
    public let limitBytes: Int
    /// The model's weights.
    public let weightsBytes: Int
    /// Cells of the KV cache, used or not, and recurrent states.
    public let kvBytes: Int
    /// What computing a step takes, logits included.
    public let scratchBytes: Int
    /// Snapshots of cached prefixes in the host's memory.
    public let hostCacheBytes: Int
    /// Stored answers and their questions.
    public let responseCacheBytes: Int
    /// What the engine takes now, all together.
    public let totalBytes: Int
}

/// An engine's counters, since it was loaded, and what it is doing now.
public struct EngineStats: Sendable, Hashable {
    /// Batches computed.
    public let steps: Int
    /// Tokens of prompts computed; those that were cached are not among them.
    public let promptTokens: Int
    /// Tokens of answers made.
    public let completionTokens: Int
    /// Requests with a place in the batch now.
    public let requestsRunning: Int
    /// Requests that wait for one now, those that gave way to others included.
    public let requestsWaiting: Int
    /// Requests that came to their end.
    public let requestsFinished: Int
    /// Requests that their callers cancelled.
    public let requestsCancelled: Int
    /// Requests that failed, deadlines included.
    public let requestsFailed: Int
    /// Tokens of context in use now, cached prefixes included.
    public let cellsUsed: Int
    /// Tokens of context there are.
    public let cellsTotal: Int
    /// How often a request gave its context up to others, as answers outgrew what there is or its reader was behind. It
    /// goes on later, with the same answer.
    public let preemptions: Int
    /// Tokens that were computed once more because of it.
    public let recomputedTokens: Int
    /// Tokens that were drafted and verified in a batch.
    public let draftedTokens: Int
    /// Those of them that were right: tokens of answers without a step of their own.
    public let acceptedTokens: Int
    /// Tokens of prompts that were looked for in the prefix cache.
    public let prefixCacheQueries: Int
    /// Those of them that were cached, and not computed anew.
    public let prefixCacheHits: Int
    /// The share that was found, 0 to 1; 0 as long as none were looked for.
    public let prefixCacheHitRate: Double
    /// Requests that a stored answer could have served.
    public let responseCacheQueries: Int
    /// Those of them that were not computed: a stored answer, or a computation in flight that they shared, served them.
    public let responseCacheHits: Int
    /// Their share, 0 to 1; 0 as long as there were none.
    public let responseCacheHitRate: Double
    /// Times that the process which computes was started again, with `Isolation.process`.
    public let restarts: Int
}

/// How far a load is.
public struct LoadProgress: Sendable, Hashable {
    /// What a load is doing.
    public enum Stage: String, Sendable, Hashable {
        /// Fetching the model's file.
        case fetch
        /// Checking that it is the right one.
        case verify
        /// Loading it.
        case load
    }

    /// What is being done.
    public let stage: Stage
    /// How much of it is: bytes for `fetch` and `verify`, thousandths for `load`.
    public let done: Int
    /// How much there is, in the same unit, where known.
    public let total: Int?
}

/// Something that a model can run on.
public struct Device: Sendable, Hashable {
    /// Its short name.
    public let name: String
    /// What it is.
    public let description: String
    /// `cpu`, `gpu`, `igpu` or `accelerator`.
    public let kind: String
    /// Memory that is free.
    public let memoryFreeBytes: Int
    /// Memory that it has.
    public let memoryTotalBytes: Int
}

/// What models can run on here. Blocks while llama.cpp's backends are loaded, the first time.
///
/// - Throws: ``IndwellError``: `unsupported` where they cannot be found.
public func devices() throws -> [Device] {
    try callNative { try nativeDevices() }.map(Device.init)
}

/// Indwell's version.
public var version: String { nativeVersion() }
