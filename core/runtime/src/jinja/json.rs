//! `tojson`, as `transformers` defines it: Python's `json.dumps`.

use super::failure::{Result, wrong};
use super::print::float;
use super::text::{Buffer, Char};
use super::value::Value;

/// What `json.dumps` is told.
#[derive(Debug)]
pub(super) struct Style {
    pub(super) ensure_ascii: bool,
    /// What each level is indented by.
    pub(super) indent: Option<Vec<Char>>,
    pub(super) between_items: Vec<Char>,
    pub(super) after_key: Vec<Char>,
    pub(super) sort_keys: bool,
}

/// JSON of `value`, appended.
pub(super) fn write(value: &Value, style: &Style, buffer: &mut Buffer) -> Result<()> {
    Writer { style, level: 0 }.value(value, buffer)
}

struct Writer<'s> {
    style: &'s Style,
    level: usize,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, buffer: &mut Buffer) -> Result<()> {
        buffer.meter().step(1)?;
        match value {
            Value::None => buffer.push_str("null"),
            Value::Bool(true) => buffer.push_str("true"),
            Value::Bool(false) => buffer.push_str("false"),
            Value::Int(number) => buffer.push_str(&number.to_string()),
            Value::Float(number) => buffer.push_str(&json_float(*number)),
            Value::Text(text) => self.text(text.chars(), buffer),
            Value::List(list) | Value::Tuple(list) => {
                self.all('[', ']', list.items(), buffer, |this, item, buffer| {
                    this.value(item, buffer)
                })
            }
            Value::Dict(dict) => {
                let mut items = dict.items().to_vec();
                if self.style.sort_keys {
                    buffer.meter().step(items.len() as u64)?;
                    super::operators::sort(&mut items, |(key, _)| key.clone(), buffer.meter())?;
                }
                self.all('{', '}', &items, buffer, |this, (key, value), buffer| {
                    this.key(key, buffer)?;
                    buffer.push(&this.style.after_key)?;
                    this.value(value, buffer)
                })
            }
            other => wrong(format!("Object of type {} is not JSON serializable", other.kind())),
        }
    }

    fn all<T>(
        &mut self,
        open: char,
        close: char,
        items: &[T],
        buffer: &mut Buffer,
        mut one: impl FnMut(&mut Self, &T, &mut Buffer) -> Result<()>,
    ) -> Result<()> {
        buffer.push_char(Char::written(open))?;
        self.level += 1;
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                buffer.push(&self.style.between_items)?;
            }
            self.line(buffer)?;
            one(self, item, buffer)?;
        }
        self.level -= 1;
        if !items.is_empty() {
            self.line(buffer)?;
        }
        buffer.push_char(Char::written(close))
    }

    fn line(&self, buffer: &mut Buffer) -> Result<()> {
        let Some(indent) = &self.style.indent else { return Ok(()) };
        buffer.push_str("\n")?;
        buffer.repeat(indent, self.level)
    }

    fn key(&self, key: &Value, buffer: &mut Buffer) -> Result<()> {
        let word = match key {
            Value::Text(text) => return self.text(text.chars(), buffer),
            Value::None => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Float(number) => json_float(*number),
            other => {
                return wrong(format!(
                    "keys must be str, int, float, bool or None, not {}",
                    other.kind()
                ));
            }
        };
        buffer.push_str(&format!("\"{word}\""))
    }

    fn text(&self, chars: &[Char], buffer: &mut Buffer) -> Result<()> {
        buffer.push_str("\"")?;
        for c in chars {
            let escaped = match c.letter() {
                '"' => "\\\"".to_owned(),
                '\\' => "\\\\".to_owned(),
                '\n' => "\\n".to_owned(),
                '\r' => "\\r".to_owned(),
                '\t' => "\\t".to_owned(),
                '\u{8}' => "\\b".to_owned(),
                '\u{c}' => "\\f".to_owned(),
                letter if letter < ' ' => format!("\\u{:04x}", u32::from(letter)),
                letter if self.style.ensure_ascii && letter > '~' => {
                    let mut units = [0; 2];
                    letter.encode_utf16(&mut units).iter().map(|u| format!("\\u{u:04x}")).collect()
                }
                _ => {
                    buffer.push_char(*c)?;
                    continue;
                }
            };
            buffer.extend(escaped.chars().map(|letter| c.with(letter)))?;
        }
        buffer.push_str("\"")
    }
}

fn json_float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    float(number)
}
