//! Calls as Python writes them: `[name(key="value", other=[1, 2])]`.

use serde_json::{Map, Value};

use super::calls::{Calls, Flow, Section};
use super::cursor::{Cursor, Stop, quoted};
use super::scan::DEPTH_MAX;

/// Reads a list of calls.
#[derive(Debug)]
pub(super) struct Python {
    at: At,
    /// Whether the call has an argument.
    some: bool,
    ends: &'static [&'static str],
}

/// What is read next.
#[derive(Debug)]
enum At {
    Start,
    /// A call, or the list's end.
    Call,
    /// An argument, or the call's end.
    Argument,
    Value(Extent),
    /// Between arguments.
    Comma,
    /// Between calls.
    Between,
    End,
}

impl Python {
    pub(super) fn new(ends: &'static [&'static str]) -> Self {
        Self { at: At::Start, some: false, ends }
    }

    fn call(&mut self, cursor: &mut Cursor<'_>, calls: &mut Calls) -> Result<(), Stop> {
        cursor.space();
        if cursor.take(']')? {
            self.at = At::End;
            return Ok(());
        }
        let name = identifier(cursor)?;
        if !calls.knows(name) || !cursor.take('(')? {
            return Err(Stop::Broken);
        }
        calls.begin(name);
        self.some = false;
        self.at = At::Argument;
        Ok(())
    }

    fn argument(&mut self, cursor: &mut Cursor<'_>, calls: &mut Calls) -> Result<(), Stop> {
        cursor.space();
        if cursor.take(')')? {
            calls.arguments(if self.some { "}" } else { "{}" });
            self.at = At::Between;
            return Ok(());
        }
        let key = identifier(cursor)?;
        cursor.space();
        if key.is_empty() || !cursor.take('=')? {
            return Err(Stop::Broken);
        }
        calls.arguments(&format!("{}{}: ", if self.some { ", " } else { "{" }, quoted(key)));
        self.some = true;
        self.at = At::Value(Extent::default());
        Ok(())
    }
}

impl Section for Python {
    fn step(&mut self, cursor: &mut Cursor<'_>, calls: &mut Calls) -> Result<Flow, Stop> {
        match &mut self.at {
            At::Start => {
                cursor.space();
                if !cursor.take('[')? {
                    return Err(Stop::Broken);
                }
                self.at = At::Call;
            }
            At::Call => self.call(cursor, calls)?,
            At::Argument => self.argument(cursor, calls)?,
            At::Value(extent) => {
                let end = extent.end(cursor.rest())?;
                let value = literal(&cursor.rest()[..end]).ok_or(Stop::Broken)?;
                cursor.skip(end);
                calls.arguments(&value.to_string());
                self.at = At::Comma;
            }
            At::Comma => {
                cursor.space();
                if !cursor.take(',')? && cursor.peek()? != ')' {
                    return Err(Stop::Broken);
                }
                self.at = At::Argument;
            }
            At::Between => {
                cursor.space();
                if !cursor.take(',')? && cursor.peek()? != ']' {
                    return Err(Stop::Broken);
                }
                self.at = At::Call;
            }
            At::End => {
                cursor.space();
                cursor.marker(self.ends)?;
                return Ok(Flow::Done);
            }
        }
        Ok(Flow::On)
    }
}

/// Letters, digits, `_`, `.` and `-`, up to something else.
fn identifier<'t>(cursor: &mut Cursor<'t>) -> Result<&'t str, Stop> {
    let rest = cursor.rest();
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
    let end = rest.find(|c| !is_part(c)).ok_or(Stop::More)?;
    cursor.skip(end);
    Ok(&rest[..end])
}

/// Finds where a value ends: at the comma or bracket that belongs to what is around it.
#[derive(Debug, Default)]
struct Extent {
    /// Bytes that were looked at.
    at: usize,
    depth: usize,
    quote: Option<char>,
    escaped: bool,
}

impl Extent {
    fn end(&mut self, text: &str) -> Result<usize, Stop> {
        for c in text[self.at..].chars() {
            match self.quote {
                Some(_) if self.escaped => self.escaped = false,
                Some(_) if c == '\\' => self.escaped = true,
                Some(quote) if c == quote => self.quote = None,
                Some(_) => {}
                None => match c {
                    '"' | '\'' => self.quote = Some(c),
                    '[' | '(' | '{' => self.depth += 1,
                    ',' | ')' if self.depth == 0 => return Ok(self.at),
                    ']' | ')' | '}' if self.depth == 0 => return Err(Stop::Broken),
                    ']' | ')' | '}' => self.depth -= 1,
                    _ => {}
                },
            }
            self.at += c.len_utf8();
        }
        Err(Stop::More)
    }
}

/// A value as Python writes it.
fn literal(text: &str) -> Option<Value> {
    let mut reader = Literal { rest: text };
    let value = reader.value(0)?;
    reader.rest.trim().is_empty().then_some(value)
}

struct Literal<'t> {
    rest: &'t str,
}

impl Literal<'_> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.rest = self.rest.trim_start();
        match self.rest.chars().next()? {
            quote @ ('"' | '\'') => self.text(quote).map(Value::String),
            '[' => self.list(']', depth).map(Value::Array),
            '(' => self.list(')', depth).map(Value::Array),
            '{' => self.object(depth).map(Value::Object),
            _ => self.word(),
        }
    }

    fn take(&mut self, c: char) -> bool {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn text(&mut self, quote: char) -> Option<String> {
        let mut text = String::new();
        let mut chars = self.rest[1..].chars();
        loop {
            match chars.next()? {
                '\\' => match chars.next()? {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    'u' => {
                        let digits: String = chars.by_ref().take(4).collect();
                        text.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                    }
                    c @ ('\\' | '\'' | '"') => text.push(c),
                    // As Python does.
                    c => text.extend(['\\', c]),
                },
                c if c == quote => break,
                c => text.push(c),
            }
        }
        self.rest = chars.as_str();
        Some(text)
    }

    fn list(&mut self, end: char, depth: usize) -> Option<Vec<Value>> {
        self.rest = &self.rest[1..];
        let mut values = Vec::new();
        while !self.take(end) {
            if !values.is_empty() && !self.take(',') {
                return None;
            }
            if self.take(end) {
                break;
            }
            values.push(self.value(depth + 1)?);
        }
        Some(values)
    }

    fn object(&mut self, depth: usize) -> Option<Map<String, Value>> {
        self.rest = &self.rest[1..];
        let mut values = Map::new();
        while !self.take('}') {
            if !values.is_empty() && !self.take(',') {
                return None;
            }
            if self.take('}') {
                break;
            }
            let key = match self.value(depth + 1)? {
                Value::String(key) => key,
                other => other.to_string(),
            };
            if !self.take(':') {
                return None;
            }
            let value = self.value(depth + 1)?;
            values.insert(key, value);
        }
        Some(values)
    }

    fn word(&mut self) -> Option<Value> {
        let end = self.rest.find([',', ')', ']', '}', ':']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word.trim() {
            "True" | "true" => Some(Value::Bool(true)),
            "False" | "false" => Some(Value::Bool(false)),
            "None" | "null" => Some(Value::Null),
            number => serde_json::from_str::<serde_json::Number>(number).ok().map(Value::Number),
        }
    }
}
