//! The arguments of a call, evaluated.

use std::sync::Arc;

use super::failure::{Failure, Result, wrong};
use super::meter::Meter;
use super::operators::integer;
use super::syntax::Name;
use super::text::Text;
use super::value::Value;

/// What a function, method, filter or test is called with.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    pub(super) positional: Vec<Value>,
    pub(super) named: Vec<(Name, Value)>,
}

impl Arguments {
    /// By parameters' names, in their order.
    ///
    /// # Errors
    /// More arguments, or others.
    pub(super) fn bind<const N: usize>(self, names: [&str; N]) -> Result<[Option<Value>; N]> {
        let mut bound: [Option<Value>; N] = std::array::from_fn(|_| None);
        if self.positional.len() > N {
            return wrong(format!(
                "{} arguments are given, at most {N} are taken",
                self.positional.len()
            ));
        }
        for (place, value) in bound.iter_mut().zip(self.positional) {
            *place = Some(value);
        }
        for (name, value) in self.named {
            match names.iter().position(|known| *known == &*name) {
                Some(at) if bound[at].is_none() => bound[at] = Some(value),
                Some(_) => return wrong(format!("argument '{name}' is given twice")),
                None => return wrong(format!("unexpected argument '{name}'")),
            }
        }
        Ok(bound)
    }
}

/// An argument that must be there.
pub(super) fn required(value: Option<Value>, name: &str) -> Result<Value> {
    value.ok_or_else(|| Failure::Wrong(format!("argument '{name}' is missing")))
}

/// An argument that must be text, if it is there; None is as if it were not.
pub(super) fn text(value: Option<Value>, name: &str) -> Result<Option<Text>> {
    match value {
        None | Some(Value::None) => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text)),
        Some(Value::Undefined(what)) => wrong(what.to_string()),
        Some(other) => wrong(format!("argument '{name}' is of type '{}', not str", other.kind())),
    }
}

/// An argument that must be text.
pub(super) fn required_text(value: Option<Value>, name: &str) -> Result<Text> {
    text(value, name)?.ok_or_else(|| Failure::Wrong(format!("argument '{name}' is missing")))
}

/// An argument as text, whatever it is.
pub(super) fn as_text(value: Option<Value>, default: &str, meter: &Arc<Meter>) -> Result<Text> {
    match value {
        Some(value) => value.to_text(meter),
        None => Text::written(default, meter),
    }
}

/// A whole number that fits where it is used.
pub(super) fn whole(value: Option<Value>, name: &str, default: i64) -> Result<i64> {
    let Some(value) = value else { return Ok(default) };
    match integer(&value).map(i64::try_from) {
        Some(Ok(number)) => Ok(number),
        _ => wrong(format!("argument '{name}' is of type '{}', not a whole number", value.kind())),
    }
}

/// Whether an argument is given and true.
pub(super) fn flag(value: Option<Value>, default: bool) -> bool {
    value.map_or(default, |value| value.is_true())
}
