// What an answer says: events while it comes, a reply when it is whole. Plain values.

package ai.indwell

/** One thing that a [TokenStream] says. */
public sealed interface Event {
    /** What this event adds to the answer; empty for [Finished]. */
    public val text: String
}

/**
 * More of the answer.
 *
 * @property text the next characters, always whole ones; empty where an event brings log-probabilities only
 * @property logprobs one entry for each token since the last event; empty unless [RequestOptions.logprobs] asked
 */
public data class TextDelta(override val text: String, val logprobs: List<TokenLogprob> = emptyList()) : Event

/**
 * The answer is whole. The last event of a stream.
 *
 * @property reason why it ended
 * @property usage what it took
 * @property timings where the time went
 * @property decodeTokensPerSecond tokens after the first, by the time that they took; 0 where there are fewer than two
 */
public data class Finished(
    val reason: FinishReason,
    val usage: Usage,
    val timings: Timings,
    val decodeTokensPerSecond: Double,
) : Event {
    override val text: String get() = ""
}

/** Why an answer ended. */
public enum class FinishReason {
    /** The model ended it, or a stop string came. */
    STOP,

    /** [RequestOptions.maxTokens] or the end of the context was reached. */
    LENGTH,
}

/**
 * A token and how likely the model held it.
 *
 * @property token its id in the model's vocabulary
 * @property logprob the natural logarithm of its probability at temperature 1, before any filter
 */
public data class TokenLogprob(val token: Int, val logprob: Float)

/**
 * What a request took, in tokens.
 *
 * @property promptTokens of the prompt, with those of the chat template
 * @property completionTokens of the answer, without the one that ended it
 * @property cachedTokens of the prompt, those that were cached and not computed anew
 * @property cache where they came from, the slowest tier that took part; null if there are none
 * @property semanticDistance how far the question that was answered is from this one, where [cache] is
 * [CacheTier.SEMANTIC]: the cosine distance, 0 in the same direction, 2 in opposite ones
 */
public data class Usage(
    val promptTokens: Int,
    val completionTokens: Int,
    val cachedTokens: Int = 0,
    val cache: CacheTier? = null,
    val semanticDistance: Float? = null,
) {
    /** Of prompt and answer together. */
    val totalTokens: Int get() = promptTokens + completionTokens
}

/**
 * Where a request's time went, in milliseconds.
 *
 * @property queuedMs from the call until reading its prompt began
 * @property prefillMs from then to the first token of the answer
 * @property ttftMs from the call to the first token of the answer
 * @property decodeMs from the first token to the last
 * @property totalMs from the call to the end
 */
public data class Timings(
    val queuedMs: Double,
    val prefillMs: Double,
    val ttftMs: Double,
    val decodeMs: Double,
    val totalMs: Double,
)

/**
 * A whole answer.
 *
 * @property text the answer
 * @property finishReason why it ended
 * @property usage what it took
 * @property timings where the time went
 * @property decodeTokensPerSecond tokens after the first, by the time that they took; 0 where there are fewer than two
 * @property logprobs one entry for each token of the answer; empty unless [RequestOptions.logprobs] asked for them
 */
public data class Reply(
    val text: String,
    val finishReason: FinishReason,
    val usage: Usage,
    val timings: Timings,
    val decodeTokensPerSecond: Double,
    val logprobs: List<TokenLogprob>,
)
