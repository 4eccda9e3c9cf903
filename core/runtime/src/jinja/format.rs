//! Python's `str.format`, and how it writes a value by a specification.

use std::sync::Arc;

use super::arguments::Arguments;
use super::failure::{Failure, Result, wrong};
use super::members::{attribute, item, lookup};
use super::meter::Meter;
use super::operators::{Number, number};
use super::text::{Buffer, Char, Text};
use super::value::Value;

/// The name under which `format_map` passes its dictionary; no field can have it.
pub(super) const MAP: &str = "{";

/// Digits after the point at most.
const PRECISION_MAX: usize = 400;

/// How a value is written.
#[derive(Clone, Debug, Default)]
pub(super) struct Spec {
    pub(super) fill: Option<Char>,
    /// `<`, `>`, `^` or `=`.
    pub(super) align: Option<char>,
    /// `+`, `-` or a space.
    pub(super) sign: Option<char>,
    pub(super) alternate: bool,
    pub(super) width: usize,
    pub(super) grouping: Option<char>,
    pub(super) precision: Option<usize>,
    pub(super) kind: Option<char>,
}

/// `text.format(...)`.
pub(super) fn format(text: &Text, arguments: Arguments, meter: &Arc<Meter>) -> Result<Text> {
    let mut fields = Fields { arguments, next: 0, meter };
    let mut buffer = Buffer::new(meter)?;
    let mut rest = text.chars();
    while let Some((c, after)) = rest.split_first() {
        meter.step(1)?;
        match (c.letter(), after.first().map(|c| c.letter())) {
            ('{', Some('{')) | ('}', Some('}')) => {
                buffer.push_char(*c)?;
                rest = &after[1..];
            }
            ('{', _) => {
                let end = field_end(after)?;
                fields.write(&after[..end], &mut buffer)?;
                rest = &after[end + 1..];
            }
            ('}', _) => return wrong("Single '}' encountered in format string"),
            _ => {
                buffer.push_char(*c)?;
                rest = after;
            }
        }
    }
    Ok(buffer.finish())
}

/// Where a field's closing brace is; fields may stand inside its specification.
fn field_end(chars: &[Char]) -> Result<usize> {
    let mut open = 1;
    for (index, c) in chars.iter().enumerate() {
        match c.letter() {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Ok(index);
        }
    }
    wrong("expected '}' before end of string")
}

struct Fields<'m> {
    arguments: Arguments,
    next: usize,
    meter: &'m Arc<Meter>,
}

impl Fields<'_> {
    fn write(&mut self, field: &[Char], buffer: &mut Buffer) -> Result<()> {
        let colon = field.iter().position(|c| c.letter() == ':');
        let (name, spec) = match colon {
            Some(at) => (&field[..at], &field[at + 1..]),
            None => (field, &field[..0]),
        };
        let bang = name.iter().position(|c| c.letter() == '!');
        let (name, conversion) = match bang {
            Some(at) => (&name[..at], name.get(at + 1).map(|c| c.letter())),
            None => (name, None),
        };
        let value = self.value(name)?;
        // A specification may hold fields itself, one level deep.
        let spec = if spec.iter().any(|c| c.letter() == '{') {
            let mut filled = Buffer::new(self.meter)?;
            let mut rest = spec;
            while let Some((c, after)) = rest.split_first() {
                if c.letter() == '{' {
                    let end = field_end(after)?;
                    let inner = self.value(&after[..end])?;
                    super::print::str_into(&inner, &mut filled)?;
                    rest = &after[end + 1..];
                } else {
                    filled.push_char(*c)?;
                    rest = after;
                }
            }
            filled.finish()
        } else {
            Text::of(spec, self.meter)?
        };
        let value = match conversion {
            None => value,
            Some('s') => Value::Text(value.to_text(self.meter)?),
            Some('r') => {
                let mut repr = Buffer::new(self.meter)?;
                super::print::repr_into(&value, &mut repr)?;
                Value::Text(repr.finish())
            }
            Some(other) => return wrong(format!("Unknown conversion specifier {other:?}")),
        };
        by_spec(&value, &Spec::parse(spec.chars())?, buffer)
    }

    /// `0`, `name`, `name.member`, `name[key]`, or nothing for the next one.
    fn value(&mut self, path: &[Char]) -> Result<Value> {
        let path: String = path.iter().map(|c| c.letter()).collect();
        let end = path.find(['.', '[']).unwrap_or(path.len());
        let (first, mut rest) = path.split_at(end);
        let mut value = self.first(first)?;
        while !rest.is_empty() {
            self.meter.step(1)?;
            if let Some(member) = rest.strip_prefix('.') {
                let end = member.find(['.', '[']).unwrap_or(member.len());
                value = attribute(&value, &member[..end], self.meter)?;
                rest = &member[end..];
            } else {
                let inside = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
                let Some((key, after)) = inside else {
                    return wrong("Missing ']' in format string");
                };
                let key = match key.parse::<i64>() {
                    Ok(index) => Value::Int(index.into()),
                    Err(_) => Value::Text(Text::written(key, self.meter)?),
                };
                value = item(&value, &key, self.meter)?;
                rest = after;
            }
        }
        Ok(value)
    }

    fn first(&mut self, name: &str) -> Result<Value> {
        let index = if name.is_empty() {
            self.next += 1;
            Some(self.next - 1)
        } else {
            name.parse::<usize>().ok()
        };
        let found = match index {
            Some(index) => self.arguments.positional.get(index).cloned(),
            None => {
                let named = &self.arguments.named;
                match named.first() {
                    Some((map, Value::Dict(dict))) if **map == *MAP => {
                        let key = Value::Text(Text::written(name, self.meter)?);
                        lookup(dict, &key, self.meter)?
                    }
                    _ => named.iter().find(|(n, _)| **n == *name).map(|(_, value)| value.clone()),
                }
            }
        };
        found.ok_or_else(|| Failure::Wrong(format!("format has no argument '{name}'")))
    }
}

