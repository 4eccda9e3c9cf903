// A whole answer. Plain values.

package ai.indwell

/**
 * A whole answer.
 *
 * @property text the answer, without reasoning and tool calls
 * @property finishReason why it ended
 * @property usage what it took
 * @property timings where the time went
 * @property decodeTokensPerSecond tokens after the first, by the time that they took; 0 where there are fewer than two
 * @property reasoning what the model thought before it answered, if it did
 * @property toolCalls the tools that it calls
 * @property logprobs one entry for each token of the answer; empty unless [RequestOptions.logprobs] asked for them
 * @property promptLogprobs one entry for each token of the prompt; empty unless [RequestOptions.promptLogprobs] asked for
 * them
 * @property alternatives the other answers, where [RequestOptions.n] asked for several
 */
public data class Reply(
    val text: String,
    val finishReason: FinishReason,
    val usage: Usage,
    val timings: Timings,
    val decodeTokensPerSecond: Double,
    val reasoning: String? = null,
    val toolCalls: List<ToolCall> = emptyList(),
    val logprobs: List<TokenLogprob> = emptyList(),
    val promptLogprobs: List<PromptLogprob> = emptyList(),
    val alternatives: List<Choice> = emptyList(),
) {
    /** The message that a conversation goes on with: what the model said, and the tools that it called. */
    public fun toMessage(): Message = assistant(text, toolCalls)
}

/**
 * One of several whole answers.
 *
 * @property text the answer, without reasoning and tool calls
 * @property finishReason why it ended
 * @property reasoning what the model thought before it answered, if it did
 * @property toolCalls the tools that it calls
 * @property logprobs one entry for each token of the answer; empty unless [RequestOptions.logprobs] asked for them
 */
public data class Choice(
    val text: String,
    val finishReason: FinishReason,
    val reasoning: String? = null,
    val toolCalls: List<ToolCall> = emptyList(),
    val logprobs: List<TokenLogprob> = emptyList(),
)
