//! Validated sampling parameters, and what of them has an effect.

use serde::{Deserialize, Serialize};

use super::limits::number;
use super::mirostat::Mirostat;
use super::options::SamplingOptions;
use super::order::SamplerKind;
use super::penalties::{Dry, Penalties};
use super::tokens::TokenRules;
use crate::Invalid;

/// Validated sampling parameters. What tokens are never drawn goes first, then biases, then the
/// samplers in `order`, then the draw. At temperature 0 the likeliest token that bans, biases and
/// penalties leave is taken, and the rest has no effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SamplingParams {
    /// How logits become probabilities.
    pub temperature: Temperature,
    /// 0 keeps all.
    pub top_k: u32,
    /// 1 keeps all.
    pub top_p: f32,
    /// 0 keeps all.
    pub min_p: f32,
    /// 1 keeps all.
    pub typical_p: f32,
    /// 0 keeps all.
    pub top_n_sigma: f32,
    /// Leaving out the likeliest.
    pub xtc: Xtc,
    /// For single tokens.
    pub penalties: Penalties,
    /// For going on with what was said.
    pub dry: Dry,
    /// In place of all filters.
    pub mirostat: Option<Mirostat>,
    /// The samplers that act, each at most once.
    pub order: Vec<SamplerKind>,
    /// Which tokens and texts the answer may hold, and which end it.
    pub tokens: TokenRules,
    /// The random generator's seed.
    pub seed: u32,
    /// Whether the caller chose the seed, and so wants the same answer again.
    pub seeded: bool,
}

/// How logits become probabilities: `softmax(l / t)`. With a range, `t` moves with the entropy `H`
/// of `n` candidates: `max(0, value − range) + (width of that) × (H / ln n) ^ exponent`
/// (<https://arxiv.org/abs/2309.02772>).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Temperature {
    /// 0 is greedy.
    pub value: f32,
    /// 0 for a temperature that does not move.
    pub range: f32,
    /// Of the normalized entropy.
    pub exponent: f32,
}

impl Temperature {
    /// A temperature that does not move.
    #[must_use]
    pub fn fixed(value: f32) -> Self {
        Self { value, range: 0.0, exponent: 1.0 }
    }
}

/// "Exclude top choices": with `probability`, of the tokens that have at least `threshold`, all but
/// the least likely are left out (<https://github.com/oobabooga/text-generation-webui/pull/6335>).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Xtc {
    /// 0 does nothing.
    pub probability: f32,
    /// Above 0.5 does nothing.
    pub threshold: f32,
}

impl Xtc {
    /// None.
    pub const OFF: Self = Self { probability: 0.0, threshold: 0.1 };

    /// Whether it does anything.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.probability > 0.0 && self.threshold <= 0.5
    }

    pub(super) fn of(options: &SamplingOptions) -> Result<Self, Invalid> {
        let (off, limits) = (Self::OFF, 0.0..=1.0);
        Ok(Self {
            probability: number(
                "xtc_probability",
                options.xtc_probability.unwrap_or(0.0),
                limits.clone(),
                "use 0 to leave nothing out, or 0.5 as most do",
            )?,
            threshold: match options.xtc_threshold {
                None => off.threshold,
                Some(threshold) => {
                    number("xtc_threshold", threshold, limits, "use 0.1 as most do")?
                }
            },
        })
    }
}

impl SamplingParams {
    /// Whether nothing is random.
    #[must_use]
    pub fn is_greedy(&self) -> bool {
        // After top-k of 1 nothing is left to choose, if nothing random comes before it.
        let of_one = self.top_k == 1
            && self.mirostat.is_none()
            && self.order.as_slice() == SamplerKind::DEFAULT_ORDER;
        self.temperature.value == 0.0 || of_one
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
        let penalties = self.acts(SamplerKind::Penalties).then_some(self.penalties.last_n);
        let dry = self.acts(SamplerKind::Dry).then_some(self.dry.last_n);
        penalties.max(dry).unwrap_or(0) as usize
    }

    /// Greedy sampling: the default.
    #[must_use]
    pub fn greedy() -> Self {
        Self {
            temperature: Temperature::fixed(0.0),
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            typical_p: 1.0,
            top_n_sigma: 0.0,
            xtc: Xtc::OFF,
            penalties: Penalties::OFF,
            dry: Dry::off(),
            mirostat: None,
            order: SamplerKind::DEFAULT_ORDER.to_vec(),
            tokens: TokenRules::default(),
            seed: 0,
            seeded: false,
        }
    }

