// Values on their way to and from the native library: converted, not judged, but for text that is not Unicode, which
// only the JVM can hold.

package ai.indwell

import ai.indwell.ffi.NativeCacheMode
import ai.indwell.ffi.NativeCacheStats
import ai.indwell.ffi.NativeCacheTier
import ai.indwell.ffi.NativeCacheTierStats
import ai.indwell.ffi.NativeDevice
import ai.indwell.ffi.NativeEngineOptions
import ai.indwell.ffi.NativeEngineStats
import ai.indwell.ffi.NativeErrorDetails
import ai.indwell.ffi.NativeErrorKind
import ai.indwell.ffi.NativeEvent
import ai.indwell.ffi.NativeException
import ai.indwell.ffi.NativeFinishReason
import ai.indwell.ffi.NativeMessage
import ai.indwell.ffi.NativeModelInfo
import ai.indwell.ffi.NativeProgress
import ai.indwell.ffi.NativeRequestOptions
import ai.indwell.ffi.NativeResponseCacheStats
import ai.indwell.ffi.NativeRole
import ai.indwell.ffi.NativeStage
import ai.indwell.ffi.NativeTimings
import ai.indwell.ffi.NativeTokenLogprob
import ai.indwell.ffi.NativeUsage
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

internal fun Message.toNative(index: Int): NativeMessage =
    NativeMessage(
        role = when (role) {
            Role.SYSTEM -> NativeRole.SYSTEM
            Role.USER -> NativeRole.USER
            Role.ASSISTANT -> NativeRole.ASSISTANT
        },
        content = requireUnicode("messages[$index].content", content),
    )

internal fun EngineOptions.toNative(): NativeEngineOptions =
    NativeEngineOptions(
        contextTokens = contextTokens?.toLong(),
        sequencesMax = sequencesMax?.toLong(),
        batchTokens = batchTokens?.toLong(),
        prefillChunkTokens = prefillChunkTokens?.toLong(),
        threads = threads?.toLong(),
        queueRequestsMax = queueRequestsMax?.toLong(),
        queueTokensMax = queueTokensMax?.toLong(),
        defaultMaxTokens = defaultMaxTokens?.toLong(),
        gpuLayers = gpuLayers?.toLong(),
        flashAttention = flashAttention,
        streamCapacity = streamCapacity?.toLong(),
        prefixCacheTokens = prefixCacheTokens?.toLong(),
        hostCacheBytes = hostCacheBytes,
        diskCacheDir = diskCacheDir?.let { requireUnicode("diskCacheDir", it) },
        diskCacheBytes = diskCacheBytes,
        responseCacheBytes = responseCacheBytes,
        responseCacheTtlMs = responseCacheTtl?.toNativeMilliseconds(),
        responseCacheDir = responseCacheDir?.let { requireUnicode("responseCacheDir", it) },
    )

internal fun RequestOptions.toNative(): NativeRequestOptions =
    NativeRequestOptions(
        maxTokens = maxTokens?.toLong(),
        temperature = temperature,
        topK = topK?.toLong(),
        topP = topP,
        minP = minP,
        seed = seed,
        stop = stop?.mapIndexed { index, text -> requireUnicode("stop[$index]", text) },
        timeoutMs = timeout?.toNativeMilliseconds(),
        logprobs = logprobs,
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
    )

/** Milliseconds, or null for no limit. */
internal fun Duration.toNativeMilliseconds(): Double? =
    takeIf { it != Duration.INFINITE }?.toDouble(DurationUnit.MILLISECONDS)

internal fun NativeEvent.Text.toTextDelta(): TextDelta = TextDelta(text, logprobs.map { it.toTokenLogprob() })

internal fun NativeEvent.Finished.toFinished(): Finished =
    Finished(
        reason = when (reason) {
            NativeFinishReason.STOP -> FinishReason.STOP
            NativeFinishReason.LENGTH -> FinishReason.LENGTH
        },
        usage = usage.toUsage(),
        timings = timings.toTimings(),
        decodeTokensPerSecond = decodeTokensPerSecond,
    )

private fun NativeUsage.toUsage(): Usage =
    Usage(promptTokens.toInt(), completionTokens.toInt(), cachedTokens.toInt(), cache?.toCacheTier(), semanticDistance)

private fun NativeCacheTier.toCacheTier(): CacheTier =
    when (this) {
        NativeCacheTier.RESPONSE -> CacheTier.RESPONSE
        NativeCacheTier.SEMANTIC -> CacheTier.SEMANTIC
        NativeCacheTier.RESIDENT -> CacheTier.RESIDENT
        NativeCacheTier.HOST -> CacheTier.HOST
        NativeCacheTier.DISK -> CacheTier.DISK
    }

private fun NativeTokenLogprob.toTokenLogprob(): TokenLogprob = TokenLogprob(token, logprob)

private fun NativeTimings.toTimings(): Timings = Timings(queuedMs, prefillMs, ttftMs, decodeMs, totalMs)

