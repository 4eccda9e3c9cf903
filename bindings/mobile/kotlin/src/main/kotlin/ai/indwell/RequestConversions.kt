// Requests on their way to the native library: converted, not judged, but for text that is not Unicode, which only the
// JVM can hold.

package ai.indwell

import ai.indwell.ffi.NativeCacheMode
import ai.indwell.ffi.NativeChatOptions
import ai.indwell.ffi.NativeConstraint
import ai.indwell.ffi.NativeEngineOptions
import ai.indwell.ffi.NativeLogitBias
import ai.indwell.ffi.NativeMessage
import ai.indwell.ffi.NativeRequestOptions
import ai.indwell.ffi.NativeRole
import ai.indwell.ffi.NativeSampling
import ai.indwell.ffi.NativeTool
import ai.indwell.ffi.NativeToolCall
import ai.indwell.ffi.NativeToolChoice
import kotlin.time.Duration
import kotlin.time.DurationUnit

/** [text], which the native library will read as UTF-8. Half of a surrogate pair has no such form. */
internal fun requireUnicode(field: String, text: String): String {
    var index = 0
    while (index < text.length) {
        val unit = text[index]
        val paired = unit.isHighSurrogate() && index + 1 < text.length && text[index + 1].isLowSurrogate()
        if (unit.isSurrogate() && !paired) throw loneSurrogate(field, unit, index)
        index += if (paired) 2 else 1
    }
    return text
}

private fun loneSurrogate(field: String, unit: Char, index: Int): IndwellException {
    val value = "\\u%04x at index %d".format(unit.code, index)
    val limit = "valid Unicode: every surrogate in its pair"
    val remedy = "cut strings between code points, and decode bytes with their own charset"
    val message = "$field has half of a surrogate pair, $value, and must be $limit; $remedy"
    return IndwellException.InvalidRequest(message, ErrorDetails(field, value, limit, remedy))
}

/** As [requireUnicode], for each text of a list. */
private fun requireUnicode(field: String, texts: List<String>): List<String> =
    texts.mapIndexed { index, text -> requireUnicode("$field[$index]", text) }

internal fun Message.toNative(index: Int): NativeMessage {
    val field = "messages[$index]"
    return NativeMessage(
        role = when (role) {
            Role.SYSTEM -> NativeRole.SYSTEM
            Role.USER -> NativeRole.USER
            Role.ASSISTANT -> NativeRole.ASSISTANT
            Role.TOOL -> NativeRole.TOOL
        },
        content = requireUnicode("$field.content", content),
        name = name?.let { requireUnicode("$field.name", it) },
        reasoning = reasoning?.let { requireUnicode("$field.reasoning", it) },
        toolCalls = toolCalls.mapIndexed { call, it -> it.toNative("$field.toolCalls[$call]") },
        toolCallId = toolCallId?.let { requireUnicode("$field.toolCallId", it) },
    )
}

private fun ToolCall.toNative(field: String): NativeToolCall =
    NativeToolCall(
        id = requireUnicode("$field.id", id),
        name = requireUnicode("$field.name", name),
        arguments = requireUnicode("$field.arguments", arguments),
    )

internal fun EngineOptions.toNative(): NativeEngineOptions =
    NativeEngineOptions(
        contextTokens = contextTokens?.toLong(),
        sequencesMax = sequencesMax?.toLong(),
        batchTokens = batchTokens?.toLong(),
        prefillChunkTokens = prefillChunkTokens?.toLong(),
        itlTargetMs = itlTarget?.toNativeMilliseconds(),
        threads = threads?.toLong(),
        queueRequestsMax = queueRequestsMax?.toLong(),
        queueTokensMax = queueTokensMax?.toLong(),
        defaultMaxTokens = defaultMaxTokens?.toLong(),
        gpuLayers = gpuLayers?.toLong(),
        flashAttention = flashAttention,
        isolation = isolation?.name?.lowercase(),
        speculation = speculation?.name?.lowercase(),
        streamCapacity = streamCapacity?.toLong(),
        prefixCacheTokens = prefixCacheTokens?.toLong(),
        hostCacheBytes = hostCacheBytes,
        diskCacheDir = diskCacheDir?.let { requireUnicode("diskCacheDir", it) },
        diskCacheBytes = diskCacheBytes,
        responseCacheBytes = responseCacheBytes,
        responseCacheTtlMs = responseCacheTtl?.toNativeMilliseconds(),
        responseCacheDir = responseCacheDir?.let { requireUnicode("responseCacheDir", it) },
        memoryBytes = memoryBytes,
        chatTemplate = chatTemplate?.let { requireUnicode("chatTemplate", it) },
        toolParser = toolParser?.let { requireUnicode("toolParser", it) },
        reasoningParser = reasoningParser?.let { requireUnicode("reasoningParser", it) },
    )

