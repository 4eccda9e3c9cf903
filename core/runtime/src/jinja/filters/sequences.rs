//! Filters on several values.

use std::sync::Arc;

use crate::jinja::arguments::{Arguments, flag, required, text, whole};
use crate::jinja::failure::{Failure, Result, wrong};
use crate::jinja::members::{attribute, item};
use crate::jinja::meter::{Charge, Meter};
use crate::jinja::methods::{lowered, pairs};
use crate::jinja::operators::{self, equal, order};
use crate::jinja::render::Renderer;
use crate::jinja::syntax::Operator;
use crate::jinja::text::{Buffer, Text};
use crate::jinja::value::{List, Value};

pub(super) const NAMES: &[&str] = &[
    "attr",
    "batch",
    "groupby",
    "join",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "reverse",
    "select",
    "selectattr",
    "slice",
    "sort",
    "sum",
    "unique",
];

pub(super) fn apply(
    name: &str,
    value: &Value,
    arguments: Arguments,
    renderer: &mut Renderer<'_>,
) -> Result<Value> {
    let meter = renderer.meter();
    match name {
        "map" => map(value, arguments, renderer),
        "select" | "reject" => choose(value, arguments, (name == "select", false), renderer),
        "selectattr" | "rejectattr" => {
            choose(value, arguments, (name == "selectattr", true), renderer)
        }
        "join" => join(value, arguments, &meter),
        "attr" => {
            let [name] = arguments.bind(["name"])?;
            let name = required(name, "name")?.to_text(&meter)?.letters();
            match value {
                Value::Dict(_) => Ok(Value::undefined(format!("no attribute '{name}'"))),
                other => attribute(other, &name, &meter),
            }
        }
        "reverse" => {
            arguments.bind([])?;
            reverse(value, &meter)
        }
        "sort" => sort(value, arguments, &meter),
        "unique" => unique(value, arguments, &meter),
        "min" | "max" => extreme(value, name, arguments, &meter),
        "sum" => sum(value, arguments, &meter),
        "batch" => batch(value, arguments, &meter),
        "slice" => slices(value, arguments, &meter),
        _ => group(value, arguments, &meter),
    }
}

fn map(value: &Value, mut arguments: Arguments, renderer: &mut Renderer<'_>) -> Result<Value> {
    let meter = renderer.meter();
    let items = truthy(value, &meter)?;
    let mut mapped = Vec::new();
    let by_attribute = arguments.named.iter().any(|(name, _)| **name == *"attribute");
    if arguments.positional.is_empty() && by_attribute {
        let [path, default] = arguments.bind(["attribute", "default"])?;
        let path = required(path, "attribute")?;
        for one in items.items() {
            mapped.push(by_path(one, &path, default.as_ref(), &meter)?);
        }
    } else {
        if arguments.positional.is_empty() {
            return wrong("map requires a filter argument");
        }
        let name = required(Some(arguments.positional.remove(0)), "filter")?;
        let name = name.to_text(&meter)?.letters();
        for one in items.items() {
            let again = copied(&arguments);
            let filtered = renderer.deeper(|r| super::apply(&name, one.clone(), again, r))?;
            mapped.push(filtered);
        }
    }
    Value::stream(mapped, &meter)
}

/// What `value` holds; nothing where it is false, whatever it is.
fn truthy(value: &Value, meter: &Arc<Meter>) -> Result<List> {
    if value.is_true() { value.iterate(meter) } else { List::new(Vec::new(), meter) }
}

fn copied(arguments: &Arguments) -> Arguments {
    Arguments { positional: arguments.positional.clone(), named: arguments.named.clone() }
}

/// What passes a test, or does not: `(passing, of an attribute)`.
fn choose(
    value: &Value,
    mut arguments: Arguments,
    (passing, of_attribute): (bool, bool),
    renderer: &mut Renderer<'_>,
) -> Result<Value> {
    let meter = renderer.meter();
    let items = truthy(value, &meter)?;
    let mut take = |what: &str| {
        if arguments.positional.is_empty() {
            return wrong(format!("missing parameter for {what}"));
        }
        Ok(arguments.positional.remove(0))
    };
    let path = if of_attribute { Some(take("attribute name")?) } else { None };
    let test = match take("test") {
        Ok(name) => Some(name.to_text(&meter)?.letters()),
        Err(_) => None,
    };
    let mut chosen = Vec::new();
    for one in items.items() {
        meter.step(1)?;
        let tested = match &path {
            Some(path) => by_path(one, path, None, &meter)?,
            None => one.clone(),
        };
        let passes = match &test {
            Some(test) => crate::jinja::checks::test(test, &tested, copied(&arguments), renderer)?,
            None => tested.is_true(),
        };
        if passes == passing {
            chosen.push(one.clone());
        }
    }
    Value::stream(chosen, &meter)
}

