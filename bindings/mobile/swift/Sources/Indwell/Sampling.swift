// How tokens are chosen, as far as that is more than a number. Plain values.

/// A step of choosing a token. ``RequestOptions/samplers`` orders them. Raw values are llama.cpp's names.
public enum Sampler: String, Sendable, Hashable, CaseIterable {
    /// ``RequestOptions/repeatPenalty``, ``RequestOptions/presencePenalty`` and ``RequestOptions/frequencyPenalty``.
    case penalties
    /// ``RequestOptions/dryMultiplier``.
    case dry
    /// ``RequestOptions/topNSigma``.
    case topNSigma = "top_n_sigma"
    /// ``RequestOptions/topK``.
    case topK = "top_k"
    /// ``RequestOptions/typicalP``.
    case typicalP = "typ_p"
    /// ``RequestOptions/topP``.
    case topP = "top_p"
    /// ``RequestOptions/minP``.
    case minP = "min_p"
    /// ``RequestOptions/xtcProbability``.
    case xtc
    /// ``RequestOptions/temperature``.
    case temperature
}

/// What makes tokens more or less likely: what is added to their logits, or nil for tokens that never come.
public enum LogitBias: Sendable, Hashable {
    /// Of one token, by its id in the model's vocabulary.
    case token(Int32, Double?)
    /// Of each token of a text.
    case text(String, Double?)
}