impl Spec {
    fn parse(chars: &[Char]) -> Result<Self> {
        let mut spec = Self::default();
        let is_align = |c: &Char| matches!(c.letter(), '<' | '>' | '^' | '=');
        let mut rest = chars;
        match rest {
            [fill, align, ..] if is_align(align) => {
                spec.fill = Some(*fill);
                spec.align = Some(align.letter());
                rest = &rest[2..];
            }
            [align, ..] if is_align(align) => {
                spec.align = Some(align.letter());
                rest = &rest[1..];
            }
            _ => {}
        }
        let rest: String = rest.iter().map(|c| c.letter()).collect();
        let mut rest = rest.as_str();
        if let Some(sign) = rest.chars().next().filter(|c| matches!(c, '+' | '-' | ' ')) {
            spec.sign = Some(sign);
            rest = &rest[1..];
        }
        if let Some(after) = rest.strip_prefix('#') {
            spec.alternate = true;
            rest = after;
        }
        if let Some(after) = rest.strip_prefix('0') {
            spec.fill = spec.fill.or(Some(Char::written('0')));
            spec.align = spec.align.or(Some('='));
            rest = after;
        }
        let (width, after) = digits(rest);
        spec.width = width.unwrap_or(0);
        rest = after;
        if let Some(grouping) = rest.chars().next().filter(|c| matches!(c, ',' | '_')) {
            spec.grouping = Some(grouping);
            rest = &rest[1..];
        }
        if let Some(after) = rest.strip_prefix('.') {
            let (precision, after) = digits(after);
            let Some(precision) = precision else {
                return wrong("Format specifier missing precision");
            };
            spec.precision = Some(precision);
            rest = after;
        }
        let mut rest = rest.chars();
        spec.kind = rest.next();
        if rest.next().is_some() {
            return wrong("Invalid format specifier");
        }
        Ok(spec)
    }
}

/// The number at the beginning, and what follows it.
pub(super) fn digits(text: &str) -> (Option<usize>, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    if end == 0 {
        return (None, text);
    }
    (Some(text[..end].parse().unwrap_or(usize::MAX)), &text[end..])
}

/// `value` by its specification, appended.
pub(super) fn by_spec(value: &Value, spec: &Spec, buffer: &mut Buffer) -> Result<()> {
    let textual =
        matches!(spec.kind, None | Some('s')) && !matches!(value, Value::Int(_) | Value::Float(_));
    match number(value) {
        Some(number) if !textual => {
            let (sign, body) = number_text(number, spec)?;
            let body: Vec<Char> = body.chars().map(Char::written).collect();
            let sign: Vec<Char> = sign.chars().map(Char::written).collect();
            place(&sign, &body, spec, '>', buffer)
        }
        _ if !textual && !matches!(spec.kind, None | Some('s')) => wrong(format!(
            "Unknown format code {:?} for '{}'",
            spec.kind.unwrap_or('?'),
            value.kind()
        )),
        _ => {
            let text = value.to_text(buffer.meter())?;
            let chars = text.chars();
            let shown = &chars[..spec.precision.unwrap_or(usize::MAX).min(chars.len())];
            place(&[], shown, spec, '<', buffer)
        }
    }
}

