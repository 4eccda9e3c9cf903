//! The options of tools: which ones the model may call, and whether it does.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{OptionValue, read};
use crate::{Error, Result, Tool, ToolChoice};

/// Tools of one request at most.
pub(crate) const TOOLS_MAX: usize = 128;
/// Bytes of all tools of a request together, written as JSON, at most.
pub(crate) const TOOLS_BYTES_MAX: usize = 256 << 10;
/// Characters of a tool's name at most.
const NAME_CHARS_MAX: usize = 64;
/// Fields of a tool, of which others have one more that says nothing here.
const FIELDS: &[&str] = &["name", "description", "parameters", "strict"];

/// The options of tools as the caller states them; `None` takes the default.
#[derive(Clone, Debug, Default)]
pub(crate) struct ToolOptions {
    pub(crate) tools: Option<Vec<Tool>>,
    pub(crate) tool_choice: Option<ToolChoice>,
    pub(crate) parallel_tool_calls: Option<bool>,
    pub(crate) separate_reasoning: Option<bool>,
}

/// The options of tools, checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ToolConfig {
    /// Those that the model is told of: none where it must not call any.
    pub(crate) tools: Vec<Tool>,
    pub(crate) choice: ToolChoice,
    pub(crate) parallel: bool,
    pub(crate) separate_reasoning: bool,
    /// The first of these options that was given.
    pub(crate) given: Option<&'static str>,
}

impl ToolOptions {
    pub(super) const NAMES: [&'static str; 4] =
        ["tools", "tool_choice", "parallel_tool_calls", "separate_reasoning"];

    /// Sets `name`, which is one of [`Self::NAMES`].
    pub(super) fn set(&mut self, name: &str, value: OptionValue) -> Result<()> {
        match name {
            "tools" => self.tools = Some(tools(name, &value)?),
            "tool_choice" => self.tool_choice = Some(tool_choice(name, &value)?),
            "parallel_tool_calls" => self.parallel_tool_calls = Some(read::flag(name, value)?),
            _ => self.separate_reasoning = Some(read::flag(name, value)?),
        }
        Ok(())
    }

    /// Checks them.
    ///
    /// # Errors
    /// `invalid_request` for tools that are none, too many or too large, and for options that need
    /// tools where there are none.
    pub(crate) fn validate(self) -> Result<ToolConfig> {
        let given = self.given();
        let tools = self.tools.unwrap_or_default();
        check(&tools)?;
        if tools.is_empty() {
            if let Some(choice) = &self.tool_choice {
                return Err(needs_tools("tool_choice", choice_text(choice)));
            }
            if let Some(parallel) = self.parallel_tool_calls {
                return Err(needs_tools("parallel_tool_calls", parallel.to_string()));
            }
        }
        let choice = self.tool_choice.unwrap_or_default();
        if let ToolChoice::Named(name) = &choice
            && !tools.iter().any(|tool| tool.name == *name)
        {
            let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
            return Err(Error::invalid(
                "tool_choice",
                OptionValue::from(name.as_str()).shown(),
                format!("one of the tools: {}", names.join(", ")),
                "name a tool that is in tools",
            ));
        }
        // Who names a tool wants that one call, as those who ask OpenAI's API do.
        let parallel = self.parallel_tool_calls.unwrap_or(!matches!(choice, ToolChoice::Named(_)));
        Ok(ToolConfig {
            tools: if choice == ToolChoice::None { Vec::new() } else { tools },
            choice,
            parallel,
            separate_reasoning: self.separate_reasoning.unwrap_or(true),
            given,
        })
    }

    fn given(&self) -> Option<&'static str> {
        let given = [
            self.tools.is_some(),
            self.tool_choice.is_some(),
            self.parallel_tool_calls.is_some(),
            self.separate_reasoning.is_some(),
        ];
        Self::NAMES.into_iter().zip(given).find_map(|(name, given)| given.then_some(name))
    }
}

