//! Python's ways of writing a conversation: one string, or a list of messages, each a dict or an
//! object with `role` and `content`. A key that is neither is refused, since nothing would read it.

use indwell::{Message, Messages, Role};
use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyString};

use crate::error::{self, invalid};
use crate::text::{shown, text, wrong_type};

const EXPECTED: &str = "a str or a list of messages";
const MESSAGE_EXPECTED: &str = "an indwell.Message or a dict with \"role\" and \"content\"";

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
    if let Ok(dict) = item.cast::<PyDict>() {
        refuse_other_keys(dict, field)?;
    }
    let role = part(item, field, "role")?;
    let role = role.parse::<Role>().map_err(|failure| error::raise(item.py(), &failure))?;
    let content = part(item, field, "content")?;
    Ok(Message::new(role, content))
}

fn part(item: &Bound<'_, PyAny>, field: &str, name: &str) -> PyResult<String> {
    let found = match item.cast::<PyDict>() {
        Ok(dict) => dict.get_item(name)?,
        Err(_) => match item.getattr(name) {
            Ok(value) => Some(value),
            Err(failure) if failure.is_instance_of::<PyAttributeError>(item.py()) => None,
            Err(failure) => return Err(failure),
        },
    };
    match found {
        Some(value) => text(&value, &format!("{field}.{name}")),
        None if item.is_instance_of::<PyDict>() => Err(missing(item, field, name)),
        None => Err(wrong_type(item, field, MESSAGE_EXPECTED)),
    }
}

fn missing(item: &Bound<'_, PyAny>, field: &str, name: &str) -> PyErr {
    let field = format!("{field}.{name}");
    let value = format!("missing from {}", shown(item));
    invalid(
        item.py(),
        &field,
        &value,
        "there in every message",
        "give each message \"role\" and \"content\"",
    )
}

fn refuse_other_keys(dict: &Bound<'_, PyDict>, field: &str) -> PyResult<()> {
    for (key, value) in dict.iter() {
        let name = text(&key, &format!("a key of {field}"))?;
        if name != "role" && name != "content" {
            let field = format!("{field}.{name}");
            let remedy = "leave it out: nothing would read it";
            return Err(invalid(
                dict.py(),
                &field,
                &shown(&value),
                "\"role\" or \"content\"",
                remedy,
            ));
        }
    }
    Ok(())
}
