//! How the tokens of one answer are drawn: by which parameters, within which constraint, and what is
//! told of each.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Constraint, SamplingParams};

/// How the tokens of one answer are drawn. Shared by all who hold the request.
#[derive(Clone, Debug)]
pub struct Draws {
    /// By which parameters.
    pub sampling: SamplingParams,
    /// What is told of each token's probability.
    pub logprobs: Logprobs,
    /// What the answer must be, if it is not free.
    pub constraint: Option<Arc<dyn Constraint>>,
}

/// What is told of a token's probability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Logprobs {
    /// Nothing.
    #[default]
    None,
    /// Its log-probability.
    Chosen,
    /// That, and the so many likeliest tokens with theirs; at least 1.
    Top(u8),
}

impl Logprobs {
    /// Whether anything is told.
    #[must_use]
    pub fn is_any(self) -> bool {
        self != Logprobs::None
    }

    /// How many alternatives are told.
    #[must_use]
    pub fn top(self) -> usize {
        match self {
            Logprobs::None | Logprobs::Chosen => 0,
            Logprobs::Top(count) => count.into(),
        }
    }
}

impl Draws {
    /// The likeliest token each time, with nothing told of it: the default.
    #[must_use]
    pub fn greedy() -> Self {
        Self { sampling: SamplingParams::greedy(), logprobs: Logprobs::None, constraint: None }
    }
}
