//! The bytes of every token of a vocabulary, to be searched.
//!
//! It knows bytes and ids, not llama.cpp. Control tokens have no bytes, as in answers.

use std::fmt;

use indwell_kernel::Token;

use crate::Vocabulary;

/// The bytes of every token, and the order of tokens by their bytes.
pub struct Pieces {
    bytes: Vec<u8>,
    /// Where each token's bytes end; they begin where those of the one before end.
    ends: Vec<usize>,
    /// Tokens that have bytes, by them.
    sorted: Vec<Token>,
    /// Tokens that end an answer.
    endings: Vec<Token>,
}

impl Pieces {
    /// Of tokens with these bytes, from token 0 on; `endings` end an answer.
    pub fn new<P: AsRef<[u8]>>(pieces: impl IntoIterator<Item = P>, endings: Vec<Token>) -> Self {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for piece in pieces {
            bytes.extend_from_slice(piece.as_ref());
            ends.push(bytes.len());
        }
        let mut all = Self { bytes, ends, sorted: Vec::new(), endings };
        let mut sorted: Vec<Token> = all.tokens().filter(|&t| !all.piece(t).is_empty()).collect();
        sorted.sort_by(|&a, &b| all.piece(a).cmp(all.piece(b)));
        all.sorted = sorted;
        all
    }

    /// Of a model's vocabulary.
    #[must_use]
    pub fn of(vocabulary: &Vocabulary<'_>) -> Self {
        let tokens = || (0..vocabulary.size()).filter_map(|id| i32::try_from(id).ok()).map(Token);
        let mut piece = Vec::new();
        let pieces = tokens().map(|token| {
            piece.clear();
            vocabulary.append_piece(token, &mut piece);
            piece.clone()
        });
        let endings = tokens().filter(|&token| vocabulary.is_end_of_generation(token)).collect();
        Self::new(pieces, endings)
    }

    /// The bytes of `token`; none for one that is not known.
    #[must_use]
    pub fn piece(&self, token: Token) -> &[u8] {
        let Ok(at) = usize::try_from(token.0) else { return &[] };
        let Some(&end) = self.ends.get(at) else { return &[] };
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.bytes[start..end]
    }

    /// All tokens.
    pub fn tokens(&self) -> impl Iterator<Item = Token> + use<> {
        let count = i32::try_from(self.ends.len()).unwrap_or(i32::MAX);
        (0..count).map(Token)
    }

    /// Tokens that end an answer.
    #[must_use]
    pub fn endings(&self) -> &[Token] {
        &self.endings
    }

    /// The tokens whose bytes begin with `prefix`, which is not empty.
    #[must_use]
    pub fn starting_with(&self, prefix: &[u8]) -> &[Token] {
        let from = self.sorted.partition_point(|&token| self.piece(token) < prefix);
        let rest = &self.sorted[from..];
        let count = rest.partition_point(|&token| self.piece(token).starts_with(prefix));
        &rest[..count]
    }

    /// The tokens whose bytes contain one of `patterns`, none of which is empty.
    #[must_use]
    pub fn containing<P: AsRef<[u8]>>(&self, patterns: &[P]) -> Vec<Token> {
        // By first byte, so that most positions are passed with one look.
        let mut by_first: [Vec<&[u8]>; 256] = [const { Vec::new() }; 256];
        for pattern in patterns {
            let pattern = pattern.as_ref();
            if let Some(&first) = pattern.first() {
                by_first[usize::from(first)].push(pattern);
            }
        }
        let contains = |&token: &Token| {
            let piece = self.piece(token);
            (0..piece.len()).any(|at| {
                let begins = &by_first[usize::from(piece[at])];
                begins.iter().any(|pattern| piece[at..].starts_with(pattern))
            })
        };
        self.tokens().filter(contains).collect()
    }
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces").field("tokens", &self.ends.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(tokens: &[Token]) -> Vec<i32> {
        let mut ids: Vec<i32> = tokens.iter().map(|token| token.0).collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn tokens_are_found_by_how_they_begin_and_what_they_contain() {
        let pieces = Pieces::new(["", "ab", "abc", "b", "cab", "ab"], vec![Token(0)]);
        assert_eq!(pieces.piece(Token(2)), b"abc");
        assert_eq!(pieces.piece(Token(0)), b"");
        assert_eq!(pieces.piece(Token(-1)), b"");
        assert_eq!(pieces.piece(Token(6)), b"");
        assert_eq!(ids(pieces.starting_with(b"ab")), [1, 2, 5]);
        assert!(pieces.starting_with(b"abcd").is_empty());
        assert_eq!(ids(pieces.starting_with(b"b")), [3]);
        assert_eq!(ids(&pieces.containing(&["ab"])), [1, 2, 4, 5]);
        assert_eq!(ids(&pieces.containing(&["bc", "ca"])), [2, 4]);
        assert_eq!(pieces.endings(), [Token(0)]);
    }
}
