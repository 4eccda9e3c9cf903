//! A dialect in one vocabulary: which of its markers are control tokens.
//!
//! Control tokens have no text in an answer, but those that mark calls and reasoning have: readers
//! look for them there.

use indwell_kernel::{NamespaceBuilder, NamespaceField, Token};

use super::dialect::Dialect;
use crate::Result;
use crate::model::{Passage, Place, TextModel};

/// How one model speaks.
#[derive(Debug, Default)]
pub(crate) struct Speech {
    dialect: Option<Dialect>,
    /// Control tokens that are in markers, by their literals. Few.
    controls: Vec<(String, Token)>,
}

impl Speech {
    /// How `model` speaks this dialect.
    ///
    /// # Errors
    /// As [`TextModel::tokenize`].
    pub(crate) fn new(dialect: Dialect, model: &dyn TextModel) -> Result<Self> {
        let markers = dialect.markers();
        let mut literals = model.facts().control_literals.clone();
        literals.retain(|literal| markers.iter().any(|marker| marker.contains(literal.as_str())));
        let alone = |text| Passage { text, place: Place::Alone, parse_special: true };
        let passages: Vec<Passage<'_>> = literals.iter().map(|text| alone(text.as_str())).collect();
        let tokens = model.tokenize(&passages)?;
        let control = |(literal, tokens): (String, Vec<Token>)| match tokens[..] {
            [token] if !model.is_end_of_generation(token) => Some((literal, token)),
            _ => None,
        };
        let controls = literals.into_iter().zip(tokens).filter_map(control).collect();
        Ok(Self { dialect: Some(dialect), controls })
    }

    /// How it writes calls and reasoning.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect.unwrap_or(Dialect { calls: None, knows_tools: false, thoughts: None })
    }

    /// The text of a control token that an answer's text shows.
    pub(crate) fn shown(&self, token: Token) -> Option<&str> {
        let (literal, _) = self.controls.iter().find(|(_, control)| *control == token)?;
        Some(literal)
    }

    /// Control tokens that are in markers, by their literals.
    pub(crate) fn controls(&self) -> &[(String, Token)] {
        &self.controls
    }

    /// The namespace of answers whose text shows these tokens.
    pub(crate) fn namespace(&self, namespace: NamespaceBuilder) -> NamespaceBuilder {
        if self.controls.is_empty() {
            return namespace;
        }
        let literals: Vec<&str> =
            self.controls.iter().map(|(literal, _)| literal.as_str()).collect();
        namespace.field(NamespaceField::Markers, literals.join("\0").as_bytes())
    }
}
