//! Plain objects on their way out to JavaScript: errors, and what an engine says of itself. Field names
//! become camelCase; counts become JavaScript numbers, exact up to 2^53.

use indwell::{
    CacheStats, CacheTierStats, Device, EngineMemory, EngineStats, Error, ModelInfo, Progress,
    ResponseCacheStats,
};
use napi::bindgen_prelude::{Either, Null};
use napi_derive::napi;

/// What `lib/error.cjs` makes an `IndwellError` of.
#[napi(object, object_from_js = false)]
#[derive(Clone, Default)]
pub struct ErrorObject {
    pub code: String,
    pub message: String,
    pub field: Option<String>,
    pub value: Option<String>,
    pub limit: Option<String>,
    pub remedy: Option<String>,
    pub retry_after_ms: Option<f64>,
}

impl ErrorObject {
    pub(crate) fn cancelled() -> Self {
        Self {
            code: "cancelled".into(),
            message: "the request was cancelled".into(),
            ..Self::default()
        }
    }

    /// A thread of the engine's caller panicked, which is a bug of ours: the caller hears instead
    /// of waiting for ever.
    pub(crate) fn panicked() -> Self {
        Self::internal("a request or a load panicked; please report it")
    }

    /// For a fault that is not the caller's.
    pub(crate) fn internal(message: &str) -> Self {
        Self { code: "internal".into(), message: message.into(), ..Self::default() }
    }
}

impl From<&Error> for ErrorObject {
    fn from(error: &Error) -> Self {
        let details = error.details().clone();
        Self {
            code: error.kind().as_str().into(),
            message: error.message().into(),
            field: details.field,
            value: details.value,
            limit: details.limit,
            remedy: details.remedy,
            retry_after_ms: details.retry_after_ms.map(|ms| ms as f64),
        }
    }
}

#[napi(object, object_from_js = false)]
pub struct ModelObject {
    pub name: String,
    pub path: String,
    pub description: String,
    pub parameters: f64,
    pub size_bytes: f64,
    pub vocabulary_size: u32,
    pub trained_context_tokens: u32,
    pub context_tokens: u32,
    pub has_chat_template: bool,
}

impl From<&ModelInfo> for ModelObject {
    fn from(model: &ModelInfo) -> Self {
        Self {
            name: model.name.clone(),
            path: model.path.display().to_string(),
            description: model.description.clone(),
            parameters: model.parameters as f64,
            size_bytes: model.size_bytes as f64,
            vocabulary_size: model.vocabulary_size,
            trained_context_tokens: model.trained_context_tokens,
            context_tokens: model.context_tokens,
            has_chat_template: model.has_chat_template,
        }
    }
}

#[napi(object, object_from_js = false)]
pub struct StatsObject {
    pub steps: f64,
    pub prompt_tokens: f64,
    pub completion_tokens: f64,
    pub requests_running: u32,
    pub requests_waiting: u32,
    pub requests_finished: f64,
    pub requests_cancelled: f64,
    pub requests_failed: f64,
    pub cells_used: u32,
    pub cells_total: u32,
    pub preemptions: f64,
    pub recomputed_tokens: f64,
    pub drafted_tokens: f64,
    pub accepted_tokens: f64,
    pub prefix_cache_queries: f64,
    pub prefix_cache_hits: f64,
    pub prefix_cache_hit_rate: f64,
    pub response_cache_queries: f64,
    pub response_cache_hits: f64,
    pub response_cache_hit_rate: f64,
    pub restarts: f64,
}

impl From<EngineStats> for StatsObject {
    fn from(stats: EngineStats) -> Self {
        Self {
            steps: stats.steps as f64,
            prompt_tokens: stats.prompt_tokens as f64,
            completion_tokens: stats.completion_tokens as f64,
            requests_running: stats.requests_running,
            requests_waiting: stats.requests_waiting,
            requests_finished: stats.requests_finished as f64,
            requests_cancelled: stats.requests_cancelled as f64,
            requests_failed: stats.requests_failed as f64,
            cells_used: stats.cells_used,
            cells_total: stats.cells_total,
            preemptions: stats.preemptions as f64,
            recomputed_tokens: stats.recomputed_tokens as f64,
            drafted_tokens: stats.drafted_tokens as f64,
            accepted_tokens: stats.accepted_tokens as f64,
            prefix_cache_queries: stats.prefix_cache_queries as f64,
            prefix_cache_hits: stats.prefix_cache_hits as f64,
            prefix_cache_hit_rate: stats.prefix_cache_hit_rate(),
            response_cache_queries: stats.response_cache_queries as f64,
            response_cache_hits: stats.response_cache_hits as f64,
            response_cache_hit_rate: stats.response_cache_hit_rate(),
            restarts: stats.restarts as f64,
        }
    }
}

