//! Text to tokens and back, on a model's vocabulary.

use indwell_kernel::Token;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token_type::{LlamaTokenAttr, LlamaTokenAttrs};
use llama_cpp_2::vocab::LlamaVocab;

use crate::model::Model;

/// A model's vocabulary. Cheap to make; immutable, so any thread may use it.
#[derive(Debug)]
pub struct Vocabulary<'model> {
    inner: LlamaVocab<'model>,
}

impl<'model> Vocabulary<'model> {
    pub(crate) fn of(model: &'model Model) -> Self {
        Self { inner: model.inner.vocab() }
    }

    /// How many tokens it has.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.inner.n_tokens().try_into().unwrap_or(0)
    }

    /// The tokens of `text`.
    ///
    /// `add_special` lets the model's rules add a beginning-of-sequence token and the like.
    /// `parse_special` turns control tokens' literals (such as `<|im_end|>`) into those tokens;
    /// text from users must not be tokenized so.
    ///
    /// # Panics
    /// Above 2 GiB of text: callers bound it by the context first.
    #[must_use]
    pub fn tokenize(&self, text: &str, add_special: bool, parse_special: bool) -> Vec<Token> {
        let tokens = self.inner.tokenize(text.as_bytes(), add_special, parse_special);
        tokens.into_iter().map(|token| Token(token.0)).collect()
    }

    /// Appends the bytes of `token` to `bytes`; control tokens have none. A character may be
    /// spread over several tokens. Unknown ids append nothing.
    pub fn append_piece(&self, token: Token, bytes: &mut Vec<u8>) {
        if self.has(token) {
            self.inner.token_to_piece_into(LlamaToken(token.0), bytes, false, None);
        }
    }

    /// Whether `token` ends an answer: end of text, end of turn and the like.
    #[must_use]
    pub fn is_end_of_generation(&self, token: Token) -> bool {
        self.has(token) && self.inner.is_eog(LlamaToken(token.0))
    }

    /// Whether `token` is a control token.
    #[must_use]
    pub fn is_control(&self, token: Token) -> bool {
        self.has(token) && self.inner.is_control(LlamaToken(token.0))
    }

    /// Whether a completion's prompt begins with a beginning-of-sequence token.
    #[must_use]
    pub fn adds_bos(&self) -> bool {
        self.inner.should_add_bos()
    }

    /// The literal of the beginning-of-sequence token, if there is one.
    #[must_use]
    pub fn bos_text(&self) -> Option<String> {
        self.literal(Token(self.inner.bos().0))
    }

    /// The literal of the end-of-sequence token, if there is one.
    #[must_use]
    pub fn eos_text(&self) -> Option<String> {
        self.literal(Token(self.inner.eos().0))
    }

    /// The tokens of `text` that stands behind other text: without what some tokenizers put before
    /// the beginning of a text.
    ///
    /// # Panics
    /// As [`Vocabulary::tokenize`].
    #[must_use]
    pub fn tokenize_continuation(&self, text: &str, parse_special: bool) -> Vec<Token> {
        // Behind a newline nothing is put, and its own tokens are known.
        let newline = self.tokenize("\n", false, false);
        let behind = self.tokenize(&format!("\n{text}"), false, parse_special);
        match behind.strip_prefix(&newline[..]) {
            Some(tokens) => tokens.to_vec(),
            None => self.tokenize(text, false, parse_special),
        }
    }

    /// The literals that `parse_special` turns into tokens: those of control tokens, and of the token
    /// for what is unknown.
    #[must_use]
    pub fn control_literals(&self) -> Vec<String> {
        let special = [LlamaTokenAttr::Control, LlamaTokenAttr::Unknown];
        self.literals_of(|attributes| special.iter().any(|one| attributes.contains(*one)))
    }

    /// The literals that become a token each wherever they stand, in any text: tokens that the
    /// vocabulary's makers added.
    #[must_use]
    pub fn user_defined_literals(&self) -> Vec<String> {
        self.literals_of(|attributes| attributes.contains(LlamaTokenAttr::UserDefined))
    }

    fn literals_of(&self, wanted: impl Fn(LlamaTokenAttrs) -> bool) -> Vec<String> {
        self.inner
            .tokens()
            .filter(|&token| wanted(self.inner.attr(token)))
            .filter_map(|token| self.literal(Token(token.0)))
            .filter(|literal| !literal.is_empty())
            .collect()
    }

    /// The control tokens with their literals.
    #[must_use]
    pub fn control_tokens(&self) -> Vec<(Token, String)> {
        let control = self.inner.tokens().filter(|&token| self.inner.is_control(token));
        let with_literal = control.filter_map(|token| {
            let token = Token(token.0);
            Some((token, self.literal(token)?))
        });
        with_literal.filter(|(_, literal)| !literal.is_empty()).collect()
    }

    /// Tokens that the model's makers never want drawn (`tokenizer.ggml.suppress_tokens`).
    #[must_use]
    pub fn suppressed(&self) -> Vec<Token> {
        self.inner.suppress_tokens().iter().map(|token| Token(token.0)).collect()
    }

    /// The text that stands for `token` in the vocabulary, if it has one.
    pub(crate) fn literal(&self, token: Token) -> Option<String> {
        if !self.has(token) {
            return None;
        }
        let text = self.inner.text(LlamaToken(token.0))?;
        text.to_str().ok().map(str::to_owned)
    }

    fn has(&self, token: Token) -> bool {
        (0..self.inner.n_tokens()).contains(&token.0)
    }
}
