//! Jinja's filters, with `tojson` as `transformers` defines it.
//!
//! | module | of |
//! |---|---|
//! | [`sequences`] | several values: choosing, mapping, sorting |
//! | [`texts`] | text |

mod sequences;
mod texts;

use super::arguments::{Arguments, flag, whole};
use super::failure::{Failure, Result, wrong};
use super::json::{self, Style};
use super::methods::pairs;
use super::operators::{Number, integer, number};
use super::render::Renderer;
use super::text::{Buffer, Char};
use super::value::{List, Value};

const OF_VALUES: &[&str] = &[
    "abs", "count", "d", "default", "dictsort", "first", "float", "int", "items", "last", "length",
    "list", "round", "string", "tojson",
];

/// Whether a filter of that name is known.
pub(super) fn is_known(name: &str) -> bool {
    OF_VALUES.contains(&name) || sequences::NAMES.contains(&name) || texts::NAMES.contains(&name)
}

/// `value | name(arguments)`.
pub(super) fn apply(
    name: &str,
    value: Value,
    arguments: Arguments,
    renderer: &mut Renderer<'_>,
) -> Result<Value> {
    let meter = renderer.meter();
    if texts::NAMES.contains(&name) {
        return texts::apply(name, &value, arguments, &meter);
    }
    if sequences::NAMES.contains(&name) {
        return sequences::apply(name, &value, arguments, renderer);
    }
    match name {
        "default" | "d" => {
            let [default, boolean] = arguments.bind(["default_value", "boolean"])?;
            let replaced =
                matches!(value, Value::Undefined(_)) || flag(boolean, false) && !value.is_true();
            if !replaced {
                return Ok(value);
            }
            match default {
                Some(default) => Ok(default),
                None => Ok(Value::Text(super::text::Text::written("", &meter)?)),
            }
        }
        "length" | "count" => {
            arguments.bind([])?;
            length(&value)
        }
        "string" => {
            arguments.bind([])?;
            Ok(Value::Text(value.to_text(&meter)?))
        }
        "tojson" => {
            let style = style(arguments, renderer)?;
            let mut buffer = Buffer::new(&meter)?;
            json::write(&value, &style, &mut buffer)?;
            Ok(Value::Text(buffer.finish()))
        }
        "list" => {
            arguments.bind([])?;
            Ok(Value::List(value.iterate(&meter)?))
        }
        "items" => {
            arguments.bind([])?;
            match &value {
                Value::Undefined(_) => Value::stream(Vec::new(), &meter),
                Value::Dict(dict) => Value::stream(pairs(dict, &meter)?, &meter),
                _ => wrong("Can only get item pairs from a mapping."),
            }
        }
        "first" | "last" => {
            arguments.bind([])?;
            let items = match (&value, name) {
                (Value::Stream(_), "last") => return wrong("'generator' object is not reversible"),
                _ => value.iterate(&meter)?,
            };
            let item = if name == "first" { items.items().first() } else { items.items().last() };
            let undefined = || Value::undefined(format!("No {name} item, sequence was empty."));
            Ok(item.cloned().unwrap_or_else(undefined))
        }
        "int" => to_int(&value, arguments),
        "float" => to_float(&value, arguments),
        "abs" => match number(&value) {
            Some(Number::Int(number)) => Ok(Value::Int(number.abs())),
            Some(Number::Float(number)) => Ok(Value::Float(number.abs())),
            None => wrong(format!("bad operand type for abs(): '{}'", value.kind())),
        },
        "round" => round(&value, arguments),
        "dictsort" => sequences::dictsort(&value, arguments, &meter),
        _ => wrong(format!("No filter named '{name}'.")),
    }
}

/// Python's `len(value)`.
fn length(value: &Value) -> Result<Value> {
    let length = match value {
        Value::Undefined(_) => 0,
        Value::Text(text) => text.chars().len(),
        Value::List(list) | Value::Tuple(list) => list.items().len(),
        Value::Dict(dict) => dict.items().len(),
        Value::Loop(state) => state.items.items().len(),
        other => return wrong(format!("object of type '{}' has no len()", other.kind())),
    };
    Ok(Value::Int(length as i128))
}

