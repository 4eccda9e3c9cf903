//! Which tokens may be said next, and with which bias: before any sampler acts.

use std::sync::Arc;

use indwell_kernel::{Token, TokenRules};

use super::bans::Bans;
use crate::pieces::Pieces;

/// The rules of one answer.
#[derive(Debug)]
pub(super) struct Rules {
    biases: Vec<(Token, f32)>,
    bans: Option<Bans>,
    /// Tokens that the model's makers never want drawn.
    suppressed: Vec<Token>,
    stop_tokens: Vec<Token>,
    min_tokens: u32,
    ignore_eos: bool,
    pieces: Option<Arc<Pieces>>,
}

/// Whether a minimum of tokens keeps an answer from ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Minimum {
    Heeded,
    Lifted,
}

impl Rules {
    /// Whether `rules` need a vocabulary's pieces.
    pub(super) fn need_pieces(rules: &TokenRules) -> bool {
        !rules.banned.is_empty() || rules.ignore_eos || rules.min_tokens > 0
    }

    pub(super) fn new(
        rules: &TokenRules,
        suppressed: Vec<Token>,
        pieces: Option<Arc<Pieces>>,
    ) -> Self {
        let TokenRules { biases, banned, stop_tokens, min_tokens, ignore_eos } = rules.clone();
        let bans = pieces.as_ref().filter(|_| !banned.is_empty());
        let bans = bans.map(|pieces| Bans::new(&banned, pieces));
        Self { biases, bans, suppressed, stop_tokens, min_tokens, ignore_eos, pieces }
    }

    /// Whether there are none after `said` tokens.
    pub(super) fn are_silent(&self, said: u32) -> bool {
        self.biases.is_empty()
            && self.bans.is_none()
            && self.suppressed.is_empty()
            && !self.ignore_eos
            && said >= self.min_tokens
    }

    /// Whether a minimum keeps an answer of `said` tokens from ending.
    pub(super) fn have_minimum(&self, said: u32) -> bool {
        said < self.min_tokens
    }

    /// Whether a token that must come may be against them.
    pub(super) fn may_forbid(&self) -> bool {
        self.bans.is_some() || self.biases.iter().any(|(_, bias)| *bias == f32::NEG_INFINITY)
    }

    /// The answer goes on with `token`.
    pub(super) fn take(&mut self, token: Token) {
        if let Some(bans) = &mut self.bans {
            bans.take(token);
        }
    }

    /// Whether `token` ends the answer by the caller's wish.
    pub(super) fn ends(&self, token: Token) -> bool {
        self.stop_tokens.binary_search(&token).is_ok()
    }

    /// Applies them to the logits after `said` tokens.
    pub(super) fn edit(&self, logits: &mut [f32], said: u32, minimum: Minimum) {
        let mut add = |token: Token, bias: f32| {
            if let Some(logit) = usize::try_from(token.0).ok().and_then(|at| logits.get_mut(at)) {
                *logit += bias;
            }
        };
        self.biases.iter().for_each(|&(token, bias)| add(token, bias));
        let mut forbid = |token: Token| add(token, f32::NEG_INFINITY);
        self.suppressed.iter().for_each(|&token| forbid(token));
        let too_short = self.have_minimum(said) && minimum == Minimum::Heeded;
        if let Some(pieces) = self.pieces.as_ref().filter(|_| self.ignore_eos || too_short) {
            pieces.endings().iter().for_each(|&token| forbid(token));
        }
        if too_short {
            self.stop_tokens.iter().for_each(|&token| forbid(token));
        }
        if let Some(bans) = &self.bans {
            bans.forbid(forbid);
        }
    }
}
