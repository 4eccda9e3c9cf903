//! Rust values on their way to Python: each becomes the frozen dataclass of the same name in
//! `indwell.reply` or `indwell.info`, built by position, so the field order here is the field order
//! there.

use indwell::{
    CacheStats, CacheTier, CacheTierStats, Device, EngineStats, ErrorKind, Event, Finished,
    ModelInfo, Progress, Reply, ResponseCacheStats, TextDelta, Timings, TokenLogprob, Usage,
};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;

use crate::error;

type Record<'py> = PyResult<Bound<'py, PyAny>>;

/// The class of that name, looked up once.
macro_rules! class {
    ($py:expr, $module:literal, $name:literal) => {{
        static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        CLASS.import($py, $module, $name)
    }};
}

/// An event; the exception, if it says that the request was cancelled or failed.
pub(crate) fn event<'py>(py: Python<'py>, event: &Event) -> Record<'py> {
    match event {
        Event::Text(delta) => text_delta(py, delta),
        Event::Finished(end) => finished(py, end),
        Event::Cancelled => Err(error::cancelled(py)),
        Event::Failed(failure) => Err(error::raise(py, failure)),
        _ => Err(error::of_kind(
            py,
            ErrorKind::Internal,
            "an event that the Python package does not know",
        )),
    }
}

pub(crate) fn reply<'py>(py: Python<'py>, reply: &Reply) -> Record<'py> {
    class!(py, "indwell.reply", "Reply")?.call1((
        &reply.text,
        reply.finish_reason.as_str(),
        usage(py, &reply.usage)?,
        timings(py, &reply.timings)?,
        logprobs(py, &reply.logprobs)?,
        reply.decode_tokens_per_second(),
    ))
}

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
    let counters: [u64; 14] = [
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
        stats.prefix_cache_queries,
        stats.prefix_cache_hits,
        stats.response_cache_queries,
        stats.response_cache_hits,
    ];
    class!(py, "indwell.info", "EngineStats")?.call1(PyTuple::new(py, counters)?)
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

fn text_delta<'py>(py: Python<'py>, delta: &TextDelta) -> Record<'py> {
    class!(py, "indwell.reply", "TextDelta")?.call1((&delta.text, logprobs(py, &delta.logprobs)?))
}

fn finished<'py>(py: Python<'py>, end: &Finished) -> Record<'py> {
    class!(py, "indwell.reply", "Finished")?.call1((
        end.reason.as_str(),
        usage(py, &end.usage)?,
        timings(py, &end.timings)?,
        end.decode_tokens_per_second(),
    ))
}

fn usage<'py>(py: Python<'py>, usage: &Usage) -> Record<'py> {
    class!(py, "indwell.reply", "Usage")?.call1((
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.cached_tokens,
        usage.cache.map(CacheTier::as_str),
        usage.semantic_distance,
    ))
}

fn timings<'py>(py: Python<'py>, timings: &Timings) -> Record<'py> {
    class!(py, "indwell.reply", "Timings")?.call1((
        timings.queued_ms,
        timings.prefill_ms,
        timings.ttft_ms,
        timings.decode_ms,
        timings.total_ms,
    ))
}

fn logprobs<'py>(py: Python<'py>, logprobs: &[TokenLogprob]) -> PyResult<Bound<'py, PyTuple>> {
    let class = class!(py, "indwell.reply", "TokenLogprob")?;
    let entries = logprobs.iter().map(|entry| class.call1((entry.token, entry.logprob)));
    PyTuple::new(py, entries.collect::<PyResult<Vec<_>>>()?)
}
