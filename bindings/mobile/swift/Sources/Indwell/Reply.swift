// A whole answer. Plain values.

/// A whole answer.
public struct Reply: Sendable, Hashable {
    /// The answer, without reasoning and tool calls.
    public let text: String
    /// What the model thought before it answered, if it did.
    public let reasoning: String?
    /// The tools that it calls.
    public let toolCalls: [ToolCall]
    /// Why it ended.
    public let finishReason: FinishReason
    /// What it took, in tokens.
    public let usage: Usage
    /// Where the time went.
    public let timings: Timings
    /// Tokens after the first, by the time that they took; 0 where there are fewer than two.
    public let decodeTokensPerSecond: Double
    /// One entry for each token of the answer; empty unless ``RequestOptions/logprobs`` asked.
    public let logprobs: [TokenLogprob]
    /// One entry for each token of the prompt; empty unless ``RequestOptions/promptLogprobs`` asked.
    public let promptLogprobs: [PromptLogprob]
    /// The other answers, where ``RequestOptions/n`` asked for several.
    public let alternatives: [Choice]

    /// The message that a conversation goes on with: what the model said, and the tools that it called.
    public var message: Message { .assistant(text, toolCalls: toolCalls) }
}

/// One of several whole answers.
public struct Choice: Sendable, Hashable {
    /// The answer, without reasoning and tool calls.
    public let text: String
    /// What the model thought before it answered, if it did.
    public let reasoning: String?
    /// The tools that it calls.
    public let toolCalls: [ToolCall]
    /// Why it ended.
    public let finishReason: FinishReason
    /// One entry for each token of the answer; empty unless ``RequestOptions/logprobs`` asked.
    public let logprobs: [TokenLogprob]
}
