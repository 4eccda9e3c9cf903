// The prefix cache: who takes part in it, and what it holds. Plain values.

package ai.indwell

/** Whether a request takes part in the prefix cache. */
public enum class CacheMode {
    /** It uses what is cached, and leaves its own prompt and answer for others. */
    USE,

    /** Its prompt is computed anew, and it leaves nothing behind. */
    BYPASS,
}

/** Where cached tokens came from, fastest first. */
public enum class CacheTier {
    /** The memory that the model computes in: nothing was copied. */
    RESIDENT,

    /** Snapshots in the host's memory. */
    HOST,

    /** Snapshots in files. */
    DISK,
}

/**
 * What an engine's prefix cache holds and has done, tier by tier.
 *
 * @property resident in the memory that the model computes in
 * @property host snapshots in the host's memory
 * @property disk snapshots in files
 * @property pinnedTokens tokens of prefixes that [Engine.cachePrefix] keeps
 */
public data class CacheStats(
    val resident: CacheTierStats,
    val host: CacheTierStats,
    val disk: CacheTierStats,
    val pinnedTokens: Long,
)

/**
 * One tier of the prefix cache. A tier that is off has a capacity of 0.
 *
 * @property entries pieces of prefixes: runs of tokens that are kept and given up as one
 * @property tokens tokens in them
 * @property bytes bytes they take
 * @property capacityBytes bytes they may take
 * @property hits requests that found something here, and nothing in a slower tier; only grows
 * @property hitTokens tokens that these requests did not compute; only grows
 * @property evictions entries given up for want of room; only grows
 */
public data class CacheTierStats(
    val entries: Long,
    val tokens: Long,
    val bytes: Long,
    val capacityBytes: Long,
    val hits: Long,
    val hitTokens: Long,
    val evictions: Long,
)
