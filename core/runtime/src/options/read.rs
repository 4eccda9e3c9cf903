//! Reading a value of any language as the type an option wants.

use super::OptionValue;
use crate::{Error, Result};

pub(super) fn whole(name: &str, value: OptionValue) -> Result<i64> {
    match value {
        OptionValue::Int(number) => Ok(number),
        // JavaScript and JSON have one kind of number.
        OptionValue::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
            #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
            let number = number as i64;
            Ok(number)
        }
        other => Err(wrong_type(name, &other, "a whole number")),
    }
}

pub(super) fn number(name: &str, value: OptionValue) -> Result<f64> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
        OptionValue::Int(number) => Ok(number as f64),
        OptionValue::Float(number) => Ok(number),
        other => Err(wrong_type(name, &other, "a number")),
    }
}

pub(super) fn flag(name: &str, value: OptionValue) -> Result<bool> {
    match value {
        OptionValue::Bool(flag) => Ok(flag),
        other => Err(wrong_type(name, &other, "true or false")),
    }
}

pub(super) fn text(name: &str, value: OptionValue) -> Result<String> {
    match value {
        OptionValue::Text(text) => Ok(text),
        other => Err(wrong_type(name, &other, "text")),
    }
}

pub(super) fn texts(name: &str, value: OptionValue) -> Result<Vec<String>> {
    match value {
        OptionValue::Text(text) => Ok(vec![text]),
        OptionValue::List(values) => values
            .into_iter()
            .map(|value| match value {
                OptionValue::Text(text) => Ok(text),
                other => Err(wrong_type(name, &other, "text or a list of texts")),
            })
            .collect(),
        other => Err(wrong_type(name, &other, "text or a list of texts")),
    }
}

/// A number, or a list of numbers.
pub(super) fn wholes(name: &str, value: OptionValue) -> Result<Vec<i64>> {
    match value {
        OptionValue::List(values) => values.into_iter().map(|value| whole(name, value)).collect(),
        one => Ok(vec![whole(name, one)?]),
    }
}

pub(super) fn wrong_type(name: &str, value: &OptionValue, wanted: &str) -> Error {
    Error::invalid(name, value.shown(), wanted, format!("give {name} {wanted}, or leave it out"))
}
