//! OpenAI's tools, choices of tools and formats of answers, as options of ours.

use serde_json::{Map, Value, json};

use super::failure::{Failure, Read};
use super::fields::{Fields, wrong_type};

/// What a choice of tools may be as a text.
const CHOICES: [&str; 3] = ["none", "auto", "required"];

/// The options `tools` and `tool_choice` of a request, as far as it has them.
pub(super) fn tools(fields: &mut Fields, options: &mut Map<String, Value>) -> Read<()> {
    for old in ["functions", "function_call"] {
        if fields.take(old).is_some() {
            let text = format!("'{old}' is not supported: use 'tools' and 'tool_choice'.");
            return Err(Failure::unsupported(text, old));
        }
    }
    let mut tools = Vec::new();
    for (index, tool) in fields.list("tools")?.unwrap_or_default().into_iter().enumerate() {
        tools.push(tool_of(Fields::of(format!("tools[{index}]"), tool)?)?);
    }
    let choice = fields.take("tool_choice").map(|choice| choice_of(choice, &tools)).transpose()?;
    match choice {
        None => {}
        Some(_) if tools.is_empty() => {
            let text = "'tool_choice' is only allowed when 'tools' are specified.";
            return Err(Failure::wrong(text, "tool_choice".to_owned(), "invalid_value"));
        }
        Some(Choice { mode, allowed }) => {
            if let Some(allowed) = allowed {
                tools.retain(|tool| allowed.iter().any(|name| tool["name"] == **name));
            }
            options.insert("tool_choice".to_owned(), mode);
        }
    }
    if !tools.is_empty() {
        options.insert("tools".to_owned(), Value::Array(tools));
    }
    Ok(())
}

/// A tool in our form: name, description, parameters.
fn tool_of(mut tool: Fields) -> Read<Value> {
    let kind = tool.text("type")?;
    let kind = tool.required("type", kind)?;
    if kind != "function" {
        let text = format!("Tools of type '{kind}' are not supported: give functions.");
        return Err(Failure::unsupported(text, &tool.at("type")));
    }
    let function = tool.object("function")?;
    let mut function = tool.required("function", function)?;
    let name = function.text("name")?;
    let name = function.required("name", name)?;
    let mut ours = json!({ "name": name });
    if let Some(description) = function.text("description")? {
        ours["description"] = Value::String(description);
    }
    if let Some(parameters) = function.take("parameters") {
        ours["parameters"] = parameters;
    }
    // Arguments always fit their schema here.
    function.flag("strict")?;
    function.finish()?;
    tool.finish()?;
    Ok(ours)
}

/// Which tools the model may call.
#[derive(Debug)]
struct Choice {
    /// The option `tool_choice`.
    mode: Value,
    /// Only these, if not all.
    allowed: Option<Vec<String>>,
}

fn choice_of(choice: Value, tools: &[Value]) -> Read<Choice> {
    let mut fields = match choice {
        Value::String(mode) if CHOICES.contains(&mode.as_str()) => {
            return Ok(Choice { mode: Value::String(mode), allowed: None });
        }
        Value::String(mode) => return Err(Fields::empty().none_of("tool_choice", &mode, &CHOICES)),
        Value::Object(_) => Fields::of("tool_choice", choice)?,
        other => return Err(wrong_type("tool_choice", "a string or an object", &other)),
    };
    let kind = fields.text("type")?;
    let choice = match fields.required("type", kind)?.as_str() {
        "function" => {
            let name = function_name(&mut fields, tools)?;
            Choice { mode: json!({ "name": name }), allowed: None }
        }
        "allowed_tools" => {
            let allowed = fields.object("allowed_tools")?;
            allowed_of(fields.required("allowed_tools", allowed)?, tools)?
        }
        other => {
            let text = format!("A 'tool_choice' of type '{other}' is not supported.");
            return Err(Failure::unsupported(text, "tool_choice.type"));
        }
    };
    fields.finish()?;
    Ok(choice)
}

fn allowed_of(mut allowed: Fields, tools: &[Value]) -> Read<Choice> {
    let mode = allowed.one_of("mode", &["auto", "required"])?;
    let mode = allowed.required("mode", mode)?;
    let path = allowed.at("tools");
    let listed = allowed.list("tools")?;
    let mut names = Vec::new();
    for (index, tool) in allowed.required("tools", listed)?.into_iter().enumerate() {
        let mut tool = Fields::of(format!("{path}[{index}]"), tool)?;
        tool.one_of("type", &["function"])?;
        names.push(function_name(&mut tool, tools)?);
        tool.finish()?;
    }
    allowed.finish()?;
    Ok(Choice { mode: Value::String(mode), allowed: Some(names) })
}

