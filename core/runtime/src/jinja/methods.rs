//! Methods of texts, lists and dictionaries, as Python has them.
//!
//! | module | of |
//! |---|---|
//! | [`strings`] | texts: cutting, searching, asking |
//! | [`letters`] | texts: the case of letters |

mod letters;
mod strings;

use std::sync::Arc;

pub(super) use self::letters::{capitalized, lowered, raised};
pub(super) use self::strings::{lines, padded, replaced, stripped};

use super::arguments::{Arguments, required};
use super::failure::{Result, wrong};
use super::members::lookup;
use super::meter::Meter;
use super::operators::equal;
use super::value::{Dict, List, Loop, Method, Value};

const OF_TEXT: &[&str] = &[
    "capitalize",
    "casefold",
    "center",
    "count",
    "encode",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "islower",
    "isnumeric",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "upper",
    "zfill",
];
const OF_LIST: &[&str] = &["copy", "count", "index"];
const OF_TUPLE: &[&str] = &["count", "index"];
const OF_DICT: &[&str] = &["copy", "get", "items", "keys", "values"];
const OF_NUMBER: &[&str] = &["bit_length", "is_integer"];

/// The method of that name, if the value has one that a template may call.
pub(super) fn name_of(value: &Value, name: &str) -> Option<&'static str> {
    let names = match value {
        Value::Text(_) => OF_TEXT,
        Value::List(_) => OF_LIST,
        Value::Tuple(_) => OF_TUPLE,
        Value::Dict(_) => OF_DICT,
        Value::Int(_) | Value::Float(_) => OF_NUMBER,
        Value::Function(super::value::Function::Dict) => &["fromkeys"],
        Value::Cycler(_) => &["next", "reset"],
        _ => return None,
    };
    names.iter().find(|known| **known == name).copied()
}

/// Whether it changes its object, and the sandbox hides it.
pub(super) fn is_unsafe(value: &Value, name: &str) -> bool {
    match value {
        Value::List(_) => matches!(
            name,
            "append" | "clear" | "extend" | "insert" | "pop" | "remove" | "reverse" | "sort"
        ),
        Value::Dict(_) => matches!(name, "clear" | "pop" | "popitem" | "setdefault" | "update"),
        _ => false,
    }
}

/// Calls it.
pub(super) fn call(method: &Method, arguments: Arguments, meter: &Arc<Meter>) -> Result<Value> {
    match &method.receiver {
        Value::Text(text) => strings::call(text, method.name, arguments, meter),
        Value::List(list) | Value::Tuple(list) => of_list(list, method.name, arguments, meter),
        Value::Dict(dict) => of_dict(dict, method.name, arguments, meter),
        Value::Loop(state) => of_loop(state, method.name, arguments, meter),
        Value::Cycler(cycler) => {
            let length = cycler.items.items().len();
            if method.name == "reset" {
                cycler.at.set(0);
                return Ok(Value::None);
            }
            Ok(super::functions::next_of(cycler, length))
        }
        Value::Function(_) => from_keys(arguments, meter),
        Value::Int(number) => match method.name {
            "bit_length" => {
                Ok(Value::Int((i128::BITS - number.unsigned_abs().leading_zeros()).into()))
            }
            _ => Ok(Value::Bool(true)),
        },
        Value::Float(number) if method.name == "is_integer" => {
            Ok(Value::Bool(number.fract() == 0.0))
        }
        other => wrong(format!("'{}' object has no method '{}'", other.kind(), method.name)),
    }
}

fn of_list(list: &List, name: &str, arguments: Arguments, meter: &Arc<Meter>) -> Result<Value> {
    if name == "copy" {
        arguments.bind([])?;
        return Ok(Value::List(list.clone()));
    }
    let [item] = arguments.bind(["value"])?;
    let item = required(item, "value")?;
    let mut count = 0;
    for (index, other) in list.items().iter().enumerate() {
        if equal(other, &item, meter)? {
            if name == "index" {
                return Ok(Value::Int(index as i128));
            }
            count += 1;
        }
    }
    if name == "index" { wrong("the item is not in the list") } else { Ok(Value::Int(count)) }
}

fn of_dict(dict: &Dict, name: &str, arguments: Arguments, meter: &Arc<Meter>) -> Result<Value> {
    if name == "get" {
        let [key, default] = arguments.bind(["key", "default"])?;
        let found = lookup(dict, &required(key, "key")?, meter)?;
        return Ok(found.or(default).unwrap_or(Value::None));
    }
    arguments.bind([])?;
    match name {
        "items" => Value::list(pairs(dict, meter)?, meter),
        "keys" => Value::list(dict.items().iter().map(|(key, _)| key.clone()).collect(), meter),
        "values" => {
            Value::list(dict.items().iter().map(|(_, value)| value.clone()).collect(), meter)
        }
        _ => Ok(Value::Dict(dict.clone())),
    }
}

/// Keys with their values.
pub(super) fn pairs(dict: &Dict, meter: &Arc<Meter>) -> Result<Vec<Value>> {
    dict.items()
        .iter()
        .map(|(key, value)| Value::tuple(vec![key.clone(), value.clone()], meter))
        .collect()
}

fn from_keys(arguments: Arguments, meter: &Arc<Meter>) -> Result<Value> {
    let [keys, value] = arguments.bind(["iterable", "value"])?;
    let value = value.unwrap_or(Value::None);
    let mut members: Vec<(Value, Value)> = Vec::new();
    for key in required(keys, "iterable")?.iterate(meter)?.items() {
        super::functions::insert(&mut members, key.clone(), value.clone(), meter)?;
    }
    Ok(Value::Dict(Dict::new(members, meter)?))
}

fn of_loop(state: &Loop, name: &str, arguments: Arguments, meter: &Arc<Meter>) -> Result<Value> {
    if name == "cycle" {
        let values = &arguments.positional;
        return match state.index.get().checked_rem(values.len()) {
            Some(at) => Ok(values[at].clone()),
            None => wrong("no items for cycling given"),
        };
    }
    let now = Value::tuple(arguments.positional, meter)?;
    let same = match &*state.changed.borrow() {
        Some(before) => equal(before, &now, meter)?,
        None => false,
    };
    *state.changed.borrow_mut() = Some(now);
    Ok(Value::Bool(!same))
}
