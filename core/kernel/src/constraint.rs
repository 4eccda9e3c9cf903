//! What an answer must be: a grammar as the kernel sees it, that is, which tokens may come next.
//!
//! The grammar's language, and how tokens are matched against it, is the backend's business. Here are
//! the words in which a request carries it and a step follows it.

use std::any::Any;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Token;

/// What an answer must be. One is made for a request, and may be shared by many. A backend that has
/// to tell another process of it finds its own by their type.
pub trait Constraint: Any + fmt::Debug + Send + Sync {
    /// A digest of everything that it allows: equal constraints have equal ones.
    fn digest(&self) -> [u8; 32];

    /// Begins an answer.
    fn start(&self) -> Box<dyn Matcher>;
}

/// An answer's progress within its constraint. It sees the answer's tokens, not the prompt's.
pub trait Matcher: fmt::Debug + Send {
    /// The tokens that may come next; those that end the answer are among them where it may end.
    ///
    /// # Errors
    /// [`ConstraintFailure`] when it can't be told, by a limit of the matcher's.
    fn mask(&mut self) -> Result<&TokenMask, ConstraintFailure>;

    /// Goes on by `token`, which its mask allows.
    ///
    /// # Errors
    /// [`ConstraintFailure`] for a token that is not allowed.
    fn take(&mut self, token: Token) -> Result<(), ConstraintFailure>;

    /// Appends the tokens that must come next to `into`, at most `max`, and goes on by them.
    ///
    /// # Errors
    /// [`ConstraintFailure`]; what was appended by then holds.
    fn force(&mut self, max: usize, into: &mut Vec<Token>) -> Result<(), ConstraintFailure>;

    /// Whether nothing may follow: the answer is complete.
    fn is_complete(&self) -> bool;
}

/// A matcher can't go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("the answer's constraint can't be followed: {0}")]
pub struct ConstraintFailure(pub String);

/// A set of tokens, a bit each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenMask {
    /// Token `i` is bit `i % 32` of word `i / 32`.
    words: Vec<u32>,
}

impl TokenMask {
    /// The set with these bits, the lowest of the first word being token 0.
    #[must_use]
    pub fn from_words(words: Vec<u32>) -> Self {
        Self { words }
    }

    /// Its bits, to be written.
    #[must_use]
    pub fn words_mut(&mut self) -> &mut Vec<u32> {
        &mut self.words
    }

    /// Its bits.
    #[must_use]
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// Whether `token` is in it.
    #[must_use]
    pub fn allows(&self, token: Token) -> bool {
        let Ok(index) = usize::try_from(token.0) else { return false };
        self.words.get(index / 32).is_some_and(|word| word >> (index % 32) & 1 == 1)
    }

    /// How many tokens are in it.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    /// The tokens in it, ascending.
    pub fn tokens(&self) -> impl Iterator<Item = Token> + '_ {
        (0_i32..).zip(&self.words).flat_map(|(at, &word)| {
            std::iter::successors(Some(word).filter(|&w| w != 0), |&w| {
                Some(w & (w - 1)).filter(|&w| w != 0)
            })
            .map(move |w| Token(at * 32 + w.trailing_zeros().cast_signed()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_holds_the_tokens_of_its_bits() {
        let mask = TokenMask::from_words(vec![0b1001, 0, 1 << 31]);
        let tokens: Vec<Token> = mask.tokens().collect();
        assert_eq!(tokens, [Token(0), Token(3), Token(95)]);
        assert_eq!(mask.count(), 3);
        assert!(mask.allows(Token(3)) && !mask.allows(Token(4)));
        assert!(!mask.allows(Token(-1)) && !mask.allows(Token(96)));
    }
}
