//! OpenAI's messages to ours: read as those of every language are, and with OpenAI's rule that a
//! tool answers somebody.

use std::collections::HashSet;

use serde_json::Value;

use super::failure::{Failure, Read};
use crate::{Message, Role};

/// The messages of a chat.
pub(super) fn messages(values: Vec<Value>) -> Read<Vec<Message>> {
    if values.is_empty() {
        let text = "Invalid 'messages': empty array. Expected an array with minimum length 1.";
        return Err(Failure::wrong(text, "messages".to_owned(), "empty_array"));
    }
    let mut calls = OpenCalls::default();
    let read = values.into_iter().enumerate().map(|(index, value)| {
        let path = format!("messages[{index}]");
        let message = Message::from_value(&path, value.into())?;
        calls.check(&message, &path)?;
        Ok(message)
    });
    read.collect()
}

/// The calls of the last assistant's message: what tools' messages may answer.
#[derive(Debug, Default)]
struct OpenCalls(HashSet<String>);

impl OpenCalls {
    fn check(&mut self, message: &Message, path: &str) -> Read<()> {
        if message.role != Role::Tool {
            self.0 = message.tool_calls.iter().map(|call| call.id.clone()).collect();
            return Ok(());
        }
        match &message.tool_call_id {
            None => {
                let at = format!("{path}.tool_call_id");
                let text = format!("Missing required parameter: '{at}'.");
                Err(Failure::wrong(text, at, "missing_required_parameter"))
            }
            Some(id) if self.0.contains(id) => Ok(()),
            Some(id) => {
                let text = format!(
                    "Invalid parameter: '{path}.tool_call_id' is {id:?}, but messages with role \
                     'tool' must be a response to a preceding message with 'tool_calls' of that id."
                );
                Err(Failure::wrong(text, format!("{path}.role"), "invalid_value"))
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

    fn calls(id: &str) -> Value {
        let function = json!({"name": "weather", "arguments": "{}"});
        json!({"role": "assistant", "content": null,
               "tool_calls": [{"id": id, "type": "function", "function": function}]})
    }

    fn tool(id: &str) -> Value {
        json!({"role": "tool", "tool_call_id": id, "content": "Rain."})
    }

    #[test]
    fn a_tool_answers_a_call_of_the_message_before() {
        let asked = json!({"role": "user", "content": "Weather?"});
        let read_all = read(json!([asked, calls("a"), tool("a"), calls("b"), tool("b")]));
        assert_eq!(read_all.expect("messages").len(), 5);
        for wrong in [
            json!([asked, tool("a")]),
            json!([asked, calls("a"), tool("b")]),
            json!([asked, calls("a"), tool("a"), asked, tool("a")]),
            json!([asked, calls("a"), {"role": "tool", "content": "Rain."}]),
            json!([]),
        ] {
            assert_eq!(read(wrong.clone()).expect_err("no call").status, 400, "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_message_is_told_with_its_place() {
        let image = json!([{"type": "image_url", "image_url": {"url": "data:,"}}]);
        for (message, param, code) in [
            (json!({"role": "user", "content": null}), "content", "invalid_request"),
            (json!({"role": "robot", "content": "x"}), "role", "invalid_request"),
            (json!({"role": "function", "content": "x"}), "role", "unsupported"),
            (json!({"role": "user", "content": image}), "content[0].type", "unsupported"),
            (json!({"role": "user", "content": "x", "mood": 1}), "mood", "invalid_request"),
        ] {
            let failure = read(json!([message])).expect_err(param);
            let body: Value = serde_json::from_str(&failure.body()).expect("JSON");
            assert_eq!(body["error"]["param"], format!("messages[0].{param}"));
            assert_eq!(body["error"]["code"], code);
        }
    }
}