    /// The same with everything left out that has no effect, so that what always draws the same is
    /// equal. Backends draw by this form alone, and the response key is made of it.
    #[must_use]
    pub fn canonical(&self) -> Self {
        let mut same = Self { tokens: self.tokens.clone(), ..Self::greedy() };
        // In which order samplers act matters only among those that do anything.
        same.order = self.order.iter().copied().filter(|&kind| self.acts(kind)).collect();
        if self.is_greedy() {
            same.order.retain(|kind| matches!(kind, SamplerKind::Penalties | SamplerKind::Dry));
        } else {
            // A seed is one whoever chose it.
            same.seed = self.seed;
            same.temperature = Temperature::fixed(self.temperature.value);
            same.mirostat = self.mirostat;
            if self.mirostat.is_some() {
                same.order.retain(|kind| *kind == SamplerKind::Temperature);
            }
        }
        for at in 0..same.order.len() {
            match same.order[at] {
                SamplerKind::Penalties => same.penalties = self.penalties,
                SamplerKind::Dry => same.dry = self.dry.clone(),
                SamplerKind::TopNSigma => same.top_n_sigma = self.top_n_sigma,
                SamplerKind::TopK => same.top_k = self.top_k,
                SamplerKind::TypicalP => same.typical_p = self.typical_p,
                SamplerKind::TopP => same.top_p = self.top_p,
                SamplerKind::MinP => same.min_p = self.min_p,
                SamplerKind::Xtc => same.xtc = self.xtc,
                SamplerKind::Temperature if self.temperature.range > 0.0 => {
                    same.temperature = self.temperature;
                }
                SamplerKind::Temperature => {}
            }
        }
        if !same.order.contains(&SamplerKind::Temperature) && !self.is_greedy() {
            // Logits are taken as they are.
            same.temperature = Temperature::fixed(1.0);
        }
        same
    }

    /// Whether the sampler is listed, and on.
    #[must_use]
    pub fn acts(&self, kind: SamplerKind) -> bool {
        self.order.contains(&kind) && self.is_on(kind)
    }

    /// Whether the sampler would do anything, were it listed.
    fn is_on(&self, kind: SamplerKind) -> bool {
        match kind {
            SamplerKind::Penalties => self.penalties.is_active(),
            SamplerKind::Dry => self.dry.is_active(),
            SamplerKind::TopNSigma => self.top_n_sigma > 0.0,
            SamplerKind::TopK => self.top_k > 0,
            SamplerKind::TypicalP => self.typical_p < 1.0,
            SamplerKind::TopP => self.top_p < 1.0,
            SamplerKind::MinP => self.min_p > 0.0,
            SamplerKind::Xtc => self.xtc.is_active(),
            SamplerKind::Temperature => {
                self.temperature.value != 1.0 || self.temperature.range > 0.0
            }
        }
    }

    /// The option that asks for the sampler, and its value, if one does.
    pub(super) fn asks_for(&self, kind: SamplerKind) -> Option<(&'static str, String)> {
        if !self.is_on(kind) {
            return None;
        }
        let Penalties { repeat, frequency, presence, .. } = self.penalties;
        Some(match kind {
            SamplerKind::Penalties if repeat != 1.0 => ("repeat_penalty", repeat.to_string()),
            SamplerKind::Penalties if frequency != 0.0 => {
                ("frequency_penalty", frequency.to_string())
            }
            SamplerKind::Penalties => ("presence_penalty", presence.to_string()),
            SamplerKind::Dry => ("dry_multiplier", self.dry.multiplier.to_string()),
            SamplerKind::TopNSigma => ("top_n_sigma", self.top_n_sigma.to_string()),
            SamplerKind::TopK => ("top_k", self.top_k.to_string()),
            SamplerKind::TypicalP => ("typical_p", self.typical_p.to_string()),
            SamplerKind::TopP => ("top_p", self.top_p.to_string()),
            SamplerKind::MinP => ("min_p", self.min_p.to_string()),
            SamplerKind::Xtc => ("xtc_probability", self.xtc.probability.to_string()),
            SamplerKind::Temperature if self.temperature.range > 0.0 => {
                ("dynatemp_range", self.temperature.range.to_string())
            }
            // Greedy answers need no scale.
            SamplerKind::Temperature if self.temperature.value == 0.0 => return None,
            SamplerKind::Temperature => ("temperature", self.temperature.value.to_string()),
        })
    }
}
