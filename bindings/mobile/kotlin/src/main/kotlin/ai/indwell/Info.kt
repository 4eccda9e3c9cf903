// What is loaded, how it is doing, and what it could run on. Plain values, and the two calls that need no engine.

package ai.indwell

import ai.indwell.ffi.nativeDevices
import ai.indwell.ffi.nativeVersion
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext

/**
 * A loaded model.
 *
 * @property name its own name
 * @property path where its file is
 * @property description its architecture, size and quantization, as llama.cpp says them
 * @property parameters how many it has
 * @property sizeBytes of its weights
 * @property vocabularySize how many tokens it knows
 * @property trainedContextTokens the longest context it was trained for
 * @property contextTokens the longest one request can have here, prompt and answer together
 * @property hasChatTemplate whether [Engine.chat] can be used
 */
public data class ModelInfo(
    val name: String,
    val path: String,
    val description: String,
    val parameters: Long,
    val sizeBytes: Long,
    val vocabularySize: Int,
    val trainedContextTokens: Int,
    val contextTokens: Int,
    val hasChatTemplate: Boolean,
)

/**
 * What an engine takes of memory, in bytes, all devices together. Weights that are mapped from their file count in full,
 * though the system can drop them from memory and read them again.
 *
 * @property budgetBytes what it may take: [EngineOptions.memoryBytes]. `null` where nothing was said
 * @property limitBytes the most that it can come to, both caches full: never more than the budget
 * @property weightsBytes the model's weights
 * @property kvBytes cells of the KV cache, used or not, and recurrent states
 * @property scratchBytes what computing a step takes, logits included
 * @property hostCacheBytes snapshots of cached prefixes in the host's memory
 * @property responseCacheBytes stored answers and their questions
 * @property totalBytes what the engine takes now, all together
 */
public data class EngineMemory(
    val budgetBytes: Long?,
    val limitBytes: Long,
    val weightsBytes: Long,
    val kvBytes: Long,
    val scratchBytes: Long,
    val hostCacheBytes: Long,
    val responseCacheBytes: Long,
    val totalBytes: Long,
)

/**
 * An engine's counters, since it was loaded, and what it is doing now.
 *
 * @property steps batches computed
 * @property promptTokens tokens of prompts computed; those that were cached are not among them
 * @property completionTokens tokens of answers made
 * @property requestsRunning requests with a place in the batch now
 * @property requestsWaiting requests that wait for one now, those that gave way to others included
 * @property requestsFinished requests that came to their end
 * @property requestsCancelled requests that their callers cancelled
 * @property requestsFailed requests that failed after they had been accepted
 * @property cellsUsed tokens of context in use now, cached prefixes included
 * @property cellsTotal tokens of context there are
 * @property preemptions how often a request gave its context up to others, as answers outgrew what there is or its reader
 * was behind; it goes on later, with the same answer
 * @property recomputedTokens tokens that were computed once more because of it
 * @property draftedTokens tokens that were drafted and verified in a batch
 * @property acceptedTokens those of them that were right: tokens of answers without a step of their own
 * @property prefixCacheQueries tokens of prompts that were looked for in the prefix cache
 * @property prefixCacheHits those of them that were cached, and not computed anew
 * @property prefixCacheHitRate the share that was found, 0 to 1; 0 as long as none were looked for
 * @property responseCacheQueries requests that a stored answer could have served
 * @property responseCacheHits those of them that were not computed: a stored answer, or a computation in flight that they
 * shared, served them
 * @property responseCacheHitRate their share, 0 to 1; 0 as long as there were none
 * @property restarts times that the process which computes was started again, with [Isolation.PROCESS]
 */
public data class EngineStats(
    val steps: Long,
    val promptTokens: Long,
    val completionTokens: Long,
    val requestsRunning: Int,
    val requestsWaiting: Int,
    val requestsFinished: Long,
    val requestsCancelled: Long,
    val requestsFailed: Long,
    val cellsUsed: Int,
    val cellsTotal: Int,
    val preemptions: Long,
    val recomputedTokens: Long,
    val draftedTokens: Long,
    val acceptedTokens: Long,
    val prefixCacheQueries: Long,
    val prefixCacheHits: Long,
    val prefixCacheHitRate: Double,
    val responseCacheQueries: Long,
    val responseCacheHits: Long,
    val responseCacheHitRate: Double,
    val restarts: Long,
)

/**
 * How far a load is.
 *
 * @property stage what is being done
 * @property done how much of it is: bytes for [Stage.FETCH] and [Stage.VERIFY], thousandths for [Stage.LOAD]
 * @property total how much there is, in the same unit, where known
 */
public data class Progress(val stage: Stage, val done: Long, val total: Long?)

/** What a load is doing. */
public enum class Stage {
    /** Fetching the model's file. */
    FETCH,

    /** Checking that it is the right one. */
    VERIFY,

    /** Loading it. */
    LOAD,
}

/**
 * Something that a model can run on.
 *
 * @property name its short name
 * @property description what it is
 * @property kind `cpu`, `gpu`, `igpu` or `accelerator`
 * @property memoryFreeBytes memory that is free
 * @property memoryTotalBytes memory that it has
 */
public data class Device(
    val name: String,
    val description: String,
    val kind: String,
    val memoryFreeBytes: Long,
    val memoryTotalBytes: Long,
)

/**
 * What models can run on here.
 *
 * @throws IndwellException.Unsupported where llama.cpp's backends cannot be found
 */
public suspend fun devices(): List<Device> =
    withContext(Dispatchers.IO) { callNative { nativeDevices() }.map { it.toDevice() } }

/** Indwell's version. */
public val VERSION: String get() = callNative { nativeVersion() }
