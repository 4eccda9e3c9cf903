//! A message from a value of any language: in the form of [`Message`]'s fields, or in OpenAI's.
//!
//! What nobody would read is refused, so that it is not taken for read; a null is as if not given.
//! Content is text: parts of another kind are `unsupported`, since no model here reads them.

use super::{Message, Role, ToolCall};
use crate::error::ErrorDetails;
use crate::{Error, ErrorKind, OptionValue, Result};

const FIELDS: &str =
    "role, content, name, reasoning, reasoning_content, tool_calls, tool_call_id or refusal";

impl Message {
    /// The message that `value` spells, which errors call `field`, such as `messages[0]`: an object
    /// with `role` and `content`, and where they apply `name`, `reasoning` (or `reasoning_content`),
    /// `tool_calls` and `tool_call_id`. Content is a text, or a list of OpenAI's text parts; it may
    /// be missing where an assistant calls tools. A tool call is an object with `id`, `name` and
    /// `arguments` (JSON, or the object itself), or has the latter two in its `function`.
    ///
    /// # Errors
    /// `invalid_request` for values of another form, and for fields that nobody would read.
    /// `unsupported` for content that is no text, and for the role `function`.
    pub fn from_value(field: &str, value: OptionValue) -> Result<Self> {
        let mut fields = Fields::of(field.to_owned(), value)?;
        let role = fields.required_text("role")?;
        if role == "function" {
            let remedy = "give results of tools the role \"tool\"";
            return Err(unsupported(&fields.at("role"), &role, "the role \"tool\"", remedy));
        }
        let role = role.parse::<Role>().map_err(|_| {
            let roles = "system, developer, user, assistant or tool";
            fields.wrong("role", &OptionValue::from(role), roles, "give one of these roles")
        })?;
        let mut message = Message::new(role, "");
        message.name = fields.text("name")?;
        let reasoning = fields.text("reasoning_content")?;
        message.reasoning = fields.text("reasoning")?.or(reasoning);
        message.tool_calls = tool_calls(&mut fields, role)?;
        message.tool_call_id = tool_call_id(&mut fields, role)?;
        let refusal = fields.text("refusal")?;
        message.content = match (fields.take("content"), refusal) {
            (OptionValue::Null, Some(refusal)) => refusal,
            (OptionValue::Null, None) if message.tool_calls.is_empty() => {
                return Err(fields.missing("content", "give the message's text"));
            }
            (OptionValue::Null, None) => String::new(),
            (content, _) => text_of(&fields.at("content"), content)?,
        };
        // What OpenAI's answers have beside their text.
        let _ = fields.take("annotations");
        fields.finish(FIELDS)?;
        Ok(message)
    }
}

fn tool_calls(fields: &mut Fields, role: Role) -> Result<Vec<ToolCall>> {
    let calls = fields.list("tool_calls")?;
    if role != Role::Assistant && !calls.is_empty() {
        let value = OptionValue::List(calls);
        let remedy = "leave it out: only the assistant calls tools";
        return Err(fields.wrong("tool_calls", &value, "in messages of the assistant", remedy));
    }
    let path = fields.at("tool_calls");
    let calls = calls.into_iter().enumerate();
    calls.map(|(index, call)| tool_call(format!("{path}[{index}]"), call)).collect()
}

fn tool_call(path: String, value: OptionValue) -> Result<ToolCall> {
    let mut call = Fields::of(path, value)?;
    // Its place in a stream, where it was put together from one.
    let _ = call.take("index");
    if let Some(kind) = call.text("type")?.filter(|kind| kind != "function") {
        let remedy = "leave out what is no call of a function";
        return Err(call.wrong("type", &OptionValue::from(kind), "\"function\"", remedy));
    }
    let id = call.required_text("id")?;
    let (name, arguments) = match call.take("function") {
        OptionValue::Null => (call.required_text("name")?, arguments(&mut call)?),
        function => {
            let mut function = Fields::of(call.at("function"), function)?;
            let parts = (function.required_text("name")?, arguments(&mut function)?);
            function.finish("name or arguments")?;
            parts
        }
    };
    call.finish("id, type, name, arguments or function")?;
    Ok(ToolCall { id, name, arguments })
}

