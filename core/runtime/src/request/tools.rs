//! A chat's options of tools.

use super::{Chat, Request};
use crate::{Tool, ToolChoice};

impl Request<Chat> {
    /// The tools that the model may call; at most 128, of 256 KiB together. Default: none. A call is
    /// an event of its own, and in [`crate::Reply::tool_calls`]; its arguments fit the tool's
    /// parameters unless `max_tokens` cuts them, in the forms that docs/tools.md says so of. Send what
    /// the tool gave back with [`crate::message::tool`].
    pub fn tools(mut self, tools: impl IntoIterator<Item = Tool>) -> Self {
        self.options.tools.tools = Some(tools.into_iter().collect());
        self
    }

    /// Whether it calls tools: as it likes (the default), not at all, at least one, or the one of a
    /// name.
    pub fn tool_choice(mut self, choice: ToolChoice) -> Self {
        self.options.tools.tool_choice = Some(choice);
        self
    }

    /// Whether one answer may hold several calls. Default true.
    pub fn parallel_tool_calls(mut self, parallel: bool) -> Self {
        self.options.tools.parallel_tool_calls = Some(parallel);
        self
    }

    /// Whether what the model thinks before it answers is told apart from the answer, where the
    /// engine knows how it marks that. Default true; else it stays in the text as the model writes it.
    pub fn separate_reasoning(mut self, separate: bool) -> Self {
        self.options.tools.separate_reasoning = Some(separate);
        self
    }
}
