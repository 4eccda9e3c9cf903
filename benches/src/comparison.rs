//! The measurements of several contenders on one workload, and what follows from them.

use serde::{Deserialize, Serialize};

/// What one contender did in one round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Tokens of the answers.
    pub tokens: u64,
    /// Events with text that were read.
    pub events: u64,
    /// From the first request until the last event was read.
    pub seconds: f64,
    /// What the contender's process took of the processors; `None` where the system can't tell,
    /// and where threads that spin would be most of it.
    #[serde(default)]
    pub cpu_seconds: Option<f64>,
    /// The share of the machine's processors that others were using meanwhile.
    #[serde(default)]
    pub others_share: Option<f64>,
}

/// A contender's measurements, one a round.
#[derive(Clone, Debug, Serialize)]
pub struct Series {
    /// Who it is.
    pub name: String,
    /// In the order of the rounds.
    pub measurements: Vec<Measurement>,
}

/// Several contenders on one workload. The first one is what the others are compared with.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// What they did.
    pub workload: String,
    /// As many measurements in each.
    pub contenders: Vec<Series>,
}

/// Values over the rounds in short.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The middle one; the mean of the two middle ones of an even number.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Measurement {
    /// A measurement of nothing but tokens and time.
    #[must_use]
    pub fn of_tokens(tokens: u64, seconds: f64) -> Self {
        Self { tokens, events: tokens, seconds, cpu_seconds: None, others_share: None }
    }

    /// Tokens of all streams together, by the time from the first request to the last event.
    #[must_use]
    pub fn tokens_per_second(&self) -> f64 {
        self.tokens as f64 / self.seconds
    }

    /// Processor time by events, in microseconds: the model's work included.
    #[must_use]
    pub fn cpu_us_per_event(&self) -> Option<f64> {
        self.cpu_seconds.map(|seconds| seconds * 1e6 / self.events as f64)
    }
}

impl Series {
    /// A contender that has not measured yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), measurements: Vec::new() }
    }

    /// Tokens per second, one a round.
    #[must_use]
    pub fn rates(&self) -> Vec<f64> {
        self.measurements.iter().map(Measurement::tokens_per_second).collect()
    }

    /// Its rate by `baseline`'s rate of the same round, one a round.
    #[must_use]
    pub fn ratios(&self, baseline: &Series) -> Vec<f64> {
        self.rates().into_iter().zip(baseline.rates()).map(|(own, base)| own / base).collect()
    }

    /// What it took of the processors for an event beyond what `baseline` took in the same round,
    /// in microseconds. Empty where that is not known.
    #[must_use]
    pub fn extra_us_per_event(&self, baseline: &Series) -> Vec<f64> {
        let pairs = self.measurements.iter().zip(&baseline.measurements);
        pairs
            .filter_map(|(own, base)| Some(own.cpu_us_per_event()? - base.cpu_us_per_event()?))
            .collect()
    }
}

impl Comparison {
    /// What the others are compared with.
    ///
    /// # Panics
    /// A comparison has at least one contender.
    #[must_use]
    pub fn baseline(&self) -> &Series {
        self.contenders.first().expect("a comparison has at least one contender")
    }

    /// The share of the processors that others used, over all measurements.
    #[must_use]
    pub fn others_share(&self) -> Option<Summary> {
        Summary::of(&self.others_shares().collect::<Vec<_>>())
    }

    /// The same, of each measurement that knows it.
    pub fn others_shares(&self) -> impl Iterator<Item = f64> {
        let all = self.contenders.iter().flat_map(|series| &series.measurements);
        all.filter_map(|measurement| measurement.others_share)
    }
}

impl Summary {
    /// `None` of no values.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        };
        Some(Self { median, min, max })
    }
}

/// The value that a share of all, 0 to 1, does not exceed: the nearest rank. Not a number of none.
#[must_use]
pub fn percentile(values: impl IntoIterator<Item = f64>, share: f64) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, seconds: &[f64]) -> Series {
        let measurements = seconds
            .iter()
            .map(|&seconds| Measurement {
                cpu_seconds: Some(2.0 * seconds),
                ..Measurement::of_tokens(100, seconds)
            })
            .collect();
        Series { name: name.to_owned(), measurements }
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        // The machine was half as fast in the second round.
        let (rust, python) = (series("Rust", &[1.0, 2.0]), series("Python", &[1.25, 2.5]));
        assert_eq!(python.ratios(&rust), [0.8, 0.8]);
        assert_eq!(python.extra_us_per_event(&rust), [5_000.0, 10_000.0]);
    }

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let values = || (1..=10).map(f64::from);
        assert_eq!(percentile(values(), 0.5), 5.0);
        assert_eq!(percentile(values(), 0.9), 9.0);
        assert_eq!(percentile([7.0], 0.5), 7.0);
        assert!(percentile([], 0.5).is_nan());
    }

    #[test]
    fn medians_of_odd_and_even_numbers() {
        assert_eq!(Summary::of(&[]), None);
        let odd = Summary::of(&[3.0, 1.0, 2.0]).expect("values");
        assert_eq!(odd, Summary { median: 2.0, min: 1.0, max: 3.0 });
        assert!((Summary::of(&[4.0, 1.0]).expect("values").median - 2.5).abs() < 1e-12);
    }
}
