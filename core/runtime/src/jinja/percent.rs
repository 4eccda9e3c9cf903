//! Python's `text % values`.

use std::sync::Arc;

use super::failure::{Failure, Result, wrong};
use super::format::{Spec, digits, number_text};
use super::members::lookup;
use super::meter::Meter;
use super::operators::{Number, number};
use super::text::{Buffer, Char, Text};
use super::value::Value;

/// `format % values`.
pub(super) fn format(format: &Text, values: &Value, meter: &Arc<Meter>) -> Result<Text> {
    let mut values = Values { values, next: 0, by_name: false };
    let mut buffer = Buffer::new(meter)?;
    let mut rest = format.chars();
    while let Some(at) = rest.iter().position(|c| c.letter() == '%') {
        buffer.push(&rest[..at])?;
        rest = one(&rest[at + 1..], &mut values, &mut buffer)?;
    }
    buffer.push(rest)?;
    values.done()?;
    Ok(buffer.finish())
}

/// What is behind a percent sign; the rest of the format.
fn one<'c>(chars: &'c [Char], values: &mut Values<'_>, buffer: &mut Buffer) -> Result<&'c [Char]> {
    let meter = Arc::clone(buffer.meter());
    meter.step(1)?;
    let end = chars.iter().position(|c| c.letter().is_alphabetic() || c.letter() == '%');
    // A name in parentheses may hold letters.
    let (name, chars, end) = match chars.first().map(|c| c.letter()) {
        Some('(') => {
            let close = chars.iter().position(|c| c.letter() == ')');
            let Some(close) = close else { return wrong("incomplete format key") };
            let after = &chars[close + 1..];
            let end = after.iter().position(|c| c.letter().is_alphabetic() || c.letter() == '%');
            (Some(&chars[1..close]), after, end)
        }
        _ => (None, chars, end),
    };
    let Some(end) = end else { return wrong("incomplete format") };
    let flags: String = chars[..end].iter().map(|c| c.letter()).collect();
    let kind = chars[end].letter();
    if kind == '%' {
        buffer.push_char(chars[end])?;
        return Ok(&chars[end + 1..]);
    }
    let value = values.next(name, &meter)?;
    let mut spec = Spec::default();
    let options = flags.trim_start_matches(['-', '+', ' ', '#', '0']);
    let given = &flags[..flags.len() - options.len()];
    spec.alternate = given.contains('#');
    spec.sign = given.chars().find(|c| *c == '+').or(given.chars().find(|c| *c == ' '));
    let left = given.contains('-');
    let zeros = given.contains('0') && !left;
    let (width, after) = digits(options);
    spec.width = width.unwrap_or(0);
    spec.precision = after.strip_prefix('.').map(|after| digits(after).0.unwrap_or(0));
    let mut body = Buffer::new(&meter)?;
    let mut sign = String::new();
    match kind {
        's' | 'r' | 'a' => {
            let text = if kind == 's' {
                value.to_text(&meter)?
            } else {
                let mut repr = Buffer::new(&meter)?;
                super::print::repr_into(&value, &mut repr)?;
                repr.finish()
            };
            let chars = text.chars();
            body.push(&chars[..spec.precision.unwrap_or(usize::MAX).min(chars.len())])?;
        }
        'c' if matches!(&value, Value::Text(text) if text.chars().len() == 1) => {
            body.push(value.to_text(&meter)?.chars())?;
        }
        _ => {
            let of = || {
                Failure::Wrong(format!(
                    "%{kind} format: a number is required, not {}",
                    value.kind()
                ))
            };
            let mut given = number(&value).ok_or_else(of)?;
            spec.kind = Some(match kind {
                'i' | 'u' | 'd' => 'd',
                other => other,
            });
            if let (Number::Float(number), 'd' | 'i' | 'u') = (given, kind) {
                #[expect(clippy::cast_possible_truncation, reason = "as Python's int(...)")]
                let whole = number.trunc() as i128;
                given = Number::Int(whole);
            }
            let (own_sign, digits) = number_text(given, &spec)?;
            sign = own_sign;
            body.push_str(&digits)?;
        }
    }
    let body = body.finish();
    let missing = spec.width.saturating_sub(body.chars().len() + sign.len());
    let zeros = zeros && !matches!(kind, 's' | 'r' | 'a' | 'c');
    if !left && !zeros {
        buffer.repeat(&[Char::written(' ')], missing)?;
    }
    buffer.push_str(&sign)?;
    if zeros {
        buffer.repeat(&[Char::written('0')], missing)?;
    }
    buffer.push(body.chars())?;
    if left {
        buffer.repeat(&[Char::written(' ')], missing)?;
    }
    Ok(&chars[end + 1..])
}

/// What is formatted: a tuple's items one by one, a dictionary's by name, or one value.
struct Values<'v> {
    values: &'v Value,
    next: usize,
    by_name: bool,
}

impl Values<'_> {
    fn next(&mut self, name: Option<&[Char]>, meter: &Arc<Meter>) -> Result<Value> {
        if let Some(name) = name {
            let Value::Dict(dict) = self.values else { return wrong("format requires a mapping") };
            self.by_name = true;
            let key = Value::Text(Text::of(name, meter)?);
            let found = lookup(dict, &key, meter)?;
            return found.ok_or_else(|| Failure::Wrong("the format's key is not there".to_owned()));
        }
        self.next += 1;
        let found = match self.values {
            Value::Tuple(list) => list.items().get(self.next - 1).cloned(),
            one if self.next == 1 => Some(one.clone()),
            _ => None,
        };
        found.ok_or_else(|| Failure::Wrong("not enough arguments for format string".to_owned()))
    }

    fn done(&self) -> Result<()> {
        let left = match self.values {
            Value::Tuple(list) => list.items().len() > self.next,
            Value::Dict(_) | Value::List(_) => false,
            _ => self.next == 0 && !self.by_name,
        };
        if left { wrong("not all arguments converted during string formatting") } else { Ok(()) }
    }
}
