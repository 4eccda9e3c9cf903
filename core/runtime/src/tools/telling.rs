//! Tools told to a model whose chat template knows none: in the system message, in the form that most
//! models are trained on, so that any model can be asked.
//!
//! What such a template could not show is told as text too: the model's calls in its own messages,
//! and what tools gave in messages of the person.

use serde_json::{Value, json};

use crate::Tool;
use crate::message::{Message, Role, ToolCall, system, user};

/// The messages as a template without tools can show them, with `tools` told first.
pub(crate) fn told(messages: &[Message], tools: &[Tool]) -> Vec<Message> {
    let mut told: Vec<Message> = Vec::with_capacity(messages.len() + 1);
    let mut results_before = false;
    for message in messages {
        let is_result = message.role == Role::Tool;
        match (is_result, results_before, told.last_mut()) {
            // What several tools gave is one message, so that the roles go on taking turns.
            (true, true, Some(last)) => {
                last.content.push('\n');
                last.content.push_str(&result(message));
            }
            (true, ..) => told.push(user(result(message))),
            (false, ..) => told.push(with_calls(message)),
        }
        results_before = is_result;
    }
    if !tools.is_empty() {
        let instructions = instructions(tools);
        match told.first_mut() {
            Some(first) if first.role == Role::System => {
                first.content = format!("{}\n\n{instructions}", first.content.trim_end());
            }
            _ => told.insert(0, system(instructions)),
        }
    }
    told
}

/// Whether a template without tools could not show these messages.
pub(crate) fn needs_telling(messages: &[Message]) -> bool {
    messages.iter().any(|message| message.role == Role::Tool || !message.tool_calls.is_empty())
}

fn result(message: &Message) -> String {
    format!("<tool_response>\n{}\n</tool_response>", message.content)
}

fn with_calls(message: &Message) -> Message {
    let mut told = message.clone();
    told.tool_calls.clear();
    for call in &message.tool_calls {
        if !told.content.is_empty() {
            told.content.push('\n');
        }
        told.content.push_str(&written(call));
    }
    told
}

/// A call as the model writes it.
fn written(call: &ToolCall) -> String {
    let name = Value::from(call.name.as_str());
    format!("<tool_call>\n{{\"name\": {name}, \"arguments\": {}}}\n</tool_call>", call.arguments)
}

fn instructions(tools: &[Tool]) -> String {
    let lines: Vec<String> = tools.iter().map(|tool| described(tool).to_string()).collect();
    format!(
        "You may call one or more functions to help the user. These are the functions, as JSON:\n\
         <tools>\n{}\n</tools>\n\n\
         To call a function, answer with a JSON object of its name and its arguments within \
         <tool_call></tool_call> tags:\n\
         <tool_call>\n{{\"name\": <function-name>, \"arguments\": <arguments-object>}}\n</tool_call>",
        lines.join("\n")
    )
}

/// A tool as templates see it.
pub(crate) fn described(tool: &Tool) -> Value {
    let mut function = json!({ "name": tool.name });
    if let Some(description) = &tool.description {
        function["description"] = description.as_str().into();
    }
    function["parameters"] = tool.parameters.clone();
    json!({ "type": "function", "function": function })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{assistant, tool};

    fn weather() -> Tool {
        Tool::new("weather", json!({"type": "object"})).description("Tells the weather.")
    }

    #[test]
    fn tools_are_told_in_the_system_message_or_in_one_of_their_own() {
        let told_alone = told(&[user("Hello")], &[weather()]);
        assert_eq!(told_alone.len(), 2);
        assert_eq!(told_alone[0].role, Role::System);
        assert!(told_alone[0].content.contains(
            r#"{"type":"function","function":{"name":"weather","description":"Tells the weather.","parameters":{"type":"object"}}}"#
        ));
        let told_more = told(&[system("Be brief.\n"), user("Hello")], &[weather()]);
        assert_eq!(told_more.len(), 2);
        assert!(told_more[0].content.starts_with("Be brief.\n\nYou may call"));
        assert_eq!(told(&[user("Hello")], &[]), [user("Hello")]);
    }

    #[test]
    fn calls_and_what_they_gave_become_text_and_roles_take_turns() {
        let call = |id: &str, name: &str| ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: r#"{"a": 1}"#.to_owned(),
        };
        let messages = [
            user("Both?"),
            assistant("I look.").tool_calls([call("1", "f"), call("2", "g")]),
            tool("1", "one"),
            tool("2", "two"),
            user("And?"),
        ];
        assert!(needs_telling(&messages) && !needs_telling(&messages[..1]));
        let told = told(&messages, &[]);
        assert_eq!(
            told[1],
            assistant(
                "I look.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>\n\
                 <tool_call>\n{\"name\": \"g\", \"arguments\": {\"a\": 1}}\n</tool_call>"
            )
        );
        assert_eq!(
            told[2],
            user("<tool_response>\none\n</tool_response>\n<tool_response>\ntwo\n</tool_response>")
        );
        assert_eq!(told[3], user("And?"));
    }
}
