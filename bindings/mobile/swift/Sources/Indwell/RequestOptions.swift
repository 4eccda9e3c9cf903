// How an answer is made. Plain values: the engine judges them, not their initializers.

/// How an answer is made. What is nil has its default. A value out of its range fails the request with
/// `invalidRequest`.
///
/// One at most of ``jsonSchema``, ``jsonObject``, ``regex``, ``choice``, ``lark`` and ``gbnf`` constrains the answer.
public struct RequestOptions: Sendable, Hashable {
    /// Tokens of the answer at most, at least 1; ``EngineOptions/defaultMaxTokens``.
    public var maxTokens: Int?
    /// Tokens before the answer may end; 0.
    public var minTokens: Int?
    /// The answer ends before the first of these, 64 at most, none of them empty.
    public var stop: [String]?
    /// The answer ends before the first of these tokens, by their ids; the model's own.
    public var stopTokens: [Int32]?
    /// Whether the model can't end the answer; false.
    public var ignoreEos: Bool?
    /// How many answers there are, 1 to 128; 1. They share the prompt and differ by their seeds.
    public var n: Int?
    /// Computes so many answers and tells the ``n`` best, by the mean log-probability of their tokens, once all are
    /// whole; at least ``n``, at most 128.
    public var bestOf: Int?
    /// The request fails with `deadlineExceeded` after this time, waiting included; more than zero.
    public var timeout: Duration?
    /// Whether log-probabilities are wanted.
    public var logprobs: Bool?
    /// How many of the likeliest tokens each log-probability comes with, 0 to 20; 0.
    public var topLogprobs: Int?
    /// Whether ``Event/promptLogprobs(_:)`` and ``Reply/promptLogprobs`` are wanted.
    public var promptLogprobs: Bool?
    /// How the request uses the caches; ``CacheMode/use``.
    public var cache: CacheMode?
    /// Shares cached prefixes and answers only with requests that have the same salt, 1 to 1024 bytes: for tenants that
    /// must not learn of each other's prompts; none.
    public var cacheSalt: String?
    /// How long this answer is kept for the same questions, more than zero; ``EngineOptions/responseCacheTtl``.
    public var cacheTtl: Duration?
    /// Lets the answer to an earlier question that means the same serve this one; the same question only.
    public var semantic: Semantic?
    /// How freely the model chooses, 0 or more; 0 takes the likeliest token every time, which is the default.
    public var temperature: Double?
    /// How far the temperature may go from ``temperature``, either way, by how sure the model is; 0.
    public var dynatempRange: Double?
    /// How it goes with the entropy; 1.
    public var dynatempExponent: Double?
    /// Choose among the so many likeliest tokens; 0 for all, which is the default.
    public var topK: Int?
    /// Choose among the likeliest tokens that together have this probability, above 0 and at most 1; 1.
    public var topP: Double?
    /// Leave out tokens below this part of the likeliest one's probability, from 0 to 1; 0.
    public var minP: Double?
    /// Choose among the most typical tokens that together have this probability, above 0 and at most 1; 1.
    public var typicalP: Double?
    /// Choose among the tokens whose logits are within so many standard deviations of the best; 0 for
    /// all, which is the default.
    public var topNSigma: Double?
    /// How often the likeliest tokens are left out where others are likely enough, from 0 to 1; 0.
    public var xtcProbability: Double?
    /// The probability that is enough for ``xtcProbability``; 0.1.
    public var xtcThreshold: Double?
    /// How strongly sequences that would come again are made less likely; 0 for not, the default.
    public var dryMultiplier: Double?
    /// How that grows with their length; 1.75.
    public var dryBase: Double?
    /// Tokens that may come again; 2.
    public var dryAllowedLength: Int?
    /// Tokens that are looked back at for that, up to 65536; 64.
    public var dryPenaltyLastN: Int?
    /// Texts that such sequences do not go across; newline, quote, asterisk and colon.
    public var drySequenceBreakers: [String]?
    /// Divides the likelihood of tokens that came before; 1 for not, the default.
    public var repeatPenalty: Double?
    /// Tokens that are looked back at for penalties, up to 65536; 64.
    public var repeatLastN: Int?
    /// Taken from the logit of tokens that came before; 0.
    public var presencePenalty: Double?
    /// Taken from a token's logit for each time that it came before; 0.
    public var frequencyPenalty: Double?
    /// 1 or 2 keep the answer's surprise at ``mirostatTau``, with ``temperature`` alone; 0 for not, the default.
    public var mirostat: Int?
    /// The surprise to keep, in bits; 5.
    public var mirostatTau: Double?
    /// How fast it is followed; 0.1.
    public var mirostatEta: Double?
    /// The samplers to use, in their order; all, in llama.cpp's order.
    public var samplers: [Sampler]?
    /// Tokens that are more or less likely, or never come; none.
    public var logitBias: [LogitBias]?
    /// Texts that never come; none.
    public var bannedStrings: [String]?
    /// What the choice starts from, 0 to 4294967294: the same seed makes the same choices; a fresh one.
    public var seed: Int?
    /// The answer is JSON that fits this schema.
    public var jsonSchema: Json?
    /// The answer is a JSON object.
    public var jsonObject: Bool?
    /// The whole answer matches this regular expression, in the syntax of Rust's regex crate.
    public var regex: String?
    /// The answer is one of these texts.
    public var choice: [String]?
    /// The answer is in the language of this grammar, in Lark's form as llguidance reads it.
    public var lark: String?
    /// The answer is in the language of this grammar, in llama.cpp's form.
    public var gbnf: String?
    /// The tools that the model may call; none. Of chats.
    public var tools: [Tool]?
    /// Whether it calls them; ``ToolChoice/auto``. Of chats.
    public var toolChoice: ToolChoice?
    /// Whether it may call several at once; true. Of chats.
    public var parallelToolCalls: Bool?
    /// What the template is told to answer from, each an object; none. Of chats.
    public var documents: [Json]?
    /// More that the template is told, an object such as `{"enable_thinking": false}`; none. Of chats.
    public var templateArgs: Json?
    /// Whether the answer goes on with the last message, which is the model's; false. Of chats.
    public var continueFinalMessage: Bool?
    /// Whether what the model thinks comes as ``ReasoningDelta`` and ``Reply/reasoning``, and not in the text; true. Of
    /// chats.
    public var separateReasoning: Bool?

