//! A model's vocabulary as llguidance sees it.
//!
//! Owns the trie of the tokens' bytes and how forced bytes become tokens. The bytes of a token are
//! those that its text has in an answer; control tokens and those that end an answer have none
//! that a grammar could match, and stand in the trie by their names alone.
//!
//! Forced bytes become the tokens that llama.cpp's tokenizer makes of them, since a model has seen
//! text so and not otherwise. What it makes is checked: tokens that do not spell the bytes (a
//! tokenizer that puts a space in front, bytes that are no text) give way to the longest tokens
//! that do.

use std::sync::Arc;

use indwell_kernel::Token;
use toktrie::{INVALID_TOKEN, TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv};

use crate::Model;

/// Texts of which one may stand in front of bytes that a tokenizer would change at a text's start.
const ANCHORS: [&str; 3] = ["\n", "\u{2}", "="];

/// The vocabulary of `model` for llguidance. Any thread may use it.
pub(super) fn environment(model: Arc<Model>) -> TokEnv {
    let trie = trie_of(&model);
    let mut environment = Environment { model, trie, anchor: None };
    environment.anchor = environment.find_anchor();
    Arc::new(environment)
}

struct Environment {
    model: Arc<Model>,
    trie: TokTrie,
    /// What bytes are put behind where the tokenizer changes the start of a text.
    anchor: Option<Anchor>,
}

struct Anchor {
    text: &'static str,
    tokens: Vec<TokenId>,
}

fn trie_of(model: &Model) -> TokTrie {
    let vocabulary = model.vocabulary();
    let size = vocabulary.size();
    let mut words = Vec::with_capacity(size as usize);
    let mut ends = Vec::new();
    for id in 0..size {
        let token = as_token(id);
        let mut bytes = Vec::new();
        if vocabulary.is_end_of_generation(token) {
            ends.push(id);
        } else {
            vocabulary.append_piece(token, &mut bytes);
        }
        if bytes.is_empty()
            && let Some(literal) = vocabulary.literal(token)
        {
            // The grammars of llguidance name such tokens as `<name>`.
            bytes.push(TokTrie::SPECIAL_TOKEN_MARKER);
            bytes.extend_from_slice(literal.as_bytes());
        }
        words.push(bytes);
    }
    let end = ends.first().copied().unwrap_or(INVALID_TOKEN);
    let trie = TokTrie::from(&TokRxInfo::new(size, end), &words);
    if ends.is_empty() { trie } else { trie.with_eos_tokens(&ends) }
}

impl Environment {
    /// `None` where a text's tokens spell the text, and where no anchor helps.
    fn find_anchor(&self) -> Option<Anchor> {
        if self.spell("a", &self.plain("a")) {
            return None;
        }
        ANCHORS.into_iter().find_map(|text| {
            let anchor = Anchor { text, tokens: self.plain(text) };
            let behind = self.behind(&anchor, "a")?;
            self.spell("a", &behind).then_some(anchor)
        })
    }

    fn plain(&self, text: &str) -> Vec<TokenId> {
        let tokens = self.model.vocabulary().tokenize(text, false, false);
        tokens.into_iter().map(|token| token.0.cast_unsigned()).collect()
    }

    /// The tokens of `text` behind an anchor, if the anchor's own are as they are alone.
    fn behind(&self, anchor: &Anchor, text: &str) -> Option<Vec<TokenId>> {
        let mut tokens = self.plain(&format!("{}{text}", anchor.text));
        tokens.starts_with(&anchor.tokens).then(|| tokens.split_off(anchor.tokens.len()))
    }

    fn spell(&self, text: &str, tokens: &[TokenId]) -> bool {
        let mut rest = text.as_bytes();
        for &token in tokens {
            let bytes = self.trie.token(token);
            match rest.strip_prefix(bytes) {
                Some(after) if !bytes.is_empty() => rest = after,
                _ => return false,
            }
        }
        rest.is_empty()
    }

    fn tokens_of(&self, text: &str) -> Vec<TokenId> {
        let tokens = match &self.anchor {
            None => Some(self.plain(text)),
            Some(anchor) => self.behind(anchor, text),
        };
        match tokens.filter(|tokens| self.spell(text, tokens)) {
            Some(tokens) => tokens,
            None => self.trie.greedy_tokenize(text.as_bytes()),
        }
    }
}

impl TokenizerEnv for Environment {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        self.trie.tokenize_with_greedy_fallback(bytes, |text| self.tokens_of(text))
    }
}

pub(super) fn as_token(id: TokenId) -> Token {
    Token(id.cast_signed())
}
