//! Chat messages, and the tools that a chat offers.
//!
//! Plain data, checked where it is put to use. Every text in it is text: none becomes a control token.

mod read;

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::Error;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Instructions for the whole chat. `developer` is another name for it.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// A tool that the model called: what it gave.
    Tool,
}

impl Role {
    /// The name that chat templates know.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(role: &str) -> Result<Self, Error> {
        match role {
            "system" | "developer" => Ok(Role::System),
            "user" => Ok(Role::User),
            "assistant" => Ok(Role::Assistant),
            "tool" => Ok(Role::Tool),
            other => Err(Error::invalid(
                "role",
                format!("{other:?}"),
                "system, developer, user, assistant or tool",
                "give each message one of these roles",
            )),
        }
    }
}

/// One message of a chat. None of its texts ever becomes a control token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said; empty where the model only calls tools.
    pub content: String,
    /// Who speaks, by name, for templates that tell several apart.
    pub name: Option<String>,
    /// What the model thought before it spoke, for templates that show it.
    pub reasoning: Option<String>,
    /// The tools that the model calls with this message.
    pub tool_calls: Vec<ToolCall>,
    /// Which call this is the result of; in messages of tools.
    pub tool_call_id: Option<String>,
}

impl Message {
    /// A message that says `content`.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            name: None,
            reasoning: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
        }
    }

    /// The speaker's name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What the model thought before it spoke.
    #[must_use]
    pub fn reasoning(mut self, reasoning: impl Into<String>) -> Self {
        self.reasoning = Some(reasoning.into());
        self
    }

    /// The tools that the model calls with this message.
    #[must_use]
    pub fn tool_calls(mut self, calls: impl IntoIterator<Item = ToolCall>) -> Self {
        self.tool_calls = calls.into_iter().collect();
        self
    }

    /// Which call this is the result of.
    #[must_use]
    pub fn tool_call_id(mut self, id: impl Into<String>) -> Self {
        self.tool_call_id = Some(id.into());
        self
    }

    /// Bytes of all its texts.
    pub(crate) fn bytes(&self) -> usize {
        let calls = self.tool_calls.iter();
        let calls = calls.map(|call| call.id.len() + call.name.len() + call.arguments.len());
        let optional = [&self.name, &self.reasoning, &self.tool_call_id];
        let optional = optional.into_iter().flatten().map(String::len);
        self.content.len() + calls.chain(optional).sum::<usize>()
    }
}

/// A message of the person.
pub fn user(content: impl Into<String>) -> Message {
    Message::new(Role::User, content)
}

/// Instructions for the whole chat.
pub fn system(content: impl Into<String>) -> Message {
    Message::new(Role::System, content)
}

/// A message of the model.
pub fn assistant(content: impl Into<String>) -> Message {
    Message::new(Role::Assistant, content)
}

/// What the call `id` of a tool gave.
pub fn tool(id: impl Into<String>, content: impl Into<String>) -> Message {
    Message::new(Role::Tool, content).tool_call_id(id)
}

/// A call of a tool, as the model makes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolCall {
    /// What its result is told by.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// Its arguments: a JSON object as text.
    pub arguments: String,
}

/// A tool that the model may call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tool {
    /// Its name: 1 to 64 letters, digits, `_` and `-`.
    pub name: String,
    /// What it does, for the model.
    pub description: Option<String>,
    /// Its arguments, as the JSON schema of an object.
    pub parameters: Value,
}

impl Tool {
    /// A tool with these arguments, given as the JSON schema of an object.
    pub fn new(name: impl Into<String>, parameters: Value) -> Self {
        Self { name: name.into(), description: None, parameters }
    }

    /// What it does, for the model.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }
}

/// Whether the model calls tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it likes.
    #[default]
    Auto,
    /// It does not, and is not told of any.
    None,
    /// It calls one at least.
    Required,
    /// It calls the tool of this name.
    Named(String),
}

/// The messages of a chat: what [`crate::Engine::chat`] takes. A text alone is one message of
/// the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Messages(pub Vec<Message>);

impl From<&str> for Messages {
    fn from(text: &str) -> Self {
        Self(vec![user(text)])
    }
}

impl From<String> for Messages {
    fn from(text: String) -> Self {
        Self(vec![user(text)])
    }
}

impl From<Vec<Message>> for Messages {
    fn from(messages: Vec<Message>) -> Self {
        Self(messages)
    }
}

impl From<&[Message]> for Messages {
    fn from(messages: &[Message]) -> Self {
        Self(messages.to_vec())
    }
}

impl<const N: usize> From<[Message; N]> for Messages {
    fn from(messages: [Message; N]) -> Self {
        Self(messages.into())
    }
}
