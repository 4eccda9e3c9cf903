//! Members, items and slices of values, as Jinja's sandbox finds them in Python.

use std::rc::Rc;
use std::sync::Arc;

use super::failure::{Failure, Result, wrong};
use super::meter::Meter;
use super::operators::{equal, integer};
use super::text::Text;
use super::value::{Dict, List, Loop, Method, Value};

/// `value.name`: what Python's object has, then the item of that key.
pub(super) fn attribute(value: &Value, name: &str, meter: &Arc<Meter>) -> Result<Value> {
    if let Some(own) = own_attribute(value, name, meter)? {
        return Ok(own);
    }
    if let Value::Dict(dict) = value {
        meter.look(dict.items().len())?;
        if let Some(item) = dict.get(name) {
            return Ok(item.clone());
        }
    }
    missing(value, name)
}

/// `value[key]`: the item of that key, then what Python's object has of that name.
pub(super) fn item(value: &Value, key: &Value, meter: &Arc<Meter>) -> Result<Value> {
    let found = match value {
        Value::Dict(_) if matches!(key, Value::List(_) | Value::Dict(_)) => None,
        Value::Dict(dict) => lookup(dict, key, meter)?,
        Value::List(list) | Value::Tuple(list) => {
            integer(key).and_then(|at| list.items().get(position(at, list.items().len())?).cloned())
        }
        Value::Text(text) => {
            let chars = text.chars();
            let at = integer(key).and_then(|at| position(at, chars.len()));
            match at.and_then(|at| chars.get(at)) {
                Some(c) => Some(Value::Text(Text::of(&[*c], meter)?)),
                None => None,
            }
        }
        _ => None,
    };
    if let Some(found) = found {
        return Ok(found);
    }
    let Value::Text(name) = key else {
        return missing(value, &format!("element {}", key_words(key)));
    };
    let name = name.letters();
    match own_attribute(value, &name, meter)? {
        Some(own) => Ok(own),
        None => missing(value, &name),
    }
}

fn key_words(key: &Value) -> String {
    match key {
        Value::Int(at) => at.to_string(),
        other => format!("of type {}", other.kind()),
    }
}

fn missing(value: &Value, name: &str) -> Result<Value> {
    match value {
        Value::Undefined(what) => wrong(what.to_string()),
        other => {
            Ok(Value::undefined(format!("'{} object' has no attribute '{name}'", other.kind())))
        }
    }
}

/// Where an index, which may count from the end, is in something of that length.
fn position(at: i128, length: usize) -> Option<usize> {
    let length = i128::try_from(length).ok()?;
    let at = if at < 0 { at + length } else { at };
    usize::try_from(at).ok()
}

/// The value of a key.
pub(super) fn lookup(dict: &Dict, key: &Value, meter: &Arc<Meter>) -> Result<Option<Value>> {
    if matches!(key, Value::List(_) | Value::Dict(_)) {
        return wrong(format!("unhashable type: '{}'", key.kind()));
    }
    for (other, value) in dict.items() {
        if equal(other, key, meter)? {
            return Ok(Some(value.clone()));
        }
    }
    Ok(None)
}

fn own_attribute(value: &Value, name: &str, meter: &Arc<Meter>) -> Result<Option<Value>> {
    Ok(match value {
        Value::Namespace(namespace) => {
            let members = namespace.members.borrow();
            members.iter().find(|(n, _)| **n == *name).map(|(_, value)| value.clone())
        }
        Value::Loop(state) => loop_member(value, state, name, meter)?,
        Value::Macro(closure) => macro_member(&closure.definition, name, meter)?,
        Value::Cycler(cycler) if name == "current" => {
            cycler.items.items().get(cycler.at.get()).cloned()
        }
        other if super::methods::is_unsafe(other, name) => {
            Some(Value::undefined(format!("'{name}' changes its object, which templates may not")))
        }
        other => super::methods::name_of(other, name).map(|name| method(other, name)),
    })
}

