// What an answer says: events while it comes, a reply when it is whole. Plain values.

/// One thing that a ``TokenStream`` says.
public enum Event: Sendable, Hashable {
    /// The prompt's tokens with their log-probabilities: once, before all else, where ``RequestOptions/promptLogprobs``
    /// asked.
    case promptLogprobs([PromptLogprob])
    /// More of what the model thinks before it answers.
    case reasoning(ReasoningDelta)
    /// More of the answer.
    case text(TextDelta)
    /// More of a tool call.
    case toolCall(ToolCallDelta)
    /// One of several answers is whole: once for each, where ``RequestOptions/n`` asked for several.
    case choiceFinished(ChoiceFinished)
    /// The answer is whole, or all of them are. The last event of a stream.
    case finished(Finished)

    /// What this event adds to the answer; empty for all but ``text(_:)``.
    public var text: String {
        switch self {
        case .text(let delta): delta.text
        case .promptLogprobs, .reasoning, .toolCall, .choiceFinished, .finished: ""
        }
    }
}

/// More of what the model thinks before it answers.
public struct ReasoningDelta: Sendable, Hashable {
    /// The next characters, always whole code points.
    public let reasoning: String
    /// Which of several answers; 0 where there is one.
    public let choice: Int
}

/// More of the answer.
public struct TextDelta: Sendable, Hashable {
    /// The next characters, always whole code points; empty where an event brings log-probabilities only.
    public let text: String
    /// One entry for each token since the last event, those of reasoning and of tool calls included; empty unless
    /// ``RequestOptions/logprobs`` asked.
    public let logprobs: [TokenLogprob]
    /// Which of several answers; 0 where there is one.
    public let choice: Int
}

/// More of a tool call.
public struct ToolCallDelta: Sendable, Hashable {
    /// Which of the answer's calls, from 0.
    public let index: Int
    /// The call's id; of its first event.
    public let id: String?
    /// The tool's name; of its first event.
    public let name: String?
    /// More of the arguments, which are JSON once the call is whole.
    public let arguments: String
    /// Which of several answers; 0 where there is one.
    public let choice: Int
}

/// One of several answers is whole.
public struct ChoiceFinished: Sendable, Hashable {
    /// Which one.
    public let choice: Int
    /// Why it ended.
    public let reason: FinishReason
}

/// How a whole answer ended, or how all of them did.
public struct Finished: Sendable, Hashable {
    /// Why it ended; of several answers, the first one.
    public let reason: FinishReason
    /// What it took, in tokens; of several answers, all of them.
    public let usage: Usage
    /// Where the time went.
    public let timings: Timings
    /// Tokens after the first, by the time that they took; 0 where there are fewer than two.
    public let decodeTokensPerSecond: Double
}

/// Why an answer ended.
public enum FinishReason: String, Sendable, Hashable {
    /// The model ended it, or a stop string came.
    case stop
    /// ``RequestOptions/maxTokens`` or the end of the context was reached.
    case length
    /// The model ended it, and calls tools.
    case toolCalls = "tool_calls"
}

/// A token of an answer and how likely the model held it.
public struct TokenLogprob: Sendable, Hashable {
    /// Its id in the model's vocabulary.
    public let token: Int32
    /// The natural logarithm of its probability at temperature 1, before any filter.
    public let logprob: Float
    /// The likeliest tokens in its place, likeliest first; empty unless ``RequestOptions/topLogprobs`` asked.
    public let top: [TopLogprob]
}

/// A token of a prompt and how likely the model held it.
public struct PromptLogprob: Sendable, Hashable {
    /// Its id in the model's vocabulary.
    public let token: Int32
    /// The natural logarithm of its probability after the tokens before it, at temperature 1; nil for the first one,
    /// which has none before it.
    public let logprob: Float?
    /// The likeliest tokens in its place, likeliest first; empty unless ``RequestOptions/topLogprobs`` asked.
    public let top: [TopLogprob]
}

/// A token that could have come.
public struct TopLogprob: Sendable, Hashable {
    /// Its id in the model's vocabulary.
    public let token: Int32
    /// The natural logarithm of its probability at temperature 1, before any filter.
    public let logprob: Float
}

/// What a request took, in tokens.
public struct Usage: Sendable, Hashable {
    /// Of the prompt, with those of the chat template.
    public let promptTokens: Int
    /// Of the answer, without the one that ended it.
    public let completionTokens: Int
    /// Of the prompt, those that were cached and not computed anew.
    public let cachedTokens: Int
    /// Where they came from, the slowest tier that took part; nil if there are none.
    public let cache: CacheTier?
    /// How far the question that was answered is from this one, where ``cache`` is ``CacheTier/semantic``: the cosine
    /// distance, 0 in the same direction, 2 in opposite ones.
    public let semanticDistance: Float?
    /// Of prompt and answer together.
    public var totalTokens: Int { promptTokens + completionTokens }
}

/// Where a request's time went, in milliseconds.
public struct Timings: Sendable, Hashable {
    /// From the call until reading its prompt began.
    public let queuedMs: Double
    /// From then to the first token of the answer.
    public let prefillMs: Double
    /// From the call to the first token of the answer.
    public let ttftMs: Double
    /// From the first token to the last.
    public let decodeMs: Double
    /// From the call to the end.
    public let totalMs: Double
}