#[napi(object, object_from_js = false)]
pub struct MemoryObject {
    /// `null` where nothing was said.
    pub budget_bytes: Either<f64, Null>,
    pub limit_bytes: f64,
    pub weights_bytes: f64,
    pub kv_bytes: f64,
    pub scratch_bytes: f64,
    pub host_cache_bytes: f64,
    pub response_cache_bytes: f64,
    pub total_bytes: f64,
}

impl From<EngineMemory> for MemoryObject {
    fn from(memory: EngineMemory) -> Self {
        let budget = memory.budget_bytes.map(|bytes| bytes as f64);
        Self {
            budget_bytes: budget.map_or(Either::B(Null), Either::A),
            limit_bytes: memory.limit_bytes as f64,
            weights_bytes: memory.weights_bytes as f64,
            kv_bytes: memory.kv_bytes as f64,
            scratch_bytes: memory.scratch_bytes as f64,
            host_cache_bytes: memory.host_cache_bytes as f64,
            response_cache_bytes: memory.response_cache_bytes as f64,
            total_bytes: memory.total_bytes() as f64,
        }
    }
}

#[napi(object, object_from_js = false)]
pub struct MetricsObject {
    pub text: String,
}

#[napi(object, object_from_js = false)]
pub struct CachesObject {
    pub resident: TierObject,
    pub host: TierObject,
    pub disk: TierObject,
    pub pinned_tokens: f64,
    pub response: ResponsesObject,
}

impl From<CacheStats> for CachesObject {
    fn from(caches: CacheStats) -> Self {
        Self {
            resident: caches.resident.into(),
            host: caches.host.into(),
            disk: caches.disk.into(),
            pinned_tokens: caches.pinned_tokens as f64,
            response: caches.response.into(),
        }
    }
}

#[napi(object, object_from_js = false)]
pub struct TierObject {
    pub entries: f64,
    pub tokens: f64,
    pub bytes: f64,
    pub capacity_bytes: f64,
    pub hits: f64,
    pub hit_tokens: f64,
    pub evictions: f64,
}

impl From<CacheTierStats> for TierObject {
    fn from(tier: CacheTierStats) -> Self {
        Self {
            entries: tier.entries as f64,
            tokens: tier.tokens as f64,
            bytes: tier.bytes as f64,
            capacity_bytes: tier.capacity_bytes as f64,
            hits: tier.hits as f64,
            hit_tokens: tier.hit_tokens as f64,
            evictions: tier.evictions as f64,
        }
    }
}

#[napi(object, object_from_js = false)]
pub struct ResponsesObject {
    pub entries: f64,
    pub bytes: f64,
    pub capacity_bytes: f64,
    pub hits: f64,
    pub shared: f64,
    pub semantic_hits: f64,
    pub misses: f64,
    pub evictions: f64,
}

impl From<ResponseCacheStats> for ResponsesObject {
    fn from(responses: ResponseCacheStats) -> Self {
        Self {
            entries: responses.entries as f64,
            bytes: responses.bytes as f64,
            capacity_bytes: responses.capacity_bytes as f64,
            hits: responses.hits as f64,
            shared: responses.shared as f64,
            semantic_hits: responses.semantic_hits as f64,
            misses: responses.misses as f64,
            evictions: responses.evictions as f64,
        }
    }
}

#[napi(object, object_from_js = false)]
pub struct DeviceObject {
    pub name: String,
    pub description: String,
    pub kind: &'static str,
    pub memory_free_bytes: f64,
    pub memory_total_bytes: f64,
}

impl From<Device> for DeviceObject {
    fn from(device: Device) -> Self {
        Self {
            kind: device.kind.as_str(),
            memory_free_bytes: device.memory_free_bytes as f64,
            memory_total_bytes: device.memory_total_bytes as f64,
            name: device.name,
            description: device.description,
        }
    }
}

#[napi(object, object_from_js = false)]
pub struct ProgressObject {
    pub stage: &'static str,
    pub done: f64,
    pub total: Option<f64>,
}

impl From<Progress> for ProgressObject {
    fn from(progress: Progress) -> Self {
        Self {
            stage: progress.stage.as_str(),
            done: progress.done as f64,
            total: progress.total.map(|total| total as f64),
        }
    }
}
