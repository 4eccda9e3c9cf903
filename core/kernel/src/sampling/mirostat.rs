//! Mirostat: a draw that holds the answer's surprise at a target.

use serde::{Deserialize, Serialize};

use super::limits::number;
use super::options::SamplingOptions;
use crate::Invalid;

/// The largest target and learning rate.
const MIROSTAT_MAX: f64 = 100.0;

/// Which Mirostat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MirostatVersion {
    /// Keeps k tokens, of which k follows from the distribution's shape and the surprise allowed.
    V1,
    /// Keeps the tokens that are no more surprising than is allowed.
    V2,
}

/// Mirostat (<https://arxiv.org/abs/2007.14966>). The surprise allowed, μ, begins at 2τ, and after
/// a token of surprise `s` is `μ − η (s − τ)`; surprises are in bits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mirostat {
    /// Which one.
    pub version: MirostatVersion,
    /// τ: the surprise aimed at, in bits.
    pub tau: f32,
    /// η: how fast it is learnt.
    pub eta: f32,
}

impl Mirostat {
    pub(super) fn of(options: &SamplingOptions) -> Result<Option<Self>, Invalid> {
        let limits = 0.0..=MIROSTAT_MAX;
        let tau = options.mirostat_tau.unwrap_or(5.0);
        let tau = number("mirostat_tau", tau, limits.clone(), "use 5 as llama.cpp does")?;
        let eta = options.mirostat_eta.unwrap_or(0.1);
        let eta = number("mirostat_eta", eta, limits, "use 0.1 as llama.cpp does")?;
        let version = match options.mirostat.unwrap_or(0) {
            0 => return Ok(None),
            1 => MirostatVersion::V1,
            2 => MirostatVersion::V2,
            other => {
                return Err(Invalid::new(
                    "mirostat",
                    other,
                    "0, 1 or 2",
                    "use 0 for none, or 2 as most do",
                ));
            }
        };
        Ok(Some(Self { version, tau, eta }))
    }
}