/// The member at a path like `function.name`; `default` stands for what is not there.
fn by_path(
    value: &Value,
    path: &Value,
    default: Option<&Value>,
    meter: &Arc<Meter>,
) -> Result<Value> {
    let found = match path {
        Value::Text(path) => {
            let mut found = value.clone();
            for part in path.letters().split('.') {
                let key = match part.parse::<u32>() {
                    Ok(index) => Value::Int(index.into()),
                    Err(_) => Value::Text(Text::written(part, meter)?),
                };
                found = item(&found, &key, meter)?;
                if let (Value::Undefined(_), Some(default)) = (&found, default) {
                    found = default.clone();
                }
            }
            found
        }
        index => item(value, index, meter)?,
    };
    Ok(found)
}

fn join(value: &Value, arguments: Arguments, meter: &Arc<Meter>) -> Result<Value> {
    let [separator, path] = arguments.bind(["d", "attribute"])?;
    let separator = crate::jinja::arguments::as_text(separator, "", meter)?;
    let mut buffer = Buffer::new(meter)?;
    for (index, one) in value.iterate(meter)?.items().iter().enumerate() {
        if index > 0 {
            buffer.push(separator.chars())?;
        }
        let one = match &path {
            Some(path) if !matches!(path, Value::None) => by_path(one, path, None, meter)?,
            _ => one.clone(),
        };
        crate::jinja::print::str_into(&one, &mut buffer)?;
    }
    Ok(Value::Text(buffer.finish()))
}

fn reverse(value: &Value, meter: &Arc<Meter>) -> Result<Value> {
    if let Value::Text(text) = value {
        let mut chars = text.chars().to_vec();
        chars.reverse();
        return Ok(Value::Text(Text::of(&chars, meter)?));
    }
    let mut items = value.iterate(meter)?.items().to_vec();
    items.reverse();
    Value::stream(items, meter)
}

/// What an item is sorted by: small letters, unless case counts.
fn sort_key(value: Value, case_sensitive: bool, meter: &Arc<Meter>) -> Result<Value> {
    match value {
        Value::Text(text) if !case_sensitive => Ok(Value::Text(lowered(text.chars(), meter)?)),
        other => Ok(other),
    }
}

fn sorted(
    items: &[Value],
    mut key: impl FnMut(&Value) -> Result<Value>,
    reverse: bool,
    meter: &Arc<Meter>,
) -> Result<Vec<(Value, Value)>> {
    let mut keyed = Vec::new();
    for item in items {
        keyed.push((key(item)?, item.clone()));
    }
    // Python keeps the order of equals when it sorts the other way round, too.
    if reverse {
        keyed.reverse();
    }
    operators::sort(&mut keyed, |(key, _)| key.clone(), meter)?;
    if reverse {
        keyed.reverse();
    }
    Ok(keyed)
}

fn sort(value: &Value, arguments: Arguments, meter: &Arc<Meter>) -> Result<Value> {
    let [reverse, case_sensitive, path] =
        arguments.bind(["reverse", "case_sensitive", "attribute"])?;
    let case_sensitive = flag(case_sensitive, false);
    let items = value.iterate(meter)?;
    let key = |one: &Value| keyed(one, path.as_ref(), case_sensitive, meter);
    let sorted = sorted(items.items(), key, flag(reverse, false), meter)?;
    Value::list(sorted.into_iter().map(|(_, item)| item).collect(), meter)
}

/// The key of an item by one path, or by several that commas part.
fn keyed(
    one: &Value,
    path: Option<&Value>,
    case_sensitive: bool,
    meter: &Arc<Meter>,
) -> Result<Value> {
    let Some(path) = path.filter(|path| !matches!(path, Value::None)) else {
        return sort_key(one.clone(), case_sensitive, meter);
    };
    match path {
        Value::Text(paths) if paths.letters().contains(',') => {
            let mut keys = Vec::new();
            for path in paths.letters().split(',') {
                let path = Value::Text(Text::written(path, meter)?);
                keys.push(sort_key(by_path(one, &path, None, meter)?, case_sensitive, meter)?);
            }
            Value::list(keys, meter)
        }
        path => sort_key(by_path(one, path, None, meter)?, case_sensitive, meter),
    }
}

/// `dictsort`.
pub(super) fn dictsort(value: &Value, arguments: Arguments, meter: &Arc<Meter>) -> Result<Value> {
    let [case_sensitive, by, reverse] = arguments.bind(["case_sensitive", "by", "reverse"])?;
    let Value::Dict(dict) = value else {
        return wrong(format!("'{}' object has no attribute 'items'", value.kind()));
    };
    let by = match text(by, "by")?.map(|by| by.letters()).as_deref() {
        None | Some("key") => 0,
        Some("value") => 1,
        Some(_) => return wrong("You can only sort by either \"key\" or \"value\""),
    };
    let case_sensitive = flag(case_sensitive, false);
    let key = |pair: &Value| sort_key(item(pair, &Value::Int(by), meter)?, case_sensitive, meter);
    let sorted = sorted(&pairs(dict, meter)?, key, flag(reverse, false), meter)?;
    Value::list(sorted.into_iter().map(|(_, pair)| pair).collect(), meter)
}

