//! The options that bind an answer to a form; a request has one of them at most.

use indwell_llama::Grammar;
use serde_json::{Number, Value};

use super::{OptionValue, read};
use crate::{Error, Result};

/// How a request's answer is bound, as the caller states it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConstraintOptions {
    /// In the order in which they were given; of an option that was given twice, the last.
    grammars: Vec<Grammar>,
}

impl ConstraintOptions {
    /// Every name, in the order that the documentation lists them.
    pub(crate) const NAMES: [&'static str; 6] =
        ["json_schema", "json_object", "regex", "choice", "lark", "gbnf"];

    /// Sets `name`, which is one of [`Self::NAMES`].
    pub(crate) fn set(&mut self, name: &str, value: OptionValue) -> Result<()> {
        let grammar = match name {
            "json_schema" => Grammar::JsonSchema(schema(name, value)?),
            "json_object" => match read::flag(name, value)? {
                true => Grammar::JsonObject,
                false => {
                    self.grammars.retain(|grammar| grammar.name() != name);
                    return Ok(());
                }
            },
            "regex" => Grammar::Regex(read::text(name, value)?),
            "choice" => Grammar::Choice(read::texts(name, value)?),
            "lark" => Grammar::Lark(read::text(name, value)?),
            "gbnf" => Grammar::Gbnf(read::text(name, value)?),
            _ => return Err(super::unknown(name, &value, &Self::NAMES)),
        };
        self.bind(grammar);
        Ok(())
    }

    /// Binds the answer to `grammar`.
    pub(crate) fn bind(&mut self, grammar: Grammar) {
        self.grammars.retain(|given| given.name() != grammar.name());
        self.grammars.push(grammar);
    }

    /// The one form that the answer must have, if any.
    ///
    /// # Errors
    /// `invalid_request` for more than one.
    pub(crate) fn validate(mut self) -> Result<Option<Grammar>> {
        let Some(grammar) = self.grammars.pop() else { return Ok(None) };
        match self.grammars.last() {
            None => Ok(Some(grammar)),
            Some(other) => Err(Error::invalid(
                grammar.name(),
                format!("given beside {}", other.name()),
                "the only form that the answer is bound to",
                format!("leave out {} or {}", other.name(), grammar.name()),
            )),
        }
    }
}

/// A schema as an object, true, false, or any of these as JSON text.
fn schema(name: &str, value: OptionValue) -> Result<Value> {
    let schema = match value {
        OptionValue::Text(text) => serde_json::from_str(&text).map_err(|error| {
            Error::invalid(
                name,
                format!("no JSON ({error})"),
                "a JSON schema",
                "give the schema as an object, or as JSON text",
            )
        })?,
        value => value.to_json(name)?,
    };
    match schema {
        Value::Object(_) | Value::Bool(_) => Ok(whole_numbers(schema)),
        other => Err(Error::invalid(
            name,
            OptionValue::from(other).shown(),
            "an object, true or false",
            "give a JSON schema",
        )),
    }
}

/// The same value with whole numbers written as such: to some languages 3 and 3.0 are the same, and
/// to JSON schemas too.
fn whole_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(match number.as_f64() {
            Some(float) if !number.is_i64() && !number.is_u64() && is_whole(float) => {
                #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
                let whole = float as i64;
                Number::from(whole)
            }
            _ => number,
        }),
        Value::Array(values) => values.into_iter().map(whole_numbers).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, field)| (name, whole_numbers(field))).collect()
        }
        other => other,
    }
}

fn is_whole(number: f64) -> bool {
    number.fract() == 0.0 && number.abs() < 9e15
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn grammar(options: &[(&str, OptionValue)]) -> Result<Option<Grammar>> {
        let mut given = ConstraintOptions::default();
        for (name, value) in options {
            given.set(name, value.clone())?;
        }
        given.validate()
    }

    #[test]
    fn a_schema_may_be_an_object_a_flag_or_text() {
        let expected = Some(Grammar::JsonSchema(json!({"minLength": 3, "maximum": 1.5})));
        let object = OptionValue::Object(vec![
            ("minLength".to_owned(), OptionValue::Float(3.0)),
            ("maximum".to_owned(), OptionValue::Float(1.5)),
        ]);
        assert_eq!(grammar(&[("json_schema", object)]).expect("an object"), expected);
        let text = OptionValue::from(r#"{"minLength": 3.0, "maximum": 1.5}"#);
        assert_eq!(grammar(&[("json_schema", text)]).expect("text"), expected);
        let any = grammar(&[("json_schema", true.into())]).expect("a flag");
        assert_eq!(any, Some(Grammar::JsonSchema(json!(true))));
        for wrong in ["{", "3", "[]", "\"text\""] {
            let error = grammar(&[("json_schema", wrong.into())]).expect_err(wrong);
            assert_eq!(error.details().field.as_deref(), Some("json_schema"), "{error}");
        }
    }

    #[test]
    fn of_two_forms_both_are_named() {
        let both = [("regex", OptionValue::from("a")), ("json_object", true.into())];
        let error = grammar(&both).expect_err("two");
        assert_eq!(error.kind(), crate::ErrorKind::InvalidRequest);
        assert!(error.message().contains("regex") && error.message().contains("json_object"));
        let off = [("json_object", true.into()), both[0].clone(), ("json_object", false.into())];
        assert_eq!(grammar(&off).expect("one"), Some(Grammar::Regex("a".to_owned())));
        let twice = [("regex", OptionValue::from("a")), ("regex", "b".into())];
        assert_eq!(grammar(&twice).expect("the last"), Some(Grammar::Regex("b".to_owned())));
    }
}
