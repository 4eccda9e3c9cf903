//! Python's ways of writing a conversation: one string, or a list of messages, each a dict, an
//! object that says what it holds (`indwell.Message`, a pydantic model), or any other with `role` and
//! `content`. What the fields may be is the engine's to check.

use indwell::{Message, Messages, OptionValue};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyString};

use crate::error;
use crate::option::{is_record, option};
use crate::text::{text, wrong_type};

const EXPECTED: &str = "a str or a list of messages";
const MESSAGE_EXPECTED: &str = "an indwell.Message or a dict with \"role\" and \"content\"";

/// The attributes of a message that is neither a dict nor a record.
const ATTRIBUTES: [&str; 6] =
    ["role", "content", "name", "reasoning", "tool_calls", "tool_call_id"];

/// The conversation that `messages` spells.
pub(crate) fn messages(messages: &Bound<'_, PyAny>) -> PyResult<Messages> {
    if messages.is_instance_of::<PyString>() {
        return Ok(text(messages, "messages")?.into());
    }
    // These can be iterated, but what comes out is no message.
    if messages.is_instance_of::<PyDict>()
        || messages.is_instance_of::<PyBytes>()
        || messages.is_instance_of::<PyByteArray>()
    {
        return Err(wrong_type(messages, "messages", EXPECTED));
    }
    let Ok(items) = messages.try_iter() else {
        return Err(wrong_type(messages, "messages", EXPECTED));
    };
    let conversation = items
        .enumerate()
        .map(|(index, item)| message(&item?, &format!("messages[{index}]")))
        .collect::<PyResult<Vec<Message>>>()?;
    Ok(conversation.into())
}

fn message(item: &Bound<'_, PyAny>, field: &str) -> PyResult<Message> {
    let value = if item.is_instance_of::<PyDict>() || is_record(item)? {
        option(item, field)?
    } else if item.hasattr("role")? {
        of_attributes(item, field)?
    } else {
        return Err(wrong_type(item, field, MESSAGE_EXPECTED));
    };
    Message::from_value(field, value).map_err(|failure| error::raise(item.py(), &failure))
}

fn of_attributes(item: &Bound<'_, PyAny>, field: &str) -> PyResult<OptionValue> {
    let mut fields = Vec::new();
    for name in ATTRIBUTES {
        if let Some(value) = item.getattr_opt(name)? {
            fields.push((name.to_owned(), option(&value, &format!("{field}.{name}"))?));
        }
    }
    Ok(OptionValue::Object(fields))
}
