//! Sampling as callers state it, and its one validation.
//!
//! Names, values and formulas are llama.cpp's; so are the defaults of what is turned on, but
//! nothing is on unless it is asked for. What contradicts itself is refused by name, not ignored.

use super::limits::{MAGNITUDE_MAX, count, number, share};
use super::mirostat::Mirostat;
use super::order::SamplerKind;
use super::params::{SamplingParams, Temperature, Xtc};
use super::penalties::{Dry, Penalties};
use super::tokens::TokenRules;
use crate::Invalid;

/// The largest seed. llama.cpp takes `u32::MAX` for "draw one at random", so it is no seed.
pub const SEED_MAX: u32 = u32::MAX - 1;

/// Sampling as a caller states it; `None` takes the default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SamplingOptions {
    /// 0 is greedy (the default), and so is anything below 0.000001; higher is more random.
    /// Finite, at least 0.
    pub temperature: Option<f64>,
    /// How far the temperature may move from `temperature` with the distribution's entropy.
    /// Default 0: not at all.
    pub dynatemp_range: Option<f64>,
    /// The power of the normalized entropy that moves it. Default 1.
    pub dynatemp_exponent: Option<f64>,
    /// Keep the k likeliest tokens; 0 keeps all (the default).
    pub top_k: Option<i64>,
    /// Keep the smallest set of tokens with this much probability, in (0, 1]. Default 1: all.
    pub top_p: Option<f64>,
    /// Keep tokens with at least this share of the likeliest one's probability, in [0, 1].
    /// Default 0: all.
    pub min_p: Option<f64>,
    /// Keep tokens with this much probability together whose surprise is closest to the entropy,
    /// in (0, 1]. Default 1: all.
    pub typical_p: Option<f64>,
    /// Keep logits within so many standard deviations of the largest. Default 0: all; so is −1.
    pub top_n_sigma: Option<f64>,
    /// How often the likeliest tokens are left out, in [0, 1]. Default 0: never.
    pub xtc_probability: Option<f64>,
    /// Of the tokens with at least this probability, all but the least likely are left out.
    /// Default 0.1; above 0.5 there never are two of them.
    pub xtc_threshold: Option<f64>,
    /// See [`Dry`]. Default 0: off.
    pub dry_multiplier: Option<f64>,
    /// Default 1.75.
    pub dry_base: Option<f64>,
    /// Default 2.
    pub dry_allowed_length: Option<i64>,
    /// Default 64.
    pub dry_penalty_last_n: Option<i64>,
    /// Default: a line's end, a colon, a double quote and an asterisk.
    pub dry_sequence_breakers: Option<Vec<String>>,
    /// See [`Penalties`]. Default 1: off.
    pub repeat_penalty: Option<f64>,
    /// Default 64.
    pub repeat_last_n: Option<i64>,
    /// Default 0: off.
    pub presence_penalty: Option<f64>,
    /// Default 0: off.
    pub frequency_penalty: Option<f64>,
    /// See [`Mirostat`]. 0 is off (the default), else its version, 1 or 2.
    pub mirostat: Option<i64>,
    /// Default 5.
    pub mirostat_tau: Option<f64>,
    /// Default 0.1.
    pub mirostat_eta: Option<f64>,
    /// The samplers that act, in their order. Default: all that are on, in llama.cpp's.
    pub samplers: Option<Vec<String>>,
    /// What is added to the logits of tokens; −∞ for never. Those of one token add up.
    pub logit_bias: Vec<(i64, f64)>,
    /// Texts that never appear in the answer.
    pub banned_strings: Vec<String>,
    /// Tokens that end the answer and are no part of it, beside the model's own.
    pub stop_tokens: Vec<i64>,
    /// Nothing ends the answer before it has so many tokens. Default 0.
    pub min_tokens: Option<i64>,
    /// Whether the model's end-of-generation tokens are never drawn. Default false.
    pub ignore_eos: Option<bool>,
    /// The random generator's seed, 0 to 4294967294. Default: a fresh one for each request.
    pub seed: Option<i64>,
}

/// What sampling is checked against.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings {
    /// The seed where none is given.
    pub fresh_seed: u32,
    /// Tokens of the answer at most.
    pub max_tokens: u32,
    /// Tokens of the model's vocabulary.
    pub vocabulary_tokens: u32,
}

