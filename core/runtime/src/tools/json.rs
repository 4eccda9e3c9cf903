//! Calls as JSON: `{"name": .., "arguments": {..}}`, several after each other, or a list of them.

use super::calls::{Calls, Flow, Section};
use super::cursor::{Cursor, Stop};
use super::scan::JsonScan;

/// Names that models give to a call's name.
const NAME: &[&str] = &["name", "tool_name", "function"];
/// Names that models give to a call's arguments.
const ARGUMENTS: &[&str] = &["arguments", "parameters"];

/// Reads calls in JSON.
#[derive(Debug)]
pub(super) struct Json {
    at: At,
    in_list: bool,
    call: Call,
    ends: &'static [&'static str],
}

/// What is read next.
#[derive(Debug)]
enum At {
    Start,
    /// An object, or the end of a list.
    Object,
    /// A key, or the object's end.
    Key,
    Arguments(JsonScan),
    /// A value that is neither name nor arguments.
    Other(JsonScan),
    /// Between objects.
    Between,
    /// What calls may end with.
    End,
}

/// The object that is being read.
#[derive(Debug, Default)]
struct Call {
    name: Option<String>,
    /// Arguments that came before the name.
    held: String,
    told: bool,
}

impl Json {
    pub(super) fn new(ends: &'static [&'static str]) -> Self {
        Self { at: At::Start, in_list: false, call: Call::default(), ends }
    }

    fn start(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        cursor.space();
        self.in_list = cursor.take('[')?;
        self.at = At::Object;
        Ok(())
    }

    fn object(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        cursor.space();
        if cursor.take('{')? {
            self.call = Call::default();
            self.at = At::Key;
            return Ok(());
        }
        if self.in_list && cursor.take(']')? {
            self.at = At::End;
            return Ok(());
        }
        Err(Stop::Broken)
    }

    fn key(&mut self, cursor: &mut Cursor<'_>, calls: &mut Calls) -> Result<(), Stop> {
        cursor.space();
        if cursor.take('}')? {
            if !self.call.told {
                let name = self.call.name.take().ok_or(Stop::Broken)?;
                let held = std::mem::take(&mut self.call.held);
                calls.begin(&name);
                calls.arguments(if held.is_empty() { "{}" } else { &held });
            }
            self.at = At::Between;
            return Ok(());
        }
        if cursor.take(',')? {
            cursor.space();
        }
        let key = cursor.string()?;
        cursor.space();
        if !cursor.take(':')? {
            return Err(Stop::Broken);
        }
        cursor.space();
        let next = cursor.peek()?;
        let has_name = self.call.name.is_some() || self.call.told;
        if NAME.contains(&key.as_str()) && next == '"' && !has_name {
            self.name(cursor, calls)
        } else if ARGUMENTS.contains(&key.as_str()) && self.call.held.is_empty() && !self.call.told
        {
            self.arguments(cursor, calls, next)
        } else {
            self.at = At::Other(JsonScan::new());
            Ok(())
        }
    }

    fn name(&mut self, cursor: &mut Cursor<'_>, calls: &mut Calls) -> Result<(), Stop> {
        let name = cursor.string()?;
        if !calls.knows(&name) {
            return Err(Stop::Broken);
        }
        self.at = At::Key;
        self.call.name = Some(name);
        if !self.call.held.is_empty() {
            let held = std::mem::take(&mut self.call.held);
            self.tell(calls);
            calls.arguments(&held);
        }
        Ok(())
    }

    /// An object, which is passed on as it comes, or one written as a text.
    fn arguments(
        &mut self,
        cursor: &mut Cursor<'_>,
        calls: &mut Calls,
        next: char,
    ) -> Result<(), Stop> {
        match next {
            '{' => {
                self.tell(calls);
                self.at = At::Arguments(JsonScan::new());
            }
            '"' => {
                let text = cursor.string()?;
                let is_object = serde_json::from_str::<serde_json::Map<_, _>>(&text).is_ok();
                if !is_object {
                    return Err(Stop::Broken);
                }
                self.tell(calls);
                self.pass(&text, calls);
                self.at = At::Key;
            }
            // As if there were none.
            'n' => self.at = At::Other(JsonScan::new()),
            _ => return Err(Stop::Broken),
        }
        Ok(())
    }

    /// Tells of the call if its name is known.
    fn tell(&mut self, calls: &mut Calls) {
        if let Some(name) = self.call.name.take() {
            calls.begin(&name);
            self.call.told = true;
        }
    }

    fn pass(&mut self, text: &str, calls: &mut Calls) {
        if self.call.told {
            calls.arguments(text);
        } else {
            self.call.held.push_str(text);
        }
    }

    fn between(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        cursor.space();
        let next = cursor.peek()?;
        if self.in_list {
            if cursor.take(']')? {
                self.at = At::End;
                return Ok(());
            }
            self.at = At::Object;
            return if cursor.take(',')? { Ok(()) } else { Err(Stop::Broken) };
        }
        let mut ahead = *cursor;
        if matches!(next, ';' | ',') {
            ahead.take(next)?;
            ahead.space();
        }
        if ahead.peek()? == '{' {
            *cursor = ahead;
            self.at = At::Object;
        } else {
            self.at = At::End;
        }
        Ok(())
    }
}

impl Section for Json {
    fn step(&mut self, cursor: &mut Cursor<'_>, calls: &mut Calls) -> Result<Flow, Stop> {
        match &mut self.at {
            At::Start => self.start(cursor)?,
            At::Object => self.object(cursor)?,
            At::Key => self.key(cursor, calls)?,
            At::Between => self.between(cursor)?,
            At::Arguments(scan) => {
                cursor.peek()?;
                let mut text = String::new();
                let passed = cursor.pass(scan, &mut text);
                self.pass(&text, calls);
                if passed? {
                    self.at = At::Key;
                }
            }
            At::Other(scan) => {
                cursor.peek()?;
                if cursor.pass(scan, &mut String::new())? {
                    self.at = At::Key;
                }
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