impl ToolConfig {
    /// Whether the answer has to be a call.
    pub(crate) fn must_call(&self) -> bool {
        matches!(self.choice, ToolChoice::Required | ToolChoice::Named(_))
    }

    /// The tools of which the answer's calls may be.
    pub(crate) fn callable(&self) -> Vec<&Tool> {
        let is_callable = |tool: &&Tool| match &self.choice {
            ToolChoice::Named(name) => tool.name == *name,
            ToolChoice::Auto | ToolChoice::Required => true,
            ToolChoice::None => false,
        };
        self.tools.iter().filter(is_callable).collect()
    }
}

fn choice_text(choice: &ToolChoice) -> String {
    match choice {
        ToolChoice::Auto => "\"auto\"".to_owned(),
        ToolChoice::None => "\"none\"".to_owned(),
        ToolChoice::Required => "\"required\"".to_owned(),
        ToolChoice::Named(name) => OptionValue::from(name.as_str()).shown(),
    }
}

fn needs_tools(field: &str, value: String) -> Error {
    Error::invalid(
        field,
        value,
        "left out without tools",
        format!("give tools, or leave {field} out"),
    )
}

/// # Errors
/// `invalid_request` for what no request may have.
fn check(tools: &[Tool]) -> Result<()> {
    if tools.len() > TOOLS_MAX {
        return Err(Error::invalid(
            "tools",
            format!("a list of {}", tools.len()),
            format!("at most {TOOLS_MAX} tools"),
            "give fewer tools",
        ));
    }
    let mut names = BTreeSet::new();
    let mut bytes = 0;
    for tool in tools {
        let name = OptionValue::from(tool.name.as_str()).shown();
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if !(1..=NAME_CHARS_MAX).contains(&tool.name.len()) || !tool.name.chars().all(is_part) {
            return Err(Error::invalid(
                "tools",
                format!("a tool called {name}"),
                format!("tools with names of 1 to {NAME_CHARS_MAX} letters, digits, _ and -"),
                "give the tool another name",
            ));
        }
        if !names.insert(&tool.name) {
            return Err(Error::invalid(
                "tools",
                format!("two tools called {name}"),
                "tools with names of their own",
                "give one of them another name, or leave it out",
            ));
        }
        let kind = tool.parameters.get("type");
        if !tool.parameters.is_object() || kind.is_some_and(|kind| kind != "object") {
            return Err(Error::invalid(
                "tools",
                format!("a tool {name} whose parameters are no schema of an object"),
                "tools whose parameters are the JSON schema of an object",
                "give parameters like {\"type\": \"object\", \"properties\": {..}}, or leave them out",
            ));
        }
        let description = tool.description.as_ref().map_or(0, String::len);
        bytes += tool.name.len() + description + tool.parameters.to_string().len();
    }
    if bytes > TOOLS_BYTES_MAX {
        return Err(Error::invalid(
            "tools",
            format!("{bytes} bytes"),
            format!("at most {TOOLS_BYTES_MAX} bytes, names, descriptions and parameters together"),
            "give fewer tools, or shorter descriptions",
        ));
    }
    Ok(())
}

/// Tools as a list of objects, in our form or in OpenAI's.
fn tools(name: &str, value: &OptionValue) -> Result<Vec<Tool>> {
    let Value::Array(tools) = value.to_json(name)? else {
        return Err(wrong(name, value.shown(), "a list of tools"));
    };
    tools
        .into_iter()
        .enumerate()
        .map(|(at, tool)| read_tool(&format!("{name}[{at}]"), tool))
        .collect()
}

