//! Option values and messages on their way in: JavaScript's as [`OptionValue`]s and [`Message`]s.
//!
//! `lib/options.cjs` has already refused what is no option value at all; names and ranges are the
//! runtime's to judge.

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
}

impl NamedValue {
    pub(crate) fn into_option(self) -> (String, OptionValue) {
        let value = match self.value {
            Either::A(scalar) => option_value(scalar),
            Either::B(list) => OptionValue::List(list.into_iter().map(option_value).collect()),
        };
        (self.name, value)
    }
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
    /// A chat's messages; absent for a completion.
    pub messages: Option<Vec<InputMessage>>,
    /// A completion's prompt; absent for a chat.
    pub prompt: Option<String>,
    pub options: Vec<NamedValue>,
    pub semantic: Option<SemanticInput>,
}

/// Bytes of text that are tokenized, and put into a chat template, in about a millisecond at most.
const SHORT_BYTES_MAX: usize = 2048;
/// Messages of a chat whose template takes no longer.
const SHORT_MESSAGES_MAX: usize = 16;

impl Input {
    /// Whether preparing it takes so little time that no thread is needed for it.
    pub(crate) fn is_short(&self) -> bool {
        let messages = self.messages.as_deref().unwrap_or_default();
        let prompt = self.prompt.as_deref().unwrap_or_default();
        let content: usize = messages.iter().map(|message| message.content.len()).sum();
        messages.len() <= SHORT_MESSAGES_MAX && content + prompt.len() <= SHORT_BYTES_MAX
    }
}

#[napi(object, object_to_js = false)]
pub struct InputMessage {
    pub role: String,
    pub content: String,
}

pub(crate) fn messages(messages: Vec<InputMessage>) -> indwell::Result<Vec<Message>> {
    messages
        .into_iter()
        .map(|InputMessage { role, content }| Ok(Message::new(role.parse()?, content)))
        .collect()
}