internal fun RequestOptions.toNative(): NativeRequestOptions =
    NativeRequestOptions(
        maxTokens = maxTokens?.toLong(),
        minTokens = minTokens?.toLong(),
        stop = stop?.let { requireUnicode("stop", it) },
        stopTokens = stopTokens,
        ignoreEos = ignoreEos,
        n = n?.toLong(),
        bestOf = bestOf?.toLong(),
        timeoutMs = timeout?.toNativeMilliseconds(),
        logprobs = logprobs,
        topLogprobs = topLogprobs?.toLong(),
        promptLogprobs = promptLogprobs,
        cache = when (cache) {
            CacheMode.USE -> NativeCacheMode.USE
            CacheMode.BYPASS -> NativeCacheMode.BYPASS
            CacheMode.REFRESH -> NativeCacheMode.REFRESH
            CacheMode.ONLY_IF_CACHED -> NativeCacheMode.ONLY_IF_CACHED
            null -> null
        },
        cacheSalt = cacheSalt?.let { requireUnicode("cacheSalt", it) },
        // Unlike a deadline, an infinite one is refused: none is the engine's.
        cacheTtlMs = cacheTtl?.toDouble(DurationUnit.MILLISECONDS),
        semantic = semantic?.toNative(),
        sampling = toNativeSampling(),
        constraint = toNativeConstraint(),
        chat = toNativeChatOptions(),
    )

private fun RequestOptions.toNativeSampling(): NativeSampling =
    NativeSampling(
        temperature = temperature,
        dynatempRange = dynatempRange,
        dynatempExponent = dynatempExponent,
        topK = topK?.toLong(),
        topP = topP,
        minP = minP,
        typicalP = typicalP,
        topNSigma = topNSigma,
        xtcProbability = xtcProbability,
        xtcThreshold = xtcThreshold,
        dryMultiplier = dryMultiplier,
        dryBase = dryBase,
        dryAllowedLength = dryAllowedLength?.toLong(),
        dryPenaltyLastN = dryPenaltyLastN?.toLong(),
        drySequenceBreakers = drySequenceBreakers?.let { requireUnicode("drySequenceBreakers", it) },
        repeatPenalty = repeatPenalty,
        repeatLastN = repeatLastN?.toLong(),
        presencePenalty = presencePenalty,
        frequencyPenalty = frequencyPenalty,
        mirostat = mirostat?.toLong(),
        mirostatTau = mirostatTau,
        mirostatEta = mirostatEta,
        samplers = samplers?.map { it.code },
        logitBias = logitBias?.mapIndexed { index, bias -> bias.toNative("logitBias[$index]") },
        bannedStrings = bannedStrings?.let { requireUnicode("bannedStrings", it) },
        seed = seed,
    )

private fun LogitBias.toNative(field: String): NativeLogitBias =
    when (this) {
        is LogitBias.Token -> NativeLogitBias.Token(token, bias)
        is LogitBias.Text -> NativeLogitBias.Text(requireUnicode("$field.text", text), bias)
    }

private fun RequestOptions.toNativeConstraint(): NativeConstraint =
    NativeConstraint(
        jsonSchema = jsonSchema?.let { requireUnicode("jsonSchema", it.text) },
        jsonObject = jsonObject,
        regex = regex?.let { requireUnicode("regex", it) },
        choice = choice?.let { requireUnicode("choice", it) },
        lark = lark?.let { requireUnicode("lark", it) },
        gbnf = gbnf?.let { requireUnicode("gbnf", it) },
    )

private fun RequestOptions.toNativeChatOptions(): NativeChatOptions =
    NativeChatOptions(
        tools = tools?.mapIndexed { index, tool -> tool.toNative("tools[$index]") },
        toolChoice = when (val choice = toolChoice) {
            ToolChoice.Auto -> NativeToolChoice.Auto
            ToolChoice.None -> NativeToolChoice.None
            ToolChoice.Required -> NativeToolChoice.Required
            is ToolChoice.Named -> NativeToolChoice.Named(requireUnicode("toolChoice.name", choice.name))
            null -> null
        },
        parallelToolCalls = parallelToolCalls,
        documents = documents?.let { documents -> requireUnicode("documents", documents.map { it.text }) },
        templateArgs = templateArgs?.let { requireUnicode("templateArgs", it.text) },
        continueFinalMessage = continueFinalMessage,
        separateReasoning = separateReasoning,
    )

private fun Tool.toNative(field: String): NativeTool =
    NativeTool(
        name = requireUnicode("$field.name", name),
        description = description?.let { requireUnicode("$field.description", it) },
        parameters = parameters?.let { requireUnicode("$field.parameters", it.text) },
    )

/** Milliseconds, or null for no limit. */
internal fun Duration.toNativeMilliseconds(): Double? =
    takeIf { it != Duration.INFINITE }?.toDouble(DurationUnit.MILLISECONDS)
