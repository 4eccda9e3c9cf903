//! Grammars on the default model's vocabulary, and the texts that they allow.

use std::sync::{Arc, LazyLock};

use indwell_kernel::{Constraint, Matcher, Token};
use indwell_llama::{Grammar, GrammarCompiler, GrammarError, Model, ModelParams};

/// One for all tests: the vocabulary's trie takes a while.
pub(crate) static RIG: LazyLock<Rig> = LazyLock::new(Rig::new);

pub(crate) struct Rig {
    compiler: GrammarCompiler,
    /// Each token's bytes; none for those that no text has.
    pieces: Vec<Vec<u8>>,
    ends: Vec<Token>,
}

impl Rig {
    fn new() -> Self {
        let path = indwell_tests::model();
        let model = Model::load(&path, ModelParams::default(), |_| {}).expect("the default model");
        let model = Arc::new(model);
        let vocabulary = model.vocabulary();
        let tokens = || (0..vocabulary.size().cast_signed()).map(Token);
        let piece = |token| {
            let mut bytes = Vec::new();
            vocabulary.append_piece(token, &mut bytes);
            bytes
        };
        let pieces = tokens().map(piece).collect();
        let ends = tokens().filter(|&token| vocabulary.is_end_of_generation(token)).collect();
        let compiler = GrammarCompiler::new(Arc::clone(&model)).expect("a vocabulary with text");
        Self { compiler, pieces, ends }
    }

    pub(crate) fn compile(&self, grammar: &Grammar) -> Result<Arc<dyn Constraint>, GrammarError> {
        self.compiler.compile(grammar)
    }

    /// Whether `text` is an answer that the constraint allows.
    pub(crate) fn accepts(&self, constraint: &dyn Constraint, text: &str) -> bool {
        let mut matcher = constraint.start();
        self.follow(&mut *matcher, text) == text.len() && self.may_end(&mut *matcher)
    }

    /// How many bytes of `text` the matcher could follow: each time by the longest token that it
    /// allows and the text goes on with.
    pub(crate) fn follow(&self, matcher: &mut dyn Matcher, text: &str) -> usize {
        let mut rest = text.as_bytes();
        while !rest.is_empty() && !matcher.is_complete() {
            let mask = matcher.mask().expect("within the limits");
            let fits = |token: &Token| {
                let piece = &self.pieces[token.0.cast_unsigned() as usize];
                !piece.is_empty() && rest.starts_with(piece)
            };
            let length = |token: &Token| self.pieces[token.0.cast_unsigned() as usize].len();
            let Some(longest) = mask.tokens().filter(fits).max_by_key(length) else { break };
            rest = &rest[length(&longest)..];
            matcher.take(longest).expect("its mask allows it");
        }
        text.len() - rest.len()
    }

    /// Whether an answer may end where the matcher is.
    pub(crate) fn may_end(&self, matcher: &mut dyn Matcher) -> bool {
        if matcher.is_complete() {
            return true;
        }
        let mask = matcher.mask().expect("within the limits");
        self.ends.iter().any(|&end| mask.allows(end))
    }

    /// The text of `tokens`.
    pub(crate) fn text(&self, tokens: &[Token]) -> String {
        let pieces = tokens.iter().flat_map(|t| &self.pieces[t.0.cast_unsigned() as usize]);
        String::from_utf8(pieces.copied().collect()).expect("whole characters")
    }
}
