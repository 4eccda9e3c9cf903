//! The questions, with their tools as JSON schemas.

use std::path::PathBuf;

use indwell::Tool;
use serde_json::{Map, Value};

/// A question with its tool, and what is right.
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) question: String,
    /// Its types are JSON schema's.
    pub(crate) tool: Tool,
    /// Its types are Python's.
    pub(crate) parameters: Value,
    /// For each argument the values that are right; an empty text among them: it may be left out.
    pub(crate) right: Map<String, Value>,
}

/// All of them; `None` where the data is not there.
pub(crate) fn read() -> Option<Vec<Case>> {
    let folder = std::env::var_os("INDWELL_BFCL").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/bfcl"),
        PathBuf::from,
    );
    let lines = |name: &str| -> Option<Vec<Value>> {
        let text = std::fs::read_to_string(folder.join(name)).ok()?;
        Some(text.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect())
    };
    let (questions, answers) = (lines("simple_python.jsonl"), lines("simple_python.answers.jsonl"));
    let (Some(questions), Some(answers)) = (questions, answers) else {
        println!("skipped: there is no data in {}", folder.display());
        return None;
    };
    Some(questions.iter().zip(&answers).map(|(question, answer)| case(question, answer)).collect())
}

fn case(question: &Value, answer: &Value) -> Case {
    assert_eq!(question["id"], answer["id"], "questions and answers go in step");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let function = &question["function"][0];
    let right = answer["ground_truth"][0].as_object().expect("one call");
    let (_, right) = right.iter().next().expect("one call");
    // Names as the leaderboard gives them to interfaces that allow no dot.
    let name = text(&function["name"]).replace('.', "_");
    Case {
        id: text(&question["id"]),
        question: text(&question["question"][0][0]["content"]),
        tool: Tool::new(name, as_schema(&function["parameters"]))
            .description(text(&function["description"])),
        parameters: function["parameters"].clone(),
        right: right.as_object().expect("arguments").clone(),
    }
}

/// A schema with JSON schema's types for the leaderboard's, and without the key `optional`, which is
/// its own.
fn as_schema(parameters: &Value) -> Value {
    let mut schema = parameters.as_object().expect("a schema").clone();
    schema.remove("optional");
    if let Some(kind) = schema.get_mut("type") {
        let mapped = match kind.as_str().expect("a type's name") {
            "dict" => "object",
            "float" => "number",
            "tuple" => "array",
            "any" => "string",
            other => other,
        };
        *kind = mapped.into();
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.values_mut().for_each(|property| *property = as_schema(property));
    }
    if let Some(items) = schema.get_mut("items") {
        *items = as_schema(items);
    }
    Value::Object(schema)
}
