//! Values as text, as Python prints them.

use super::failure::{Result, wrong};
use super::text::{Buffer, Char};
use super::value::Value;

/// Python's `str(value)`, appended.
pub(super) fn str_into(value: &Value, buffer: &mut Buffer) -> Result<()> {
    match value {
        Value::Undefined(_) => Ok(()),
        Value::Text(text) => buffer.push(text.chars()),
        Value::Joiner(_) | Value::Cycler(_) => wrong(format!("{} is no text", value.kind())),
        other => repr_into(other, buffer),
    }
}

/// Python's `repr(value)`, appended.
pub(super) fn repr_into(value: &Value, buffer: &mut Buffer) -> Result<()> {
    buffer.meter().step(1)?;
    match value {
        Value::Undefined(_) => buffer.push_str("Undefined"),
        Value::None => buffer.push_str("None"),
        Value::Bool(true) => buffer.push_str("True"),
        Value::Bool(false) => buffer.push_str("False"),
        Value::Int(number) => buffer.push_str(&number.to_string()),
        Value::Float(number) => buffer.push_str(&float(*number)),
        Value::Text(text) => quoted_into(text.chars(), buffer),
        Value::List(list) => {
            buffer.push_str("[")?;
            items_into(list.items(), buffer)?;
            buffer.push_str("]")
        }
        Value::Tuple(list) => {
            buffer.push_str("(")?;
            items_into(list.items(), buffer)?;
            buffer.push_str(if list.items().len() == 1 { ",)" } else { ")" })
        }
        Value::Dict(dict) => {
            buffer.push_str("{")?;
            for (index, (key, value)) in dict.items().iter().enumerate() {
                if index > 0 {
                    buffer.push_str(", ")?;
                }
                repr_into(key, buffer)?;
                buffer.push_str(": ")?;
                repr_into(value, buffer)?;
            }
            buffer.push_str("}")
        }
        Value::Macro(closure) => buffer.push_str(&format!("<Macro '{}'>", closure.definition.name)),
        Value::Loop(state) => buffer.push_str(&format!(
            "<LoopContext {}/{}>",
            state.index.get() + 1,
            state.items.items().len()
        )),
        // Python prints an address.
        other => wrong(format!("a {} can't be printed", other.kind())),
    }
}

fn items_into(items: &[Value], buffer: &mut Buffer) -> Result<()> {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            buffer.push_str(", ")?;
        }
        repr_into(item, buffer)?;
    }
    Ok(())
}

/// In single quotes, unless there are such in it and no double ones.
fn quoted_into(chars: &[Char], buffer: &mut Buffer) -> Result<()> {
    let has = |quote| chars.iter().any(|c| c.letter() == quote);
    let quote = if has('\'') && !has('"') { '"' } else { '\'' };
    buffer.push_char(Char::written(quote))?;
    for c in chars {
        let letter = c.letter();
        let escaped = match letter {
            '\\' => "\\\\".to_owned(),
            '\n' => "\\n".to_owned(),
            '\r' => "\\r".to_owned(),
            '\t' => "\\t".to_owned(),
            letter if letter == quote => format!("\\{letter}"),
            ' ' => " ".to_owned(),
            letter if is_printable(letter) => {
                buffer.push_char(*c)?;
                continue;
            }
            letter => match u32::from(letter) {
                code @ 0..=0xff => format!("\\x{code:02x}"),
                code @ 0x100..=0xffff => format!("\\u{code:04x}"),
                code => format!("\\U{code:08x}"),
            },
        };
        buffer.extend(escaped.chars().map(|letter| c.with(letter)))?;
    }
    buffer.push_char(Char::written(quote))
}

/// Python's `str.isprintable`, but for the space. Rust's debug form of a text escapes the same
/// characters, but for spaces; behind a letter, since it escapes a combining mark at the start.
fn is_printable(letter: char) -> bool {
    !letter.is_whitespace() && format!("a{letter}").escape_debug().eq(['a', letter])
        || matches!(letter, '"' | '\'')
}

/// The shortest decimal that is the number, as Python writes it.
pub(super) fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    // `1.5e-7`: the shortest digits, and the exponent.
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if number != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = format!("{number}");
    if plain.contains('.') { plain } else { plain + ".0" }
}