impl SamplingOptions {
    /// Checks every value, and whether they go together.
    ///
    /// # Errors
    /// [`Invalid`] for NaN, infinities, values outside their limits, and options that contradict
    /// each other.
    pub fn validate(&self, surroundings: &Surroundings) -> Result<SamplingParams, Invalid> {
        let order = match &self.samplers {
            None => SamplerKind::DEFAULT_ORDER.to_vec(),
            Some(names) => SamplerKind::order(names)?,
        };
        let params = SamplingParams {
            temperature: self.temperature()?,
            top_k: count(
                "top_k",
                self.top_k.unwrap_or(0),
                i32::MAX as u32,
                "use 0 to keep all tokens, or 40 as most do",
            )?,
            top_p: share("top_p", self.top_p, "use 1 to keep all tokens, or 0.95 as most do")?,
            min_p: number(
                "min_p",
                self.min_p.unwrap_or(0.0),
                0.0..=1.0,
                "use 0 to keep all tokens, or 0.05 as most do",
            )?,
            typical_p: share("typical_p", self.typical_p, "use 1 to keep all tokens")?,
            top_n_sigma: number(
                "top_n_sigma",
                self.top_n_sigma.filter(|&n| n != -1.0).unwrap_or(0.0),
                0.0..=MAGNITUDE_MAX,
                "use 0 to keep all tokens, or 1 as most do",
            )?,
            xtc: Xtc::of(self)?,
            penalties: Penalties::of(self)?,
            dry: Dry::of(self)?,
            mirostat: Mirostat::of(self)?,
            order,
            tokens: TokenRules::of(self, surroundings)?,
            seed: self.seed(surroundings.fresh_seed)?,
            seeded: self.seed.is_some(),
        };
        self.check_together(&params)?;
        Ok(params)
    }

    fn temperature(&self) -> Result<Temperature, Invalid> {
        let value = match self.temperature.unwrap_or(0.0) {
            // Logits divided by less might overflow to infinity, of which softmax makes NaN.
            t if (0.0..1e-6).contains(&t) => 0.0,
            t => number(
                "temperature",
                t,
                0.0..=MAGNITUDE_MAX,
                "use 0 for greedy answers, or about 0.7 for varied ones",
            )?,
        };
        Ok(Temperature {
            value,
            range: number(
                "dynatemp_range",
                self.dynatemp_range.unwrap_or(0.0),
                0.0..=MAGNITUDE_MAX,
                "use 0 for a temperature that does not move",
            )?,
            exponent: number(
                "dynatemp_exponent",
                self.dynatemp_exponent.unwrap_or(1.0),
                0.0..=MAGNITUDE_MAX,
                "use 1 as most do",
            )?,
        })
    }

    fn seed(&self, fresh_seed: u32) -> Result<u32, Invalid> {
        let Some(seed) = self.seed else { return Ok(fresh_seed.min(SEED_MAX)) };
        let remedy = "give a seed in that range, or leave it out for a fresh one";
        count("seed", seed, SEED_MAX, remedy)
    }

    /// What one option asks for and another would keep from happening.
    fn check_together(&self, params: &SamplingParams) -> Result<(), Invalid> {
        if params.mirostat.is_some() {
            return self.check_mirostat(params);
        }
        if self.samplers.is_none() {
            return Ok(());
        }
        for kind in SamplerKind::DEFAULT_ORDER {
            if !params.order.contains(&kind)
                && let Some((field, value)) = params.asks_for(kind)
            {
                return Err(Invalid::new(
                    field,
                    value,
                    format!("left out where samplers does not list {kind}"),
                    format!("add {kind} to samplers, or leave {field} out"),
                ));
            }
        }
        Ok(())
    }

    /// Mirostat decides alone which tokens are kept: llama.cpp ignores all others beside it.
    fn check_mirostat(&self, params: &SamplingParams) -> Result<(), Invalid> {
        const ALONE: &str = "left out with mirostat";
        let refuse = |field, value: String| {
            let remedy =
                format!("leave out {field} or mirostat, which goes with temperature alone");
            Err(Invalid::new(field, value, ALONE, remedy))
        };
        if params.temperature.value == 0.0 {
            return Err(Invalid::new(
                "temperature",
                0,
                "above 0 with mirostat",
                "give a temperature, as 1, or leave out mirostat: greedy answers draw nothing",
            ));
        }
        if params.temperature.range > 0.0 {
            return refuse("dynatemp_range", params.temperature.range.to_string());
        }
        if let Some(samplers) = &self.samplers {
            return refuse("samplers", format!("a list of {}", samplers.len()));
        }
        let others = SamplerKind::DEFAULT_ORDER.into_iter();
        let others = others.filter(|kind| *kind != SamplerKind::Temperature);
        match others.filter_map(|kind| params.asks_for(kind)).next() {
            Some((field, value)) => refuse(field, value),
            None => Ok(()),
        }
    }
}
