//! From an engine's events to what a client reads.

use std::fmt::Debug;

use crate::{Event, Result};

/// Tells the events of one or several requests, one request after the other, as bodies of JSON.
/// Failing and cancelling are not its business.
pub(super) trait Teller: Debug + Send + Sync {
    /// What there is to tell of an event of request number `request`.
    ///
    /// # Errors
    /// An engine that is over.
    fn tell(&mut self, request: usize, event: Event, told: &mut Vec<String>) -> Result<()>;

    /// What there is to tell when every request has finished.
    ///
    /// # Errors
    /// An engine that is over.
    fn end(&mut self, told: &mut Vec<String>) -> Result<()>;
}

/// How bodies are put into a body of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// There is one.
    Json,
    /// Server-sent events, and a last one that says so.
    Events,
}

impl Form {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Events => "text/event-stream; charset=utf-8",
        }
    }

    pub(super) fn frame(self, body: String) -> String {
        match self {
            Self::Json => body,
            Self::Events => format!("data: {body}\n\n"),
        }
    }
}
