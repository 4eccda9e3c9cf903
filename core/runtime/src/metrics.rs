//! What an engine measures, as Prometheus reads it.
//!
//! The names are vLLM's with `indwell:` in front, so that dashboards made for one show the other.
//! Histograms live here, each behind a lock that is held for some nanoseconds; counters and gauges
//! are those of [`EngineStats`] at the moment of reading. Every engine has its own: nothing is
//! registered globally.

use std::borrow::Cow;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::{EngineStats, Event, FinishReason, Finished};

/// What a server says the text is.
pub const METRICS_CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// Seconds from a request to its first token.
const FIRST_TOKEN_SECONDS: [f64; 22] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
];
/// Seconds from one token to the next.
const TOKEN_SECONDS: [f64; 19] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5,
    5.0, 10.0, 40.0,
];
/// Seconds of a request, or of a part of it.
const REQUEST_SECONDS: [f64; 22] = [
    0.01, 0.05, 0.1, 0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0,
    240.0, 480.0, 960.0, 1920.0, 7680.0,
];
/// Tokens of a request.
const REQUEST_TOKENS: [f64; 17] =
    [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5];

/// The measurements of one engine.
#[derive(Debug)]
pub(crate) struct Metrics {
    time_to_first_token: Histogram,
    inter_token_latency: Histogram,
    e2e_request_latency: Histogram,
    queue_time: Histogram,
    prefill_time: Histogram,
    decode_time: Histogram,
    prompt_tokens: Histogram,
    generation_tokens: Histogram,
    /// Of the complete answers: those that `max_tokens` or the context ended.
    finished_by_length: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            time_to_first_token: Histogram::new(FIRST_TOKEN_SECONDS),
            inter_token_latency: Histogram::new(TOKEN_SECONDS),
            e2e_request_latency: Histogram::new(REQUEST_SECONDS),
            queue_time: Histogram::new(REQUEST_SECONDS),
            prefill_time: Histogram::new(REQUEST_SECONDS),
            decode_time: Histogram::new(REQUEST_SECONDS),
            prompt_tokens: Histogram::new(REQUEST_TOKENS),
            generation_tokens: Histogram::new(REQUEST_TOKENS),
            finished_by_length: AtomicU64::new(0),
        }
    }
}

impl Metrics {
    /// The first token of an answer came, so long after its request.
    pub(crate) fn first_token(&self, waited: Duration) {
        self.time_to_first_token.observe(waited.as_secs_f64());
    }

    /// Another token came, so long after the one before.
    pub(crate) fn next_token(&self, waited: Duration) {
        self.inter_token_latency.observe(waited.as_secs_f64());
    }

    /// A request ends so; complete answers are measured, whoever made them.
    pub(crate) fn ended(&self, event: &Event) {
        let Event::Finished(Finished { reason, usage, timings }) = event else { return };
        if *reason == FinishReason::Length {
            self.finished_by_length.fetch_add(1, Relaxed);
        }
        self.e2e_request_latency.observe(timings.total_ms / 1000.0);
        self.queue_time.observe(timings.queued_ms / 1000.0);
        self.prefill_time.observe(timings.prefill_ms / 1000.0);
        self.decode_time.observe(timings.decode_ms / 1000.0);
        self.prompt_tokens.observe(usage.prompt_tokens.into());
        self.generation_tokens.observe(usage.completion_tokens.into());
    }

    /// All of it, with the engine's counters, as text of Prometheus's format 0.0.4.
    pub(crate) fn text(&self, stats: &EngineStats, model: &str) -> String {
        let label = (Cow::Borrowed("model_name"), Cow::Owned(model.to_owned()));
        let mut registry = Registry::with_labels([label].into_iter());
        counters(&mut registry, stats);
        self.ends(&mut registry, stats);
        self.histograms(&mut registry);
        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry).expect("a string takes all");
        text
    }

    fn histograms(&self, registry: &mut Registry) {
        for (name, help, histogram) in [
            (
                "time_to_first_token_seconds",
                "From a request to its first token",
                &self.time_to_first_token,
            ),
            (
                "inter_token_latency_seconds",
                "From one token of an answer to the next",
                &self.inter_token_latency,
            ),
            (
                "e2e_request_latency_seconds",
                "From a request to the end of its answer",
                &self.e2e_request_latency,
            ),
            (
                "request_queue_time_seconds",
                "From a request until its prompt was begun",
                &self.queue_time,
            ),
            ("request_prefill_time_seconds", "From then until its first token", &self.prefill_time),
            ("request_decode_time_seconds", "From its first token to its last", &self.decode_time),
            ("request_prompt_tokens", "Tokens of a request's prompt", &self.prompt_tokens),
            ("request_generation_tokens", "Tokens of a request's answer", &self.generation_tokens),
        ] {
            registry.register(named(name), help, histogram.clone());
        }
    }

    /// Requests that ended, by the reason.
    fn ends(&self, registry: &mut Registry, stats: &EngineStats) {
        let length = self.finished_by_length.load(Relaxed);
        let ends = Family::<[(&str, &str); 1], Counter>::default();
        for (reason, count) in [
            ("stop", stats.requests_finished.saturating_sub(length)),
            ("length", length),
            ("abort", stats.requests_cancelled),
            ("error", stats.requests_failed),
        ] {
            ends.get_or_create(&[("finished_reason", reason)]).inc_by(count);
        }
        registry.register(named("request_success"), "Requests that ended, by the reason", ends);
    }
}

