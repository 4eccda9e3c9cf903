//! Which samplers there are, and in which order they act.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Invalid;

/// A sampler whose place a caller may choose, by llama.cpp's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SamplerKind {
    /// Repetition, frequency and presence penalties.
    Penalties,
    /// Penalties for repeating what was said in the same order.
    Dry,
    /// Keeps the logits within so many standard deviations of the largest.
    TopNSigma,
    /// Keeps the k likeliest tokens.
    TopK,
    /// Keeps tokens that are about as surprising as the distribution is on average.
    TypicalP,
    /// Keeps the smallest set of tokens with so much probability.
    TopP,
    /// Keeps tokens with at least a share of the likeliest one's probability.
    MinP,
    /// Leaves out the likeliest tokens, at random.
    Xtc,
    /// Divides logits by the temperature, which may depend on the entropy.
    Temperature,
}

impl SamplerKind {
    /// All, in the order they act in when nothing is said: llama.cpp's.
    pub const DEFAULT_ORDER: [Self; 9] = [
        Self::Penalties,
        Self::Dry,
        Self::TopNSigma,
        Self::TopK,
        Self::TypicalP,
        Self::TopP,
        Self::MinP,
        Self::Xtc,
        Self::Temperature,
    ];

    /// llama.cpp's name for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Penalties => "penalties",
            Self::Dry => "dry",
            Self::TopNSigma => "top_n_sigma",
            Self::TopK => "top_k",
            Self::TypicalP => "typ_p",
            Self::TopP => "top_p",
            Self::MinP => "min_p",
            Self::Xtc => "xtc",
            Self::Temperature => "temperature",
        }
    }

    /// The samplers of these names, in their order.
    ///
    /// # Errors
    /// [`Invalid`] for a name that is unknown or comes twice.
    pub fn order(names: &[String]) -> Result<Vec<Self>, Invalid> {
        let mut order = Vec::with_capacity(names.len().min(Self::DEFAULT_ORDER.len()));
        for name in names {
            let kind: Self = name.parse()?;
            if order.contains(&kind) {
                let limit = "names that come once each";
                return Err(Invalid::new("samplers", format!("{name:?} twice"), limit, LEAVE_OUT));
            }
            order.push(kind);
        }
        Ok(order)
    }
}

const LEAVE_OUT: &str = "list each sampler once, or leave samplers out for llama.cpp's order";

impl FromStr for SamplerKind {
    type Err = Invalid;

    fn from_str(name: &str) -> Result<Self, Invalid> {
        Self::DEFAULT_ORDER.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| {
            let names = Self::DEFAULT_ORDER.map(Self::as_str).join(", ");
            let shown: String = name.chars().take(40).collect();
            Invalid::new("samplers", format!("{shown:?}"), format!("some of {names}"), LEAVE_OUT)
        })
    }
}

impl fmt::Display for SamplerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_both_ways() {
        for kind in SamplerKind::DEFAULT_ORDER {
            assert_eq!(kind.as_str().parse::<SamplerKind>().expect("its own name"), kind);
        }
    }

    #[test]
    fn unknown_and_doubled_names_are_refused() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        for bad in [&["top-k"][..], &["top_k", "min_p", "top_k"], &[""], &["infill"]] {
            let refused = SamplerKind::order(&names(bad)).expect_err(bad[0]);
            assert_eq!(refused.field, "samplers");
        }
        let order = SamplerKind::order(&names(&["min_p", "top_k"])).expect("two of them");
        assert_eq!(order, [SamplerKind::MinP, SamplerKind::TopK]);
        assert!(SamplerKind::order(&[]).expect("none").is_empty());
    }
}
