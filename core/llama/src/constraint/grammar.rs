//! What an answer can be bound to, and how each form is put to llguidance.
//!
//! Every form becomes one grammar of llguidance's. The bounds here are on the text of a grammar;
//! those on what becomes of it are in `compiler`.

use llguidance::api::TopLevelGrammar;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::gbnf;
use crate::error::GrammarError;

/// The largest JSON schema, in bytes of JSON.
pub const SCHEMA_BYTES_MAX: usize = 512 << 10;
/// The largest regular expression, Lark or GBNF grammar, and list of choices, in bytes.
pub const GRAMMAR_BYTES_MAX: usize = 64 << 10;
/// How deep the objects and lists of a JSON schema may be nested.
pub const SCHEMA_DEPTH_MAX: usize = 128;

/// The key by which a schema would change llguidance's own options.
const OPTIONS_KEY: &str = "x-guidance";

/// The form that an answer must have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Grammar {
    /// JSON that fits a schema; its keys come in the schema's order.
    JsonSchema(#[serde(with = "as_text")] Value),
    /// Any JSON object.
    JsonObject,
    /// Text that a regular expression matches as a whole, in the syntax of Rust's `regex`.
    Regex(String),
    /// One of these texts.
    Choice(Vec<String>),
    /// Text of a Lark grammar, as llguidance reads them, from its rule `start`.
    Lark(String),
    /// Text of a GBNF grammar, as llama.cpp reads them, from its rule `root`.
    Gbnf(String),
    /// Calls of tools, as a Lark grammar that holds the tools' schemas.
    Tools(String),
}

/// A schema in formats that need to know what comes: as its text.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer};
    use serde_json::Value;

    pub(super) fn serialize<S: Serializer>(schema: &Value, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(schema)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
        let text = String::deserialize(from)?;
        let mut schema = serde_json::Deserializer::from_str(&text);
        // How deep it is was checked before it was written.
        schema.disable_recursion_limit();
        Value::deserialize(&mut schema).map_err(serde::de::Error::custom)
    }
}

impl Grammar {
    /// What tells it from every other grammar.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.name().as_bytes());
        let mut part = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        match self {
            Grammar::JsonSchema(schema) => part(&schema.to_string()),
            Grammar::JsonObject => {}
            Grammar::Choice(texts) => texts.iter().for_each(|text| part(text)),
            Grammar::Regex(text)
            | Grammar::Lark(text)
            | Grammar::Gbnf(text)
            | Grammar::Tools(text) => part(text),
        }
        *hasher.finalize().as_bytes()
    }

    /// The option that asks for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Grammar::JsonSchema(_) => "json_schema",
            Grammar::JsonObject => "json_object",
            Grammar::Regex(_) => "regex",
            Grammar::Choice(_) => "choice",
            Grammar::Lark(_) => "lark",
            Grammar::Gbnf(_) => "gbnf",
            Grammar::Tools(_) => "tools",
        }
    }

    /// The bytes of its text.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Grammar::JsonSchema(schema) => schema.to_string().len(),
            Grammar::JsonObject => 0,
            Grammar::Choice(texts) => texts.iter().map(|text| text.len() + 1).sum(),
            Grammar::Regex(text)
            | Grammar::Lark(text)
            | Grammar::Gbnf(text)
            | Grammar::Tools(text) => text.len(),
        }
    }

    /// Whether it is within the bounds on the texts of grammars.
    ///
    /// # Errors
    /// [`GrammarError::TooLarge`] and [`GrammarError::TooDeep`].
    pub fn check(&self) -> Result<(), GrammarError> {
        let limit = match self {
            Grammar::JsonSchema(_) | Grammar::Tools(_) => SCHEMA_BYTES_MAX,
            _ => GRAMMAR_BYTES_MAX,
        };
        if let Grammar::JsonSchema(schema) = self
            && is_deeper(schema, SCHEMA_DEPTH_MAX)
        {
            return Err(GrammarError::TooDeep { limit: SCHEMA_DEPTH_MAX });
        }
        let bytes = self.bytes();
        if bytes > limit { Err(GrammarError::TooLarge { bytes, limit }) } else { Ok(()) }
    }

    /// The grammar for llguidance.
    pub(super) fn to_llguidance(&self) -> Result<TopLevelGrammar, GrammarError> {
        match self {
            Grammar::JsonSchema(schema) => json_grammar(schema.clone()),
            Grammar::JsonObject => json_grammar(json!({ "type": "object" })),
            Grammar::Regex(expression) => Ok(TopLevelGrammar::from_regex(expression)),
            Grammar::Choice(texts) => Ok(TopLevelGrammar::from_lark(choice(texts)?)),
            Grammar::Lark(text) | Grammar::Tools(text) => {
                Ok(TopLevelGrammar::from_lark(text.clone()))
            }
            Grammar::Gbnf(text) => Ok(TopLevelGrammar::from_lark(gbnf::to_lark(text)?)),
        }
    }
}

/// The grammar of `schema`. Whitespace is not the model's to choose.
fn json_grammar(mut schema: Value) -> Result<TopLevelGrammar, GrammarError> {
    let refused = |reason: &str| GrammarError::Refused(reason.to_owned());
    if schema.get(OPTIONS_KEY).is_some() {
        return Err(refused("\"x-guidance\" is not supported in a schema; leave it out"));
    }
    if let Value::Bool(anything) = schema {
        if !anything {
            return Err(refused("Unsatisfiable schema: false fits nothing"));
        }
        schema = json!({});
    }
    let Value::Object(fields) = &mut schema else {
        return Err(refused("a schema is an object, true or false"));
    };
    let options = json!({
        "item_separator": ITEM_SEPARATOR,
        "key_separator": KEY_SEPARATOR,
        "whitespace_flexible": false,
    });
    fields.insert(OPTIONS_KEY.to_owned(), options);
    Ok(TopLevelGrammar::from_json_schema(schema))
}

/// What stands between the items of a list or an object.
const ITEM_SEPARATOR: &str = ", ";
/// What stands between a key and its value.
const KEY_SEPARATOR: &str = ": ";

fn choice(texts: &[String]) -> Result<String, GrammarError> {
    if texts.is_empty() {
        return Err(GrammarError::Refused("there is nothing to choose from".to_owned()));
    }
    let texts: Vec<String> = texts.iter().map(|text| gbnf::lark_literal(text)).collect();
    // One terminal: of texts that begin alike each can be chosen.
    Ok(format!("start: CHOICE\nCHOICE: {}\n", texts.join(" | ")))
}

/// Whether `value` has objects and lists nested deeper than `limit`.
fn is_deeper(value: &Value, limit: usize) -> bool {
    let Some(below) = limit.checked_sub(1) else { return true };
    match value {
        Value::Array(items) => items.iter().any(|item| is_deeper(item, below)),
        Value::Object(fields) => fields.values().any(|field| is_deeper(field, below)),
        _ => false,
    }
}
