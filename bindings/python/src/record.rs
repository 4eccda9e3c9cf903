//! What the engine tells of itself, on its way to Python: each becomes the frozen dataclass of the same
//! name in `indwell.info`, built by position, so the field order here is the field order there.
//! Answers are `reply`'s.

use indwell::{
    CacheStats, CacheTierStats, Device, EngineMemory, EngineStats, ModelInfo, Progress,
    ResponseCacheStats,
};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

pub(crate) type Record<'py> = PyResult<Bound<'py, PyAny>>;

/// The class of that name, looked up once.
macro_rules! class {
    ($py:expr, $module:literal, $name:literal) => {{
        static CLASS: pyo3::sync::PyOnceLock<Py<PyAny>> = pyo3::sync::PyOnceLock::new();
        CLASS.import($py, $module, $name)
    }};
}
pub(crate) use class;

pub(crate) fn model_info<'py>(py: Python<'py>, model: &ModelInfo) -> Record<'py> {
    class!(py, "indwell.info", "ModelInfo")?.call1((
        &model.name,
        &model.path,
        &model.description,
        model.parameters,
        model.size_bytes,
        model.vocabulary_size,
        model.trained_context_tokens,
        model.context_tokens,
        model.has_chat_template,
    ))
}

pub(crate) fn engine_stats<'py>(py: Python<'py>, stats: &EngineStats) -> Record<'py> {
    // More than a tuple of Rust's can bring.
    let counters: [u64; 19] = [
        stats.steps,
        stats.prompt_tokens,
        stats.completion_tokens,
        stats.requests_running.into(),
        stats.requests_waiting.into(),
        stats.requests_finished,
        stats.requests_cancelled,
        stats.requests_failed,
        stats.cells_used.into(),
        stats.cells_total.into(),
        stats.preemptions,
        stats.recomputed_tokens,
        stats.drafted_tokens,
        stats.accepted_tokens,
        stats.prefix_cache_queries,
        stats.prefix_cache_hits,
        stats.response_cache_queries,
        stats.response_cache_hits,
        stats.restarts,
    ];
    class!(py, "indwell.info", "EngineStats")?.call1(PyTuple::new(py, counters)?)
}

pub(crate) fn engine_memory<'py>(py: Python<'py>, memory: &EngineMemory) -> Record<'py> {
    class!(py, "indwell.info", "EngineMemory")?.call1((
        memory.budget_bytes,
        memory.limit_bytes,
        memory.weights_bytes,
        memory.kv_bytes,
        memory.scratch_bytes,
        memory.host_cache_bytes,
        memory.response_cache_bytes,
    ))
}

pub(crate) fn cache_stats<'py>(py: Python<'py>, caches: &CacheStats) -> Record<'py> {
    class!(py, "indwell.info", "CacheStats")?.call1((
        cache_tier_stats(py, &caches.resident)?,
        cache_tier_stats(py, &caches.host)?,
        cache_tier_stats(py, &caches.disk)?,
        caches.pinned_tokens,
        response_cache_stats(py, &caches.response)?,
    ))
}

fn cache_tier_stats<'py>(py: Python<'py>, tier: &CacheTierStats) -> Record<'py> {
    class!(py, "indwell.info", "CacheTierStats")?.call1((
        tier.entries,
        tier.tokens,
        tier.bytes,
        tier.capacity_bytes,
        tier.hits,
        tier.hit_tokens,
        tier.evictions,
    ))
}

fn response_cache_stats<'py>(py: Python<'py>, response: &ResponseCacheStats) -> Record<'py> {
    class!(py, "indwell.info", "ResponseCacheStats")?.call1((
        response.entries,
        response.bytes,
        response.capacity_bytes,
        response.hits,
        response.shared,
        response.semantic_hits,
        response.misses,
        response.evictions,
    ))
}

pub(crate) fn device<'py>(py: Python<'py>, device: &Device) -> Record<'py> {
    class!(py, "indwell.info", "Device")?.call1((
        &device.name,
        &device.description,
        device.kind.as_str(),
        device.memory_free_bytes,
        device.memory_total_bytes,
    ))
}

pub(crate) fn progress<'py>(py: Python<'py>, progress: &Progress) -> Record<'py> {
    class!(py, "indwell.info", "Progress")?.call1((
        progress.stage.as_str(),
        progress.done,
        progress.total,
    ))
}
