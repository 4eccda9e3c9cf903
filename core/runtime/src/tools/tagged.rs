//! Calls between tags, with arguments as text: what they are in JSON is said by the tool's schema.

use serde_json::Value;

use super::calls::{Calls, Flow, Section};
use super::cursor::{Cursor, NAME_BYTES_MAX, Stop, quoted, unframed};
use super::format::Tagged;

/// Reads calls between tags.
#[derive(Debug)]
pub(super) struct Tags {
    form: &'static Tagged,
    at: At,
    name: String,
    /// Whether an argument was told of.
    some: bool,
    ends: &'static [&'static str],
}

/// What is read next.
#[derive(Debug)]
enum At {
    Call,
    Name,
    /// Another argument, or the call's end.
    Argument,
    Key,
    Value(Key),
    /// Another call, or the end.
    Next,
    End,
}

/// An argument's key, and its type where the tag says it.
#[derive(Debug)]
struct Key {
    key: String,
    is_text: Option<bool>,
}

impl Tags {
    pub(super) fn new(form: &'static Tagged, ends: &'static [&'static str]) -> Self {
        Self { form, at: At::Call, name: String::new(), some: false, ends }
    }

    fn call(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        cursor.space();
        // The tag may be what the calls began with.
        let found = cursor.marker(&[self.form.call])?;
        if found.is_none() && matches!(cursor.peek()?, '<') {
            return Err(Stop::Broken);
        }
        self.at = At::Name;
        Ok(())
    }

    fn name(&mut self, cursor: &mut Cursor<'_>, calls: &Calls) -> Result<(), Stop> {
        cursor.space();
        let mut ahead = *cursor;
        let (name, end) = ahead.until_within(self.form.name_end, NAME_BYTES_MAX)?;
        let stays = end == self.form.key || end == self.form.call_end;
        cursor.skip(name.len() + if stays { 0 } else { end.len() });
        let name = name.trim();
        if !calls.knows(name) {
            return Err(Stop::Broken);
        }
        name.clone_into(&mut self.name);
        self.some = false;
        self.at = At::Argument;
        Ok(())
    }

    fn argument(&mut self, cursor: &mut Cursor<'_>, calls: &mut Calls) -> Result<(), Stop> {
        cursor.space();
        let found = cursor.marker(&[self.form.key, self.form.call_end])?;
        if !self.some {
            if found.is_none() {
                return Err(Stop::Broken);
            }
            calls.begin(&self.name);
        }
        if found == Some(self.form.key) {
            calls.arguments(if self.some { ", " } else { "{" });
            self.some = true;
            self.at = At::Key;
        } else {
            // A call that is not ended by its tag is ended by whatever else comes.
            calls.arguments(if self.some { "}" } else { "{}" });
            self.at = At::Next;
        }
        Ok(())
    }

    fn key(&mut self, cursor: &mut Cursor<'_>, calls: &mut Calls) -> Result<(), Stop> {
        let (key, _) = cursor.until(&[self.form.key_end])?;
        let key = key.trim().to_owned();
        let mut is_text = None;
        if !self.form.value.is_empty() {
            let (between, _) = cursor.until(&[self.form.value])?;
            if between.contains("string=\"") {
                is_text = Some(between.contains("string=\"true\""));
            }
        }
        calls.arguments(&format!("{}: ", quoted(&key)));
        self.at = At::Value(Key { key, is_text });
        Ok(())
    }
}

impl Section for Tags {
    fn step(&mut self, cursor: &mut Cursor<'_>, calls: &mut Calls) -> Result<Flow, Stop> {
        match &self.at {
            At::Call => self.call(cursor)?,
            At::Name => self.name(cursor, calls)?,
            At::Argument => self.argument(cursor, calls)?,
            At::Key => self.key(cursor, calls)?,
            At::Value(key) => {
                let (value, _) = cursor.until(&[self.form.value_end])?;
                let is_text = key.is_text.unwrap_or_else(|| is_text(calls, &self.name, &key.key));
                calls.arguments(&as_json(unframed(value), is_text));
                self.at = At::Argument;
            }
            At::Next => {
                cursor.space();
                let call = self.form.call;
                let again = !call.is_empty() && cursor.marker(&[call])?.is_some();
                self.at = if again { At::Name } else { At::End };
            }
            At::End => {
                cursor.space();
                cursor.marker(self.ends)?;
                return Ok(Flow::Done);
            }
        }
        Ok(Flow::On)
    }

    /// Half a value is told of as half a text.
    fn cut(&mut self, rest: &str, calls: &mut Calls) {
        if let At::Value(_) = self.at {
            let mut text = quoted(rest);
            text.pop();
            calls.arguments(&text);
        }
    }
}

/// Whether an argument's schema says that it is a text, and nothing else.
fn is_text(calls: &Calls, name: &str, key: &str) -> bool {
    let kind = calls.schema(name, key).and_then(|schema| schema.get("type"));
    match kind {
        Some(Value::String(kind)) => kind == "string",
        Some(Value::Array(kinds)) => kinds.iter().all(|kind| kind == "string"),
        _ => false,
    }
}

/// What `text` is in JSON: as it is if it is JSON, Python's names of values too, else a text.
fn as_json(text: &str, is_text: bool) -> String {
    if is_text {
        return quoted(text);
    }
    match text.trim() {
        "True" => "true".to_owned(),
        "False" => "false".to_owned(),
        "None" => "null".to_owned(),
        trimmed => match serde_json::from_str::<Value>(trimmed) {
            Ok(value) => value.to_string(),
            Err(_) => quoted(text),
        },
    }
}
