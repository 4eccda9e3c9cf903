//! An answer's text to its calls and what is text between them.
//!
//! Text is given out at once, but for its end as long as that may be the beginning of a call. What
//! begins like calls and turns out to be none is given out as text, unchanged. A call is told of
//! where its arguments begin; from there on they are passed on as they come, and what they hold is
//! the model's: where nothing constrains it, they may end before JSON does. What comes out never
//! depends on how the text was cut. Space before, between and after calls is left out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::cursor::{Cursor, Found, Stop, find};
use super::format::{Format, Shape};
use super::json::Json;
use super::named::Names;
use super::python::Python;
use super::tagged::Tags;
use crate::Tool;

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Text between calls.
    Text(String),
    /// More of a call.
    Call(CallPiece),
}

/// More of a call; `name` in its first piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallPiece {
    pub(crate) index: u32,
    pub(crate) name: Option<String>,
    pub(crate) arguments: String,
}

/// Reads one answer.
#[derive(Debug)]
pub(crate) struct CallReader {
    format: &'static Format,
    /// What was not read, and what was read of calls that have not been told of.
    held: String,
    read: usize,
    mode: Mode,
    calls: Calls,
}

#[derive(Debug)]
enum Mode {
    /// Where the answer begins; only space so far.
    Start,
    /// Text; the space behind calls is left out.
    Text { behind_call: bool },
    /// Inside of what began like calls.
    Section(Box<dyn Section>),
}

/// Reads what is between the beginning and the end of calls.
pub(super) trait Section: fmt::Debug + Send {
    /// Reads on from `cursor`. Nothing is read where it stops for more.
    ///
    /// # Errors
    /// [`Stop`].
    fn step(&mut self, cursor: &mut Cursor<'_>, calls: &mut Calls) -> Result<Flow, Stop>;

    /// The answer is over in the middle of it; `rest` was not read.
    fn cut(&mut self, _rest: &str, _calls: &mut Calls) {}
}

/// Whether a section goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    On,
    Done,
}

/// What may be called, by name, with the type of each argument.
#[derive(Debug)]
pub(crate) struct Known {
    tools: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
    /// Whether more than one call is told of.
    parallel: bool,
}

impl Known {
    pub(crate) fn new(tools: &[Tool], parallel: bool) -> Self {
        let properties = |tool: &Tool| {
            let all = tool.parameters.get("properties").and_then(serde_json::Value::as_object);
            all.into_iter().flatten().map(|(key, schema)| (key.clone(), schema.clone())).collect()
        };
        Self {
            tools: tools.iter().map(|tool| (tool.name.clone(), properties(tool))).collect(),
            parallel,
        }
    }
}

/// Where sections tell of calls.
#[derive(Debug)]
pub(super) struct Calls {
    known: Arc<Known>,
    /// Calls so far.
    count: u32,
    /// Whether the section that is being read told of one.
    told: bool,
    pieces: Vec<Piece>,
}

impl Calls {
    pub(super) fn knows(&self, name: &str) -> bool {
        self.known.tools.contains_key(name)
    }

    /// The schema of an argument.
    pub(super) fn schema(&self, name: &str, key: &str) -> Option<&serde_json::Value> {
        self.known.tools.get(name)?.get(key)
    }

    /// A call begins.
    pub(super) fn begin(&mut self, name: &str) {
        self.told = true;
        self.count += 1;
        self.tell(Some(name.to_owned()), String::new());
    }

    /// More of the arguments of the last call that began.
    pub(super) fn arguments(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.pieces.last_mut() {
            Some(Piece::Call(piece)) if piece.index + 1 == self.count => {
                piece.arguments.push_str(text);
            }
            _ => self.tell(None, text.to_owned()),
        }
    }

    fn tell(&mut self, name: Option<String>, arguments: String) {
        let index = self.count - 1;
        if index == 0 || self.known.parallel {
            self.pieces.push(Piece::Call(CallPiece { index, name, arguments }));
        }
    }

    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.pieces.last_mut() {
            Some(Piece::Text(last)) => last.push_str(text),
            _ => self.pieces.push(Piece::Text(text.to_owned())),
        }
    }
}

