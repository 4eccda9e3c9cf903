// Semantic mode: the caller's two functions, and how the native library calls them. What they throw ends with them.

package ai.indwell

import ai.indwell.ffi.NativeFunctionException
import ai.indwell.ffi.NativeSemantic
import ai.indwell.ffi.NativeSemanticFunctions
import ai.indwell.ffi.NativeSemanticMatch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlin.time.DurationUnit

/**
 * How a request may be served the answer to an earlier question that means the same.
 *
 * The prompt is embedded, and the nearest earlier prompt is looked up among those that were asked with a `Semantic` too,
 * of the same model, options and salt. If it is near enough and the verifier agrees, its answer is served, marked
 * [CacheTier.SEMANTIC]. Otherwise the request is computed, and its answer remembered with its vector.
 *
 * ```kotlin
 * val semantic = Semantic(distanceMax = 0.1, embed = { embedder.embed(it) }, verify = { judge(it.asked, it.found) })
 * val reply = engine.chat("What is a llama?", RequestOptions(semantic = semantic)).reply()
 * ```
 *
 * No distance tells "is it allowed" from "is it not allowed", or one number or name from another: the verifier must read
 * both questions. Do not use this where a wrong answer costs something, nor across tenants without a
 * [RequestOptions.cacheSalt].
 *
 * A function that throws, takes too long, or gives a vector that is none, is logged as a warning, and the request is
 * computed. Use one embedding for all requests of an engine and salt: distances between vectors of two models mean nothing.
 *
 * Both functions are called on threads of Indwell's own, several at once if there are several requests, each in a
 * coroutine that is cancelled when its time is over. One that blocks and never returns keeps its thread, though not the
 * JVM alive; while eight do, nothing is asked any more, in the whole process, and requests are computed.
 *
 * A value out of its range fails the request with [IndwellException.InvalidRequest].
 *
 * @property distanceMax the cosine distance up to which the verifier is asked, from 0 (the same direction) to 2
 * @param embed turns a prompt into a vector: of one length always, finite, and not all zero. Of a chat the prompt is its
 * messages, one a line, as `role: content`
 * @param verify says whether the earlier question's answer answers this one, too
 * @property timeout how long each of the two may take, waiting for a thread included; more than zero, and finite
 */
public class Semantic(
    public val distanceMax: Double,
    private val embed: suspend (prompt: String) -> FloatArray,
    private val verify: suspend (match: SemanticMatch) -> Boolean,
    public val timeout: Duration = 1.seconds,
) {
    internal fun toNative(): NativeSemantic =
        NativeSemantic(distanceMax, timeout.toDouble(DurationUnit.MILLISECONDS), Functions(embed, verify, timeout))

    override fun toString(): String = "Semantic(distanceMax=$distanceMax, timeout=$timeout)"
}

/**
 * An earlier question that is near enough, for a verifier to judge.
 *
 * @property asked the question that was asked now: of a completion the prompt, of a chat the messages, one a line, as
 * `role: content`
 * @property found the earlier question, in the same form
 * @property answer its answer, which is served if the verifier agrees
 * @property distance the cosine distance between them: 0 in the same direction, 2 in opposite ones
 */
public data class SemanticMatch(val asked: String, val found: String, val answer: String, val distance: Float)

/** Called on a thread of the native library's, which waits for what the functions give. */
private class Functions(
    private val embed: suspend (String) -> FloatArray,
    private val verify: suspend (SemanticMatch) -> Boolean,
    private val timeout: Duration,
) : NativeSemanticFunctions {
    override fun embed(prompt: String): List<Float> = guarded { embed.invoke(prompt) }.asList()

    override fun verify(candidate: NativeSemanticMatch): Boolean = guarded { verify.invoke(candidate.toSemanticMatch()) }

    /** The native library has stopped waiting by the [timeout]; then so does its thread, if the function lets it. */
    private fun <T> guarded(call: suspend () -> T): T =
        try {
            runBlocking { withTimeout(timeout) { call() } }
        } catch (failure: Throwable) {
            // Half of a surrogate pair in a message becomes a replacement character: it has no form in UTF-8.
            throw NativeFunctionException.Failed(failure.toString().encodeToByteArray().decodeToString())
        }
}

private fun NativeSemanticMatch.toSemanticMatch(): SemanticMatch = SemanticMatch(asked, found, answer, distance)
