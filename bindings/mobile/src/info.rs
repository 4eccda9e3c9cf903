//! Models, statistics and devices, as they cross.

use crate::error::NativeError;

/// `indwell::ModelInfo`.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::ModelInfo documents them")]
pub struct NativeModelInfo {
    pub name: String,
    pub path: String,
    pub description: String,
    pub parameters: u64,
    pub size_bytes: u64,
    pub vocabulary_size: u32,
    pub trained_context_tokens: u32,
    pub context_tokens: u32,
    pub has_chat_template: bool,
}

/// `indwell::EngineStats`.
#[derive(Debug, Clone, Copy, PartialEq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::EngineStats documents them")]
pub struct NativeEngineStats {
    pub steps: u64,
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    pub requests_running: u32,
    pub requests_waiting: u32,
    pub requests_finished: u64,
    pub requests_cancelled: u64,
    pub requests_failed: u64,
    pub cells_used: u32,
    pub cells_total: u32,
    pub preemptions: u64,
    pub recomputed_tokens: u64,
    pub drafted_tokens: u64,
    pub accepted_tokens: u64,
    pub prefix_cache_queries: u64,
    pub prefix_cache_hits: u64,
    pub prefix_cache_hit_rate: f64,
    pub response_cache_queries: u64,
    pub response_cache_hits: u64,
    pub response_cache_hit_rate: f64,
    pub restarts: u64,
}

/// `indwell::EngineMemory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::EngineMemory documents them")]
pub struct NativeEngineMemory {
    pub budget_bytes: Option<u64>,
    pub limit_bytes: u64,
    pub weights_bytes: u64,
    pub kv_bytes: u64,
    pub scratch_bytes: u64,
    pub host_cache_bytes: u64,
    pub response_cache_bytes: u64,
    pub total_bytes: u64,
}

impl From<indwell::EngineMemory> for NativeEngineMemory {
    fn from(memory: indwell::EngineMemory) -> Self {
        Self {
            budget_bytes: memory.budget_bytes,
            limit_bytes: memory.limit_bytes,
            weights_bytes: memory.weights_bytes,
            kv_bytes: memory.kv_bytes,
            scratch_bytes: memory.scratch_bytes,
            host_cache_bytes: memory.host_cache_bytes,
            response_cache_bytes: memory.response_cache_bytes,
            total_bytes: memory.total_bytes(),
        }
    }
}

/// `indwell::Device`.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::Device documents them")]
pub struct NativeDevice {
    pub name: String,
    pub description: String,
    pub kind: String,
    pub memory_free_bytes: u64,
    pub memory_total_bytes: u64,
}

/// `indwell::devices`. Blocks while the backends are loaded, the first time.
///
/// # Errors
///
/// As `indwell::devices`.
#[uniffi::export]
pub fn native_devices() -> Result<Vec<NativeDevice>, NativeError> {
    Ok(indwell::devices()?.into_iter().map(Into::into).collect())
}

impl From<&indwell::ModelInfo> for NativeModelInfo {
    fn from(model: &indwell::ModelInfo) -> Self {
        Self {
            name: model.name.clone(),
            path: model.path.display().to_string(),
            description: model.description.clone(),
            parameters: model.parameters,
            size_bytes: model.size_bytes,
            vocabulary_size: model.vocabulary_size,
            trained_context_tokens: model.trained_context_tokens,
            context_tokens: model.context_tokens,
            has_chat_template: model.has_chat_template,
        }
    }
}

impl From<indwell::EngineStats> for NativeEngineStats {
    fn from(stats: indwell::EngineStats) -> Self {
        Self {
            steps: stats.steps,
            prompt_tokens: stats.prompt_tokens,
            completion_tokens: stats.completion_tokens,
            requests_running: stats.requests_running,
            requests_waiting: stats.requests_waiting,
            requests_finished: stats.requests_finished,
            requests_cancelled: stats.requests_cancelled,
            requests_failed: stats.requests_failed,
            cells_used: stats.cells_used,
            cells_total: stats.cells_total,
            preemptions: stats.preemptions,
            recomputed_tokens: stats.recomputed_tokens,
            drafted_tokens: stats.drafted_tokens,
            accepted_tokens: stats.accepted_tokens,
            prefix_cache_queries: stats.prefix_cache_queries,
            prefix_cache_hits: stats.prefix_cache_hits,
            prefix_cache_hit_rate: stats.prefix_cache_hit_rate(),
            response_cache_queries: stats.response_cache_queries,
            response_cache_hits: stats.response_cache_hits,
            response_cache_hit_rate: stats.response_cache_hit_rate(),
            restarts: stats.restarts,
        }
    }
}

impl From<indwell::Device> for NativeDevice {
    fn from(device: indwell::Device) -> Self {
        Self {
            name: device.name,
            description: device.description,
            kind: device.kind.as_str().to_owned(),
            memory_free_bytes: device.memory_free_bytes,
            memory_total_bytes: device.memory_total_bytes,
        }
    }
}

/// Indwell's version.
#[uniffi::export]
#[must_use]
pub fn native_version() -> String {
    indwell::VERSION.to_owned()
}
