// What the native library says of itself, converted: models, numbers, devices, progress, errors.

package ai.indwell

import ai.indwell.ffi.NativeCacheStats
import ai.indwell.ffi.NativeCacheTierStats
import ai.indwell.ffi.NativeDevice
import ai.indwell.ffi.NativeEngineMemory
import ai.indwell.ffi.NativeEngineStats
import ai.indwell.ffi.NativeErrorDetails
import ai.indwell.ffi.NativeErrorKind
import ai.indwell.ffi.NativeException
import ai.indwell.ffi.NativeModelInfo
import ai.indwell.ffi.NativeProgress
import ai.indwell.ffi.NativeResponseCacheStats
import ai.indwell.ffi.NativeStage

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
        preemptions = preemptions.toLong(),
        recomputedTokens = recomputedTokens.toLong(),
        draftedTokens = draftedTokens.toLong(),
        acceptedTokens = acceptedTokens.toLong(),
        prefixCacheQueries = prefixCacheQueries.toLong(),
        prefixCacheHits = prefixCacheHits.toLong(),
        prefixCacheHitRate = prefixCacheHitRate,
        responseCacheQueries = responseCacheQueries.toLong(),
        responseCacheHits = responseCacheHits.toLong(),
        responseCacheHitRate = responseCacheHitRate,
        restarts = restarts.toLong(),
    )

internal fun NativeEngineMemory.toEngineMemory(): EngineMemory =
    EngineMemory(
        budgetBytes = budgetBytes?.toLong(),
        limitBytes = limitBytes.toLong(),
        weightsBytes = weightsBytes.toLong(),
        kvBytes = kvBytes.toLong(),
        scratchBytes = scratchBytes.toLong(),
        hostCacheBytes = hostCacheBytes.toLong(),
        responseCacheBytes = responseCacheBytes.toLong(),
        totalBytes = totalBytes.toLong(),
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
