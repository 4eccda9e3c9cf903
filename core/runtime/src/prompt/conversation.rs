//! A chat as templates see it, and as its prompt depends on it.

use serde_json::Value;

use super::ChatEnd;
use crate::jinja::{Given, Values};
use crate::{Message, Tool, ToolCall};

/// Appended to a message that is to go on, to find where it ends in the prompt: what `transformers`
/// appends, white space included, since a template that trims must trim alike.
pub(super) const TAG: &str = "CONTINUE_FINAL_MESSAGE_TAG ";

/// All that the prompt of a chat is made of, but for the template and the time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conversation<'c> {
    /// What was said.
    pub(crate) messages: &'c [Message],
    /// What the model may call; with none, the template sees none.
    pub(crate) tools: &'c [Tool],
    /// What answers may draw on; with none, the template sees none.
    pub(crate) documents: &'c [Value],
    /// Further variables of the template.
    pub(crate) template_args: &'c [(String, Value)],
    /// Where the prompt ends.
    pub(crate) end: ChatEnd,
}

impl<'c> Conversation<'c> {
    /// Messages alone.
    pub(crate) fn of(messages: &'c [Message], end: ChatEnd) -> Self {
        Self { messages, tools: &[], documents: &[], template_args: &[], end }
    }

    /// Bytes of all texts in it.
    pub(super) fn bytes(&self) -> usize {
        let messages = self.messages.iter().map(Message::bytes);
        let tools = self.tools.iter().map(|tool| {
            let description = tool.description.as_ref().map_or(0, String::len);
            tool.name.len() + description + json_bytes(&tool.parameters)
        });
        let documents = self.documents.iter().map(json_bytes);
        let args = self.template_args.iter().map(|(name, value)| name.len() + json_bytes(value));
        messages.chain(tools).chain(documents).chain(args).sum()
    }

    /// Tells every part, so that two chats that may have different prompts differ in a part.
    pub(crate) fn parts(&self, mut part: impl FnMut(&[u8])) {
        part(match self.end {
            ChatEnd::AnswerBegins => b"answer",
            ChatEnd::LastMessage => b"last",
            ChatEnd::InLastMessage => b"within",
        });
        let mut count = |parts: usize| part(&(parts as u64).to_le_bytes());
        count(self.messages.len());
        count(self.tools.len());
        count(self.documents.len());
        count(self.template_args.len());
        for message in self.messages {
            part(message.role.as_str().as_bytes());
            part(message.content.as_bytes());
            for optional in [&message.name, &message.reasoning, &message.tool_call_id] {
                part(if optional.is_some() { b"+" } else { b"-" });
                part(optional.as_deref().unwrap_or_default().as_bytes());
            }
            part(&(message.tool_calls.len() as u64).to_le_bytes());
            for ToolCall { id, name, arguments } in &message.tool_calls {
                for text in [id, name, arguments] {
                    part(text.as_bytes());
                }
            }
        }
        for Tool { name, description, parameters } in self.tools {
            part(name.as_bytes());
            part(if description.is_some() { b"+" } else { b"-" });
            part(description.as_deref().unwrap_or_default().as_bytes());
            part(parameters.to_string().as_bytes());
        }
        for document in self.documents {
            part(document.to_string().as_bytes());
        }
        for (name, value) in self.template_args {
            part(name.as_bytes());
            part(value.to_string().as_bytes());
        }
    }

    /// A digest of all that the prompt has beside the contents of messages by their roles; `None` if
    /// there is nothing. `template` is one that was given in place of the model's own.
    pub(crate) fn beside_text(&self, template: Option<&str>) -> Option<[u8; 32]> {
        let plain =
            |message: &Message| *message == Message::new(message.role, message.content.clone());
        let nothing = self.tools.is_empty()
            && self.documents.is_empty()
            && self.template_args.is_empty()
            && self.end == ChatEnd::AnswerBegins
            && template.is_none()
            && self.messages.iter().all(plain);
        if nothing {
            return None;
        }
        let mut hasher = blake3::Hasher::new_derive_key("indwell 2026-11 chat beside its text");
        let without: Vec<Message> = self
            .messages
            .iter()
            .map(|message| Message { content: String::new(), ..message.clone() })
            .collect();
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        part(template.unwrap_or_default().as_bytes());
        Conversation { messages: &without, ..*self }.parts(part);
        Some(*hasher.finalize().as_bytes())
    }