fn unique(value: &Value, arguments: Arguments, meter: &Arc<Meter>) -> Result<Value> {
    let [case_sensitive, path] = arguments.bind(["case_sensitive", "attribute"])?;
    let case_sensitive = flag(case_sensitive, false);
    let mut seen: Vec<Value> = Vec::new();
    let mut kept = Vec::new();
    for one in value.iterate(meter)?.items() {
        let key = keyed(one, path.as_ref(), case_sensitive, meter)?;
        let mut is_new = true;
        for other in &seen {
            if equal(other, &key, meter)? {
                is_new = false;
                break;
            }
        }
        if is_new {
            seen.push(key);
            kept.push(one.clone());
        }
    }
    Value::stream(kept, meter)
}

fn extreme(value: &Value, name: &str, arguments: Arguments, meter: &Arc<Meter>) -> Result<Value> {
    let [case_sensitive, path] = arguments.bind(["case_sensitive", "attribute"])?;
    let case_sensitive = flag(case_sensitive, false);
    let mut best: Option<(Value, Value)> = None;
    for one in value.iterate(meter)?.items() {
        let key = keyed(one, path.as_ref(), case_sensitive, meter)?;
        let better = match &best {
            None => true,
            Some((other, _)) => {
                let order = order(&key, other, meter)?;
                order.is_some_and(|order| if name == "min" { order.is_lt() } else { order.is_gt() })
            }
        };
        if better {
            best = Some((key, one.clone()));
        }
    }
    let undefined = || Value::undefined("No aggregated item, sequence was empty.");
    Ok(best.map_or_else(undefined, |(_, item)| item))
}

fn sum(value: &Value, arguments: Arguments, meter: &Arc<Meter>) -> Result<Value> {
    let [path, start] = arguments.bind(["attribute", "start"])?;
    let mut sum = start.unwrap_or(Value::Int(0));
    if matches!(sum, Value::Text(_)) {
        return wrong("sum() can't sum strings");
    }
    for one in value.iterate(meter)?.items() {
        let one = match &path {
            Some(path) if !matches!(path, Value::None) => by_path(one, path, None, meter)?,
            _ => one.clone(),
        };
        sum = operators::apply(Operator::Add, &sum, &one, meter)?;
    }
    Ok(sum)
}

fn batch(value: &Value, arguments: Arguments, meter: &Arc<Meter>) -> Result<Value> {
    let [size, fill] = arguments.bind(["linecount", "fill_with"])?;
    let size = usize::try_from(whole(size, "linecount", 0)?).unwrap_or(0);
    let Some(size) = Some(size).filter(|size| *size > 0) else {
        return wrong("batch takes a count of at least 1");
    };
    let fill = fill.filter(|fill| !matches!(fill, Value::None));
    let mut batches = Vec::new();
    for part in value.iterate(meter)?.items().chunks(size) {
        let mut part = part.to_vec();
        if let Some(fill) = &fill {
            meter.step(size as u64)?;
            // Charged before it is made.
            let _charge = Charge::new(meter, size.saturating_mul(size_of::<Value>()))?;
            part.resize(size, fill.clone());
        }
        batches.push(Value::list(part, meter)?);
    }
    Value::stream(batches, meter)
}

/// So many parts of about the same length.
fn slices(value: &Value, arguments: Arguments, meter: &Arc<Meter>) -> Result<Value> {
    let [count, fill] = arguments.bind(["slices", "fill_with"])?;
    let count = usize::try_from(whole(count, "slices", 0)?).unwrap_or(0);
    let items = value.iterate(meter)?;
    let items = items.items();
    let (Some(each), Some(longer)) =
        (items.len().checked_div(count), items.len().checked_rem(count))
    else {
        return wrong("slice takes a count of at least 1");
    };
    meter.step(count as u64)?;
    let fill = fill.filter(|fill| !matches!(fill, Value::None));
    let mut parts = Vec::new();
    let mut from = 0;
    for index in 0..count {
        let length = each + usize::from(index < longer);
        let mut part = items.get(from..from + length).unwrap_or_default().to_vec();
        if let Some(fill) = &fill
            && index >= longer
        {
            part.push(fill.clone());
        }
        from += length;
        parts.push(Value::list(part, meter)?);
    }
    Value::stream(parts, meter)
}

/// Items by what they have in common: pairs of that and a list.
fn group(value: &Value, arguments: Arguments, meter: &Arc<Meter>) -> Result<Value> {
    let [path, default, case_sensitive] =
        arguments.bind(["attribute", "default", "case_sensitive"])?;
    let path = required(path, "attribute")?;
    let case_sensitive = flag(case_sensitive, false);
    let of = |one: &Value| by_path(one, &path, default.as_ref(), meter);
    let items = value.iterate(meter)?;
    let key = |one: &Value| sort_key(of(one)?, case_sensitive, meter);
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    for (key, one) in sorted(items.items(), key, false, meter)? {
        match groups.last_mut() {
            Some((last, members)) if equal(last, &key, meter)? => members.push(one),
            _ => groups.push((key, vec![one])),
        }
    }
    let mut named = Vec::new();
    for (_, members) in groups {
        let first = members.first().ok_or_else(|| Failure::Wrong("an empty group".to_owned()))?;
        let grouper = of(first)?;
        named.push(Value::tuple(vec![grouper, Value::list(members, meter)?], meter)?);
    }
    Value::list(named, meter)
}
