//! A JSON object, read field by field, with OpenAI's words for what is wrong with one.
//!
//! Null is as if a field were not given. Each field is taken out as it is read; what is left at
//! the end is unknown, and refused.

use serde_json::{Map, Value};

use super::failure::{Failure, Read};

/// The fields of an object that are not read yet.
#[derive(Debug)]
pub(super) struct Fields {
    /// Where it stands in the body; empty for the body itself.
    path: String,
    fields: Map<String, Value>,
}

impl Fields {
    /// The fields of `value`, which stands at `path`.
    pub(super) fn of(path: impl Into<String>, value: Value) -> Read<Self> {
        let path = path.into();
        match value {
            Value::Object(fields) => Ok(Self { path, fields }),
            other => Err(wrong_type(&path, "an object", &other)),
        }
    }

    /// No fields, of the body.
    pub(super) fn empty() -> Self {
        Self { path: String::new(), fields: Map::new() }
    }

    /// Where the field called `name` stands.
    pub(super) fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The field as it is.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.shift_remove(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&mut self, name: &str) -> Read<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong_type(&self.at(name), "a string", &other)),
        }
    }

    pub(super) fn flag(&mut self, name: &str) -> Read<Option<bool>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(wrong_type(&self.at(name), "a boolean", &other)),
        }
    }

    pub(super) fn whole(&mut self, name: &str) -> Read<Option<i64>> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => match value.as_i64() {
                Some(number) => Ok(Some(number)),
                None => Err(wrong_type(&self.at(name), "an integer", &value)),
            },
        }
    }

    pub(super) fn list(&mut self, name: &str) -> Read<Option<Vec<Value>>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(values)) => Ok(Some(values)),
            Some(other) => Err(wrong_type(&self.at(name), "an array", &other)),
        }
    }

    pub(super) fn object(&mut self, name: &str) -> Read<Option<Fields>> {
        let path = self.at(name);
        self.take(name).map(|value| Fields::of(path, value)).transpose()
    }

    /// One of a few texts.
    pub(super) fn one_of(&mut self, name: &str, known: &[&str]) -> Read<Option<String>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        if known.contains(&text.as_str()) {
            Ok(Some(text))
        } else {
            Err(self.none_of(name, &text, known))
        }
    }

    /// The field called `name` is none of `known`.
    pub(super) fn none_of(&self, name: &str, text: &str, known: &[&str]) -> Box<Failure> {
        let known: Vec<String> = known.iter().map(|known| format!("'{known}'")).collect();
        let message = format!(
            "Invalid value for '{}': {text:?}. Supported values are: {}.",
            self.at(name),
            known.join(", ")
        );
        Failure::wrong(message, self.at(name), "invalid_value")
    }

    /// `found`, which has to be there.
    pub(super) fn required<T>(&self, name: &str, found: Option<T>) -> Read<T> {
        found.ok_or_else(|| {
            let at = self.at(name);
            let message = format!("Missing required parameter: '{at}'.");
            Failure::wrong(message, at, "missing_required_parameter")
        })
    }

    /// What was not read.
    pub(super) fn rest(self) -> Map<String, Value> {
        self.fields
    }

    /// Every field was read.
    pub(super) fn finish(self) -> Read<()> {
        match self.fields.keys().next() {
            None => Ok(()),
            Some(name) => {
                let at = self.at(name);
                Err(Failure::wrong(format!("Unknown parameter: '{at}'."), at, "unknown_parameter"))
            }
        }
    }
}

/// A value of another type than the one that belongs at `path`.
pub(super) fn wrong_type(path: &str, wanted: &str, value: &Value) -> Box<Failure> {
    let message =
        format!("Invalid type for '{path}': expected {wanted}, but got {} instead.", a(value));
    let param = (!path.is_empty()).then(|| path.to_owned());
    Failure::wrong(message, param, "invalid_type")
}

fn a(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a decimal",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
