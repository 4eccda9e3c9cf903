//! Sampling parameters: raw options in, validated parameters out. How a token is drawn from
//! logits is the backend's business.

use crate::Invalid;

/// The largest seed. llama.cpp takes `u32::MAX` for "draw one at random", so it is no seed.
pub const SEED_MAX: u32 = u32::MAX - 1;

/// Sampling as a caller states it; `None` takes the default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SamplingOptions {
    /// 0 is greedy (the default), and so is anything below 0.000001; higher is more random.
    /// Finite, at least 0.
    pub temperature: Option<f64>,
    /// Keep the k likeliest tokens; 0 keeps all (the default).
    pub top_k: Option<i64>,
    /// Keep the smallest set of tokens with this much probability, in (0, 1]. Default 1: all.
    pub top_p: Option<f64>,
    /// Keep tokens with at least this share of the likeliest one's probability, in [0, 1].
    /// Default 0: all.
    pub min_p: Option<f64>,
    /// The random generator's seed, 0 to 4294967294. Default: a fresh one for each request.
    pub seed: Option<i64>,
}

/// Validated sampling parameters. Filters apply in the order top-k, top-p, min-p, temperature,
/// which is llama.cpp's; the draw follows. At temperature 0 the likeliest token is taken and
/// the rest has no effect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplingParams {
    /// 0 is greedy.
    pub temperature: f32,
    /// 0 keeps all.
    pub top_k: u32,
    /// 1 keeps all.
    pub top_p: f32,
    /// 0 keeps all.
    pub min_p: f32,
    /// The random generator's seed.
    pub seed: u32,
    /// Whether the caller chose the seed, and so wants the same answer again.
    pub seeded: bool,
}

impl SamplingParams {
    /// Whether the likeliest token is always taken, so that nothing is random.
    #[must_use]
    pub fn is_greedy(&self) -> bool {
        self.temperature == 0.0 || self.top_k == 1
    }

    /// Whether the same request has the same answer again: nothing is random, or by a seed that
    /// the caller chose.
    #[must_use]
    pub fn is_deterministic(&self) -> bool {
        self.is_greedy() || self.seeded
    }

    /// How many of the last tokens before an answer have an effect on what is drawn.
    #[must_use]
    pub fn looks_back(&self) -> usize {
        0
    }

    /// Greedy sampling: the default.
    #[must_use]
    pub fn greedy() -> Self {
        Self { temperature: 0.0, top_k: 0, top_p: 1.0, min_p: 0.0, seed: 0, seeded: false }
    }
}

impl SamplingOptions {
    /// Checks every value; `fresh_seed` is used where none is given.
    ///
    /// # Errors
    /// [`Invalid`] for NaN, infinities and values outside their limits.
    pub fn validate(&self, fresh_seed: u32) -> Result<SamplingParams, Invalid> {
        Ok(SamplingParams {
            temperature: self.temperature()?,
            top_k: self.top_k()?,
            top_p: self.top_p()?,
            min_p: self.min_p()?,
            seed: self.seed(fresh_seed)?,
            seeded: self.seed.is_some(),
        })
    }

    #[expect(clippy::cast_possible_truncation, reason = "f32 is what llama.cpp samples with")]
    fn temperature(&self) -> Result<f32, Invalid> {
        match self.temperature.unwrap_or(0.0) {
            // Logits divided by less might overflow to infinity, of which softmax makes NaN.
            t if (0.0..1e-6).contains(&t) => Ok(0.0),
            t if (1e-6..=1e6).contains(&t) => Ok(t as f32),
            t => Err(Invalid::new(
                "temperature",
                t,
                "a finite number from 0 to 1000000",
                "use 0 for greedy answers, or about 0.7 for varied ones",
            )),
        }
    }

    fn top_k(&self) -> Result<u32, Invalid> {
        let k = self.top_k.unwrap_or(0);
        u32::try_from(k).ok().filter(|&k| k <= i32::MAX as u32).ok_or_else(|| {
            Invalid::new(
                "top_k",
                k,
                format!("from 0 to {}", i32::MAX),
                "use 0 to keep all tokens, or 40 as most do",
            )
        })
    }

    #[expect(clippy::cast_possible_truncation, reason = "f32 is what llama.cpp samples with")]
    fn top_p(&self) -> Result<f32, Invalid> {
        match self.top_p.unwrap_or(1.0) {
            // A value that f32 rounds to 0 would leave no token at all.
            p if p > 0.0 && p <= 1.0 => Ok((p as f32).max(f32::MIN_POSITIVE)),
            p => Err(Invalid::new(
                "top_p",
                p,
                "above 0 and at most 1",
                "use 1 to keep all tokens, or 0.95 as most do",
            )),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "f32 is what llama.cpp samples with")]
    fn min_p(&self) -> Result<f32, Invalid> {
        match self.min_p.unwrap_or(0.0) {
            p if (0.0..=1.0).contains(&p) => Ok(p as f32),
            p => Err(Invalid::new(
                "min_p",
                p,
                "from 0 to 1",
                "use 0 to keep all tokens, or 0.05 as most do",
            )),
        }
    }

    fn seed(&self, fresh_seed: u32) -> Result<u32, Invalid> {
        let Some(seed) = self.seed else { return Ok(fresh_seed.min(SEED_MAX)) };
        u32::try_from(seed).ok().filter(|&s| s <= SEED_MAX).ok_or_else(|| {
            Invalid::new(
                "seed",
                seed,
                format!("from 0 to {SEED_MAX}"),
                "give a seed in that range, or leave it out for a fresh one",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_said_is_greedy() {
        let params = SamplingOptions::default().validate(7).expect("defaults");
        assert!(params.is_greedy());
        assert_eq!(params.seed, 7);
    }

    #[test]
    fn values_outside_their_limits_are_refused_by_name() {
        let base = SamplingOptions::default();
        for (options, field) in [
            (SamplingOptions { temperature: Some(f64::NAN), ..base }, "temperature"),
            (SamplingOptions { temperature: Some(f64::INFINITY), ..base }, "temperature"),
            (SamplingOptions { temperature: Some(-0.1), ..base }, "temperature"),
            (SamplingOptions { top_k: Some(-1), ..base }, "top_k"),
            (SamplingOptions { top_p: Some(0.0), ..base }, "top_p"),
            (SamplingOptions { top_p: Some(1.1), ..base }, "top_p"),
            (SamplingOptions { top_p: Some(f64::NAN), ..base }, "top_p"),
            (SamplingOptions { min_p: Some(-0.1), ..base }, "min_p"),
            (SamplingOptions { min_p: Some(f64::NAN), ..base }, "min_p"),
            (SamplingOptions { seed: Some(-1), ..base }, "seed"),
            (SamplingOptions { seed: Some(i64::from(u32::MAX)), ..base }, "seed"),
        ] {
            let invalid = options.validate(0).expect_err(field);
            assert_eq!(invalid.field, field, "{invalid}");
        }
    }

    #[test]
    fn a_fresh_seed_is_never_the_one_llama_takes_for_random() {
        assert_eq!(SamplingOptions::default().validate(u32::MAX).expect("valid").seed, SEED_MAX);
    }
}
