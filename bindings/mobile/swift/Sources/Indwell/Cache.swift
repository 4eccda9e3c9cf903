// The caches: who takes part in them, and what they hold. Plain values.

/// How a request uses the caches.
public enum CacheMode: String, Sendable, Hashable {
    /// It uses what is cached, and leaves its own prompt and answer for others.
    case use
    /// All is computed anew, and it leaves nothing behind.
    case bypass
    /// The answer is computed anew and replaces the one that is stored; prefixes are used as ever.
    case refresh
    /// The stored answer, or the error `notCached` at once: nothing is computed.
    case onlyIfCached = "only_if_cached"
}

/// Where cached tokens came from, fastest first.
public enum CacheTier: String, Sendable, Hashable {
    /// The answer to the same question, stored or being computed: nothing was computed.
    case response
    /// The answer to a question that means the same, as far as a ``Semantic`` can tell.
    case semantic
    /// The memory that the model computes in: nothing was copied.
    case resident
    /// Snapshots in the host's memory.
    case host
    /// Snapshots in files.
    case disk
}

/// What an engine's caches hold and have done: the prefix cache tier by tier, and the response cache.
public struct CacheStats: Sendable, Hashable {
    /// In the memory that the model computes in.
    public let resident: CacheTierStats
    /// Snapshots in the host's memory.
    public let host: CacheTierStats
    /// Snapshots in files.
    public let disk: CacheTierStats
    /// Tokens of prefixes that `Engine.cachePrefix` keeps.
    public let pinnedTokens: Int
    /// Complete answers.
    public let response: ResponseCacheStats
}

/// One tier of the prefix cache. A tier that is off has a capacity of 0.
public struct CacheTierStats: Sendable, Hashable {
    /// Pieces of prefixes: runs of tokens that are kept and given up as one.
    public let entries: Int
    /// Tokens in them.
    public let tokens: Int
    /// Bytes they take.
    public let bytes: Int
    /// Bytes they may take.
    public let capacityBytes: Int
    /// Requests that found something here, and nothing in a slower tier. Only grows.
    public let hits: Int
    /// Tokens that these requests did not compute. Only grows.
    public let hitTokens: Int
    /// Entries given up for want of room. Only grows.
    public let evictions: Int
}

/// The response cache. One that is off has a capacity of 0.
public struct ResponseCacheStats: Sendable, Hashable {
    /// Answers that are kept.
    public let entries: Int
    /// Bytes they take, bookkeeping included.
    public let bytes: Int
    /// Bytes they may take.
    public let capacityBytes: Int
    /// Requests that a stored answer to the same question served. Only grows.
    public let hits: Int
    /// Requests that shared a computation in flight. Only grows.
    public let shared: Int
    /// Requests that the answer to a question that means the same served. Only grows.
    public let semanticHits: Int
    /// Requests that could have been served so, but were computed or refused. Only grows.
    public let misses: Int
    /// Answers given up for want of room. Only grows.
    public let evictions: Int
}