fn read_tool(field: &str, tool: Value) -> Result<Tool> {
    let mut fields = object(field, tool)?;
    if let Some(kind) = fields.remove("type") {
        if kind != "function" {
            return Err(wrong(field, format!("of type {kind}"), "of type \"function\""));
        }
        if let Some(function) = fields.remove("function") {
            if let Some(other) = fields.keys().next() {
                return Err(unknown(field, other));
            }
            fields = object(field, function)?;
        }
    }
    if let Some(other) = fields.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        return Err(unknown(field, other));
    }
    let name = match fields.remove("name") {
        Some(Value::String(name)) => name,
        other => return Err(wrong(field, named("name", other), "a tool with a name, a text")),
    };
    let parameters = match fields.remove("parameters") {
        None | Some(Value::Null) => json!({ "type": "object", "properties": {} }),
        Some(parameters) => parameters,
    };
    let tool = Tool::new(name, parameters);
    match fields.remove("description") {
        None | Some(Value::Null) => Ok(tool),
        Some(Value::String(description)) => Ok(tool.description(description)),
        other => {
            Err(wrong(field, named("description", other), "a tool whose description is a text"))
        }
    }
}

/// One of the names, or the tool to call.
fn tool_choice(name: &str, value: &OptionValue) -> Result<ToolChoice> {
    let wanted = "\"auto\", \"none\", \"required\", or an object with the name of a tool";
    match value.to_json(name)? {
        Value::String(choice) => match choice.as_str() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" => Ok(ToolChoice::Required),
            _ => Err(wrong(name, value.shown(), wanted)),
        },
        Value::Object(mut fields) => {
            if fields.remove("type").is_some_and(|kind| kind != "function") {
                return Err(wrong(name, value.shown(), wanted));
            }
            let mut inner = match fields.remove("function") {
                Some(function) => object(name, function)?,
                None => std::mem::take(&mut fields),
            };
            match inner.remove("name") {
                Some(Value::String(tool)) if inner.is_empty() && fields.is_empty() => {
                    Ok(ToolChoice::Named(tool))
                }
                _ => Err(wrong(name, value.shown(), wanted)),
            }
        }
        _ => Err(wrong(name, value.shown(), wanted)),
    }
}

fn object(field: &str, value: Value) -> Result<Map<String, Value>> {
    match value {
        Value::Object(fields) => Ok(fields),
        other => {
            Err(wrong(field, OptionValue::from(other).shown(), "an object that describes a tool"))
        }
    }
}

fn named(field: &str, value: Option<Value>) -> String {
    match value {
        None => format!("without {field}"),
        Some(value) => format!("with {field} {}", OptionValue::from(value).shown()),
    }
}

fn wrong(field: &str, value: String, wanted: &str) -> Error {
    Error::invalid(field, value, wanted, format!("give {field} as {wanted}, or leave it out"))
}

