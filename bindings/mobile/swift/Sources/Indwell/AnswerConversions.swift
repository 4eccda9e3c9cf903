// Answers on their way from the native library, converted.

internal import IndwellNative

extension Reply {
    init(_ reply: NativeReply) {
        self.init(
            text: reply.text,
            reasoning: reply.reasoning,
            toolCalls: reply.toolCalls.map(ToolCall.init),
            finishReason: FinishReason(reply.finishReason),
            usage: Usage(reply.usage),
            timings: Timings(reply.timings),
            decodeTokensPerSecond: reply.decodeTokensPerSecond,
            logprobs: reply.logprobs.map(TokenLogprob.init),
            promptLogprobs: reply.promptLogprobs.map(PromptLogprob.init),
            alternatives: reply.alternatives.map(Choice.init)
        )
    }
}

extension Choice {
    init(_ choice: NativeChoice) {
        self.init(
            text: choice.text,
            reasoning: choice.reasoning,
            toolCalls: choice.toolCalls.map(ToolCall.init),
            finishReason: FinishReason(choice.finishReason),
            logprobs: choice.logprobs.map(TokenLogprob.init)
        )
    }
}

extension ToolCall {
    init(_ call: NativeToolCall) {
        self.init(id: call.id, name: call.name, arguments: call.arguments)
    }
}

extension FinishReason {
    init(_ reason: NativeFinishReason) {
        switch reason {
        case .stop: self = .stop
        case .length: self = .length
        case .toolCalls: self = .toolCalls
        }
    }
}

extension TokenLogprob {
    init(_ entry: NativeTokenLogprob) {
        self.init(token: entry.token, logprob: entry.logprob, top: entry.top.map(TopLogprob.init))
    }
}

extension PromptLogprob {
    init(_ entry: NativePromptLogprob) {
        self.init(token: entry.token, logprob: entry.logprob, top: entry.top.map(TopLogprob.init))
    }
}

extension TopLogprob {
    init(_ entry: NativeTopLogprob) {
        self.init(token: entry.token, logprob: entry.logprob)
    }
}

extension Usage {
    init(_ usage: NativeUsage) {
        self.init(
            promptTokens: Int(usage.promptTokens),
            completionTokens: Int(usage.completionTokens),
            cachedTokens: Int(usage.cachedTokens),
            cache: usage.cache.map(CacheTier.init),
            semanticDistance: usage.semanticDistance
        )
    }
}

extension CacheTier {
    init(_ tier: NativeCacheTier) {
        switch tier {
        case .response: self = .response
        case .semantic: self = .semantic
        case .resident: self = .resident
        case .host: self = .host
        case .disk: self = .disk
        }
    }
}

extension Timings {
    init(_ timings: NativeTimings) {
        self.init(
            queuedMs: timings.queuedMs,
            prefillMs: timings.prefillMs,
            ttftMs: timings.ttftMs,
            decodeMs: timings.decodeMs,
            totalMs: timings.totalMs
        )
    }
}