fn style(arguments: Arguments, renderer: &Renderer<'_>) -> Result<Style> {
    let names = ["ensure_ascii", "indent", "separators", "sort_keys"];
    let [ensure_ascii, indent, separators, sort_keys] = arguments.bind(names)?;
    let written = |text: &str| text.chars().map(Char::written).collect::<Vec<_>>();
    let indent = match indent {
        None | Some(Value::None) => None,
        Some(Value::Text(text)) => Some(text.chars().to_vec()),
        Some(width) => {
            let width = whole(Some(width), "indent", 0)?;
            // Charged like any text.
            let mut buffer = Buffer::new(&renderer.meter())?;
            buffer.repeat(&[Char::written(' ')], usize::try_from(width).unwrap_or(0))?;
            Some(buffer.finish().chars().to_vec())
        }
    };
    let (mut between_items, mut after_key) =
        (written(if indent.is_some() { "," } else { ", " }), written(": "));
    match separators {
        None | Some(Value::None) => {}
        Some(pair) => {
            let pair: List = pair.iterate(&renderer.meter())?;
            let [Value::Text(item), Value::Text(key)] = pair.items() else {
                return wrong("separators are a pair of texts");
            };
            between_items = item.chars().to_vec();
            after_key = key.chars().to_vec();
        }
    }
    Ok(Style {
        ensure_ascii: flag(ensure_ascii, false),
        indent,
        between_items,
        after_key,
        sort_keys: flag(sort_keys, false),
    })
}

fn to_int(value: &Value, arguments: Arguments) -> Result<Value> {
    let [default, base] = arguments.bind(["default", "base"])?;
    let default = default.unwrap_or(Value::Int(0));
    let base = whole(base, "base", 10)?;
    let found = match value {
        Value::Undefined(what) => return wrong(what.to_string()),
        Value::Text(text) => {
            let text = text.letters();
            let text = text.trim().replace('_', "");
            let radix = u32::try_from(base).ok().filter(|base| (2..=36).contains(base));
            let prefix = match base {
                2 => "0b",
                8 => "0o",
                16 => "0x",
                _ => "",
            };
            let digits = text.strip_prefix(prefix).unwrap_or(&text);
            let whole = radix.and_then(|radix| i128::from_str_radix(digits, radix).ok());
            whole.or_else(|| truncated(text.parse().ok()?))
        }
        Value::Float(number) => truncated(*number),
        other => integer(other),
    };
    Ok(found.map_or(default, Value::Int))
}

fn truncated(number: f64) -> Option<i128> {
    #[expect(clippy::cast_possible_truncation, reason = "as Python's int(...)")]
    (number.is_finite() && number.abs() < 1e38).then(|| number.trunc() as i128)
}

fn to_float(value: &Value, arguments: Arguments) -> Result<Value> {
    let [default] = arguments.bind(["default"])?;
    let found = match value {
        Value::Undefined(what) => return wrong(what.to_string()),
        Value::Text(text) => text.letters().trim().replace('_', "").parse().ok(),
        other => number(other).map(Number::float),
    };
    Ok(found.map_or(default.unwrap_or(Value::Float(0.0)), Value::Float))
}

fn round(value: &Value, arguments: Arguments) -> Result<Value> {
    let [precision, method] = arguments.bind(["precision", "method"])?;
    let precision = whole(precision, "precision", 0)?;
    let Some(given) = number(value) else {
        return wrong(format!("type {} doesn't define __round__ method", value.kind()));
    };
    let method = match method {
        Some(Value::Text(text)) => text.letters(),
        _ => "common".to_owned(),
    };
    let scale = 10_f64.powi(i32::try_from(precision).unwrap_or(0));
    let rounded = match (&*method, given) {
        ("common", Number::Int(whole)) if precision >= 0 => return Ok(Value::Int(whole)),
        // To the nearest decimal, the even one of two; Rust's formatting rounds so.
        ("common", given) => {
            let places = usize::try_from(precision.clamp(0, 300)).unwrap_or(0);
            let text = format!("{:.places$}", given.float());
            text.parse().map_err(|_| Failure::Wrong("no number".to_owned()))?
        }
        ("ceil", given) => (given.float() * scale).ceil() / scale,
        ("floor", given) => (given.float() * scale).floor() / scale,
        _ => return wrong("method must be common, ceil or floor"),
    };
    Ok(Value::Float(rounded))
}
