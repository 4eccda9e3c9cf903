//! Whether arguments are the right ones, as the leaderboard's checker of simple calls says.
//!
//! Texts are compared without case, space and some punctuation. A whole number does for a fraction.
//! An argument that may be left out has an empty text among its values.

use serde_json::{Map, Value};

use super::data::Case;

/// # Errors
/// The first thing that is wrong.
pub(crate) fn matches(case: &Case, arguments: &Value) -> Result<(), &'static str> {
    let arguments = arguments.as_object().ok_or("no object")?;
    let properties = case.parameters["properties"].as_object().ok_or("no properties")?;
    let required = case.parameters["required"].as_array();
    for key in required.into_iter().flatten().filter_map(Value::as_str) {
        if !arguments.contains_key(key) {
            return Err("a required argument is missing");
        }
    }
    for (key, value) in arguments {
        let (Some(property), Some(right)) = (properties.get(key), case.right.get(key)) else {
            return Err("an argument that nobody asked for");
        };
        let right = right.as_array().ok_or("no values")?;
        if !has_type(property, value, right) {
            return Err("an argument of another type");
        }
        if !is_one_of(value, right) {
            return Err("another value");
        }
    }
    let may_be_left_out = |right: &Value| {
        right.as_array().is_some_and(|values| values.iter().any(|value| value == ""))
    };
    for (key, right) in &case.right {
        if !arguments.contains_key(key) && !may_be_left_out(right) {
            return Err("an argument is missing");
        }
    }
    Ok(())
}

/// Whether a value has the type of its argument, or that of a right value: some are variables.
fn has_type(property: &Value, value: &Value, right: &[Value]) -> bool {
    let has = |kind: &str| match kind {
        "string" | "any" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "float" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" | "tuple" => value.is_array(),
        "dict" => value.is_object(),
        _ => false,
    };
    property["type"].as_str().is_some_and(has)
        || right.iter().any(|right| right != "" && same_kind(right, value))
}

fn same_kind(one: &Value, other: &Value) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

fn is_one_of(value: &Value, right: &[Value]) -> bool {
    right.iter().any(|right| match (value, right) {
        (Value::Object(fields), Value::Object(right)) => is_object(fields, right),
        (Value::Array(items), Value::Array(right)) => {
            items.len() == right.len()
                && items.iter().zip(right).all(|(item, right)| match (item, right) {
                    (Value::Object(fields), Value::Object(right)) => is_object(fields, right),
                    _ => same(item, right),
                })
        }
        _ => same(value, right),
    })
}

/// An object whose right fields are lists of right values again.
fn is_object(fields: &Map<String, Value>, right: &Map<String, Value>) -> bool {
    let values = |key: &String| right.get(key).and_then(Value::as_array);
    fields.iter().all(|(key, value)| values(key).is_some_and(|right| is_one_of(value, right)))
        && right.iter().all(|(key, right)| {
            let optional = right.as_array().is_some_and(|right| right.iter().any(|v| v == ""));
            fields.contains_key(key) || optional
        })
}

fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => plain(one) == plain(other),
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        _ => one == other,
    }
}

/// A text as it is compared.
fn plain(text: &str) -> String {
    let kept = text.chars().filter(|c| !matches!(c, ' ' | ',' | '.' | '/' | '-' | '_' | '*' | '^'));
    kept.collect::<String>().to_lowercase().replace('\'', "\"")
}

#[test]
fn arguments_are_compared_as_the_leaderboard_compares_them() {
    use indwell::Tool;
    use serde_json::json;

    let case = Case {
        id: String::new(),
        question: String::new(),
        tool: Tool::new("f", json!({})),
        parameters: json!({
            "properties": {"city": {"type": "string"}, "days": {"type": "float"},
                "more": {"type": "dict"}},
            "required": ["city"],
        }),
        right: json!({"city": ["New York, NY"], "days": [2.0, ""], "more": [{"a": [1, 2], "b": ["", 3]}, ""]})
            .as_object()
            .expect("an object")
            .clone(),
    };
    for (arguments, result) in [
        (json!({"city": "new york NY"}), Ok(())),
        (json!({"city": "New York, NY", "days": 2}), Ok(())),
        (json!({"city": "New York, NY", "more": {"a": 2}}), Ok(())),
        (json!({"city": "New York, NY", "more": {"a": 3}}), Err("another value")),
        (json!({"city": "New York, NY", "more": {"b": 3}}), Err("another value")),
        (json!({"city": "Paris"}), Err("another value")),
        (json!({"city": 1}), Err("an argument of another type")),
        (json!({"city": "New York, NY", "x": 1}), Err("an argument that nobody asked for")),
        (json!({"days": 2}), Err("a required argument is missing")),
    ] {
        assert_eq!(matches(&case, &arguments), result, "{arguments}");
    }
}
