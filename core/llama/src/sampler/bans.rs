//! Texts that never appear in an answer, however they are cut into tokens.
//!
//! A token would complete a banned text if it contains one, or if it begins with the rest of one
//! whose beginning the answer ends with. The first are found once. Of the second there are few at any
//! time: for each beginning that the answer ends with, the tokens that begin with its rest lie next to
//! each other in the order of tokens by their bytes. So nothing is kept a state of an automaton, and
//! what a token costs is bounded by the banned bytes, not by the vocabulary.

use std::sync::Arc;

use indwell_kernel::Token;

use crate::pieces::Pieces;

/// An answer's banned texts, and its end.
#[derive(Debug)]
pub(super) struct Bans {
    pieces: Arc<Pieces>,
    patterns: Vec<Box<[u8]>>,
    /// Tokens that contain a banned text.
    always: Vec<Token>,
    /// The answer's last bytes, at least as many as can begin a banned text.
    tail: Vec<u8>,
    tail_bytes: usize,
}

impl Bans {
    pub(super) fn new(texts: &[String], pieces: &Arc<Pieces>) -> Self {
        let patterns: Vec<Box<[u8]>> = texts.iter().map(|text| text.as_bytes().into()).collect();
        let always = pieces.containing(&patterns);
        let tail_bytes = patterns.iter().map(|pattern| pattern.len() - 1).max().unwrap_or(0);
        Self { pieces: Arc::clone(pieces), patterns, always, tail: Vec::new(), tail_bytes }
    }

    /// The answer goes on with `token`.
    pub(super) fn take(&mut self, token: Token) {
        self.tail.extend_from_slice(self.pieces.piece(token));
        // Now and then, so that the rest is seldom moved.
        if self.tail.len() > 2 * self.tail_bytes + 64 {
            self.tail.drain(..self.tail.len() - self.tail_bytes);
        }
    }

    /// Tells every token that would complete a banned text; some more than once.
    pub(super) fn forbid(&self, mut tell: impl FnMut(Token)) {
        self.always.iter().for_each(|&token| tell(token));
        let Some(&last) = self.tail.last() else { return };
        for pattern in &self.patterns {
            for length in 1..pattern.len() {
                if pattern[length - 1] == last && self.tail.ends_with(&pattern[..length]) {
                    let completing = self.pieces.starting_with(&pattern[length..]);
                    completing.iter().for_each(|&token| tell(token));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::sampler::tests::Random;

    /// A text of these letters.
    fn text(random: &mut Random, letters: &[u8], length: usize) -> String {
        (0..length).map(|_| char::from(letters[random.below(letters.len())])).collect()
    }

    /// Against looking through the whole text for each token.
    #[test]
    fn a_token_is_forbidden_exactly_when_it_completes_a_banned_text() {
        let (mut forbidden_in_all, mut said_in_all) = (0, 0);
        for seed in 0..300 {
            let mut random = Random::new(seed);
            let letters: &[u8] = [&b"ab"[..], b"abc", b"abcd"][random.below(3)];
            let vocabulary: Vec<String> = (0..20)
                .map(|_| {
                    let length = random.below(5);
                    text(&mut random, letters, length)
                })
                .collect();
            let banned: Vec<String> = (0..1 + random.below(3))
                .map(|_| {
                    let length = 1 + random.below(7);
                    text(&mut random, letters, length)
                })
                .collect();
            let pieces = Arc::new(Pieces::new(&vocabulary, Vec::new()));
            let mut bans = Bans::new(&banned, &pieces);
            let mut answer = String::new();
            for _ in 0..150 {
                let mut forbidden = BTreeSet::new();
                bans.forbid(|token| {
                    forbidden.insert(token.0);
                });
                for (id, piece) in (0..).zip(&vocabulary) {
                    let whole = format!("{answer}{piece}");
                    let completes = banned.iter().any(|ban| whole.contains(ban.as_str()));
                    let is_told = forbidden.contains(&id);
                    assert_eq!(is_told, completes, "seed {seed}: {answer:?} and {piece:?}");
                }
                forbidden_in_all += forbidden.len();
                let at = random.below(vocabulary.len());
                let id = i32::try_from(at).expect("few tokens");
                if !forbidden.contains(&id) {
                    bans.take(Token(id));
                    answer.push_str(&vocabulary[at]);
                    said_in_all += 1;
                }
            }
        }
        assert!(forbidden_in_all > 10_000 && said_in_all > 10_000);
    }
}
