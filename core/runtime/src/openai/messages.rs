//! OpenAI's messages to ours.
//!
//! Every form of them is read: content that is a text, a list of parts, or null where an assistant
//! called tools. What is no text (images, sound, files) is refused, as the model reads text.

use std::collections::HashSet;

use serde_json::Value;

use super::failure::{Failure, Read};
use super::fields::{Fields, wrong_type};
use crate::{Message, Role, ToolCall};

/// The roles that there are.
const ROLES: [&str; 5] = ["system", "developer", "user", "assistant", "tool"];

/// The messages of a chat.
pub(super) fn messages(values: Vec<Value>) -> Read<Vec<Message>> {
    if values.is_empty() {
        let text = "Invalid 'messages': empty array. Expected an array with minimum length 1.";
        return Err(Failure::wrong(text, "messages".to_owned(), "empty_array"));
    }
    let mut calls = OpenCalls::default();
    values
        .into_iter()
        .enumerate()
        .map(|(index, value)| {
            let mut fields = Fields::of(format!("messages[{index}]"), value)?;
            let message = message(&mut fields)?;
            calls.check(&message, &fields)?;
            fields.finish()?;
            Ok(message)
        })
        .collect()
}

fn message(fields: &mut Fields) -> Read<Message> {
    let role = fields.text("role")?;
    let role = fields.required("role", role)?;
    let role = match role.as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => return assistant(fields),
        "tool" => Role::Tool,
        "function" => {
            let text = "Messages with role 'function' are not supported: use role 'tool'.";
            return Err(Failure::unsupported(text, &fields.at("role")));
        }
        other => return Err(fields.none_of("role", other, &ROLES)),
    };
    let content = fields.take("content");
    let Some(content) = content else { return Err(no_content(fields)) };
    let mut message = Message::new(role, text_of(&fields.at("content"), content)?);
    message.name = fields.text("name")?;
    if role == Role::Tool {
        let id = fields.text("tool_call_id")?;
        message.tool_call_id = Some(fields.required("tool_call_id", id)?);
    }
    Ok(message)
}

fn assistant(fields: &mut Fields) -> Read<Message> {
    for name in ["audio", "function_call"] {
        if fields.take(name).is_some() {
            let text = format!("'{}' is not supported here: leave it out.", fields.at(name));
            return Err(Failure::unsupported(text, &fields.at(name)));
        }
    }
    // What an answer has beside its text, for callers who send back what they got.
    let _ = fields.take("annotations");
    let refusal = fields.text("refusal")?;
    let content = match fields.take("content") {
        Some(content) => Some(text_of(&fields.at("content"), content)?),
        None => refusal,
    };
    let tool_calls = tool_calls(fields)?;
    if content.is_none() && tool_calls.is_empty() {
        return Err(no_content(fields));
    }
    let mut message = Message::new(Role::Assistant, content.unwrap_or_default());
    message.tool_calls = tool_calls;
    message.name = fields.text("name")?;
    // The two names that engines give it.
    let (content, reasoning) = (fields.text("reasoning_content")?, fields.text("reasoning")?);
    message.reasoning = content.or(reasoning);
    Ok(message)
}

fn tool_calls(fields: &mut Fields) -> Read<Vec<ToolCall>> {
    let path = fields.at("tool_calls");
    let calls = fields.list("tool_calls")?.unwrap_or_default();
    calls
        .into_iter()
        .enumerate()
        .map(|(index, call)| {
            let mut call = Fields::of(format!("{path}[{index}]"), call)?;
            // Its place in a stream, where it was put together from one.
            let _ = call.take("index");
            call.one_of("type", &["function"])?;
            let id = call.text("id")?;
            let id = call.required("id", id)?;
            let function = call.object("function")?;
            let mut function = call.required("function", function)?;
            let (name, arguments) = (function.text("name")?, function.text("arguments")?);
            let name = function.required("name", name)?;
            let arguments = function.required("arguments", arguments)?;
            function.finish()?;
            call.finish()?;
            Ok(ToolCall { id, name, arguments })
        })
        .collect()
}

fn no_content(fields: &Fields) -> Box<Failure> {
    let at = fields.at("content");
    let text = format!("Invalid value for '{at}': expected a string, got null.");
    Failure::wrong(text, at, "invalid_type")
}

