// The prefix cache: who takes part in it, and what it holds. Plain values.

/// Whether a request takes part in the prefix cache.
public enum CacheMode: String, Sendable, Hashable {
    /// It uses what is cached, and leaves its own prompt and answer for others.
    case use
    /// Its prompt is computed anew, and it leaves nothing behind.
    case bypass
}

/// Where cached tokens came from, fastest first.
public enum CacheTier: String, Sendable, Hashable {
    /// The memory that the model computes in: nothing was copied.
    case resident
    /// Snapshots in the host's memory.
    case host
    /// Snapshots in files.
    case disk
}

/// What an engine's prefix cache holds and has done, tier by tier.
public struct CacheStats: Sendable, Hashable {
    /// In the memory that the model computes in.
    public let resident: CacheTierStats
    /// Snapshots in the host's memory.
    public let host: CacheTierStats
    /// Snapshots in files.
    public let disk: CacheTierStats
    /// Tokens of prefixes that `Engine.cachePrefix` keeps.
    public let pinnedTokens: Int
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
