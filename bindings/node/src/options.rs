//! Option values and messages on their way in: JavaScript's as [`OptionValue`]s and [`Message`]s.
//!
//! `lib/` has already refused what is no value at all; names, shapes and ranges are the runtime's to
//! judge.

use indwell::{Message, OptionValue};
use napi::bindgen_prelude::{BigInt, Either, Either5, Null};
use napi_derive::napi;

use crate::questions::SemanticInput;

type Scalar = Either5<Null, bool, f64, BigInt, String>;

/// One option, its name in the runtime's spelling.
#[napi(object, object_to_js = false)]
pub struct NamedValue {
    pub name: String,
    pub value: Either<Scalar, Vec<Scalar>>,
    /// In place of `value`, for one that holds objects: all of it as JSON.
    pub json: Option<String>,
}

impl NamedValue {
    pub(crate) fn into_option(self) -> (String, OptionValue) {
        let value = match (self.json, self.value) {
            (Some(json), _) => json_value(&json),
            (None, Either::A(scalar)) => option_value(scalar),
            (None, Either::B(list)) => {
                OptionValue::List(list.into_iter().map(option_value).collect())
            }
        };
        (self.name, value)
    }

    /// Bytes of its texts.
    fn bytes(&self) -> usize {
        let of = |scalar: &Scalar| if let Either5::E(text) = scalar { text.len() } else { 0 };
        let json = self.json.as_ref().map_or(0, String::len);
        json + match &self.value {
            Either::A(scalar) => of(scalar),
            Either::B(list) => list.iter().map(of).sum(),
        }
    }
}

/// # Panics
/// If it is no JSON, or too deep: `lib/json.cjs` writes it, and bounds it.
fn json_value(json: &str) -> OptionValue {
    let value: serde_json::Value = serde_json::from_str(json).expect("lib/json.cjs writes JSON");
    value.into()
}

fn option_value(scalar: Scalar) -> OptionValue {
    match scalar {
        Either5::A(Null) => OptionValue::Null,
        Either5::B(flag) => OptionValue::Bool(flag),
        Either5::C(number) => number_value(number),
        Either5::D(integer) => OptionValue::Int(integer.get_i64().0),
        Either5::E(text) => OptionValue::Text(text),
    }
}

/// JavaScript has one kind of number: a whole one that fits is meant as an integer.
fn number_value(number: f64) -> OptionValue {
    let integer = number as i64;
    // Saturates at both ends: 2^63 itself would come back equal, yet is no i64.
    if integer as f64 == number && integer != i64::MAX {
        OptionValue::Int(integer)
    } else {
        OptionValue::Float(number)
    }
}

/// What a request is about.
#[napi(object, object_to_js = false)]
pub struct Input {
    /// A chat's messages as JSON; absent for a completion.
    pub messages: Option<String>,
    /// A completion's prompt; absent for a chat.
    pub prompt: Option<String>,
    pub options: Vec<NamedValue>,
    pub semantic: Option<SemanticInput>,
}

/// Bytes of text that are read, put into a chat template and tokenized in about a millisecond at most.
const SHORT_BYTES_MAX: usize = 2048;
/// Options that are compiled, which may take long however short they are.
const COMPILED: [&str; 7] =
    ["json_schema", "json_object", "regex", "choice", "lark", "gbnf", "tools"];

impl Input {
    /// Whether preparing it takes so little time that no thread is needed for it.
    pub(crate) fn is_short(&self) -> bool {
        let texts = [&self.messages, &self.prompt].into_iter().flatten().map(String::len);
        let bytes = texts.chain(self.options.iter().map(NamedValue::bytes)).sum::<usize>();
        let is_compiled = |option: &NamedValue| COMPILED.contains(&option.name.as_str());
        bytes <= SHORT_BYTES_MAX && !self.options.iter().any(is_compiled)
    }
}

/// # Panics
/// If it is no list in JSON, or too deep: `lib/message.cjs` writes it, and bounds it.
pub(crate) fn messages(json: &str) -> indwell::Result<Vec<Message>> {
    let messages: Vec<serde_json::Value> =
        serde_json::from_str(json).expect("lib/message.cjs writes a list");
    messages
        .into_iter()
        .enumerate()
        .map(|(index, message)| Message::from_value(&format!("messages[{index}]"), message.into()))
        .collect()
}