/// The text of `content`: a text, or the texts of its parts one after the other.
fn text_of(path: &str, content: Value) -> Read<String> {
    let parts = match content {
        Value::String(text) => return Ok(text),
        Value::Array(parts) => parts,
        other => return Err(wrong_type(path, "a string or an array of parts", &other)),
    };
    let mut text = String::new();
    for (index, part) in parts.into_iter().enumerate() {
        let mut part = Fields::of(format!("{path}[{index}]"), part)?;
        let kind = part.text("type")?;
        let name = match part.required("type", kind)?.as_str() {
            "text" => "text",
            "refusal" => "refusal",
            other => {
                let text = format!(
                    "Invalid content type '{other}' at '{}': this model reads text alone. Give \
                     parts of type 'text'.",
                    part.at("type")
                );
                return Err(Failure::unsupported(text, &part.at("type")));
            }
        };
        let found = part.text(name)?;
        text.push_str(&part.required(name, found)?);
        // Where a prefix may be cut for other engines' caches; ours finds out by itself.
        let _ = part.take("cache_control");
        part.finish()?;
    }
    Ok(text)
}

/// The calls of the last assistant's message: what tools' messages may answer.
#[derive(Debug, Default)]
struct OpenCalls(HashSet<String>);

impl OpenCalls {
    fn check(&mut self, message: &Message, fields: &Fields) -> Read<()> {
        match (message.role, &message.tool_call_id) {
            (Role::Tool, Some(id)) if !self.0.contains(id) => {
                let text = format!(
                    "Invalid parameter: '{}' is {id:?}, but messages with role 'tool' must be a \
                     response to a preceding message with 'tool_calls' of that id.",
                    fields.at("tool_call_id")
                );
                Err(Failure::wrong(text, fields.at("role"), "invalid_value"))
            }
            (Role::Tool, _) => Ok(()),
            _ => {
                self.0 = message.tool_calls.iter().map(|call| call.id.clone()).collect();
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(values: Value) -> Read<Vec<Message>> {
        let Value::Array(values) = values else { panic!("a list") };
        messages(values)
    }

    #[test]
    fn every_role_and_form_of_content_is_read() {
        let read = read(json!([
            {"role": "developer", "content": "Be brief.", "name": "x"},
            {"role": "user", "content": [
                {"type": "text", "text": "Weather "}, {"type": "text", "text": "in Oslo?"}]},
            {"role": "assistant", "content": null, "refusal": null, "annotations": [],
             "audio": null, "function_call": null, "reasoning_content": "Oslo is a city.",
             "tool_calls": [{"id": "call_1", "type": "function", "index": 0,
                             "function": {"name": "weather", "arguments": "{\"city\":\"Oslo\"}"}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "Rain."},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        ]));
        let read = read.expect("messages");
        assert_eq!(read[0].role, Role::System);
        assert_eq!(read[0].name.as_deref(), Some("x"));
        assert_eq!(read[1].content, "Weather in Oslo?");
        assert_eq!((read[2].role, read[2].content.as_str()), (Role::Assistant, ""));
        assert_eq!(read[2].reasoning.as_deref(), Some("Oslo is a city."));
        assert_eq!(read[2].tool_calls[0].name, "weather");
        assert_eq!(read[3].tool_call_id.as_deref(), Some("call_1"));
        assert_eq!(read[4].content, "No.");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (message, param) in [
            (json!({"content": "x"}), "messages[0].role"),
            (json!({"role": "robot", "content": "x"}), "messages[0].role"),
            (json!({"role": "function", "name": "f", "content": "x"}), "messages[0].role"),
            (json!({"role": 5, "content": "x"}), "messages[0].role"),
            (json!({"role": "user"}), "messages[0].content"),
            (json!({"role": "user", "content": null}), "messages[0].content"),
            (json!({"role": "assistant", "content": null}), "messages[0].content"),
            (json!({"role": "user", "content": {"text": "x"}}), "messages[0].content"),
            (json!({"role": "user", "content": ["x"]}), "messages[0].content[0]"),
            (json!({"role": "user", "content": [{"text": "x"}]}), "messages[0].content[0].type"),
            (json!({"role": "user", "content": [{"type": "text"}]}), "messages[0].content[0].text"),
            (
                json!({"role": "user", "content": [
                    {"type": "image_url", "image_url": {"url": "data:,"}}]}),
                "messages[0].content[0].type",
            ),
            (json!({"role": "user", "content": "x", "mood": 1}), "messages[0].mood"),
            (json!({"role": "user", "content": "x", "tool_calls": []}), "messages[0].tool_calls"),
            (json!({"role": "tool", "content": "x"}), "messages[0].tool_call_id"),
            (json!({"role": "tool", "content": "x", "tool_call_id": "a"}), "messages[0].role"),
            (
                json!({"role": "assistant", "tool_calls": [{"id": "a", "type": "custom"}]}),
                "messages[0].tool_calls[0].type",
            ),
            (json!("x"), "messages[0]"),
        ] {
            let failure = read(json!([message])).expect_err(&message.to_string());
            let body: Value = serde_json::from_str(&failure.body()).expect("JSON");
            assert_eq!(
                (failure.status, &body["error"]["param"]),
                (400, &json!(param)),
                "{message}"
            );
        }
        assert!(read(json!([])).is_err());
    }
}
