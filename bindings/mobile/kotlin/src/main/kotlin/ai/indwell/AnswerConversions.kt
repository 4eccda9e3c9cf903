// Answers on their way from the native library, converted.

package ai.indwell

import ai.indwell.ffi.NativeCacheTier
import ai.indwell.ffi.NativeChoice
import ai.indwell.ffi.NativeEvent
import ai.indwell.ffi.NativeFinishReason
import ai.indwell.ffi.NativePromptLogprob
import ai.indwell.ffi.NativeReply
import ai.indwell.ffi.NativeTimings
import ai.indwell.ffi.NativeTokenLogprob
import ai.indwell.ffi.NativeToolCall
import ai.indwell.ffi.NativeTopLogprob
import ai.indwell.ffi.NativeUsage

internal fun NativeReply.toReply(): Reply =
    Reply(
        text = text,
        finishReason = finishReason.toFinishReason(),
        usage = usage.toUsage(),
        timings = timings.toTimings(),
        decodeTokensPerSecond = decodeTokensPerSecond,
        reasoning = reasoning,
        toolCalls = toolCalls.map { it.toToolCall() },
        logprobs = logprobs.map { it.toTokenLogprob() },
        promptLogprobs = promptLogprobs.map { it.toPromptLogprob() },
        alternatives = alternatives.map { it.toChoice() },
    )

private fun NativeChoice.toChoice(): Choice =
    Choice(
        text = text,
        finishReason = finishReason.toFinishReason(),
        reasoning = reasoning,
        toolCalls = toolCalls.map { it.toToolCall() },
        logprobs = logprobs.map { it.toTokenLogprob() },
    )

internal fun NativeEvent.PromptLogprobs.toPromptLogprobs(): PromptLogprobs =
    PromptLogprobs(tokens.map { it.toPromptLogprob() })

internal fun NativeEvent.Reasoning.toReasoningDelta(): ReasoningDelta = ReasoningDelta(text, choice.toInt())

internal fun NativeEvent.Text.toTextDelta(): TextDelta =
    TextDelta(text, logprobs.map { it.toTokenLogprob() }, choice.toInt())

internal fun NativeEvent.ToolCall.toToolCallDelta(): ToolCallDelta =
    ToolCallDelta(index.toInt(), id, name, arguments, choice.toInt())

internal fun NativeEvent.ChoiceFinished.toChoiceFinished(): ChoiceFinished =
    ChoiceFinished(choice.toInt(), reason.toFinishReason())

internal fun NativeEvent.Finished.toFinished(): Finished =
    Finished(reason.toFinishReason(), usage.toUsage(), timings.toTimings(), decodeTokensPerSecond)

private fun NativeFinishReason.toFinishReason(): FinishReason =
    when (this) {
        NativeFinishReason.STOP -> FinishReason.STOP
        NativeFinishReason.LENGTH -> FinishReason.LENGTH
        NativeFinishReason.TOOL_CALLS -> FinishReason.TOOL_CALLS
    }

private fun NativeToolCall.toToolCall(): ToolCall = ToolCall(id, name, arguments)

private fun NativeTokenLogprob.toTokenLogprob(): TokenLogprob =
    TokenLogprob(token, logprob, top.map { it.toTopLogprob() })

private fun NativePromptLogprob.toPromptLogprob(): PromptLogprob =
    PromptLogprob(token, logprob, top.map { it.toTopLogprob() })

private fun NativeTopLogprob.toTopLogprob(): TopLogprob = TopLogprob(token, logprob)

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

private fun NativeTimings.toTimings(): Timings = Timings(queuedMs, prefillMs, ttftMs, decodeMs, totalMs)