    public init(
        maxTokens: Int? = nil,
        minTokens: Int? = nil,
        stop: [String]? = nil,
        stopTokens: [Int32]? = nil,
        ignoreEos: Bool? = nil,
        n: Int? = nil,
        bestOf: Int? = nil,
        timeout: Duration? = nil,
        logprobs: Bool? = nil,
        topLogprobs: Int? = nil,
        promptLogprobs: Bool? = nil,
        cache: CacheMode? = nil,
        cacheSalt: String? = nil,
        cacheTtl: Duration? = nil,
        semantic: Semantic? = nil,
        temperature: Double? = nil,
        dynatempRange: Double? = nil,
        dynatempExponent: Double? = nil,
        topK: Int? = nil,
        topP: Double? = nil,
        minP: Double? = nil,
        typicalP: Double? = nil,
        topNSigma: Double? = nil,
        xtcProbability: Double? = nil,
        xtcThreshold: Double? = nil,
        dryMultiplier: Double? = nil,
        dryBase: Double? = nil,
        dryAllowedLength: Int? = nil,
        dryPenaltyLastN: Int? = nil,
        drySequenceBreakers: [String]? = nil,
        repeatPenalty: Double? = nil,
        repeatLastN: Int? = nil,
        presencePenalty: Double? = nil,
        frequencyPenalty: Double? = nil,
        mirostat: Int? = nil,
        mirostatTau: Double? = nil,
        mirostatEta: Double? = nil,
        samplers: [Sampler]? = nil,
        logitBias: [LogitBias]? = nil,
        bannedStrings: [String]? = nil,
        seed: Int? = nil,
        jsonSchema: Json? = nil,
        jsonObject: Bool? = nil,
        regex: String? = nil,
        choice: [String]? = nil,
        lark: String? = nil,
        gbnf: String? = nil,
        tools: [Tool]? = nil,
        toolChoice: ToolChoice? = nil,
        parallelToolCalls: Bool? = nil,
        documents: [Json]? = nil,
        templateArgs: Json? = nil,
        continueFinalMessage: Bool? = nil,
        separateReasoning: Bool? = nil
    ) {
        self.maxTokens = maxTokens
        self.minTokens = minTokens
        self.stop = stop
        self.stopTokens = stopTokens
        self.ignoreEos = ignoreEos
        self.n = n
        self.bestOf = bestOf
        self.timeout = timeout
        self.logprobs = logprobs
        self.topLogprobs = topLogprobs
        self.promptLogprobs = promptLogprobs
        self.cache = cache
        self.cacheSalt = cacheSalt
        self.cacheTtl = cacheTtl
        self.semantic = semantic
        self.temperature = temperature
        self.dynatempRange = dynatempRange
        self.dynatempExponent = dynatempExponent
        self.topK = topK
        self.topP = topP
        self.minP = minP
        self.typicalP = typicalP
        self.topNSigma = topNSigma
        self.xtcProbability = xtcProbability
        self.xtcThreshold = xtcThreshold
        self.dryMultiplier = dryMultiplier
        self.dryBase = dryBase
        self.dryAllowedLength = dryAllowedLength
        self.dryPenaltyLastN = dryPenaltyLastN
        self.drySequenceBreakers = drySequenceBreakers
        self.repeatPenalty = repeatPenalty
        self.repeatLastN = repeatLastN
        self.presencePenalty = presencePenalty
        self.frequencyPenalty = frequencyPenalty
        self.mirostat = mirostat
        self.mirostatTau = mirostatTau
        self.mirostatEta = mirostatEta
        self.samplers = samplers
        self.logitBias = logitBias
        self.bannedStrings = bannedStrings
        self.seed = seed
        self.jsonSchema = jsonSchema
        self.jsonObject = jsonObject
        self.regex = regex
        self.choice = choice
        self.lark = lark
        self.gbnf = gbnf
        self.tools = tools
        self.toolChoice = toolChoice
        self.parallelToolCalls = parallelToolCalls
        self.documents = documents
        self.templateArgs = templateArgs
        self.continueFinalMessage = continueFinalMessage
        self.separateReasoning = separateReasoning
    }
}
