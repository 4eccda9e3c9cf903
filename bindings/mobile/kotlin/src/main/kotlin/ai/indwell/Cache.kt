// The caches: who takes part in them, and what they hold. Plain values.

package ai.indwell

/** How a request uses the caches. */
public enum class CacheMode {
    /** It uses what is cached, and leaves its own prompt and answer for others. */
    USE,

    /** All is computed anew, and it leaves nothing behind. */
    BYPASS,

    /** The answer is computed anew and replaces the one that is stored; prefixes are used as ever. */
    REFRESH,

    /** The stored answer, or [IndwellException.NotCached] at once: nothing is computed. */
    ONLY_IF_CACHED,
}

/** Where cached tokens came from, fastest first. */
public enum class CacheTier {
    /** The answer to the same question, stored or being computed: nothing was computed. */
    RESPONSE,

    /** The answer to a question that means the same, as far as a [Semantic] can tell. */
    SEMANTIC,

    /** The memory that the model computes in: nothing was copied. */
    RESIDENT,

    /** Snapshots in the host's memory. */
    HOST,

    /** Snapshots in files. */
    DISK,
}

/**
 * What an engine's caches hold and have done: the prefix cache tier by tier, and the response cache.
 *
 * @property resident in the memory that the model computes in
 * @property host snapshots in the host's memory
 * @property disk snapshots in files
 * @property pinnedTokens tokens of prefixes that [Engine.cachePrefix] keeps
 * @property response complete answers
 */
public data class CacheStats(
    val resident: CacheTierStats,
    val host: CacheTierStats,
    val disk: CacheTierStats,
    val pinnedTokens: Long,
    val response: ResponseCacheStats,
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

/**
 * The response cache. One that is off has a capacity of 0.
 *
 * @property entries answers that are kept
 * @property bytes bytes they take, bookkeeping included
 * @property capacityBytes bytes they may take
 * @property hits requests that a stored answer to the same question served; only grows
 * @property shared requests that shared a computation in flight; only grows
 * @property semanticHits requests that the answer to a question that means the same served; only grows
 * @property misses requests that could have been served so, but were computed or refused; only grows
 * @property evictions answers given up for want of room; only grows
 */
public data class ResponseCacheStats(
    val entries: Long,
    val bytes: Long,
    val capacityBytes: Long,
    val hits: Long,
    val shared: Long,
    val semanticHits: Long,
    val misses: Long,
    val evictions: Long,
)
