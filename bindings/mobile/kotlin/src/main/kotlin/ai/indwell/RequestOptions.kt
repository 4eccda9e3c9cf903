// How an answer is made. Plain values: the engine judges them, not their constructors.

package ai.indwell

import kotlin.time.Duration

/**
 * How an answer is made. What is null has its default. A value out of its range fails the request with
 * [IndwellException.InvalidRequest].
 *
 * One at most of [jsonSchema], [jsonObject], [regex], [choice], [lark] and [gbnf] constrains the answer.
 *
 * @property maxTokens tokens of the answer at most, at least 1; [EngineOptions.defaultMaxTokens]
 * @property minTokens tokens before the answer may end; 0
 * @property stop the answer ends before the first of these, 64 at most, none of them empty
 * @property stopTokens the answer ends before the first of these tokens, by their ids; the model's own
 * @property ignoreEos whether the model can't end the answer; false
 * @property n how many answers there are, 1 to 128; 1. They share the prompt and differ by their seeds
 * @property bestOf computes so many answers and tells the [n] best, by the mean log-probability of their tokens, once all
 * are whole; at least [n], at most 128
 * @property timeout the request fails with [IndwellException.DeadlineExceeded] after this time, waiting included;
 * more than zero
 * @property logprobs whether [TextDelta.logprobs] and [Reply.logprobs] are wanted
 * @property topLogprobs how many of the likeliest tokens each log-probability comes with, 0 to 20; 0
 * @property promptLogprobs whether [PromptLogprobs] and [Reply.promptLogprobs] are wanted
 * @property cache how the request uses the caches; [CacheMode.USE]
 * @property cacheSalt shares cached prefixes and answers only with requests that have the same salt, 1 to 1024 bytes: for
 * tenants that must not learn of each other's prompts; none
 * @property cacheTtl how long this answer is kept for the same questions, more than zero and finite;
 * [EngineOptions.responseCacheTtl]
 * @property semantic lets the answer to an earlier question that means the same serve this one; the same question only
 * @property temperature how freely the model chooses, 0 or more; 0 takes the likeliest token every time, which is the
 * default
 * @property dynatempRange how far the temperature may go from [temperature], either way, by how sure the model is; 0
 * @property dynatempExponent how it goes with the entropy; 1
 * @property topK choose among the so many likeliest tokens; 0 for all, which is the default
 * @property topP choose among the likeliest tokens that together have this probability, above 0 and at most 1; 1
 * @property minP leave out tokens below this part of the likeliest one's probability, from 0 to 1; 0
 * @property typicalP choose among the most typical tokens that together have this probability, above 0 and at most 1; 1
 * @property topNSigma choose among the tokens whose logits are within so many standard deviations of the best; 0 for all,
 * which is the default
 * @property xtcProbability how often the likeliest tokens are left out where others are likely enough, from 0 to 1; 0
 * @property xtcThreshold the probability that is enough for [xtcProbability]; 0.1
 * @property dryMultiplier how strongly sequences that would come again are made less likely; 0 for not, the default
 * @property dryBase how that grows with their length; 1.75
 * @property dryAllowedLength tokens that may come again; 2
 * @property dryPenaltyLastN tokens that are looked back at for that, up to 65536; 64
 * @property drySequenceBreakers texts that such sequences do not go across; newline, quote, asterisk and colon
 * @property repeatPenalty divides the likelihood of tokens that came before; 1 for not, the default
 * @property repeatLastN tokens that are looked back at for penalties, up to 65536; 64
 * @property presencePenalty taken from the logit of tokens that came before; 0
 * @property frequencyPenalty taken from a token's logit for each time that it came before; 0
 * @property mirostat 1 or 2 keep the answer's surprise at [mirostatTau], with [temperature] alone; 0 for not, the default
 * @property mirostatTau the surprise to keep, in bits; 5
 * @property mirostatEta how fast it is followed; 0.1
 * @property samplers the samplers to use, in their order; all, in llama.cpp's order
 * @property logitBias tokens that are more or less likely, or never come; none
 * @property bannedStrings texts that never come; none
 * @property seed what the choice starts from, 0 to 4294967294: the same seed makes the same choices; a fresh one
 * @property jsonSchema the answer is JSON that fits this schema
 * @property jsonObject the answer is a JSON object
 * @property regex the whole answer matches this regular expression, in the syntax of Rust's regex crate
 * @property choice the answer is one of these texts
 * @property lark the answer is in the language of this grammar, in Lark's form as llguidance reads it
 * @property gbnf the answer is in the language of this grammar, in llama.cpp's form
 * @property tools the tools that the model may call; none. Of chats
 * @property toolChoice whether it calls them; [ToolChoice.Auto]. Of chats
 * @property parallelToolCalls whether it may call several at once; true. Of chats
 * @property documents what the template is told to answer from, each an object; none. Of chats
 * @property templateArgs more that the template is told, an object such as `{"enable_thinking": false}`; none. Of chats
 * @property continueFinalMessage whether the answer goes on with the last message, which is the model's; false. Of chats
 * @property separateReasoning whether what the model thinks comes as [ReasoningDelta] and [Reply.reasoning], and not in
 * the text; true. Of chats
 */
public data class RequestOptions(
    val maxTokens: Int? = null,
    val minTokens: Int? = null,
    val stop: List<String>? = null,
    val stopTokens: List<Int>? = null,
    val ignoreEos: Boolean? = null,
    val n: Int? = null,
    val bestOf: Int? = null,
    val timeout: Duration? = null,
    val logprobs: Boolean? = null,
    val topLogprobs: Int? = null,
    val promptLogprobs: Boolean? = null,
    val cache: CacheMode? = null,
    val cacheSalt: String? = null,
    val cacheTtl: Duration? = null,
    val semantic: Semantic? = null,
    val temperature: Double? = null,
    val dynatempRange: Double? = null,
    val dynatempExponent: Double? = null,
    val topK: Int? = null,
    val topP: Double? = null,
    val minP: Double? = null,
    val typicalP: Double? = null,
    val topNSigma: Double? = null,
    val xtcProbability: Double? = null,
    val xtcThreshold: Double? = null,
    val dryMultiplier: Double? = null,
    val dryBase: Double? = null,
    val dryAllowedLength: Int? = null,
    val dryPenaltyLastN: Int? = null,
    val drySequenceBreakers: List<String>? = null,
    val repeatPenalty: Double? = null,
    val repeatLastN: Int? = null,
    val presencePenalty: Double? = null,
    val frequencyPenalty: Double? = null,
    val mirostat: Int? = null,
    val mirostatTau: Double? = null,
    val mirostatEta: Double? = null,
    val samplers: List<Sampler>? = null,
    val logitBias: List<LogitBias>? = null,
    val bannedStrings: List<String>? = null,
    val seed: Long? = null,
    val jsonSchema: Json? = null,
    val jsonObject: Boolean? = null,
    val regex: String? = null,
    val choice: List<String>? = null,
    val lark: String? = null,
    val gbnf: String? = null,
    val tools: List<Tool>? = null,
    val toolChoice: ToolChoice? = null,
    val parallelToolCalls: Boolean? = null,
    val documents: List<Json>? = null,
    val templateArgs: Json? = null,
    val continueFinalMessage: Boolean? = null,
    val separateReasoning: Boolean? = null,
)
