//! Chat messages, and the tools that a chat offers, as they cross.
//!
//! What is JSON crosses as its text, and is read where it becomes an option.

use indwell::{Message, OptionValue, Role, ToolCall};

/// `indwell::Role`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
#[expect(missing_docs, reason = "indwell::Role documents them")]
pub enum NativeRole {
    System,
    User,
    Assistant,
    Tool,
}

/// `indwell::Message`.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::Message documents them")]
pub struct NativeMessage {
    pub role: NativeRole,
    pub content: String,
    pub name: Option<String>,
    pub reasoning: Option<String>,
    pub tool_calls: Vec<NativeToolCall>,
    pub tool_call_id: Option<String>,
}

/// `indwell::ToolCall`.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::ToolCall documents them")]
pub struct NativeToolCall {
    pub id: String,
    pub name: String,
    pub arguments: String,
}

/// `indwell::Tool`.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::Tool documents them")]
pub struct NativeTool {
    pub name: String,
    pub description: Option<String>,
    /// A JSON schema as text.
    pub parameters: Option<String>,
}

/// `indwell::ToolChoice`.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
#[expect(missing_docs, reason = "indwell::ToolChoice documents them")]
pub enum NativeToolChoice {
    Auto,
    None,
    Required,
    Named { name: String },
}

impl NativeTool {
    /// The tool at `index` of the option `tools`.
    ///
    /// # Errors
    ///
    /// `invalid_request` for parameters that are no JSON.
    pub(crate) fn into_option(self, index: usize) -> indwell::Result<OptionValue> {
        let mut fields = vec![("name".to_owned(), self.name.into())];
        if let Some(description) = self.description {
            fields.push(("description".to_owned(), description.into()));
        }
        if let Some(parameters) = self.parameters {
            let field = format!("tools[{index}].parameters");
            fields.push(("parameters".to_owned(), OptionValue::from_json(&field, &parameters)?));
        }
        Ok(OptionValue::Object(fields))
    }
}

impl From<NativeToolChoice> for OptionValue {
    fn from(choice: NativeToolChoice) -> Self {
        match choice {
            NativeToolChoice::Auto => "auto".into(),
            NativeToolChoice::None => "none".into(),
            NativeToolChoice::Required => "required".into(),
            NativeToolChoice::Named { name } => {
                Self::Object(vec![("name".to_owned(), name.into())])
            }
        }
    }
}

impl From<NativeMessage> for Message {
    fn from(native: NativeMessage) -> Self {
        let role = match native.role {
            NativeRole::System => Role::System,
            NativeRole::User => Role::User,
            NativeRole::Assistant => Role::Assistant,
            NativeRole::Tool => Role::Tool,
        };
        let mut message = Self::new(role, native.content);
        message.name = native.name;
        message.reasoning = native.reasoning;
        message.tool_calls = native.tool_calls.into_iter().map(Into::into).collect();
        message.tool_call_id = native.tool_call_id;
        message
    }
}

impl From<NativeToolCall> for ToolCall {
    fn from(NativeToolCall { id, name, arguments }: NativeToolCall) -> Self {
        Self { id, name, arguments }
    }
}

impl From<ToolCall> for NativeToolCall {
    fn from(ToolCall { id, name, arguments }: ToolCall) -> Self {
        Self { id, name, arguments }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_an_object_of_what_is_given() {
        let tool = NativeTool {
            name: "look_up".to_owned(),
            description: None,
            parameters: Some(r#"{"type": "object"}"#.to_owned()),
        };
        let schema = OptionValue::Object(vec![("type".to_owned(), "object".into())]);
        let fields = vec![("name".to_owned(), "look_up".into()), ("parameters".to_owned(), schema)];
        assert_eq!(tool.clone().into_option(0).expect("JSON"), OptionValue::Object(fields));

        let broken = NativeTool { parameters: Some("{".to_owned()), ..tool };
        let error = broken.into_option(3).expect_err("no JSON");
        assert_eq!(error.details().field.as_deref(), Some("tools[3].parameters"));
    }

    #[test]
    fn a_message_keeps_all_its_fields() {
        let call = ToolCall { id: "1".into(), name: "f".into(), arguments: "{}".into() };
        let native = NativeMessage {
            role: NativeRole::Assistant,
            content: String::new(),
            name: Some("Ada".to_owned()),
            reasoning: Some("Hm.".to_owned()),
            tool_calls: vec![call.clone().into()],
            tool_call_id: Some("0".to_owned()),
        };
        let expected = indwell::assistant("").name("Ada").reasoning("Hm.").tool_calls([call]);
        assert_eq!(Message::from(native), expected.tool_call_id("0"));
    }
}
