// What the native library says of itself, converted: models, numbers, devices, progress, errors.

internal import IndwellNative

extension EngineMemory {
    init(_ memory: NativeEngineMemory) {
        self.init(
            budgetBytes: memory.budgetBytes.map { Int(clamping: $0) },
            limitBytes: Int(clamping: memory.limitBytes),
            weightsBytes: Int(clamping: memory.weightsBytes),
            kvBytes: Int(clamping: memory.kvBytes),
            scratchBytes: Int(clamping: memory.scratchBytes),
            hostCacheBytes: Int(clamping: memory.hostCacheBytes),
            responseCacheBytes: Int(clamping: memory.responseCacheBytes),
            totalBytes: Int(clamping: memory.totalBytes)
        )
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
            preemptions: Int(clamping: stats.preemptions),
            recomputedTokens: Int(clamping: stats.recomputedTokens),
            draftedTokens: Int(clamping: stats.draftedTokens),
            acceptedTokens: Int(clamping: stats.acceptedTokens),
            prefixCacheQueries: Int(clamping: stats.prefixCacheQueries),
            prefixCacheHits: Int(clamping: stats.prefixCacheHits),
            prefixCacheHitRate: stats.prefixCacheHitRate,
            responseCacheQueries: Int(clamping: stats.responseCacheQueries),
            responseCacheHits: Int(clamping: stats.responseCacheHits),
            responseCacheHitRate: stats.responseCacheHitRate,
            restarts: Int(clamping: stats.restarts)
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
