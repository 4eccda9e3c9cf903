//! What one contender did in one round, named as vLLM's benchmark names it.

use indwell_benches::percentile;
use indwell_benches::schedule::{Done, Streamed, Targets};
use serde::Serialize;

/// The figures of one schedule. Latencies are in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) requests_per_second: f64,
    pub(crate) output_tokens_per_second: f64,
    pub(crate) ttft_ms: Percentiles,
    pub(crate) itl_ms: Percentiles,
    pub(crate) tpot_ms: Percentiles,
    /// The share of the answers that met the targets, where there are some.
    pub(crate) goodput: Option<f64>,
    /// The most memory that the process has had in RAM since it started.
    pub(crate) peak_rss_mib: Option<f64>,
    pub(crate) steps: Option<u64>,
    /// `None` where a contender does not tell.
    pub(crate) cached_tokens: Option<u64>,
    /// The share of the processors that others used meanwhile.
    pub(crate) others_share: Option<f64>,
}

/// By nearest rank. Not numbers where there are no values.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    /// The longest: few but long gaps are above every percentile.
    pub(crate) max: f64,
}

/// What the process was seen to take meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) others_share: Option<f64>,
    pub(crate) peak_bytes: Option<u64>,
}

impl Percentiles {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        let at = |share| percentile(values.iter().copied(), share);
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1.0) }
    }
}

impl Figures {
    pub(crate) fn of(done: &Done, seen: Seen, targets: Option<Targets>) -> Self {
        let answers = &done.answers;
        let cached = answers.iter().map(|answer| answer.cached_tokens.map(u64::from));
        Self {
            requests_per_second: answers.len() as f64 / done.seconds,
            output_tokens_per_second: done.tokens() as f64 / done.seconds,
            ttft_ms: Percentiles::of(answers.iter().map(Streamed::ttft_ms)),
            itl_ms: Percentiles::of(answers.iter().flat_map(Streamed::itl_ms)),
            tpot_ms: Percentiles::of(answers.iter().filter_map(Streamed::tpot_ms)),
            goodput: targets.map(|targets| done.goodput(targets)),
            peak_rss_mib: seen.peak_bytes.map(|bytes| bytes as f64 / f64::from(1 << 20)),
            steps: done.steps,
            cached_tokens: cached.sum(),
            others_share: seen.others_share,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let found = Percentiles::of((1..=200).map(f64::from));
        assert_eq!((found.p50, found.p90, found.p99), (100.0, 180.0, 198.0));
        assert_eq!(found.max, 200.0);
        assert!(Percentiles::of([]).p50.is_nan());
    }

    #[test]
    fn figures_are_by_the_whole_time_and_unknown_counts_stay_unknown() {
        let answer = |cached_tokens| Streamed {
            request: 0,
            text_ms: vec![10.0, 20.0, 30.0],
            total_ms: 30.0,
            prompt_tokens: 8,
            cached_tokens,
            completion_tokens: 3,
        };
        let seen = Seen { others_share: None, peak_bytes: Some(3 << 20) };
        let done = |cached| Done { seconds: 2.0, answers: vec![answer(cached); 4], steps: Some(9) };
        let told = Figures::of(&done(Some(5)), seen, None);
        assert_eq!((told.requests_per_second, told.output_tokens_per_second), (2.0, 6.0));
        assert_eq!((told.cached_tokens, told.peak_rss_mib), (Some(20), Some(3.0)));
        assert_eq!((told.ttft_ms.p50, told.itl_ms.p99, told.tpot_ms.p90), (10.0, 10.0, 10.0));
        assert_eq!(Figures::of(&done(None), seen, None).cached_tokens, None);
    }
}
