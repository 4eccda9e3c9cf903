//! A value of any language, before anyone knows what it should be.

use serde_json::{Map, Number, Value};

use crate::{Error, Result};

/// How deep values may lie in each other.
const DEPTH_MAX: usize = 128;

/// An option's value as callers without Rust's types give it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum OptionValue {
    /// As if the option were not given.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number, NaN and infinities included.
    Float(f64),
    /// Text.
    Text(String),
    /// Several values.
    List(Vec<OptionValue>),
    /// Values with names, in the caller's order.
    Object(Vec<(String, OptionValue)>),
}

impl OptionValue {
    /// The value as an error message shows it, cut after some length.
    #[must_use]
    pub fn shown(&self) -> String {
        const SHOWN_CHARS_MAX: usize = 80;
        let text = match self {
            OptionValue::Null => "nothing".to_owned(),
            OptionValue::Bool(value) => value.to_string(),
            OptionValue::Int(value) => value.to_string(),
            OptionValue::Float(value) => value.to_string(),
            OptionValue::Text(value) => format!("{value:?}"),
            OptionValue::List(values) => format!("a list of {}", values.len()),
            OptionValue::Object(fields) => format!("an object of {} fields", fields.len()),
        };
        if text.chars().count() > SHOWN_CHARS_MAX {
            text.chars().take(SHOWN_CHARS_MAX).chain(['…']).collect()
        } else {
            text
        }
    }
}

impl OptionValue {
    /// The value that a JSON text says, for the option called `name`: for callers who have options as
    /// JSON, or no other form of objects.
    ///
    /// # Errors
    /// `invalid_request` for text that is no JSON, with what is wrong and where, and for values more
    /// than about 128 deep.
    pub fn from_json(name: &str, text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).map_err(|error| {
            Error::invalid(
                name,
                OptionValue::from(text).shown(),
                "valid JSON",
                format!("correct it: {error}"),
            )
        })?;
        Ok(value.into())
    }

    /// The value as JSON, for the option called `name`.
    ///
    /// # Errors
    /// `invalid_request` for numbers that JSON has not (NaN, infinities), and for values more than
    /// 128 deep.
    pub fn to_json(&self, name: &str) -> Result<Value> {
        self.to_json_within(name, DEPTH_MAX)
    }

    fn to_json_within(&self, name: &str, depth: usize) -> Result<Value> {
        let Some(below) = depth.checked_sub(1) else {
            return Err(Error::invalid(
                name,
                format!("more than {DEPTH_MAX} deep"),
                format!("lists and objects at most {DEPTH_MAX} deep"),
                "give a flatter value",
            ));
        };
        Ok(match self {
            OptionValue::Null => Value::Null,
            OptionValue::Bool(value) => Value::Bool(*value),
            OptionValue::Int(value) => Value::from(*value),
            OptionValue::Float(value) => {
                let number = Number::from_f64(*value).ok_or_else(|| {
                    Error::invalid(name, value.to_string(), "finite numbers", "JSON has no others")
                })?;
                Value::Number(number)
            }
            OptionValue::Text(text) => Value::String(text.clone()),
            OptionValue::List(values) => {
                let values = values.iter().map(|value| value.to_json_within(name, below));
                Value::Array(values.collect::<Result<_>>()?)
            }
            OptionValue::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(field, value)| Ok((field.clone(), value.to_json_within(name, below)?)));
                Value::Object(fields.collect::<Result<Map<_, _>>>()?)
            }
        })
    }
}

impl From<Value> for OptionValue {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => OptionValue::Null,
            Value::Bool(value) => OptionValue::Bool(value),
            Value::Number(number) => match number.as_i64() {
                Some(whole) => OptionValue::Int(whole),
                None => OptionValue::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => OptionValue::Text(text),
            Value::Array(values) => OptionValue::List(values.into_iter().map(Into::into).collect()),
            Value::Object(fields) => {
                let fields = fields.into_iter().map(|(name, value)| (name, value.into()));
                OptionValue::Object(fields.collect())
            }
        }
    }
}

impl From<bool> for OptionValue {
    fn from(value: bool) -> Self {
        OptionValue::Bool(value)
    }
}

impl From<i64> for OptionValue {
    fn from(value: i64) -> Self {
        OptionValue::Int(value)
    }
}

impl From<i32> for OptionValue {
    fn from(value: i32) -> Self {
        OptionValue::Int(value.into())
    }
}

impl From<u32> for OptionValue {
    fn from(value: u32) -> Self {
        OptionValue::Int(value.into())
    }
}

impl From<f64> for OptionValue {
    fn from(value: f64) -> Self {
        OptionValue::Float(value)
    }
}

impl From<&str> for OptionValue {
    fn from(value: &str) -> Self {
        OptionValue::Text(value.to_owned())
    }
}

impl From<String> for OptionValue {
    fn from(value: String) -> Self {
        OptionValue::Text(value)
    }
}

impl<T: Into<OptionValue>> From<Vec<T>> for OptionValue {
    fn from(values: Vec<T>) -> Self {
        OptionValue::List(values.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<OptionValue>> From<Option<T>> for OptionValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(OptionValue::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_in_its_order() {
        let value = OptionValue::from_json("x", r#"{"b": [1, 2.5, null], "a": "é"}"#);
        let list = vec![OptionValue::Int(1), OptionValue::Float(2.5), OptionValue::Null];
        let fields = [("b".to_owned(), OptionValue::List(list)), ("a".to_owned(), "é".into())];
        assert_eq!(value.expect("JSON"), OptionValue::Object(fields.into()));
    }

    #[test]
    fn what_is_no_json_is_told_with_its_place() {
        for text in ["", "{\"a\": }", "{} {}", "NaN", "1e999", &"[".repeat(500)] {
            let error = OptionValue::from_json("tools", text).expect_err(text);
            assert_eq!(error.details().field.as_deref(), Some("tools"));
            let remedy = error.details().remedy.as_deref().expect("a remedy");
            assert!(remedy.contains(" at line 1 column "), "{remedy}");
        }
    }
}
