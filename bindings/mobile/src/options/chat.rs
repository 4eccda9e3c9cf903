//! What only chats have: tools, and what the template is told.

use indwell::OptionValue;

use super::{Named, json};
use crate::message::{NativeTool, NativeToolChoice};

/// The options of chats, named as in `indwell::Request`.
#[derive(Debug, Clone, Default, PartialEq, Eq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::Request documents them")]
pub struct NativeChatOptions {
    pub tools: Option<Vec<NativeTool>>,
    pub tool_choice: Option<NativeToolChoice>,
    pub parallel_tool_calls: Option<bool>,
    /// JSON objects as text.
    pub documents: Option<Vec<String>>,
    /// A JSON object as text.
    pub template_args: Option<String>,
    pub continue_final_message: Option<bool>,
    pub separate_reasoning: Option<bool>,
}

impl NativeChatOptions {
    /// # Errors
    ///
    /// `invalid_request` for text that is no JSON where JSON crosses.
    pub(super) fn named(self) -> indwell::Result<Named<7>> {
        Ok([
            ("tools", list(self.tools, NativeTool::into_option)?),
            ("tool_choice", self.tool_choice.into()),
            ("parallel_tool_calls", self.parallel_tool_calls.into()),
            ("documents", list(self.documents, document)?),
            ("template_args", json("template_args", self.template_args.as_deref())?),
            ("continue_final_message", self.continue_final_message.into()),
            ("separate_reasoning", self.separate_reasoning.into()),
        ])
    }
}

fn document(text: String, index: usize) -> indwell::Result<OptionValue> {
    OptionValue::from_json(&format!("documents[{index}]"), &text)
}

/// A list of what `read` makes of each value and its index; null for none.
fn list<T>(
    values: Option<Vec<T>>,
    read: fn(T, usize) -> indwell::Result<OptionValue>,
) -> indwell::Result<OptionValue> {
    let Some(values) = values else { return Ok(OptionValue::Null) };
    let values = values.into_iter().enumerate().map(|(index, value)| read(value, index));
    Ok(OptionValue::List(values.collect::<indwell::Result<_>>()?))
}
