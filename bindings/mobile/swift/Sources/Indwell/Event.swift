// What an answer says: events while it comes, a reply when it is whole. Plain values.

/// One thing that a ``TokenStream`` says.
public enum Event: Sendable, Hashable {
    /// More of the answer.
    case text(TextDelta)
    /// The answer is whole. The last event of a stream.
    case finished(Finished)

    /// What this event adds to the answer; empty for ``finished(_:)``.
    public var text: String {
        switch self {
        case .text(let delta): delta.text
        case .finished: ""
        }
    }
}

/// More of the answer.
public struct TextDelta: Sendable, Hashable {
    /// The next characters, always whole code points; empty where an event brings log-probabilities only.
    public let text: String
    /// One entry for each token since the last event; empty unless ``RequestOptions/logprobs`` asked.
    public let logprobs: [TokenLogprob]
}

/// How a whole answer ended.
public struct Finished: Sendable, Hashable {
    /// Why it ended.
    public let reason: FinishReason
    /// What it took, in tokens.
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
}

/// A token and how likely the model held it.
public struct TokenLogprob: Sendable, Hashable {
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

/// A whole answer.
public struct Reply: Sendable, Hashable {
    /// The answer.
    public let text: String
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
}
