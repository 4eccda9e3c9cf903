//! A model that is elsewhere: what it says of itself is here, its tokenizer and compiler are asked.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;

use indwell_kernel::{Constraint, ConstraintFailure, Matcher, Token};
use indwell_llama::Grammar;

use super::link::Link;
use super::message::{LoadedFacts, Question, Reply};
use super::serve::Unfollowed;
use crate::model::{ModelFacts, Passage, TextModel};
use crate::{Error, ErrorKind, Result};

/// A model in a worker.
#[derive(Debug)]
pub(super) struct RemoteModel {
    loaded: Arc<LoadedFacts>,
    link: Arc<Link>,
}

impl RemoteModel {
    pub(super) fn new(loaded: Arc<LoadedFacts>, link: Arc<Link>) -> Self {
        Self { loaded, link }
    }

    fn ask(&self, question: &Question<'_>) -> Result<Reply> {
        self.link.ask(question)
    }
}

impl TextModel for RemoteModel {
    fn facts(&self) -> &ModelFacts {
        &self.loaded.facts
    }

    fn tokenize(&self, passages: &[Passage<'_>]) -> Result<Vec<Vec<Token>>> {
        if passages.is_empty() {
            return Ok(Vec::new());
        }
        let question = Question::Tokenize(passages.iter().map(Into::into).collect());
        match self.ask(&question)? {
            Reply::Tokens(tokens) if tokens.len() == passages.len() => Ok(tokens),
            _ => Err(out_of_turn()),
        }
    }

    fn append_piece(&self, token: Token, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.loaded.piece(token));
    }

    fn is_end_of_generation(&self, token: Token) -> bool {
        self.loaded.endings.binary_search(&token).is_ok()
    }

    fn constraint(&self, grammar: &Grammar) -> Result<Arc<dyn Constraint>> {
        // What is too large or too deep is not sent.
        crate::constraints::check(grammar)?;
        match self.ask(&Question::Compile(Cow::Borrowed(grammar)))? {
            Reply::Compiled(compiled) => compiled.map_err(Error::from)?,
            Reply::Tokens(_) => return Err(out_of_turn()),
        }
        Ok(Arc::new(Elsewhere { grammar: grammar.clone(), digest: grammar.digest() }))
    }
}

impl LoadedFacts {
    /// The bytes of `token`; none for one that is not known.
    fn piece(&self, token: Token) -> &[u8] {
        let Ok(at) = usize::try_from(token.0) else { return &[] };
        let end = |at: usize| self.ends.get(at).map(|&end| end as usize);
        let start = at.checked_sub(1).map_or(Some(0), end);
        let (Some(start), Some(end)) = (start, end(at)) else { return &[] };
        self.spelling.get(start..end).unwrap_or_default()
    }
}

fn out_of_turn() -> Error {
    Error::remedied(
        ErrorKind::Internal,
        "the process that computes gave the answer to another question",
        "try again; if it stays so, please report this",
    )
}

/// A constraint that is followed in the worker, which has compiled it. It crosses as its grammar.
#[derive(Debug)]
pub(super) struct Elsewhere {
    grammar: Grammar,
    digest: [u8; 32],
}

impl Elsewhere {
    /// The grammar that a request's constraint was made of. What is none of ours binds its answer to
    /// nothing that could be said, so that the request fails and is not answered without it.
    pub(super) fn grammar_of(constraint: &dyn Constraint) -> Cow<'_, Grammar> {
        let any: &dyn Any = constraint;
        match any.downcast_ref::<Self>() {
            Some(elsewhere) => Cow::Borrowed(&elsewhere.grammar),
            None => Cow::Owned(Grammar::Choice(Vec::new())),
        }
    }
}

impl Constraint for Elsewhere {
    fn digest(&self) -> [u8; 32] {
        self.digest
    }

    fn start(&self) -> Box<dyn Matcher> {
        Box::new(Unfollowed(ConstraintFailure("it is followed in another process".to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_its_bytes_and_others_have_none() {
        let loaded = LoadedFacts {
            facts: crate::model::tests::facts(),
            allocated: indwell_llama::Allocated::default(),
            spelling: b"abbc".to_vec(),
            ends: vec![0, 1, 3, 4],
            endings: vec![Token(0)],
        };
        let pieces: Vec<&[u8]> = (-1..5).map(|id| loaded.piece(Token(id))).collect();
        let due: [&[u8]; 6] = [b"", b"", b"a", b"bb", b"c", b""];
        assert_eq!(pieces, due);
    }

    #[test]
    fn a_constraint_crosses_as_its_grammar_and_a_foreign_one_as_nothing() {
        let grammar = Grammar::Regex("a+".to_owned());
        let ours = Elsewhere { digest: grammar.digest(), grammar: grammar.clone() };
        assert_eq!(*Elsewhere::grammar_of(&ours), grammar);
        assert!(ours.start().mask().is_err(), "it is not followed here");
    }
}