internal fun NativeModelInfo.toModelInfo(): ModelInfo =
    ModelInfo(
        name = name,
        path = path,
        description = description,
        parameters = parameters.toLong(),
        sizeBytes = sizeBytes.toLong(),
        vocabularySize = vocabularySize.toInt(),
        trainedContextTokens = trainedContextTokens.toInt(),
        contextTokens = contextTokens.toInt(),
        hasChatTemplate = hasChatTemplate,
    )

internal fun NativeEngineStats.toEngineStats(): EngineStats =
    EngineStats(
        steps = steps.toLong(),
        promptTokens = promptTokens.toLong(),
        completionTokens = completionTokens.toLong(),
        requestsRunning = requestsRunning.toInt(),
        requestsWaiting = requestsWaiting.toInt(),
        requestsFinished = requestsFinished.toLong(),
        requestsCancelled = requestsCancelled.toLong(),
        requestsFailed = requestsFailed.toLong(),
        cellsUsed = cellsUsed.toInt(),
        cellsTotal = cellsTotal.toInt(),
        prefixCacheQueries = prefixCacheQueries.toLong(),
        prefixCacheHits = prefixCacheHits.toLong(),
        prefixCacheHitRate = prefixCacheHitRate,
        responseCacheQueries = responseCacheQueries.toLong(),
        responseCacheHits = responseCacheHits.toLong(),
        responseCacheHitRate = responseCacheHitRate,
    )

internal fun NativeCacheStats.toCacheStats(): CacheStats =
    CacheStats(
        resident = resident.toCacheTierStats(),
        host = host.toCacheTierStats(),
        disk = disk.toCacheTierStats(),
        pinnedTokens = pinnedTokens.toLong(),
        response = response.toResponseCacheStats(),
    )

private fun NativeCacheTierStats.toCacheTierStats(): CacheTierStats =
    CacheTierStats(
        entries = entries.toLong(),
        tokens = tokens.toLong(),
        bytes = bytes.toLong(),
        capacityBytes = capacityBytes.toLong(),
        hits = hits.toLong(),
        hitTokens = hitTokens.toLong(),
        evictions = evictions.toLong(),
    )

private fun NativeResponseCacheStats.toResponseCacheStats(): ResponseCacheStats =
    ResponseCacheStats(
        entries = entries.toLong(),
        bytes = bytes.toLong(),
        capacityBytes = capacityBytes.toLong(),
        hits = hits.toLong(),
        shared = shared.toLong(),
        semanticHits = semanticHits.toLong(),
        misses = misses.toLong(),
        evictions = evictions.toLong(),
    )

internal fun NativeDevice.toDevice(): Device =
    Device(name, description, kind, memoryFreeBytes.toLong(), memoryTotalBytes.toLong())

internal fun NativeProgress.toProgress(): Progress =
    Progress(
        stage = when (stage) {
            NativeStage.FETCH -> Stage.FETCH
            NativeStage.VERIFY -> Stage.VERIFY
            NativeStage.LOAD -> Stage.LOAD
        },
        done = done.toLong(),
        total = total?.toLong(),
    )

internal fun NativeException.toIndwellException(): IndwellException =
    when (this) {
        is NativeException.Failed -> exceptionOf(kind, text, details.toErrorDetails())
    }

private fun NativeErrorDetails.toErrorDetails(): ErrorDetails =
    ErrorDetails(field, value, limit, remedy, retryAfterMs?.toLong())

private fun exceptionOf(kind: NativeErrorKind, message: String, details: ErrorDetails): IndwellException =
    when (kind) {
        NativeErrorKind.INVALID_REQUEST -> IndwellException.InvalidRequest(message, details)
        NativeErrorKind.CONTEXT_OVERFLOW -> IndwellException.ContextOverflow(message, details)
        NativeErrorKind.OVERLOADED -> IndwellException.Overloaded(message, details)
        NativeErrorKind.DEADLINE_EXCEEDED -> IndwellException.DeadlineExceeded(message, details)
        NativeErrorKind.CANCELLED -> IndwellException.Cancelled(message, details)
        NativeErrorKind.MODEL_LOAD -> IndwellException.ModelLoad(message, details)
        NativeErrorKind.OUT_OF_MEMORY -> IndwellException.OutOfMemory(message, details)
        NativeErrorKind.NOT_CACHED -> IndwellException.NotCached(message, details)
        NativeErrorKind.ENGINE_CLOSED -> IndwellException.EngineClosed(message, details)
        NativeErrorKind.ENGINE_POISONED -> IndwellException.EnginePoisoned(message, details)
        NativeErrorKind.UNSUPPORTED -> IndwellException.Unsupported(message, details)
        NativeErrorKind.FORKED -> IndwellException.Forked(message, details)
        NativeErrorKind.IO -> IndwellException.Io(message, details)
        NativeErrorKind.INTERNAL -> IndwellException.Internal(message, details)
    }