/// A call's arguments as JSON. They are the model's words, so they may be anything.
fn arguments(fields: &mut Fields) -> Result<String> {
    match fields.take("arguments") {
        OptionValue::Text(text) => Ok(text),
        object @ OptionValue::Object(_) => Ok(object.to_json(&fields.at("arguments"))?.to_string()),
        OptionValue::Null => Err(fields.missing("arguments", "give {} where there are none")),
        other => Err(fields.wrong(
            "arguments",
            &other,
            "JSON, or an object",
            "give the call's arguments",
        )),
    }
}

fn tool_call_id(fields: &mut Fields, role: Role) -> Result<Option<String>> {
    let id = fields.text("tool_call_id")?;
    match id {
        Some(id) if role != Role::Tool => {
            let value = OptionValue::from(id);
            let remedy = "leave it out, or give the message the role tool";
            Err(fields.wrong("tool_call_id", &value, "in messages of tools", remedy))
        }
        id => Ok(id),
    }
}

/// The text of `content`: a text, or the texts of its parts one after the other.
fn text_of(path: &str, content: OptionValue) -> Result<String> {
    let parts = match content {
        OptionValue::Text(text) => return Ok(text),
        OptionValue::List(parts) => parts,
        other => {
            let expected = "text, or a list of parts";
            return Err(Error::invalid(path, other.shown(), expected, "convert it first"));
        }
    };
    let mut text = String::new();
    for (index, part) in parts.into_iter().enumerate() {
        let mut part = Fields::of(format!("{path}[{index}]"), part)?;
        let kind = part.required_text("type")?;
        if !["text", "refusal"].contains(&kind.as_str()) {
            let remedy = "leave out what is no text: this model reads nothing else";
            return Err(unsupported(&part.at("type"), &kind, "the type \"text\"", remedy));
        }
        text.push_str(&part.required_text(&kind)?);
        // Where other engines may cut a prefix; this one finds out by itself.
        let _ = part.take("cache_control");
        part.finish("type or text")?;
    }
    Ok(text)
}

fn unsupported(field: &str, value: &str, limit: &str, remedy: &str) -> Error {
    let value = OptionValue::from(value).shown();
    let message = format!("{field} is {value}, but only {limit} is supported: {remedy}");
    let details = ErrorDetails {
        field: Some(field.to_owned()),
        value: Some(value),
        limit: Some(limit.to_owned()),
        remedy: Some(remedy.to_owned()),
        retry_after_ms: None,
    };
    Error::with(ErrorKind::Unsupported, message, details, None)
}

/// An object's fields that were not taken yet, and what errors call the object.
struct Fields {
    path: String,
    left: Vec<(String, OptionValue)>,
}

impl Fields {
    fn of(path: String, value: OptionValue) -> Result<Self> {
        match value {
            OptionValue::Object(left) => Ok(Self { path, left }),
            other => Err(Error::invalid(path, other.shown(), "an object", "give it named fields")),
        }
    }

    fn at(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    /// The field's value, which is taken out; null if there is none.
    fn take(&mut self, name: &str) -> OptionValue {
        let place = self.left.iter().position(|(field, _)| field == name);
        place.map_or(OptionValue::Null, |index| self.left.remove(index).1)
    }

    fn text(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name) {
            OptionValue::Null => Ok(None),
            OptionValue::Text(text) => Ok(Some(text)),
            other => Err(self.wrong(name, &other, "text", "convert it first")),
        }
    }

    fn required_text(&mut self, name: &str) -> Result<String> {
        let text = self.text(name)?;
        text.ok_or_else(|| self.missing(name, "give each object of its kind one"))
    }

    fn list(&mut self, name: &str) -> Result<Vec<OptionValue>> {
        match self.take(name) {
            OptionValue::Null => Ok(Vec::new()),
            OptionValue::List(values) => Ok(values),
            other => Err(self.wrong(name, &other, "a list", "put it into a list")),
        }
    }

    fn wrong(&self, name: &str, value: &OptionValue, limit: &str, remedy: &str) -> Error {
        Error::invalid(self.at(name), value.shown(), limit, remedy)
    }

    fn missing(&self, name: &str, remedy: &str) -> Error {
        Error::invalid(self.at(name), "missing", "there", remedy)
    }

