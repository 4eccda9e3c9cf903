//! Sampling parameters: raw options in, validated parameters out. How a token is drawn from
//! logits is the backend's business.
//!
//! | module | owns |
//! |---|---|
//! | `options` | everything a caller may say, its one validation, and what contradicts what |
//! | `params` | what passed it, and which of it has an effect |
//! | `order` | the samplers, and in which order they act |
//! | `penalties` | penalties for what was said before |
//! | `mirostat` | the draw that holds surprise at a target |
//! | `tokens` | biases, bans, and what ends an answer |
//! | `limits` | numbers within their limits, and the words that refuse others |

mod limits;
mod mirostat;
mod options;
mod order;
mod params;
mod penalties;
#[cfg(test)]
mod tests;
mod tokens;

pub use mirostat::{Mirostat, MirostatVersion};
pub use options::{SEED_MAX, SamplingOptions, Surroundings};
pub use order::SamplerKind;
pub use params::{SamplingParams, Temperature, Xtc};
pub use penalties::{BREAKER_BYTES_MAX, BREAKERS_MAX, Dry, LOOKBACK_MAX, Penalties};
pub use tokens::{
    BAN_BYTES_MAX, BANS_BYTES_MAX, BANS_MAX, BIASES_MAX, STOP_TOKENS_MAX, TokenRules,
};
