//! Calls as a name with a JSON object behind it, between markers.

use super::calls::{Calls, Flow, Section};
use super::cursor::{Cursor, NAME_BYTES_MAX, Stop};
use super::format::Named;
use super::json::Json;
use super::scan::JsonScan;

/// Reads calls by name.
#[derive(Debug)]
pub(super) struct Names {
    form: &'static Named,
    at: At,
    ends: &'static [&'static str],
}

/// What is read next.
#[derive(Debug)]
enum At {
    /// A bracket, or a name.
    Start,
    /// What is in JSON after all.
    Json(Json),
    /// What each call begins with.
    Before,
    Name,
    /// Up to the object.
    Object(String),
    Arguments(JsonScan),
    /// What a call may end with.
    CallEnd,
    /// Another call, or the end.
    Next,
    End,
}

impl Names {
    pub(super) fn new(form: &'static Named, ends: &'static [&'static str], json: bool) -> Self {
        Self { form, at: if json { At::Start } else { At::Before }, ends }
    }

    fn name(&mut self, cursor: &mut Cursor<'_>, calls: &Calls) -> Result<(), Stop> {
        cursor.space();
        cursor.marker(self.form.prefixes)?;
        let (name, _) = cursor.until_within(self.form.after, NAME_BYTES_MAX)?;
        let name = name.trim();
        if !calls.knows(name) {
            return Err(Stop::Broken);
        }
        self.at = At::Object(name.to_owned());
        Ok(())
    }
}

impl Section for Names {
    fn step(&mut self, cursor: &mut Cursor<'_>, calls: &mut Calls) -> Result<Flow, Stop> {
        match &mut self.at {
            At::Start => {
                cursor.space();
                self.at = if matches!(cursor.peek()?, '[' | '{') {
                    At::Json(Json::new(self.ends))
                } else {
                    At::Before
                };
            }
            At::Json(json) => return json.step(cursor, calls),
            At::Before => {
                cursor.space();
                if !self.form.before.is_empty() && cursor.marker(&[self.form.before])?.is_none() {
                    return Err(Stop::Broken);
                }
                self.at = At::Name;
            }
            At::Name => self.name(cursor, calls)?,
            At::Object(name) => {
                let mut ahead = *cursor;
                let (skipped, _) = ahead.until_within(&["{"], NAME_BYTES_MAX)?;
                cursor.skip(skipped.len());
                calls.begin(name);
                self.at = At::Arguments(JsonScan::new());
            }
            At::Arguments(scan) => {
                cursor.peek()?;
                let mut text = String::new();
                let passed = cursor.pass(scan, &mut text);
                calls.arguments(&text);
                if passed? {
                    self.at = At::CallEnd;
                }
            }
            At::CallEnd => {
                cursor.space();
                cursor.marker(self.form.ends)?;
                self.at = At::Next;
            }
            At::Next => {
                cursor.space();
                let before = self.form.before;
                let again = !before.is_empty() && cursor.marker(&[before])?.is_some();
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
}
