//! Penalties for tokens that were said before.

use serde::{Deserialize, Serialize};

use super::limits::{MAGNITUDE_MAX, count, number, texts};
use super::options::SamplingOptions;
use crate::Invalid;

/// Tokens that penalties look back at, at most.
pub const LOOKBACK_MAX: u32 = 65_536;
/// Sequence breakers of DRY at most.
pub const BREAKERS_MAX: usize = 64;
/// Bytes of a sequence breaker at most (llama.cpp's `MAX_CHAR_LEN`).
pub const BREAKER_BYTES_MAX: usize = 40;

/// Penalties for single tokens. A token that was among the last `last_n`, `count` times, gets the
/// logit `(l > 0 ? l / repeat : l × repeat) − count × frequency − presence`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Penalties {
    /// How many tokens of prompt and answer count; 0 for no penalties.
    pub last_n: u32,
    /// Above 1 makes repeating less likely; 1 does nothing.
    pub repeat: f32,
    /// Subtracted for each time the token was said.
    pub frequency: f32,
    /// Subtracted if the token was said at all.
    pub presence: f32,
}

impl Penalties {
    /// None.
    pub const OFF: Self = Self { last_n: 64, repeat: 1.0, frequency: 0.0, presence: 0.0 };

    /// Whether they do anything.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.last_n > 0 && (self.repeat != 1.0 || self.frequency != 0.0 || self.presence != 0.0)
    }

    pub(super) fn of(options: &SamplingOptions) -> Result<Self, Invalid> {
        let off = Self::OFF;
        let magnitude = |field, value: Option<f64>| {
            let limits = -MAGNITUDE_MAX..=MAGNITUDE_MAX;
            number(field, value.unwrap_or(0.0), limits, "use 0 for no penalty, or about 0.5")
        };
        Ok(Self {
            last_n: count(
                "repeat_last_n",
                options.repeat_last_n.unwrap_or(off.last_n.into()),
                LOOKBACK_MAX,
                "give the number of tokens to look back at, as 64, or 0 for no penalties",
            )?,
            repeat: number(
                "repeat_penalty",
                options.repeat_penalty.unwrap_or(1.0),
                1.0 / MAGNITUDE_MAX..=MAGNITUDE_MAX,
                "use 1 for no penalty, or about 1.1",
            )?,
            frequency: magnitude("frequency_penalty", options.frequency_penalty)?,
            presence: magnitude("presence_penalty", options.presence_penalty)?,
        })
    }
}

/// "Don't repeat yourself": a token that would go on with a repetition of `n ≥ allowed_length`
/// tokens loses `multiplier × base ^ (n − allowed_length)` of its logit
/// (<https://github.com/oobabooga/text-generation-webui/pull/5677>).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dry {
    /// 0 does nothing.
    pub multiplier: f32,
    /// At least 1.
    pub base: f32,
    /// Shorter repetitions are free.
    pub allowed_length: u32,
    /// How many tokens of prompt and answer are looked through; 0 for no penalty.
    pub last_n: u32,
    /// Texts that no repetition goes across; sorted, each once.
    pub breakers: Vec<String>,
}

impl Dry {
    /// None.
    #[must_use]
    pub fn off() -> Self {
        // llama.cpp's, sorted.
        let breakers = ["\n", "\"", "*", ":"].map(str::to_owned).to_vec();
        Self { multiplier: 0.0, base: 1.75, allowed_length: 2, last_n: 64, breakers }
    }

    /// Whether it does anything.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.multiplier != 0.0 && self.last_n > 0
    }

    pub(super) fn of(options: &SamplingOptions) -> Result<Self, Invalid> {
        let off = Self::off();
        Ok(Self {
            multiplier: number(
                "dry_multiplier",
                options.dry_multiplier.unwrap_or(0.0),
                0.0..=MAGNITUDE_MAX,
                "use 0 for no penalty, or about 0.8",
            )?,
            base: number(
                "dry_base",
                options.dry_base.unwrap_or(off.base.into()),
                1.0..=MAGNITUDE_MAX,
                "use 1.75 as most do",
            )?,
            allowed_length: count(
                "dry_allowed_length",
                options.dry_allowed_length.unwrap_or(off.allowed_length.into()),
                LOOKBACK_MAX,
                "use 2 as most do",
            )?,
            last_n: count(
                "dry_penalty_last_n",
                options.dry_penalty_last_n.unwrap_or(off.last_n.into()),
                LOOKBACK_MAX,
                "give the number of tokens to look through, or 0 for no penalty",
            )?,
            breakers: match &options.dry_sequence_breakers {
                None => off.breakers,
                Some(breakers) => {
                    let limits = (BREAKERS_MAX, BREAKER_BYTES_MAX);
                    texts("dry_sequence_breakers", breakers, limits)?
                }
            },
        })
    }
}