    /// # Errors
    /// `invalid_request` for a field that was not taken, and is not null.
    fn finish(self, known: &str) -> Result<()> {
        match self.left.iter().find(|(_, value)| *value != OptionValue::Null) {
            None => Ok(()),
            Some((name, value)) => {
                Err(self.wrong(name, value, known, "leave it out: nothing would read it"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: serde_json::Value) -> Result<Message> {
        Message::from_value("messages[0]", value.into())
    }

    #[test]
    fn every_form_is_read() {
        let spoken = read(json!({"role": "developer", "content": "Be brief.", "name": "x"}));
        let spoken = spoken.expect("a message");
        assert_eq!((spoken.role, spoken.name.as_deref()), (Role::System, Some("x")));

        let parts =
            json!([{"type": "text", "text": "Rain "}, {"type": "text", "text": "in Oslo?"}]);
        let asked = read(json!({"role": "user", "content": parts})).expect("a message");
        assert_eq!(asked.content, "Rain in Oslo?");

        let of_openai = json!({"role": "assistant", "content": null, "refusal": null, "audio": null,
            "annotations": [], "reasoning_content": "Oslo is a city.",
            "tool_calls": [{"id": "a", "type": "function", "index": 0,
                "function": {"name": "weather", "arguments": "{\"city\":\"Oslo\"}"}}]});
        let ours = json!({"role": "assistant", "reasoning": "Oslo is a city.",
            "tool_calls": [{"id": "a", "name": "weather", "arguments": {"city": "Oslo"}}]});
        assert_eq!(read(of_openai).expect("a message"), read(ours).expect("a message"));

        let told = read(json!({"role": "tool", "tool_call_id": "a", "content": "Rain."}));
        assert_eq!(told.expect("a message"), super::super::tool("a", "Rain."));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let call = |call| json!({"role": "assistant", "tool_calls": [call]});
        for (message, field) in [
            (json!("Hello"), "messages[0]"),
            (json!({"content": "x"}), "messages[0].role"),
            (json!({"role": "robot", "content": "x"}), "messages[0].role"),
            (json!({"role": 5, "content": "x"}), "messages[0].role"),
            (json!({"role": "user"}), "messages[0].content"),
            (json!({"role": "assistant", "content": null}), "messages[0].content"),
            (json!({"role": "user", "content": {"text": "x"}}), "messages[0].content"),
            (json!({"role": "user", "content": ["x"]}), "messages[0].content[0]"),
            (json!({"role": "user", "content": [{"text": "x"}]}), "messages[0].content[0].type"),
            (json!({"role": "user", "content": [{"type": "text"}]}), "messages[0].content[0].text"),
            (json!({"role": "user", "content": "x", "mood": 1}), "messages[0].mood"),
            (
                json!({"role": "user", "content": "x", "tool_call_id": "a"}),
                "messages[0].tool_call_id",
            ),
            (
                json!({"role": "user", "content": "x", "tool_calls": [{"id": "a"}]}),
                "messages[0].tool_calls",
            ),
            (call(json!({"id": "a", "type": "custom"})), "messages[0].tool_calls[0].type"),
            (call(json!({"name": "f", "arguments": "{}"})), "messages[0].tool_calls[0].id"),
            (call(json!({"id": "a", "name": "f"})), "messages[0].tool_calls[0].arguments"),
            (
                call(json!({"id": "a", "function": {"name": "f", "arguments": 5}})),
                "messages[0].tool_calls[0].function.arguments",
            ),
        ] {
            let shown = message.to_string();
            let error = read(message).expect_err(&shown);
            assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{shown}");
            assert_eq!(error.details().field.as_deref(), Some(field), "{shown}");
        }
    }

    #[test]
    fn an_image_and_the_old_role_of_functions_are_unsupported() {
        let image = json!({"type": "image_url", "image_url": {"url": "data:,"}});
        for (message, field) in [
            (json!({"role": "user", "content": [image]}), "messages[0].content[0].type"),
            (json!({"role": "function", "name": "f", "content": "x"}), "messages[0].role"),
        ] {
            let error = read(message).expect_err("unsupported");
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert_eq!(error.details().field.as_deref(), Some(field));
        }
    }
}
