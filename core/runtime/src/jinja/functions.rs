//! The functions that templates find, as `transformers` gives them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::arguments::{Arguments, as_text, required};
use super::failure::{Failure, Result, wrong};
use super::meter::Meter;
use super::operators::{equal, integer};
use super::render::Renderer;
use super::text::Text;
use super::value::{Cycler, Dict, Function, Joiner, List, Namespace, Value};

/// Numbers of one `range` at most: the bound of Jinja's sandbox.
const RANGE_MAX: i128 = 100_000;

impl Function {
    /// The function of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "range" => Function::Range,
            "dict" => Function::Dict,
            "namespace" => Function::Namespace,
            "cycler" => Function::Cycler,
            "joiner" => Function::Joiner,
            "raise_exception" => Function::RaiseException,
            "strftime_now" => Function::StrftimeNow,
            _ => return None,
        })
    }
}

/// Calls a function.
pub(super) fn call(
    function: Function,
    arguments: Arguments,
    renderer: &mut Renderer<'_>,
) -> Result<Value> {
    let meter = renderer.meter();
    match function {
        Function::Range => range(arguments, &meter),
        Function::Dict => Ok(Value::Dict(Dict::new(members(arguments, &meter)?, &meter)?)),
        Function::Namespace => namespace(arguments, renderer),
        Function::Cycler => {
            let items = List::new(arguments.positional, &meter)?;
            if items.items().is_empty() {
                return wrong("at least one item has to be provided");
            }
            Ok(Value::Cycler(Rc::new(Cycler { items, at: Cell::new(0) })))
        }
        Function::Joiner => {
            let [separator] = arguments.bind(["sep"])?;
            let separator = match separator {
                Some(separator) => separator,
                None => Value::Text(Text::written(", ", &meter)?),
            };
            Ok(Value::Joiner(Rc::new(Joiner { separator, used: Cell::new(false) })))
        }
        Function::RaiseException => {
            let [message] = arguments.bind(["message"])?;
            let message = required(message, "message")?;
            Err(Failure::Raised(message.to_text(&meter)?.letters()))
        }
        Function::StrftimeNow => {
            let [format] = arguments.bind(["format"])?;
            let format = as_text(format, "", &meter)?.letters();
            let now = renderer.now(&format)?;
            Ok(Value::Text(Text::written(&now, &meter)?))
        }
    }
}

/// What a cycler gives next.
pub(super) fn next_of(cycler: &Cycler, length: usize) -> Value {
    let at = cycler.at.get();
    cycler.at.set((at + 1) % length.max(1));
    cycler.items.items().get(at).cloned().unwrap_or(Value::None)
}

fn range(arguments: Arguments, meter: &Arc<Meter>) -> Result<Value> {
    let of = |value: &Value| {
        let message = || format!("'{}' object cannot be interpreted as an integer", value.kind());
        integer(value).ok_or_else(|| Failure::Wrong(message()))
    };
    let [first, second, step] = arguments.bind(["start", "stop", "step"])?;
    let first = of(&required(first, "stop")?)?;
    let (start, stop) = match second {
        Some(stop) => (first, of(&stop)?),
        None => (0, first),
    };
    let step = step.map_or(Ok(1), |step| of(&step))?;
    if step == 0 {
        return wrong("range() arg 3 must not be zero");
    }
    let span = if step > 0 { stop.saturating_sub(start) } else { start.saturating_sub(stop) };
    let length = span.max(0).saturating_add(step.saturating_abs() - 1) / step.saturating_abs();
    if length > RANGE_MAX {
        return wrong(format!("Range too big. The sandbox blocks ranges larger than {RANGE_MAX}."));
    }
    meter.step(u64::try_from(length).unwrap_or(u64::MAX))?;
    Value::list((0..length).map(|index| Value::Int(start + index * step)).collect(), meter)
}

/// Keys and values: those of a dictionary or of pairs, then those by name.
pub(super) fn members(arguments: Arguments, meter: &Arc<Meter>) -> Result<Vec<(Value, Value)>> {
    let mut members: Vec<(Value, Value)> = Vec::new();
    if arguments.positional.len() > 1 {
        return wrong("dict expected at most 1 argument");
    }
    match arguments.positional.first() {
        None => {}
        Some(Value::Dict(dict)) => members.extend(dict.items().iter().cloned()),
        Some(pairs) => {
            for pair in pairs.iterate(meter)?.items() {
                let pair = pair.iterate(meter)?;
                let [key, value] = pair.items() else {
                    return wrong("a dictionary is made of pairs");
                };
                insert(&mut members, key.clone(), value.clone(), meter)?;
            }
        }
    }
    for (name, value) in arguments.named {
        insert(&mut members, Value::Text(Text::written(&name, meter)?), value, meter)?;
    }
    Ok(members)
}

/// Sets the value of a key, in the place of an equal one.
pub(super) fn insert(
    members: &mut Vec<(Value, Value)>,
    key: Value,
    value: Value,
    meter: &Arc<Meter>,
) -> Result<()> {
    if matches!(key, Value::List(_) | Value::Dict(_)) {
        return wrong(format!("unhashable type: '{}'", key.kind()));
    }
    for (other, old) in members.iter_mut() {
        if equal(other, &key, meter)? {
            *old = value;
            return Ok(());
        }
    }
    members.push((key, value));
    Ok(())
}

fn namespace(arguments: Arguments, renderer: &mut Renderer<'_>) -> Result<Value> {
    let meter = renderer.meter();
    let mut named = Vec::new();
    for (key, value) in members(arguments, &meter)? {
        let Value::Text(name) = key else { return wrong("a namespace's members have names") };
        let name = name.letters();
        if name.starts_with('_') {
            return wrong(format!("a namespace can't have a member '{name}'"));
        }
        named.push((name.into(), value));
    }
    let namespace = Rc::new(Namespace { members: RefCell::new(named) });
    renderer.keep_namespace(&namespace)?;
    Ok(Value::Namespace(namespace))
}
