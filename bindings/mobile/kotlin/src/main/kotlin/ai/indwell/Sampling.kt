// How tokens are chosen, as far as that is more than a number. Plain values.

package ai.indwell

/**
 * A step of choosing a token. [RequestOptions.samplers] orders them.
 *
 * @property code its name, as llama.cpp and every language of Indwell's spell it
 */
public enum class Sampler(public val code: String) {
    /** [RequestOptions.repeatPenalty], [RequestOptions.presencePenalty] and [RequestOptions.frequencyPenalty]. */
    PENALTIES("penalties"),

    /** [RequestOptions.dryMultiplier]. */
    DRY("dry"),

    /** [RequestOptions.topNSigma]. */
    TOP_N_SIGMA("top_n_sigma"),

    /** [RequestOptions.topK]. */
    TOP_K("top_k"),

    /** [RequestOptions.typicalP]. */
    TYPICAL_P("typ_p"),

    /** [RequestOptions.topP]. */
    TOP_P("top_p"),

    /** [RequestOptions.minP]. */
    MIN_P("min_p"),

    /** [RequestOptions.xtcProbability]. */
    XTC("xtc"),

    /** [RequestOptions.temperature]. */
    TEMPERATURE("temperature"),
}

/** What makes tokens more or less likely. */
public sealed interface LogitBias {
    /** What is added to the logit; null for tokens that never come. */
    public val bias: Double?

    /**
     * Of one token.
     *
     * @property token its id in the model's vocabulary
     */
    public data class Token(val token: Int, override val bias: Double?) : LogitBias

    /**
     * Of each token of a text.
     *
     * @property text the text
     */
    public data class Text(val text: String, override val bias: Double?) : LogitBias
}
