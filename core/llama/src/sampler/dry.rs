//! DRY: penalties for going on with what was said before, in the same order.
//!
//! The algorithm is llama.cpp's (`llama_sampler_dry_apply`), and is compared with it in tests. Here it
//! finds the few tokens that would go on with a repetition instead of looking every token of the
//! vocabulary up, and what its sequence breakers are in tokens is found in milliseconds and kept,
//! where llama.cpp writes every token out as text for each breaker and each request.

use std::collections::HashMap;
use std::sync::Arc;

use indwell_kernel::{Dry, Token};

use crate::pieces::Pieces;

/// Tokens of a sequence breaker after its first (llama.cpp's `MAX_SEQ_LEN`).
const TAIL_TOKENS_MAX: usize = 20;

/// What of an answer in tokens is a sequence breaker: by its first token, what must follow.
#[derive(Debug, Default)]
pub struct Breakers {
    tails: HashMap<Token, Vec<Vec<Token>>>,
}

impl Breakers {
    /// Of these texts, in a vocabulary with these pieces; `literals` are the texts of control tokens,
    /// and `tokenize` cuts a text into tokens.
    pub fn new(
        texts: &[String],
        pieces: &Pieces,
        literals: &[(Token, String)],
        tokenize: impl Fn(&str) -> Vec<Token>,
    ) -> Self {
        let mut breakers = Self::default();
        for text in texts {
            for token in pieces.tokens() {
                breakers.add(token, pieces.piece(token), text, &tokenize);
            }
            for (token, literal) in literals {
                breakers.add(*token, literal.as_bytes(), text, &tokenize);
            }
        }
        breakers
    }

    /// Adds what must follow `token`, of the bytes `word`, for `text` to be said: nothing if it
    /// contains it, or the rest of it where it ends with its beginning.
    fn add(
        &mut self,
        token: Token,
        word: &[u8],
        text: &str,
        tokenize: impl Fn(&str) -> Vec<Token>,
    ) {
        let breaker = text.as_bytes();
        let Some(&first) = breaker.first() else { return };
        if !word.contains(&first) {
            return;
        }
        if word.windows(breaker.len()).any(|window| window == breaker) {
            self.insert(token, Vec::new());
            return;
        }
        for at in 0..word.len() {
            let end = &word[at..];
            if breaker.starts_with(end)
                // Elsewhere no token can go on with it: text is whole characters.
                && let Some(rest) = text.get(end.len()..)
            {
                let mut tail = tokenize(rest);
                tail.truncate(TAIL_TOKENS_MAX);
                self.insert(token, tail);
            }
        }
    }

    fn insert(&mut self, token: Token, tail: Vec<Token>) {
        let tails = self.tails.entry(token).or_default();
        if !tails.contains(&tail) {
            tails.push(tail);
        }
    }

    /// Whether the token alone is a breaker.
    fn breaks_alone(&self, token: Token) -> bool {
        self.tails.get(&token).is_some_and(|tails| tails.iter().any(Vec::is_empty))
    }

    /// How many tokens there are after the last breaker.
    fn since(&self, backwards: impl Fn(usize) -> Token, length: usize) -> usize {
        for at in 0..length {
            let Some(tails) = self.tails.get(&backwards(at)) else { continue };
            let follows = |tail: &&Vec<Token>| {
                tail.len() <= at
                    && tail.iter().enumerate().all(|(i, &token)| backwards(at - i - 1) == token)
            };
            if let Some(longest) = tails.iter().filter(follows).map(Vec::len).max() {
                return at - longest;
            }
        }
        length
    }
}

/// DRY for one answer.
#[derive(Debug)]
pub(super) struct Repeats {
    dry: Dry,
    breakers: Arc<Breakers>,
    /// By how many tokens before its end, how long what ends there is the same as the end.
    lengths: Vec<usize>,
    /// What is taken off the logit of each token that would go on with a repetition.
    penalties: HashMap<Token, f32>,
}

impl Repeats {
    pub(super) fn new(dry: Dry, breakers: Arc<Breakers>) -> Self {
        Self { dry, breakers, lengths: Vec::new(), penalties: HashMap::new() }
    }

    pub(super) fn looks_back(&self) -> usize {
        self.dry.last_n as usize
    }

    /// What is taken off logits after `history`, which is no longer than is looked back at.
    pub(super) fn penalties(&mut self, history: &[Token]) -> &HashMap<Token, f32> {
        self.penalties.clear();
        let allowed = self.dry.allowed_length as usize;
        let length = history.len();
        if length > allowed {
            let backwards = |at: usize| history[length - 1 - at];
            let limit = self.breakers.since(backwards, length);
            if limit >= allowed {
                self.measure(backwards, length, limit);
                self.collect(backwards, allowed);
            }
        }
        &self.penalties
    }

    /// For each place, how long what ends there is the same as the end, `limit` at most: the
    /// Z-algorithm, backwards. Place `k` is `k` tokens before the end.
    fn measure(&mut self, backwards: impl Fn(usize) -> Token, length: usize, limit: usize) {
        self.lengths.clear();
        self.lengths.resize(length, 0);
        // The stretch found last that reaches furthest back: from `left` to before `right`.
        let (mut left, mut right) = (0, 0);
        for k in 1..length {
            let known = if k < right { self.lengths[k - left].min(right - k) } else { 0 };
            let mut same = known;
            if k + known >= right {
                while k + same < length && backwards(same) == backwards(k + same) {
                    same += 1;
                }
                (left, right) = (k, k + same);
            }
            self.lengths[k] = same.min(limit);
        }
    }

    /// The token after each place would go on with the repetition that ends there.
    fn collect(&mut self, backwards: impl Fn(usize) -> Token, allowed: usize) {
        let mut longest: HashMap<Token, usize> = HashMap::new();
        for (at, &length) in self.lengths.iter().enumerate().skip(1) {
            if length >= allowed {
                let most = longest.entry(backwards(at - 1)).or_insert(length);
                *most = length.max(*most);
            }
        }
        for (token, length) in longest {
            if !self.breakers.breaks_alone(token) {
                let penalty = penalty(&self.dry, length - allowed);
                self.penalties.insert(token, penalty);
            }
        }
    }
}

/// `multiplier × base ^ excess`, the exponent being held to what an f32 can hold.
fn penalty(dry: &Dry, excess: usize) -> f32 {
    const F32_MAX_LN: f32 = 88.722_84;
    let base = f64::from(dry.base);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let mut exponent = excess as f64;
    if dry.base > 1.000_001 {
        let most = f64::from((F32_MAX_LN / dry.base.ln()).trunc());
        if most > 0.0 {
            exponent = exponent.min(most);
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "f32 is what llama.cpp samples with")]
    let penalty = (f64::from(dry.multiplier) * base.powf(exponent)) as f32;
    penalty
}
