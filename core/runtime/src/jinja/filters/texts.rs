//! Filters on text.

use std::sync::Arc;

use crate::jinja::arguments::{Arguments, as_text, flag, text, whole};
use crate::jinja::failure::{Result, wrong};
use crate::jinja::meter::Meter;
use crate::jinja::methods::{capitalized, lines, lowered, padded, raised, replaced, stripped};
use crate::jinja::operators::integer;
use crate::jinja::text::{Buffer, Char, Text, escape_into, is_space};
use crate::jinja::value::Value;

pub(super) const NAMES: &[&str] = &[
    "capitalize",
    "center",
    "e",
    "escape",
    "forceescape",
    "format",
    "indent",
    "lower",
    "replace",
    "safe",
    "title",
    "trim",
    "truncate",
    "upper",
    "wordcount",
];

pub(super) fn apply(
    name: &str,
    value: &Value,
    arguments: Arguments,
    meter: &Arc<Meter>,
) -> Result<Value> {
    if name == "format" {
        let given = value.to_text(meter)?;
        let values = match (arguments.positional.is_empty(), arguments.named.is_empty()) {
            (_, true) => Value::tuple(arguments.positional, meter)?,
            (true, _) => {
                let function = crate::jinja::functions::members(arguments, meter)?;
                Value::Dict(crate::jinja::value::Dict::new(function, meter)?)
            }
            _ => return wrong("can't handle positional and keyword arguments at the same time"),
        };
        return crate::jinja::percent::format(&given, &values, meter).map(Value::Text);
    }
    let given = value.to_text(meter)?;
    let chars = given.chars();
    meter.look(chars.len())?;
    let changed = match name {
        "trim" => {
            let [set] = arguments.bind(["chars"])?;
            Text::of(stripped(chars, text(set, "chars")?.as_ref(), (true, true)), meter)
        }
        "replace" => {
            let [old, new, count] = arguments.bind(["old", "new", "count"])?;
            let (old, new) = (as_text(old, "", meter)?, as_text(new, "", meter)?);
            let count = whole(count.filter(|count| !matches!(count, Value::None)), "count", -1)?;
            replaced(chars, old.chars(), new.chars(), count, meter)
        }
        "indent" => indent(chars, arguments, meter),
        "center" => {
            let [width] = arguments.bind(["width"])?;
            padded(chars, "center", whole(width, "width", 80)?, None, meter)
        }
        "truncate" => truncate(chars, arguments, meter),
        "lower" => lowered(chars, meter),
        "upper" => raised(chars, meter),
        "capitalize" => capitalized(chars, meter),
        "title" => title(chars, meter),
        "safe" | "e" | "escape" | "forceescape" => {
            let mut buffer = Buffer::new(meter)?;
            if name == "safe" || name != "forceescape" && given.is_markup() {
                buffer.push(chars)?;
            } else {
                escape_into(chars, &mut buffer)?;
            }
            Ok(buffer.finish_markup())
        }
        "wordcount" => {
            let starts = |at: usize| at == 0 || !is_word(chars[at - 1]);
            let count = (0..chars.len()).filter(|at| is_word(chars[*at]) && starts(*at)).count();
            return Ok(Value::Int(count as i128));
        }
        _ => return wrong(format!("No filter named '{name}'.")),
    };
    changed.map(Value::Text)
}

fn is_word(c: Char) -> bool {
    c.letter().is_alphanumeric() || c.letter() == '_'
}

fn indent(chars: &[Char], arguments: Arguments, meter: &Arc<Meter>) -> Result<Text> {
    let [width, first, blank] = arguments.bind(["width", "first", "blank"])?;
    let indention = match width {
        Some(Value::Text(text)) => text,
        width => {
            let mut buffer = Buffer::new(meter)?;
            let width = usize::try_from(whole(width, "width", 4)?).unwrap_or(0);
            buffer.repeat(&[Char::written(' ')], width)?;
            buffer.finish()
        }
    };
    let (first, blank) = (flag(first, false), flag(blank, false));
    // Jinja adds a newline, and splits then.
    let mut ended = chars.to_vec();
    ended.push(Char::written('\n'));
    let mut buffer = Buffer::new(meter)?;
    if first {
        buffer.push(indention.chars())?;
    }
    for (index, line) in lines(&ended, false).into_iter().enumerate() {
        if index > 0 {
            buffer.push_str("\n")?;
            if blank || !line.is_empty() {
                buffer.push(indention.chars())?;
            }
        }
        buffer.push(line)?;
    }
    Ok(buffer.finish())
}

fn truncate(chars: &[Char], arguments: Arguments, meter: &Arc<Meter>) -> Result<Text> {
    let [length, killwords, end, leeway] =
        arguments.bind(["length", "killwords", "end", "leeway"])?;
    let length = usize::try_from(whole(length, "length", 255)?).unwrap_or(0);
    let end = as_text(end, "...", meter)?;
    let leeway = leeway.as_ref().and_then(integer).unwrap_or(5);
    if chars.len() as i128 <= length as i128 + leeway {
        return Text::of(chars, meter);
    }
    let kept = &chars[..length.saturating_sub(end.chars().len()).min(chars.len())];
    let cut = match kept.iter().rposition(|c| c.letter() == ' ') {
        Some(at) if !flag(killwords, false) => &kept[..at],
        _ => kept,
    };
    let mut buffer = Buffer::new(meter)?;
    buffer.push(cut)?;
    buffer.push(end.chars())?;
    Ok(buffer.finish())
}

/// Each word's first letter capital; words are parted by white space, hyphens and brackets.
fn title(chars: &[Char], meter: &Arc<Meter>) -> Result<Text> {
    let parts = |c: Char| is_space(c.letter()) || matches!(c.letter(), '-' | '(' | '{' | '[' | '<');
    let mut buffer = Buffer::new(meter)?;
    let mut from = 0;
    while from < chars.len() {
        let parting = parts(chars[from]);
        let end = chars[from..].iter().position(|c| parts(*c) != parting);
        let end = end.map_or(chars.len(), |end| from + end);
        let word = &chars[from..end];
        buffer.push(
            if parting { Text::of(word, meter)? } else { capitalized(word, meter)? }.chars(),
        )?;
        from = end;
    }
    Ok(buffer.finish())
}