fn counters(registry: &mut Registry, stats: &EngineStats) {
    for (name, help, value) in [
        ("num_requests_running", "Requests being computed", stats.requests_running),
        ("num_requests_waiting", "Requests in the queue", stats.requests_waiting),
    ] {
        registry.register(named(name), help, ConstGauge::new(i64::from(value)));
    }
    let usage = f64::from(stats.cells_used) / f64::from(stats.cells_total.max(1));
    let help = "KV cells that hold tokens, as a share of all";
    registry.register(named("kv_cache_usage_perc"), help, ConstGauge::new(usage));
    for (name, help, value) in [
        ("prompt_tokens", "Prompt tokens computed", stats.prompt_tokens),
        ("generation_tokens", "Tokens generated", stats.completion_tokens),
        (
            "prefix_cache_queries",
            "Prompt tokens looked for in the prefix cache",
            stats.prefix_cache_queries,
        ),
        ("prefix_cache_hits", "Prompt tokens found in the prefix cache", stats.prefix_cache_hits),
        (
            "response_cache_queries",
            "Requests that a stored answer could have served",
            stats.response_cache_queries,
        ),
        ("response_cache_hits", "Requests that a stored answer served", stats.response_cache_hits),
        (
            "num_preemptions",
            "How often requests gave their KV cells up to others",
            stats.preemptions,
        ),
        (
            "recomputed_tokens",
            "Tokens computed once more after a preemption",
            stats.recomputed_tokens,
        ),
        (
            "spec_decode_num_draft_tokens",
            "Tokens drafted and verified in a batch",
            stats.drafted_tokens,
        ),
        (
            "spec_decode_num_accepted_tokens",
            "Drafted tokens that were right",
            stats.accepted_tokens,
        ),
        ("engine_steps", "Decode calls, each of one batch", stats.steps),
        ("restarts", "Times that the process which computes was started again", stats.restarts),
    ] {
        registry.register(named(name), help, ConstCounter::new(value));
    }
}

fn named(name: &str) -> String {
    format!("indwell:{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Timings, Usage};

    #[test]
    fn the_text_has_counters_gauges_and_histograms_with_their_labels() {
        let metrics = Metrics::default();
        metrics.first_token(Duration::from_millis(30));
        metrics.next_token(Duration::from_millis(4));
        let usage = Usage { prompt_tokens: 12, completion_tokens: 7, ..Usage::default() };
        let timings = Timings { total_ms: 90.0, ..Timings::default() };
        let reason = FinishReason::Length;
        metrics.ended(&Event::Finished(Finished { reason, usage, timings }));
        let stats = EngineStats {
            requests_running: 2,
            requests_finished: 3,
            requests_cancelled: 1,
            prompt_tokens: 40,
            preemptions: 3,
            recomputed_tokens: 60,
            drafted_tokens: 50,
            accepted_tokens: 30,
            cells_used: 256,
            cells_total: 1024,
            ..EngineStats::default()
        };
        let text = metrics.text(&stats, "a \"model\"");
        for line in [
            "# TYPE indwell:num_requests_running gauge",
            "indwell:num_requests_running{model_name=\"a \\\"model\\\"\"} 2",
            "indwell:kv_cache_usage_perc{model_name=\"a \\\"model\\\"\"} 0.25",
            "indwell:prompt_tokens_total{model_name=\"a \\\"model\\\"\"} 40",
            "indwell:num_preemptions_total{model_name=\"a \\\"model\\\"\"} 3",
            "indwell:recomputed_tokens_total{model_name=\"a \\\"model\\\"\"} 60",
            "indwell:spec_decode_num_draft_tokens_total{model_name=\"a \\\"model\\\"\"} 50",
            "indwell:spec_decode_num_accepted_tokens_total{model_name=\"a \\\"model\\\"\"} 30",
            "# TYPE indwell:time_to_first_token_seconds histogram",
            "indwell:time_to_first_token_seconds_bucket{model_name=\"a \\\"model\\\"\",le=\"0.04\"} 1",
            "indwell:time_to_first_token_seconds_bucket{model_name=\"a \\\"model\\\"\",le=\"0.02\"} 0",
            "indwell:inter_token_latency_seconds_count{model_name=\"a \\\"model\\\"\"} 1",
            "indwell:e2e_request_latency_seconds_sum{model_name=\"a \\\"model\\\"\"} 0.09",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        for (reason, count) in [("stop", 2), ("length", 1), ("abort", 1), ("error", 0)] {
            let end = text.lines().find(|line| {
                line.starts_with("indwell:request_success_total") && line.contains(reason)
            });
            assert!(
                end.is_some_and(|line| line.ends_with(&format!(" {count}"))),
                "{reason}: {text}"
            );
        }
    }
}