fn method(receiver: &Value, name: &'static str) -> Value {
    Value::Method(Rc::new(Method { receiver: receiver.clone(), name }))
}

fn macro_member(
    definition: &super::syntax::Macro,
    name: &str,
    meter: &Arc<Meter>,
) -> Result<Option<Value>> {
    Ok(match name {
        "name" => Some(Value::Text(Text::written(&definition.name, meter)?)),
        "arguments" => {
            let names: Result<Vec<_>> = definition
                .parameters
                .iter()
                .map(|(name, _)| Ok(Value::Text(Text::written(name, meter)?)))
                .collect();
            Some(Value::tuple(names?, meter)?)
        }
        _ => None,
    })
}

fn loop_member(
    value: &Value,
    state: &Loop,
    name: &str,
    meter: &Arc<Meter>,
) -> Result<Option<Value>> {
    let index = state.index.get();
    let length = state.items.items().len();
    let int = |number: usize| Some(Value::Int(number as i128));
    let at = |index: Option<usize>, which: &str| {
        let item = index.and_then(|index| state.items.items().get(index)).cloned();
        Some(item.unwrap_or_else(|| Value::undefined(format!("there is no {which} item"))))
    };
    meter.step(1)?;
    Ok(match name {
        "index" => int(index + 1),
        "index0" => int(index),
        "revindex" => int(length.saturating_sub(index)),
        "revindex0" => int(length.saturating_sub(index + 1)),
        "first" => Some(Value::Bool(index == 0)),
        "last" => Some(Value::Bool(index + 1 == length)),
        "length" => int(length),
        "depth" => int(state.depth + 1),
        "depth0" => int(state.depth),
        "previtem" => at(index.checked_sub(1), "previous"),
        "nextitem" => at(Some(index + 1), "next"),
        "cycle" => Some(method(value, "cycle")),
        "changed" => Some(method(value, "changed")),
        _ => None,
    })
}

/// `value[start:stop:step]`.
pub(super) fn slice(
    value: &Value,
    [start, stop, step]: [&Value; 3],
    meter: &Arc<Meter>,
) -> Result<Value> {
    let bound = |bound: &Value| match bound {
        Value::None => Ok(None),
        other => match integer(other) {
            Some(at) => Ok(Some(at)),
            None => Err(Failure::Wrong(format!("a slice by '{}'", other.kind()))),
        },
    };
    let bounds = (bound(start)?, bound(stop)?, bound(step)?.unwrap_or(1));
    Ok(match value {
        Value::Text(text) => Value::Text(Text::of(&sliced(text.chars(), bounds, meter)?, meter)?),
        Value::List(list) => Value::List(List::new(sliced(list.items(), bounds, meter)?, meter)?),
        Value::Tuple(list) => Value::Tuple(List::new(sliced(list.items(), bounds, meter)?, meter)?),
        Value::Undefined(what) => return wrong(what.to_string()),
        other => Value::undefined(format!("'{} object' can't be sliced", other.kind())),
    })
}

/// Python's rules for the bounds of slices.
fn sliced<T: Clone>(
    items: &[T],
    (start, stop, step): (Option<i128>, Option<i128>, i128),
    meter: &Meter,
) -> Result<Vec<T>> {
    if step == 0 {
        return wrong("slice step cannot be zero");
    }
    meter.look(items.len())?;
    let length = items.len() as i128;
    let (least, most) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let within = |at: Option<i128>, default: i128| match at {
        None => default,
        Some(at) if at < 0 => at.saturating_add(length).clamp(least, most),
        Some(at) => at.clamp(least, most),
    };
    let (from, to) = if step > 0 { (least, most) } else { (most, least) };
    let (mut at, to) = (within(start, from), within(stop, to));
    let mut taken = Vec::new();
    while if step > 0 { at < to } else { at > to } {
        if let Some(item) = usize::try_from(at).ok().and_then(|at| items.get(at)) {
            taken.push(item.clone());
        }
        at = at.saturating_add(step);
    }
    Ok(taken)
}
