//! Log-probabilities: the model's own, at temperature 1, before bans, biases and filters.
//!
//! `ln softmax(l)[t] = l[t] − ln Σ exp(l)`, the sum being taken against the largest logit in double
//! precision: one pass, in which the largest few are selected beside it.

use indwell_kernel::{Token, TokenLogprob};

use super::greedy::BLOCK;
use crate::error::SampleError;

/// A token's log-probability, and the `top` likeliest tokens, likeliest first; of equal ones, the
/// lower id first.
///
/// # Errors
/// [`SampleError::NotFinite`] for logits that hold NaN or nothing finite, and for a token that the
/// logits do not hold.
pub(crate) fn score(
    logits: &[f32],
    token: Token,
    top: usize,
) -> Result<(f32, Vec<TokenLogprob>), SampleError> {
    let mut sum = LogSum::new();
    let mut likeliest = Likeliest::new(top);
    for (block, values) in logits.chunks(BLOCK).enumerate() {
        let largest = sum.add(values);
        if likeliest.may_take(largest) {
            likeliest.take(block * BLOCK, values);
        }
    }
    let log_sum = sum.finish()?;
    let own = usize::try_from(token.0).ok().and_then(|at| logits.get(at));
    let own = own.ok_or(SampleError::NotFinite)? - log_sum;
    let as_logprob = |&(logit, at): &(f32, usize)| TokenLogprob {
        token: Token(i32::try_from(at).unwrap_or(i32::MAX)),
        logprob: logit - log_sum,
    };
    Ok((own, likeliest.found.iter().map(as_logprob).collect()))
}

/// `ln Σ exp(l)` as it grows: against the largest so far.
struct LogSum {
    largest: f32,
    sum: f64,
}

impl LogSum {
    fn new() -> Self {
        Self { largest: f32::NEG_INFINITY, sum: 0.0 }
    }

    /// Adds a block of logits, and tells its largest. NaN makes the sum NaN.
    fn add(&mut self, values: &[f32]) -> f32 {
        let block = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if block > self.largest {
            self.sum *= f64::from(self.largest - block).exp();
            self.largest = block;
        }
        if self.largest == f32::NEG_INFINITY {
            // Nothing but −∞ so far, or NaN.
            let nan = values.iter().any(|value| value.is_nan());
            self.sum = if nan { f64::NAN } else { 0.0 };
            return block;
        }
        let shares = values.iter().map(|&value| f64::from((value - self.largest).exp()));
        self.sum += shares.sum::<f64>();
        block
    }

    fn finish(self) -> Result<f32, SampleError> {
        if !self.largest.is_finite() || !self.sum.is_finite() {
            return Err(SampleError::NotFinite);
        }
        #[expect(clippy::cast_possible_truncation, reason = "callers are told an f32")]
        Ok((f64::from(self.largest) + self.sum.ln()) as f32)
    }
}

/// The largest logits so far, descending.
struct Likeliest {
    count: usize,
    found: Vec<(f32, usize)>,
}

impl Likeliest {
    fn new(count: usize) -> Self {
        Self { count, found: Vec::with_capacity(count) }
    }

    /// Whether something as large as this is among them.
    fn may_take(&self, largest: f32) -> bool {
        self.count > 0
            && (self.found.len() < self.count
                || self.found.last().is_some_and(|&(least, _)| largest > least))
    }

    fn take(&mut self, start: usize, values: &[f32]) {
        for (at, &value) in (start..).zip(values) {
            if self.may_take(value) {
                let place = self.found.partition_point(|&(other, _)| other >= value);
                self.found.truncate(self.count - 1);
                self.found.insert(place.min(self.found.len()), (value, at));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::tests::Random;

    /// All of it in double precision, with a sort.
    fn naive(logits: &[f32], token: usize, top: usize) -> (f64, Vec<(usize, f64)>) {
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exp = |&l: &f32| (f64::from(l) - f64::from(largest)).exp();
        let log_sum = f64::from(largest) + logits.iter().map(exp).sum::<f64>().ln();
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
        let told = |at: usize| (at, f64::from(logits[at]) - log_sum);
        (told(token).1, order.into_iter().take(top).map(told).collect())
    }

    #[test]
    fn scores_are_those_of_a_sum_and_a_sort() {
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let count = 1 + random.below(2000);
            let mut logits = random.logits(count);
            // Some are equal.
            for _ in 0..random.below(30) {
                logits[random.below(count)] = 7.0;
            }
            let (token, top) = (random.below(count), random.below(21));
            let id = Token(i32::try_from(token).expect("few"));
            let (own, likeliest) = score(&logits, id, top).expect("numbers");
            let (due, order) = naive(&logits, token, top);
            assert!((f64::from(own) - due).abs() < 1e-4, "seed {seed}: {own} for {due}");
            assert_eq!(likeliest.len(), order.len());
            for (told, (at, due)) in likeliest.iter().zip(order) {
                assert_eq!(told.token.0, i32::try_from(at).expect("few"), "seed {seed}");
                assert!((f64::from(told.logprob) - due).abs() < 1e-4, "seed {seed}");
            }
        }
    }

    #[test]
    fn logits_that_are_no_numbers_have_no_scores() {
        for bad in [f32::NAN, f32::INFINITY] {
            for at in [0, 299, 700] {
                let mut logits = vec![0.0; 701];
                logits[at] = bad;
                assert_eq!(score(&logits, Token(5), 2), Err(SampleError::NotFinite), "{bad}");
            }
        }
        assert!(score(&[f32::NEG_INFINITY; 9], Token(5), 2).is_err());
        assert!(score(&[f32::NAN; 9], Token(5), 2).is_err());
        assert!(score(&[], Token(0), 2).is_err());
        assert!(score(&[0.0; 3], Token(3), 0).is_err());
    }

    #[test]
    fn what_can_not_be_has_no_part_in_the_sum() {
        let (own, likeliest) = score(&[f32::NEG_INFINITY, 0.0, 0.0], Token(1), 3).expect("two");
        assert!((own + std::f32::consts::LN_2).abs() < 1e-6);
        assert_eq!(likeliest[2].logprob, f32::NEG_INFINITY);
    }
}