fn unknown(field: &str, other: &str) -> Error {
    Error::invalid(
        field,
        format!("with a field {other:?}"),
        format!("a tool of {}", FIELDS.join(", ")),
        format!("leave {other:?} out"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: Value) -> Result<ToolOptions> {
        let mut options = ToolOptions::default();
        options.set(name, value.into())?;
        Ok(options)
    }

    fn config(options: &[(&str, Value)]) -> Result<ToolConfig> {
        let mut given = ToolOptions::default();
        for (name, value) in options {
            given.set(name, value.clone().into())?;
        }
        given.validate()
    }

    fn weather() -> Value {
        json!([{"name": "weather", "parameters": {"type": "object"}}])
    }

    #[test]
    fn a_tool_is_read_in_our_form_and_in_openais() {
        let schema = json!({"type": "object", "properties": {"b": {}, "a": {}}});
        let ours = json!([{"name": "f", "description": "d", "parameters": schema}]);
        let theirs = json!([{"type": "function",
            "function": {"name": "f", "description": "d", "parameters": schema, "strict": true}}]);
        let expected = vec![Tool::new("f", schema).description("d")];
        assert_eq!(set("tools", ours).expect("ours").tools, Some(expected.clone()));
        assert_eq!(set("tools", theirs).expect("theirs").tools, Some(expected));
        let least =
            set("tools", json!([{"name": "f"}])).expect("a name").validate().expect("a tool");
        assert_eq!(least.tools[0].parameters, json!({"type": "object", "properties": {}}));
    }

    #[test]
    fn a_choice_is_a_word_or_a_tool() {
        for (value, choice) in [
            (json!("auto"), ToolChoice::Auto),
            (json!("none"), ToolChoice::None),
            (json!("required"), ToolChoice::Required),
            (json!({"name": "f"}), ToolChoice::Named("f".to_owned())),
            (
                json!({"type": "function", "function": {"name": "f"}}),
                ToolChoice::Named("f".to_owned()),
            ),
        ] {
            assert_eq!(set("tool_choice", value).expect("a choice").tool_choice, Some(choice));
        }
        for value in
            [json!("any"), json!({}), json!({"name": 1}), json!({"name": "f", "x": 1}), json!(1)]
        {
            let error = set("tool_choice", value).expect_err("no choice");
            assert_eq!(error.details().field.as_deref(), Some("tool_choice"));
        }
    }

    #[test]
    fn what_is_no_tool_is_refused_with_its_place() {
        for (tool, field) in [
            (json!([{"name": "f"}, 1]), "tools[1]"),
            (json!([{"description": "d"}]), "tools[0]"),
            (json!([{"name": "f", "params": {}}]), "tools[0]"),
            (json!([{"type": "web_search"}]), "tools[0]"),
            (json!([{"type": "function", "function": {"name": "f"}, "x": 1}]), "tools[0]"),
            (json!([{"name": "f", "description": 1}]), "tools[0]"),
            (json!({"name": "f"}), "tools"),
        ] {
            let error = set("tools", tool.clone()).expect_err("no tool");
            assert_eq!(error.details().field.as_deref(), Some(field), "{tool}");
        }
    }

    #[test]
    fn tools_that_no_request_may_have_are_refused() {
        let many: Vec<Value> = (0..=TOOLS_MAX).map(|i| json!({"name": format!("f{i}")})).collect();
        for tools in [
            json!([{"name": ""}]),
            json!([{"name": "a.b"}]),
            json!([{"name": "a b"}]),
            json!([{"name": "é"}]),
            json!([{"name": "x".repeat(65)}]),
            json!([{"name": "f"}, {"name": "f"}]),
            json!([{"name": "f", "parameters": "none"}]),
            json!([{"name": "f", "parameters": {"type": "array"}}]),
            json!([{"name": "f", "description": "x".repeat(TOOLS_BYTES_MAX)}]),
            json!(many),
        ] {
            let error = config(&[("tools", tools)]).expect_err("refused");
            assert_eq!(error.details().field.as_deref(), Some("tools"));
            assert!(error.details().remedy.is_some());
        }
    }

    #[test]
    fn options_that_contradict_each_other_are_refused_by_name() {
        for (options, field) in [
            (vec![("tool_choice", json!("required"))], "tool_choice"),
            (vec![("tool_choice", json!("auto"))], "tool_choice"),
            (vec![("tools", json!([])), ("tool_choice", json!("none"))], "tool_choice"),
            (vec![("parallel_tool_calls", json!(false))], "parallel_tool_calls"),
            (vec![("tools", weather()), ("tool_choice", json!({"name": "f"}))], "tool_choice"),
        ] {
            let error = config(&options).expect_err("a contradiction");
            assert_eq!(error.details().field.as_deref(), Some(field), "{options:?}");
        }
    }

    #[test]
    fn no_tools_are_told_where_none_may_be_called() {
        let none = config(&[("tools", weather()), ("tool_choice", json!("none"))]).expect("none");
        assert!(none.tools.is_empty() && none.callable().is_empty());
        let auto = config(&[("tools", weather())]).expect("auto");
        assert!(!auto.must_call() && auto.parallel && auto.separate_reasoning);
        assert_eq!(auto.callable().len(), 1);
    }
}