impl CallReader {
    pub(crate) fn new(format: &'static Format, known: Arc<Known>) -> Self {
        let calls = Calls { known, count: 0, told: false, pieces: Vec::new() };
        Self { format, held: String::new(), read: 0, mode: Mode::Start, calls }
    }

    /// How many calls there are so far.
    pub(crate) fn count(&self) -> u32 {
        self.calls.count
    }

    /// Takes more of the answer's text, and gives what is clear.
    pub(crate) fn take(&mut self, text: &str) -> Vec<Piece> {
        self.held.push_str(text);
        while self.step() {}
        std::mem::take(&mut self.calls.pieces)
    }

    /// The answer is over: gives what is left.
    pub(crate) fn finish(&mut self) -> Vec<Piece> {
        match &mut self.mode {
            Mode::Start => self.calls.text(&self.held),
            Mode::Text { behind_call: true } => self.calls.text(self.held.trim_start()),
            Mode::Text { behind_call: false } => self.calls.text(&self.held),
            Mode::Section(section) if self.calls.told => {
                section.cut(&self.held[self.read..], &mut self.calls);
            }
            Mode::Section(_) => self.calls.text(&self.held),
        }
        self.held.clear();
        self.read = 0;
        std::mem::take(&mut self.calls.pieces)
    }

    /// Reads one thing; whether there may be another.
    fn step(&mut self) -> bool {
        match &mut self.mode {
            Mode::Start => self.begin(),
            Mode::Text { .. } => self.text(),
            Mode::Section(_) => self.section(),
        }
    }

    /// A call without a marker can only be where the answer begins.
    fn begin(&mut self) -> bool {
        let Some(first) = self.held.trim_start().chars().next() else { return false };
        if self.format.bare == Some(first) {
            self.enter();
        } else {
            self.mode = Mode::Text { behind_call: false };
        }
        true
    }

    fn text(&mut self) -> bool {
        if matches!(self.mode, Mode::Text { behind_call: true }) {
            let space = self.held.len() - self.held.trim_start().len();
            self.held.drain(..space);
        }
        let (end, marker) = match find(&self.held, self.format.begins) {
            Found::Whole(at, marker) => (at, Some(marker)),
            Found::Perhaps(at) => (at, None),
            Found::Nowhere => (self.held.len(), None),
        };
        let clear = self.held[..end].trim_end().len();
        if clear > 0 {
            self.calls.text(&self.held[..clear]);
            self.mode = Mode::Text { behind_call: false };
        }
        self.held.drain(..clear);
        let Some(marker) = marker else { return false };
        self.enter();
        self.read = end - clear + marker.len();
        true
    }

    fn enter(&mut self) {
        let ends = self.format.ends;
        let section: Box<dyn Section> = match &self.format.shape {
            Shape::Json(_) => Box::new(Json::new(ends)),
            Shape::Named(named) => Box::new(Names::new(named, ends, false)),
            Shape::NamedOrJson(named) => Box::new(Names::new(named, ends, true)),
            Shape::Tagged(tagged) => Box::new(Tags::new(tagged, ends)),
            Shape::Python => Box::new(Python::new(ends)),
        };
        self.mode = Mode::Section(section);
        self.read = 0;
        self.calls.told = false;
    }

    fn section(&mut self) -> bool {
        let Mode::Section(section) = &mut self.mode else { return false };
        let mut cursor = Cursor::new(&self.held[self.read..]);
        let flow = section.step(&mut cursor, &mut self.calls);
        if flow != Err(Stop::More) {
            self.read += cursor.at();
        }
        if self.calls.told {
            // It is a call: nobody will see it as text.
            self.held.drain(..self.read);
            self.read = 0;
        }
        match flow {
            Ok(Flow::On) => true,
            Err(Stop::More) => false,
            Ok(Flow::Done) | Err(Stop::Broken) => {
                if !self.calls.told {
                    self.calls.text(&self.held[..self.read]);
                    self.held.drain(..self.read);
                    self.read = 0;
                }
                self.mode = Mode::Text { behind_call: self.calls.told };
                true
            }
        }
    }
}

#[cfg(test)]
mod tests;
