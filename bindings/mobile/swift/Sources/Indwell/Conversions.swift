// Values on their way to and from the native library: converted, not judged.

internal import IndwellNative

extension Message {
    var native: NativeMessage {
        let role: NativeRole =
            switch role {
            case .system: .system
            case .user: .user
            case .assistant: .assistant
            }
        return NativeMessage(role: role, content: content)
    }
}

extension EngineOptions {
    var native: NativeEngineOptions {
        NativeEngineOptions(
            contextTokens: contextTokens.map(Int64.init),
            sequencesMax: sequencesMax.map(Int64.init),
            batchTokens: batchTokens.map(Int64.init),
            prefillChunkTokens: prefillChunkTokens.map(Int64.init),
            threads: threads.map(Int64.init),
            queueRequestsMax: queueRequestsMax.map(Int64.init),
            queueTokensMax: queueTokensMax.map(Int64.init),
            defaultMaxTokens: defaultMaxTokens.map(Int64.init),
            gpuLayers: gpuLayers.map(Int64.init),
            flashAttention: flashAttention,
            streamCapacity: streamCapacity.map(Int64.init),
            prefixCacheTokens: prefixCacheTokens.map(Int64.init),
            hostCacheBytes: hostCacheBytes.map(Int64.init),
            diskCacheDir: diskCacheDir,
            diskCacheBytes: diskCacheBytes.map(Int64.init),
            responseCacheBytes: responseCacheBytes.map(Int64.init),
            responseCacheTtlMs: responseCacheTtl.map(\.milliseconds),
            responseCacheDir: responseCacheDir
        )
    }
}

extension RequestOptions {
    var native: NativeRequestOptions {
        NativeRequestOptions(
            maxTokens: maxTokens.map(Int64.init),
            temperature: temperature,
            topK: topK.map(Int64.init),
            topP: topP,
            minP: minP,
            seed: seed.map(Int64.init),
            stop: stop,
            timeoutMs: timeout.map(\.milliseconds),
            logprobs: logprobs,
            cache: cache.map(\.native),
            cacheSalt: cacheSalt,
            cacheTtlMs: cacheTtl.map(\.milliseconds),
            semantic: semantic.map(\.native)
        )
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

extension FinishReason {
    init(_ reason: NativeFinishReason) {
        switch reason {
        case .stop: self = .stop
        case .length: self = .length
        }
    }
}

extension TokenLogprob {
    init(_ entry: NativeTokenLogprob) {
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

extension CacheStats {
    init(_ stats: NativeCacheStats) {
        self.init(
            resident: CacheTierStats(stats.resident),
            host: CacheTierStats(stats.host),
            disk: CacheTierStats(stats.disk),
            pinnedTokens: Int(clamping: stats.pinnedTokens),
            response: ResponseCacheStats(stats.response)
        )
    }
}

extension ResponseCacheStats {
    init(_ stats: NativeResponseCacheStats) {
        self.init(
            entries: Int(clamping: stats.entries),
            bytes: Int(clamping: stats.bytes),
            capacityBytes: Int(clamping: stats.capacityBytes),
            hits: Int(clamping: stats.hits),
            shared: Int(clamping: stats.shared),
            semanticHits: Int(clamping: stats.semanticHits),
            misses: Int(clamping: stats.misses),
            evictions: Int(clamping: stats.evictions)
        )
    }
}

extension CacheTierStats {
    init(_ stats: NativeCacheTierStats) {
        self.init(
            entries: Int(clamping: stats.entries),
            tokens: Int(clamping: stats.tokens),
            bytes: Int(clamping: stats.bytes),
            capacityBytes: Int(clamping: stats.capacityBytes),
            hits: Int(clamping: stats.hits),
            hitTokens: Int(clamping: stats.hitTokens),
            evictions: Int(clamping: stats.evictions)
        )
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

extension ModelInfo {
    init(_ model: NativeModelInfo) {
        self.init(
            name: model.name,
            path: model.path,
            description: model.description,
            parameters: Int(clamping: model.parameters),
            sizeBytes: Int(clamping: model.sizeBytes),
            vocabularySize: Int(model.vocabularySize),
            trainedContextTokens: Int(model.trainedContextTokens),
            contextTokens: Int(model.contextTokens),
            hasChatTemplate: model.hasChatTemplate
        )
    }
}

extension EngineStats {
    init(_ stats: NativeEngineStats) {
        self.init(
            steps: Int(clamping: stats.steps),
            promptTokens: Int(clamping: stats.promptTokens),
            completionTokens: Int(clamping: stats.completionTokens),
            requestsRunning: Int(stats.requestsRunning),
            requestsWaiting: Int(stats.requestsWaiting),
            requestsFinished: Int(clamping: stats.requestsFinished),
            requestsCancelled: Int(clamping: stats.requestsCancelled),
            requestsFailed: Int(clamping: stats.requestsFailed),
            cellsUsed: Int(stats.cellsUsed),
            cellsTotal: Int(stats.cellsTotal),
            prefixCacheQueries: Int(clamping: stats.prefixCacheQueries),
            prefixCacheHits: Int(clamping: stats.prefixCacheHits),
            prefixCacheHitRate: stats.prefixCacheHitRate,
            responseCacheQueries: Int(clamping: stats.responseCacheQueries),
            responseCacheHits: Int(clamping: stats.responseCacheHits),
            responseCacheHitRate: stats.responseCacheHitRate
        )
    }
}

extension LoadProgress {
    init(_ progress: NativeProgress) {
        let stage: Stage =
            switch progress.stage {
            case .fetch: .fetch
            case .verify: .verify
            case .load: .load
            }
        self.init(
            stage: stage,
            done: Int(clamping: progress.done),
            total: progress.total.map { Int(clamping: $0) }
        )
    }
}

extension Device {
    init(_ device: NativeDevice) {
        self.init(
            name: device.name,
            description: device.description,
            kind: device.kind,
            memoryFreeBytes: Int(clamping: device.memoryFreeBytes),
            memoryTotalBytes: Int(clamping: device.memoryTotalBytes)
        )
    }
}

extension IndwellError.Kind {
    init(_ kind: NativeErrorKind) {
        switch kind {
        case .invalidRequest: self = .invalidRequest
        case .contextOverflow: self = .contextOverflow
        case .overloaded: self = .overloaded
        case .deadlineExceeded: self = .deadlineExceeded
        case .cancelled: self = .cancelled
        case .modelLoad: self = .modelLoad
        case .outOfMemory: self = .outOfMemory
        case .notCached: self = .notCached
        case .engineClosed: self = .engineClosed
        case .enginePoisoned: self = .enginePoisoned
        case .unsupported: self = .unsupported
        case .forked: self = .forked
        case .io: self = .io
        case .internal: self = .internal
        }
    }
}

extension IndwellError.Details {
    init(_ details: NativeErrorDetails) {
        self.init(
            field: details.field,
            value: details.value,
            limit: details.limit,
            remedy: details.remedy,
            retryAfterMs: details.retryAfterMs.map { Int(clamping: $0) }
        )
    }
}
