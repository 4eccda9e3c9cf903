// What an answer says: events while it comes, a reply when it is whole. Plain values.

package ai.indwell

/** One thing that a [TokenStream] says. */
public sealed interface Event {
    /** What this event adds to the answer; empty for all but [TextDelta]. */
    public val text: String get() = ""
}

/**
 * The prompt's tokens with their log-probabilities: once, before all else, where [RequestOptions.promptLogprobs] asked.
 *
 * @property tokens one entry for each token of the prompt
 */
public data class PromptLogprobs(val tokens: List<PromptLogprob>) : Event

/**
 * More of what the model thinks before it answers.
 *
 * @property reasoning the next characters, always whole ones
 * @property choice which of several answers; 0 where there is one
 */
public data class ReasoningDelta(val reasoning: String, val choice: Int = 0) : Event

/**
 * More of the answer.
 *
 * @property text the next characters, always whole ones; empty where an event brings log-probabilities only
 * @property logprobs one entry for each token since the last event, those of reasoning and of tool calls included; empty
 * unless [RequestOptions.logprobs] asked
 * @property choice which of several answers; 0 where there is one
 */
public data class TextDelta(
    override val text: String,
    val logprobs: List<TokenLogprob> = emptyList(),
    val choice: Int = 0,
) : Event

/**
 * More of a tool call.
 *
 * @property index which of the answer's calls, from 0
 * @property id the call's id; of its first event
 * @property name the tool's name; of its first event
 * @property arguments more of the arguments, which are JSON once the call is whole
 * @property choice which of several answers; 0 where there is one
 */
public data class ToolCallDelta(
    val index: Int,
    val id: String?,
    val name: String?,
    val arguments: String,
    val choice: Int = 0,
) : Event

/**
 * One of several answers is whole: once for each, where [RequestOptions.n] asked for several.
 *
 * @property choice which one
 * @property reason why it ended
 */
public data class ChoiceFinished(val choice: Int, val reason: FinishReason) : Event

/**
 * The answer is whole, or all of them are. The last event of a stream.
 *
 * @property reason why it ended; of several answers, the first one
 * @property usage what it took; of several answers, all of them
 * @property timings where the time went
 * @property decodeTokensPerSecond tokens after the first, by the time that they took; 0 where there are fewer than two
 */
public data class Finished(
    val reason: FinishReason,
    val usage: Usage,
    val timings: Timings,
    val decodeTokensPerSecond: Double,
) : Event

/** Why an answer ended. */
public enum class FinishReason {
    /** The model ended it, or a stop string came. */
    STOP,

    /** [RequestOptions.maxTokens] or the end of the context was reached. */
    LENGTH,

    /** The model ended it, and calls tools. */
    TOOL_CALLS,
}

/**
 * A token of an answer and how likely the model held it.
 *
 * @property token its id in the model's vocabulary
 * @property logprob the natural logarithm of its probability at temperature 1, before any filter
 * @property top the likeliest tokens in its place, likeliest first; empty unless [RequestOptions.topLogprobs] asked
 */
public data class TokenLogprob(val token: Int, val logprob: Float, val top: List<TopLogprob> = emptyList())

/**
 * A token of a prompt and how likely the model held it.
 *
 * @property token its id in the model's vocabulary
 * @property logprob the natural logarithm of its probability after the tokens before it, at temperature 1; null for the
 * first one, which has none before it
 * @property top the likeliest tokens in its place, likeliest first; empty unless [RequestOptions.topLogprobs] asked
 */
public data class PromptLogprob(val token: Int, val logprob: Float?, val top: List<TopLogprob> = emptyList())

/**
 * A token that could have come.
 *
 * @property token its id in the model's vocabulary
 * @property logprob the natural logarithm of its probability at temperature 1, before any filter
 */
public data class TopLogprob(val token: Int, val logprob: Float)

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