/// The name in `{"function": {"name": ..}}`, which is that of one of `tools`.
fn function_name(fields: &mut Fields, tools: &[Value]) -> Read<String> {
    let function = fields.object("function")?;
    let mut function = fields.required("function", function)?;
    let name = function.text("name")?;
    let name = function.required("name", name)?;
    if !tools.iter().any(|tool| tool["name"] == *name) {
        let at = function.at("name");
        let text = format!("Tool choice {name:?} not found in 'tools' parameter.");
        return Err(Failure::wrong(text, at, "invalid_value"));
    }
    function.finish()?;
    Ok(name)
}

/// The option that `response_format` stands for, if it stands for one.
pub(super) fn response_format(fields: &mut Fields, options: &mut Map<String, Value>) -> Read<()> {
    let Some(mut format) = fields.object("response_format")? else { return Ok(()) };
    let kind = format.one_of("type", &["text", "json_object", "json_schema"])?;
    match format.required("type", kind)?.as_str() {
        "json_object" => {
            options.insert("json_object".to_owned(), Value::Bool(true));
        }
        "json_schema" => {
            let schema = format.object("json_schema")?;
            let schema = schema_of(format.required("json_schema", schema)?)?;
            options.insert("json_schema".to_owned(), schema);
        }
        _ => {}
    }
    format.finish()
}

fn schema_of(mut described: Fields) -> Read<Value> {
    let name = described.text("name")?;
    described.required("name", name)?;
    described.text("description")?;
    // Answers always fit their schema here.
    described.flag("strict")?;
    let schema = described.take("schema");
    let schema = described.required("schema", schema)?;
    described.finish()?;
    Ok(schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Reader = fn(&mut Fields, &mut Map<String, Value>) -> Read<()>;

    fn read(reader: Reader, body: Value) -> Read<Value> {
        let mut fields = Fields::of("", body)?;
        let mut options = Map::new();
        reader(&mut fields, &mut options)?;
        fields.finish()?;
        Ok(Value::Object(options))
    }

    fn two_tools(choice: Value) -> Value {
        let tool = |name: &str| {
            json!({"type": "function", "function": {
                "name": name, "description": "d", "parameters": {"type": "object"}, "strict": true}})
        };
        json!({"tools": [tool("a"), tool("b")], "tool_choice": choice})
    }

    #[test]
    fn tools_and_every_form_of_choice_become_options() {
        let ours = |name: &str| json!({"name": name, "description": "d", "parameters": {"type": "object"}});
        let named = json!({"type": "function", "function": {"name": "b"}});
        let allowed = json!({"type": "allowed_tools", "allowed_tools": {
            "mode": "required", "tools": [{"type": "function", "function": {"name": "b"}}]}});
        for (choice, expected, names) in [
            (json!("auto"), json!("auto"), vec!["a", "b"]),
            (json!("none"), json!("none"), vec!["a", "b"]),
            (json!("required"), json!("required"), vec!["a", "b"]),
            (named, json!({"name": "b"}), vec!["a", "b"]),
            (allowed, json!("required"), vec!["b"]),
        ] {
            let options = read(tools, two_tools(choice.clone())).expect("tools");
            let names: Vec<Value> = names.into_iter().map(ours).collect();
            assert_eq!(options, json!({"tool_choice": expected, "tools": names}), "{choice}");
        }
        assert_eq!(read(tools, json!({"tools": []})).expect("none"), json!({}));
    }

    #[test]
    fn what_is_no_tool_or_choice_is_refused() {
        for body in [
            json!({"functions": [{"name": "f"}]}),
            json!({"tools": {}}),
            json!({"tools": [{"type": "custom", "custom": {"name": "x"}}]}),
            json!({"tools": [{"type": "function"}]}),
            json!({"tools": [{"type": "function", "function": {}}]}),
            json!({"tools": [{"type": "function", "function": {"name": "a", "odd": 1}}]}),
            json!({"tool_choice": "auto"}),
            two_tools(json!("always")),
            two_tools(json!(1)),
            two_tools(json!({"type": "function", "function": {"name": "c"}})),
            two_tools(json!({"type": "allowed_tools"})),
        ] {
            let failure = read(tools, body.clone()).expect_err(&body.to_string());
            assert_eq!(failure.status, 400, "{body}");
        }
    }

    #[test]
    fn formats_of_answers_become_constraints() {
        let format = |format: Value| read(response_format, json!({"response_format": format}));
        let schema = json!({"type": "object"});
        let named = json!({"name": "n", "strict": true, "schema": schema});
        let named = json!({"type": "json_schema", "json_schema": named});
        assert_eq!(format(json!({"type": "text"})).expect("text"), json!({}));
        let object = format(json!({"type": "json_object"})).expect("an object");
        assert_eq!(object, json!({"json_object": true}));
        assert_eq!(format(named).expect("a schema"), json!({"json_schema": schema}));
        for wrong in [
            json!({}),
            json!({"type": "xml"}),
            json!({"type": "json_schema"}),
            json!({"type": "json_schema", "json_schema": {"schema": {}}}),
            json!({"type": "json_schema", "json_schema": {"name": "n"}}),
            json!("text"),
        ] {
            assert!(format(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
