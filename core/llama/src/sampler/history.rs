//! The last tokens of prompt and answer, and the penalties for saying them again.
//!
//! The formulas are llama.cpp's, and are compared with its own samplers in tests. They are computed
//! here because they change only the logits of tokens that were said, while llama.cpp's look every
//! token of the vocabulary up.

use std::collections::HashMap;

use indwell_kernel::{Penalties, Token};

/// The last tokens, at least as many as are looked back at.
#[derive(Debug)]
pub(super) struct History {
    tokens: Vec<Token>,
    looks_back: usize,
}

impl History {
    pub(super) fn new(looks_back: usize) -> Self {
        Self { tokens: Vec::new(), looks_back }
    }

    /// Goes on with `token`.
    pub(super) fn push(&mut self, token: Token) {
        if self.looks_back == 0 {
            return;
        }
        // Now and then, so that the rest is seldom moved.
        if self.tokens.len() > 2 * self.looks_back + 64 {
            self.tokens.drain(..self.tokens.len() - self.looks_back);
        }
        self.tokens.push(token);
    }

    /// The last `count` tokens, or all there are.
    pub(super) fn last(&self, count: usize) -> &[Token] {
        &self.tokens[self.tokens.len().saturating_sub(count)..]
    }
}

/// Repetition, frequency and presence penalties, with how often each of the last tokens was said.
#[derive(Debug)]
pub(super) struct Repetition {
    penalties: Penalties,
    counts: HashMap<Token, u32>,
}

impl Repetition {
    pub(super) fn new(penalties: Penalties) -> Self {
        Self { penalties, counts: HashMap::new() }
    }

    /// `token` is about to go into `history`.
    pub(super) fn count(&mut self, token: Token, history: &History) {
        let last_n = self.penalties.last_n as usize;
        let window = history.last(last_n);
        if window.len() == last_n
            && let Some(oldest) = window.first()
            && let Some(count) = self.counts.get_mut(oldest)
        {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(oldest);
            }
        }
        *self.counts.entry(token).or_insert(0) += 1;
    }

    /// How often each token was said lately.
    pub(super) fn counts(&self) -> &HashMap<Token, u32> {
        &self.counts
    }

    /// The logit of a token that was said `count` times.
    pub(super) fn penalized(&self, logit: f32, count: u32) -> f32 {
        let Penalties { repeat, frequency, presence, .. } = self.penalties;
        let logit = if logit <= 0.0 { logit * repeat } else { logit / repeat };
        #[expect(clippy::cast_precision_loss, reason = "far below 2^24")]
        let count = count as f32;
        logit - (count * frequency + presence)
    }
}
