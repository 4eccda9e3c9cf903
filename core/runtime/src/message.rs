//! Chat messages.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Instructions for the whole chat.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The name that chat templates know.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
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
            "system" => Ok(Role::System),
            "user" => Ok(Role::User),
            "assistant" => Ok(Role::Assistant),
            other => Err(Error::invalid(
                "role",
                format!("{other:?}"),
                "system, user or assistant",
                "give each message one of these roles",
            )),
        }
    }
}

/// One message of a chat. Its content is text: it never becomes a control token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// A message of the person.
pub fn user(content: impl Into<String>) -> Message {
    Message { role: Role::User, content: content.into() }
}

/// Instructions for the whole chat.
pub fn system(content: impl Into<String>) -> Message {
    Message { role: Role::System, content: content.into() }
}

/// A message of the model.
pub fn assistant(content: impl Into<String>) -> Message {
    Message { role: Role::Assistant, content: content.into() }
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
