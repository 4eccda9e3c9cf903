//! Jinja's tests: what stands behind `is`.

use super::arguments::{Arguments, required};
use super::failure::{Failure, Result, wrong};
use super::operators::{compare, contains, equal, integer, number};
use super::render::Renderer;
use super::syntax::Comparison;
use super::value::Value;

/// Whether a test of that name is known.
pub(super) fn is_known(name: &str) -> bool {
    matches!(
        name,
        "defined"
            | "undefined"
            | "none"
            | "boolean"
            | "true"
            | "false"
            | "integer"
            | "float"
            | "number"
            | "string"
            | "mapping"
            | "iterable"
            | "sequence"
            | "callable"
            | "sameas"
            | "escaped"
            | "odd"
            | "even"
            | "divisibleby"
            | "lower"
            | "upper"
            | "in"
            | "filter"
            | "test"
            | "eq"
            | "equalto"
            | "=="
            | "ne"
            | "!="
            | "lt"
            | "lessthan"
            | "<"
            | "le"
            | "<="
            | "gt"
            | "greaterthan"
            | ">"
            | "ge"
            | ">="
    )
}

/// `value is name(arguments)`.
pub(super) fn test(
    name: &str,
    value: &Value,
    arguments: Arguments,
    renderer: &mut Renderer<'_>,
) -> Result<bool> {
    let meter = renderer.meter();
    meter.step(1)?;
    if let Some(comparison) = comparison(name) {
        let [other] = arguments.bind(["other"])?;
        return compare(comparison, value, &required(other, "other")?, &meter);
    }
    match name {
        "sameas" => {
            let [other] = arguments.bind(["other"])?;
            return same(value, &required(other, "other")?, renderer);
        }
        "in" => {
            let [container] = arguments.bind(["seq"])?;
            return contains(&required(container, "seq")?, value, &meter);
        }
        "divisibleby" => {
            let [by] = arguments.bind(["num"])?;
            let by = whole(&required(by, "num")?)?;
            let rest = whole(value)?.checked_rem(by);
            return rest
                .map(|rest| rest == 0)
                .ok_or_else(|| Failure::Wrong("division by zero".into()));
        }
        _ => {}
    }
    arguments.bind([])?;
    Ok(match name {
        "defined" => !matches!(value, Value::Undefined(_)),
        "undefined" => matches!(value, Value::Undefined(_)),
        "none" => matches!(value, Value::None),
        "boolean" => matches!(value, Value::Bool(_)),
        "true" => matches!(value, Value::Bool(true)),
        "false" => matches!(value, Value::Bool(false)),
        "integer" => matches!(value, Value::Int(_)),
        "float" => matches!(value, Value::Float(_)),
        "number" => number(value).is_some(),
        "string" => matches!(value, Value::Text(_)),
        "mapping" => matches!(value, Value::Dict(_)),
        "iterable" => is_sequence(value) || matches!(value, Value::Stream(_) | Value::Loop(_)),
        "sequence" => is_sequence(value),
        "callable" => matches!(
            value,
            Value::Macro(_)
                | Value::Function(_)
                | Value::Method(_)
                | Value::Joiner(_)
                | Value::Loop(_)
                | Value::Undefined(_)
        ),
        "escaped" => false,
        "odd" => whole(value)?.rem_euclid(2) == 1,
        "even" => whole(value)?.rem_euclid(2) == 0,
        "lower" => cased(value, renderer, char::is_uppercase)?,
        "upper" => cased(value, renderer, char::is_lowercase)?,
        "filter" => super::filters::is_known(&value.to_text(&meter)?.letters()),
        "test" => is_known(&value.to_text(&meter)?.letters()),
        _ => return wrong(format!("No test named '{name}'.")),
    })
}

fn comparison(name: &str) -> Option<Comparison> {
    Some(match name {
        "eq" | "equalto" | "==" => Comparison::Equal,
        "ne" | "!=" => Comparison::NotEqual,
        "lt" | "lessthan" | "<" => Comparison::Less,
        "le" | "<=" => Comparison::LessOrEqual,
        "gt" | "greaterthan" | ">" => Comparison::Greater,
        "ge" | ">=" => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn whole(value: &Value) -> Result<i128> {
    match value {
        Value::Undefined(what) => wrong(what.to_string()),
        _ => integer(value)
            .ok_or_else(|| Failure::Wrong(format!("'{}' is no whole number", value.kind()))),
    }
}

/// The same object; for what is immutable, an equal one of the same type.
fn same(value: &Value, other: &Value, renderer: &Renderer<'_>) -> Result<bool> {
    if value.kind() != other.kind() {
        return Ok(false);
    }
    equal(value, other, &renderer.meter())
}

/// Whether text has letters with a case, and none of the wrong one.
/// Whether Python could ask for its length and for what is at a place of it.
fn is_sequence(value: &Value) -> bool {
    use Value::{Dict, List, Text, Tuple, Undefined};
    matches!(value, Undefined(_) | Text(_) | List(_) | Tuple(_) | Dict(_))
}

fn cased(value: &Value, renderer: &Renderer<'_>, wrong: fn(char) -> bool) -> Result<bool> {
    let text = value.to_text(&renderer.meter())?;
    let is_cased = |c: char| c.is_uppercase() || c.is_lowercase();
    let mut letters = text.chars().iter().map(|c| c.letter());
    Ok(text.chars().iter().any(|c| is_cased(c.letter())) && !letters.any(wrong))
}
