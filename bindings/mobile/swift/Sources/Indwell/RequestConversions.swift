// Requests on their way to the native library: converted, not judged.

internal import IndwellNative

extension Message {
    var native: NativeMessage {
        let role: NativeRole =
            switch role {
            case .system: .system
            case .user: .user
            case .assistant: .assistant
            case .tool: .tool
            }
        return NativeMessage(
            role: role,
            content: content,
            name: name,
            reasoning: reasoning,
            toolCalls: toolCalls.map { NativeToolCall(id: $0.id, name: $0.name, arguments: $0.arguments) },
            toolCallId: toolCallId
        )
    }
}

extension EngineOptions {
    var native: NativeEngineOptions {
        NativeEngineOptions(
            contextTokens: contextTokens.map(Int64.init),
            sequencesMax: sequencesMax.map(Int64.init),
            batchTokens: batchTokens.map(Int64.init),
            prefillChunkTokens: prefillChunkTokens.map(Int64.init),
            itlTargetMs: itlTarget.map(\.milliseconds),
            threads: threads.map(Int64.init),
            queueRequestsMax: queueRequestsMax.map(Int64.init),
            queueTokensMax: queueTokensMax.map(Int64.init),
            defaultMaxTokens: defaultMaxTokens.map(Int64.init),
            gpuLayers: gpuLayers.map(Int64.init),
            flashAttention: flashAttention,
            isolation: isolation?.rawValue,
            speculation: speculation?.rawValue,
            streamCapacity: streamCapacity.map(Int64.init),
            prefixCacheTokens: prefixCacheTokens.map(Int64.init),
            hostCacheBytes: hostCacheBytes.map(Int64.init),
            diskCacheDir: diskCacheDir,
            diskCacheBytes: diskCacheBytes.map(Int64.init),
            responseCacheBytes: responseCacheBytes.map(Int64.init),
            responseCacheTtlMs: responseCacheTtl.map(\.milliseconds),
            responseCacheDir: responseCacheDir,
            memoryBytes: memoryBytes.map(Int64.init),
            chatTemplate: chatTemplate,
            toolParser: toolParser,
            reasoningParser: reasoningParser
        )
    }
}

extension RequestOptions {
    var native: NativeRequestOptions {
        NativeRequestOptions(
            maxTokens: maxTokens.map(Int64.init),
            minTokens: minTokens.map(Int64.init),
            stop: stop,
            stopTokens: stopTokens,
            ignoreEos: ignoreEos,
            n: n.map(Int64.init),
            bestOf: bestOf.map(Int64.init),
            timeoutMs: timeout.map(\.milliseconds),
            logprobs: logprobs,
            topLogprobs: topLogprobs.map(Int64.init),
            promptLogprobs: promptLogprobs,
            cache: cache.map(\.native),
            cacheSalt: cacheSalt,
            cacheTtlMs: cacheTtl.map(\.milliseconds),
            semantic: semantic.map(\.native),
            sampling: samplingPart,
            constraint: constraintPart,
            chat: chatPart
        )
    }

    private var samplingPart: NativeSampling {
        NativeSampling(
            temperature: temperature,
            dynatempRange: dynatempRange,
            dynatempExponent: dynatempExponent,
            topK: topK.map(Int64.init),
            topP: topP,
            minP: minP,
            typicalP: typicalP,
            topNSigma: topNSigma,
            xtcProbability: xtcProbability,
            xtcThreshold: xtcThreshold,
            dryMultiplier: dryMultiplier,
            dryBase: dryBase,
            dryAllowedLength: dryAllowedLength.map(Int64.init),
            dryPenaltyLastN: dryPenaltyLastN.map(Int64.init),
            drySequenceBreakers: drySequenceBreakers,
            repeatPenalty: repeatPenalty,
            repeatLastN: repeatLastN.map(Int64.init),
            presencePenalty: presencePenalty,
            frequencyPenalty: frequencyPenalty,
            mirostat: mirostat.map(Int64.init),
            mirostatTau: mirostatTau,
            mirostatEta: mirostatEta,
            samplers: samplers?.map(\.rawValue),
            logitBias: logitBias?.map(\.native),
            bannedStrings: bannedStrings,
            seed: seed.map(Int64.init)
        )
    }

    private var constraintPart: NativeConstraint {
        NativeConstraint(
            jsonSchema: jsonSchema?.text,
            jsonObject: jsonObject,
            regex: regex,
            choice: choice,
            lark: lark,
            gbnf: gbnf
        )
    }

    private var chatPart: NativeChatOptions {
        NativeChatOptions(
            tools: tools?.map(\.native),
            toolChoice: toolChoice.map(\.native),
            parallelToolCalls: parallelToolCalls,
            documents: documents?.map(\.text),
            templateArgs: templateArgs?.text,
            continueFinalMessage: continueFinalMessage,
            separateReasoning: separateReasoning
        )
    }
}

extension LogitBias {
    fileprivate var native: NativeLogitBias {
        switch self {
        case .token(let token, let bias): .token(token: token, bias: bias)
        case .text(let text, let bias): .text(text: text, bias: bias)
        }
    }
}

extension Tool {
    fileprivate var native: NativeTool {
        NativeTool(name: name, description: description, parameters: parameters?.text)
    }
}

extension ToolChoice {
    fileprivate var native: NativeToolChoice {
        switch self {
        case .auto: NativeToolChoice.auto
        case .never: NativeToolChoice.none
        case .required: NativeToolChoice.required
        case .named(let name): NativeToolChoice.named(name: name)
        }
    }
}

extension CacheMode {
    fileprivate var native: NativeCacheMode {
        switch self {
        case .use: .use
        case .bypass: .bypass
        case .refresh: .refresh
        case .onlyIfCached: .onlyIfCached
        }
    }
}

extension Duration {
    var milliseconds: Double {
        Double(components.seconds) * 1e3 + Double(components.attoseconds) / 1e15
    }
}