    /// What the template sees; arguments of calls as objects, or as they were written.
    pub(super) fn values(&self, arguments: Arguments) -> crate::jinja::Result<Values> {
        let mut values = Values::new();
        let last = self.messages.len().checked_sub(1);
        let messages = self.messages.iter().enumerate().map(|(index, message)| {
            let goes_on = self.end == ChatEnd::InLastMessage && Some(index) == last;
            given_message(message, goes_on, arguments)
        });
        values.set("messages", &Given::List(messages.collect()))?;
        let tools = self.tools.iter().map(given_tool).collect();
        values.set("tools", &some_list(tools))?;
        let documents = self.documents.iter().cloned().map(Given::Json).collect();
        values.set("documents", &some_list(documents))?;
        let begins = self.end == ChatEnd::AnswerBegins;
        values.set("add_generation_prompt", &Given::Bool(begins))?;
        for (name, value) in self.template_args {
            values.set(name, &Given::Json(value.clone()))?;
        }
        Ok(values)
    }
}

/// How templates see the arguments of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arguments {
    /// As objects: what most templates expect.
    Objects,
    /// As JSON text: what some were written for.
    Texts,
}

/// None where there is nothing, as `transformers` has it.
fn some_list(items: Vec<Given>) -> Given {
    if items.is_empty() { Given::Json(Value::Null) } else { Given::List(items) }
}

fn given_message(message: &Message, goes_on: bool, arguments: Arguments) -> Given {
    let text = |text: &str| Given::Caller(text.to_owned());
    let mut members = Vec::new();
    // Templates of some models know the reasoning by this name; `transformers` gives both.
    if let Some(reasoning) = &message.reasoning {
        members.push(("thinking", text(reasoning)));
    }
    members.push(("role", Given::Own(message.role.as_str().to_owned())));
    let content = message.content.clone();
    let content = if goes_on { Given::Tagged(content, TAG) } else { Given::Caller(content) };
    members.push(("content", content));
    if let Some(name) = &message.name {
        members.push(("name", text(name)));
    }
    if let Some(reasoning) = &message.reasoning {
        members.push(("reasoning_content", text(reasoning)));
    }
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|call| given_call(call, arguments));
        members.push(("tool_calls", Given::List(calls.collect())));
    }
    if let Some(id) = &message.tool_call_id {
        members.push(("tool_call_id", text(id)));
    }
    Given::Object(members)
}

fn given_call(call: &ToolCall, arguments: Arguments) -> Given {
    let parsed = match arguments {
        Arguments::Objects => serde_json::from_str(&call.arguments).ok(),
        Arguments::Texts => None,
    };
    let arguments = match parsed {
        Some(value @ Value::Object(_)) => Given::Json(value),
        // What a model wrote need not be JSON.
        _ => Given::Caller(call.arguments.clone()),
    };
    let function = vec![("name", Given::Caller(call.name.clone())), ("arguments", arguments)];
    Given::Object(vec![
        ("id", Given::Caller(call.id.clone())),
        ("type", Given::Own("function".to_owned())),
        ("function", Given::Object(function)),
    ])
}

fn given_tool(tool: &Tool) -> Given {
    let mut function = vec![("name", Given::Caller(tool.name.clone()))];
    if let Some(description) = &tool.description {
        function.push(("description", Given::Caller(description.clone())));
    }
    function.push(("parameters", Given::Json(tool.parameters.clone())));
    Given::Object(vec![
        ("type", Given::Own("function".to_owned())),
        ("function", Given::Object(function)),
    ])
}

/// Bytes of all texts in a value.
fn json_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(json_bytes).sum(),
        Value::Object(members) => {
            members.iter().map(|(key, value)| key.len() + json_bytes(value)).sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 4,
    }
}
