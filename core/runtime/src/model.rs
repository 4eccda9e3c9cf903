//! A model as prompts and answers need it, wherever it is computed.
//!
//! What it says of itself is plain data, known once it is loaded. Texts become tokens by the model's
//! own vocabulary, which may be in another process: so that can fail, and several texts are given at
//! once.

use std::any::Any;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use indwell_kernel::{Constraint, Token};
use indwell_llama::{Grammar, MemoryKind, Model, Vocabulary};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::constraints::Constraints;

/// The template of models with several that is used where tools are given.
const TOOL_USE: &str = "tool_use";

/// A loaded model, here or elsewhere.
pub(crate) trait TextModel: Any + fmt::Debug + Send + Sync {
    /// What it says of itself.
    fn facts(&self) -> &ModelFacts;

    /// The tokens of each text.
    ///
    /// # Errors
    /// Where the model is elsewhere, and is not there.
    fn tokenize(&self, passages: &[Passage<'_>]) -> Result<Vec<Vec<Token>>>;

    /// Appends the bytes of `token`; control tokens have none.
    fn append_piece(&self, token: Token, bytes: &mut Vec<u8>);

    /// Whether `token` ends an answer.
    fn is_end_of_generation(&self, token: Token) -> bool;

    /// What binds an answer to `grammar`.
    ///
    /// # Errors
    /// As [`Constraints::get`], and as [`Self::tokenize`].
    fn constraint(&self, grammar: &Grammar) -> Result<Arc<dyn Constraint>>;

    /// The tokens of one text.
    ///
    /// # Errors
    /// As [`Self::tokenize`].
    fn tokens_of(&self, passage: Passage<'_>) -> Result<Vec<Token>> {
        Ok(self.tokenize(&[passage])?.into_iter().flatten().collect())
    }
}

/// A text to be made tokens of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passage<'a> {
    pub(crate) text: &'a str,
    pub(crate) place: Place,
    /// Whether literals of control tokens become those tokens.
    pub(crate) parse_special: bool,
}

/// Where a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Place {
    /// At the beginning of a prompt: what the model wants there is added.
    Beginning,
    /// Alone.
    Alone,
    /// Behind other text: without what some tokenizers put before a text.
    Behind,
}

/// What a model says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ModelFacts {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) parameters: u64,
    pub(crate) size_bytes: u64,
    pub(crate) vocabulary_size: u32,
    pub(crate) trained_context_tokens: u32,
    pub(crate) memory_kind: MemoryKind,
    pub(crate) kv_bytes_per_token: u64,
    pub(crate) chat_template: Option<String>,
    /// Of models with several templates, the one for tools.
    pub(crate) tool_template: Option<String>,
    pub(crate) bos_text: Option<String>,
    pub(crate) eos_text: Option<String>,
    /// The literals that `parse_special` turns into tokens.
    pub(crate) control_literals: Vec<String>,
    /// The literals that become a token each in any text.
    pub(crate) user_defined_literals: Vec<String>,
    /// How positions are encoded.
    pub(crate) rope: String,
}

impl ModelFacts {
    /// What a loaded model says.
    pub(crate) fn of(model: &Model) -> Self {
        let vocabulary = model.vocabulary();
        Self {
            path: model.path().to_owned(),
            name: model.name(),
            description: model.description(),
            parameters: model.parameters(),
            size_bytes: model.size_bytes(),
            vocabulary_size: vocabulary.size(),
            trained_context_tokens: model.trained_context_tokens(),
            memory_kind: model.memory_kind(),
            kv_bytes_per_token: model.kv_bytes_per_token(),
            chat_template: model.chat_template(),
            tool_template: model.named_chat_template(TOOL_USE),
            bos_text: vocabulary.bos_text(),
            eos_text: vocabulary.eos_text(),
            control_literals: vocabulary.control_literals(),
            user_defined_literals: vocabulary.user_defined_literals(),
            rope: rope(model),
        }
    }
}

/// The model's own: there is no option that changes it.
fn rope(model: &Model) -> String {
    let architecture = model.metadata("general.architecture").unwrap_or_default();
    let keys = ["dimension_count", "freq_base", "scaling.type", "scaling.factor"];
    let values = keys.map(|key| {
        let value = model.metadata(&format!("{architecture}.rope.{key}"));
        format!("{key} {}", value.as_deref().unwrap_or("default"))
    });
    values.join(", ")
}

/// A model in this process.
#[derive(Debug)]
pub(crate) struct LocalModel {
    model: Arc<Model>,
    facts: ModelFacts,
    constraints: Constraints,
}

impl LocalModel {
    pub(crate) fn new(model: Arc<Model>) -> Arc<Self> {
        let facts = ModelFacts::of(&model);
        let constraints = Constraints::new(Arc::clone(&model));
        Arc::new(Self { model, facts, constraints })
    }

    /// The weights.
    pub(crate) fn model(&self) -> &Arc<Model> {
        &self.model
    }
}

impl TextModel for LocalModel {
    fn facts(&self) -> &ModelFacts {
        &self.facts
    }

    fn tokenize(&self, passages: &[Passage<'_>]) -> Result<Vec<Vec<Token>>> {
        let vocabulary = self.model.vocabulary();
        Ok(passages.iter().map(|passage| tokens(&vocabulary, passage)).collect())
    }

    fn append_piece(&self, token: Token, bytes: &mut Vec<u8>) {
        self.model.vocabulary().append_piece(token, bytes);
    }

    fn is_end_of_generation(&self, token: Token) -> bool {
        self.model.vocabulary().is_end_of_generation(token)
    }

    fn constraint(&self, grammar: &Grammar) -> Result<Arc<dyn Constraint>> {
        self.constraints.get(grammar)
    }
}

fn tokens(vocabulary: &Vocabulary<'_>, passage: &Passage<'_>) -> Vec<Token> {
    let Passage { text, place, parse_special } = *passage;
    match place {
        Place::Beginning => vocabulary.tokenize(text, true, parse_special),
        Place::Alone => vocabulary.tokenize(text, false, parse_special),
        Place::Behind => vocabulary.tokenize_continuation(text, parse_special),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Of a model that there is not.
    pub(crate) fn facts() -> ModelFacts {
        ModelFacts {
            path: PathBuf::from("none.gguf"),
            name: "none".to_owned(),
            description: String::new(),
            parameters: 0,
            size_bytes: 0,
            vocabulary_size: 4,
            trained_context_tokens: 256,
            memory_kind: MemoryKind::Attention,
            kv_bytes_per_token: 0,
            chat_template: None,
            tool_template: None,
            bos_text: None,
            eos_text: None,
            control_literals: Vec::new(),
            user_defined_literals: Vec::new(),
            rope: String::new(),
        }
    }
}