fn place(
    sign: &[Char],
    body: &[Char],
    spec: &Spec,
    default_align: char,
    buffer: &mut Buffer,
) -> Result<()> {
    let fill = spec.fill.unwrap_or(Char::written(' '));
    let missing = spec.width.saturating_sub(sign.len() + body.len());
    let align = spec.align.unwrap_or(default_align);
    let (before, after) = match align {
        '<' => (0, missing),
        '^' => (missing / 2, missing - missing / 2),
        _ => (missing, 0),
    };
    if align == '=' {
        buffer.push(sign)?;
        buffer.repeat(&[fill], before)?;
    } else {
        buffer.repeat(&[fill], before)?;
        buffer.push(sign)?;
    }
    buffer.push(body)?;
    buffer.repeat(&[fill], after)
}

/// A number's sign and its digits.
pub(super) fn number_text(number: Number, spec: &Spec) -> Result<(String, String)> {
    let precision = spec.precision.unwrap_or(6);
    if precision > PRECISION_MAX {
        return wrong(format!("a precision of {precision}; at most {PRECISION_MAX}"));
    }
    let negative = match number {
        Number::Int(number) => number < 0,
        Number::Float(number) => number.is_sign_negative() && !number.is_nan(),
    };
    let kind = spec.kind.unwrap_or(match number {
        Number::Int(_) => 'd',
        Number::Float(_) => '\0',
    });
    let magnitude = number.float().abs();
    let body = match (kind, number) {
        ('d' | 'n', Number::Int(number)) => number.unsigned_abs().to_string(),
        ('x', Number::Int(number)) => {
            format!("{}{:x}", if spec.alternate { "0x" } else { "" }, number.unsigned_abs())
        }
        ('X', Number::Int(number)) => {
            format!("{}{:X}", if spec.alternate { "0X" } else { "" }, number.unsigned_abs())
        }
        ('o', Number::Int(number)) => {
            format!("{}{:o}", if spec.alternate { "0o" } else { "" }, number.unsigned_abs())
        }
        ('b', Number::Int(number)) => {
            format!("{}{:b}", if spec.alternate { "0b" } else { "" }, number.unsigned_abs())
        }
        ('c', Number::Int(number)) => {
            let letter = u32::try_from(number).ok().and_then(char::from_u32);
            letter.map(String::from).ok_or_else(|| Failure::Wrong("no character".to_owned()))?
        }
        ('f' | 'F', _) => format!("{magnitude:.precision$}"),
        ('%', _) => format!("{:.precision$}%", magnitude * 100.0),
        ('e' | 'E', _) => {
            let text = format!("{magnitude:.precision$e}");
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let exponent: i32 = exponent.parse().unwrap_or(0);
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}{kind}{sign}{:02}", exponent.abs())
        }
        ('g' | 'G', _) => general(magnitude, precision.max(1)),
        ('\0', _) if spec.precision.is_some() => general(magnitude, precision.max(1)),
        ('\0', _) => super::print::float(magnitude),
        _ => return wrong(format!("Unknown format code {kind:?} for a number")),
    };
    let sign = match (negative, spec.sign) {
        (true, _) => "-".to_owned(),
        (false, Some('+')) => "+".to_owned(),
        (false, Some(' ')) => " ".to_owned(),
        _ => String::new(),
    };
    Ok((sign, grouped(&body, spec.grouping)))
}

/// As many significant digits as asked for, without zeros at the end.
fn general(magnitude: f64, precision: usize) -> String {
    let scientific = format!("{magnitude:.*e}", precision - 1);
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if exponent < -4 || exponent >= i32::try_from(precision).unwrap_or(i32::MAX) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trimmed(digits), exponent.abs());
    }
    let decimals = usize::try_from(precision as i64 - 1 - i64::from(exponent)).unwrap_or(0);
    trimmed(&format!("{magnitude:.decimals$}"))
}

fn grouped(body: &str, grouping: Option<char>) -> String {
    let Some(grouping) = grouping else { return body.to_owned() };
    let end = body.find(|c: char| !c.is_ascii_digit()).unwrap_or(body.len());
    let mut text = String::new();
    for (index, digit) in body[..end].chars().enumerate() {
        if index > 0 && (end - index) % 3 == 0 {
            text.push(grouping);
        }
        text.push(digit);
    }
    text + &body[end..]
}
