// How an engine is loaded. Plain values: the engine judges them, not their constructors.

package ai.indwell

import kotlin.time.Duration

/**
 * How an engine is loaded. What is null has its default. A value out of its range fails [Engine.load] with
 * [IndwellException.InvalidRequest].
 *
 * @property contextTokens tokens that all running requests together have room for; 8192. One request is also bounded
 * by what the model was trained for
 * @property sequencesMax requests that run at once, 1 to 256, the others wait; 32
 * @property batchTokens tokens of one step, at least [sequencesMax]; 512
 * @property prefillChunkTokens tokens of prompts in one step while others are being answered, at most; 256. Lower keeps
 * their streams smoother, higher makes first tokens come sooner
 * @property itlTarget how long a prompt that is computed beside a stream may make the time between two of its tokens, a
 * millisecond to a minute, in whole milliseconds: of the prompt so much is computed in a step as that leaves time for;
 * two and a half times as long as the streams take alone, or as long as a batch of 64 tokens takes where that is longer
 * @property threads threads that compute; as many as the process may use of the machine
 * @property queueRequestsMax requests that may wait; 256. One more fails with [IndwellException.Overloaded]
 * @property queueTokensMax tokens of prompts that may wait, all requests together; 1048576
 * @property defaultMaxTokens [RequestOptions.maxTokens] of a request that has none; 512
 * @property gpuLayers layers of the model on the GPU; all of them where there is one
 * @property flashAttention whether to use flash attention; llama.cpp decides
 * @property isolation where llama.cpp computes; [Isolation.IN_PROCESS]
 * @property speculation whether answers are drafted from what they repeat; [Speculation.AUTO]
 * @property streamCapacity events that a stream's reader may be behind before its request pauses; 256
 * @property prefixCacheTokens tokens of cached prefixes that no request is using, at most, up to [contextTokens]; 2048,
 * or half of the context where that is less. 0 for no prefix cache
 * @property hostCacheBytes bytes of cached prefixes in the host's memory, at most; 1 GiB, or an eighth of the memory
 * where that is less. 0 for none
 * @property diskCacheDir the folder of cached prefixes on disk, which is made if it is not there; none
 * @property diskCacheBytes bytes of files in [diskCacheDir], at most; 10 GiB
 * @property responseCacheBytes bytes of complete answers that are kept for the same questions, at most; 64 MiB, or a
 * 64th of the memory where that is less. 0 for none: then the same requests in flight are each computed, too
 * @property responseCacheTtl how long an answer is kept, more than zero; while there is room
 * @property responseCacheDir the folder of answers that outlive the process, which is made if it is not there; none. One
 * engine at a time uses it: [Engine.load] of a second one fails with [IndwellException.Io]
 * @property memoryBytes bytes of memory that the engine may take, all together: weights, KV cells, scratch and both
 * caches, as [Engine.memory] shows them; no such bound. Options that are not given are cut to fit: first the caches, then
 * [contextTokens], down to 512. What does not fit even so is [IndwellException.OutOfMemory] before anything is allocated
 * @property chatTemplate the Jinja template of chats; the model's own
 * @property toolParser how the model writes tool calls, by the parser's name; found from the template
 * @property reasoningParser how the model marks what it thinks, by the parser's name; found from the template
 */
public data class EngineOptions(
    val contextTokens: Int? = null,
    val sequencesMax: Int? = null,
    val batchTokens: Int? = null,
    val prefillChunkTokens: Int? = null,
    val itlTarget: Duration? = null,
    val threads: Int? = null,
    val queueRequestsMax: Int? = null,
    val queueTokensMax: Int? = null,
    val defaultMaxTokens: Int? = null,
    val gpuLayers: Int? = null,
    val flashAttention: Boolean? = null,
    val isolation: Isolation? = null,
    val speculation: Speculation? = null,
    val streamCapacity: Int? = null,
    val prefixCacheTokens: Int? = null,
    val hostCacheBytes: Long? = null,
    val diskCacheDir: String? = null,
    val diskCacheBytes: Long? = null,
    val responseCacheBytes: Long? = null,
    val responseCacheTtl: Duration? = null,
    val responseCacheDir: String? = null,
    val memoryBytes: Long? = null,
    val chatTemplate: String? = null,
    val toolParser: String? = null,
    val reasoningParser: String? = null,
)

/** Where an engine computes. */
public enum class Isolation {
    /** In this process: what ends llama.cpp ends the application. */
    IN_PROCESS,

    /**
     * In a process of its own. What it was answering when it ends fails with [IndwellException.EnginePoisoned], and the
     * engine goes on with a new one.
     */
    PROCESS,
}

/** Whether what an answer seems to go on with is drafted, and several tokens verified in one step. */
public enum class Speculation {
    /** From what it repeats of its prompt or itself, where that is worth it. The answers are the same. */
    AUTO,

    /** Never. */
    OFF,
}
