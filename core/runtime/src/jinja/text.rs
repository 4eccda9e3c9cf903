//! Text whose every character remembers who wrote it: the template, or whoever gave the values.
//!
//! Whatever a template does with a text (trims it, cuts it, turns its case, escapes it), each
//! character keeps its origin. So it is exact, however the text came about, which characters of a
//! prompt are the template's own. Comparing and searching look at the letters alone.

use std::cmp::Ordering;
use std::sync::Arc;

use super::failure::Result;
use super::meter::{Charge, Meter};

/// A character, and its origin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Char(u32);

/// Set in a character that the template did not write.
const GIVEN: u32 = 1 << 31;
/// Set in a character of the tag that marks where a message ends.
const TAG: u32 = 1 << 30;

impl Char {
    /// One that the template wrote.
    pub(crate) const fn written(c: char) -> Self {
        Self(c as u32)
    }

    /// One that came with the values.
    pub(crate) const fn given(c: char) -> Self {
        Self(c as u32 | GIVEN)
    }

    /// One of the tag that marks where a message ends.
    pub(crate) const fn tag(c: char) -> Self {
        Self(c as u32 | GIVEN | TAG)
    }

    /// The letter.
    pub(crate) fn letter(self) -> char {
        char::from_u32(self.0 & !(GIVEN | TAG)).unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    /// Whether it came with the values.
    pub(crate) fn is_given(self) -> bool {
        self.0 & GIVEN != 0
    }

    /// Whether it belongs to the tag that marks where a message ends.
    pub(crate) fn is_tag(self) -> bool {
        self.0 & TAG != 0
    }

    /// Another letter of the same origin.
    pub(super) fn with(self, c: char) -> Self {
        Self(c as u32 | (self.0 & (GIVEN | TAG)))
    }
}

impl PartialEq for Char {
    fn eq(&self, other: &Self) -> bool {
        self.letter() == other.letter()
    }
}

impl Eq for Char {}

impl PartialOrd for Char {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Char {
    fn cmp(&self, other: &Self) -> Ordering {
        self.letter().cmp(&other.letter())
    }
}

/// A text. Cheap to clone; immutable.
#[derive(Clone, Debug)]
pub(crate) struct Text(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    chars: Box<[Char]>,
    /// Whether it counts as HTML that is escaped already (Python's `Markup`).
    is_markup: bool,
    /// None in the template's own constants, which were there before.
    _charge: Option<Charge>,
}

impl Text {
    /// A constant of a template.
    pub(super) fn constant(text: &str) -> Self {
        let chars = text.chars().map(Char::written).collect();
        Self(Arc::new(Inner { chars, is_markup: false, _charge: None }))
    }

    /// What came with the values.
    pub(crate) fn given(text: &str, meter: &Arc<Meter>) -> Result<Self> {
        let mut buffer = Buffer::new(meter)?;
        buffer.extend(text.chars().map(Char::given))?;
        Ok(buffer.finish())
    }

    /// What belongs to the template, without being in it.
    pub(crate) fn written(text: &str, meter: &Arc<Meter>) -> Result<Self> {
        let mut buffer = Buffer::new(meter)?;
        buffer.push_str(text)?;
        Ok(buffer.finish())
    }

    /// A copy of some characters.
    pub(super) fn of(chars: &[Char], meter: &Arc<Meter>) -> Result<Self> {
        let mut buffer = Buffer::new(meter)?;
        buffer.push(chars)?;
        Ok(buffer.finish())
    }

    /// Its characters.
    pub(crate) fn chars(&self) -> &[Char] {
        &self.0.chars
    }

    /// Whether it counts as HTML that is escaped already: what is added to it is escaped.
    pub(super) fn is_markup(&self) -> bool {
        self.0.is_markup
    }

    /// Whether it has the letters of `text`.
    pub(super) fn is(&self, text: &str) -> bool {
        self.chars().iter().map(|c| c.letter()).eq(text.chars())
    }

    /// Its letters.
    pub(super) fn letters(&self) -> String {
        self.chars().iter().map(|c| c.letter()).collect()
    }
}

/// A text in the making. Everything is charged before it is added.
#[derive(Debug)]
pub(crate) struct Buffer {
    chars: Vec<Char>,
    charge: Charge,
}

impl Buffer {
    pub(super) fn new(meter: &Arc<Meter>) -> Result<Self> {
        Ok(Self { chars: Vec::new(), charge: Charge::new(meter, 0)? })
    }

    pub(super) fn meter(&self) -> &Arc<Meter> {
        self.charge.meter()
    }

    pub(super) fn push(&mut self, chars: &[Char]) -> Result<()> {
        self.reserve(chars.len())?;
        self.chars.extend_from_slice(chars);
        Ok(())
    }

    /// Letters that the template writes.
    pub(super) fn push_str(&mut self, text: &str) -> Result<()> {
        self.extend(text.chars().map(Char::written))
    }

    pub(super) fn push_char(&mut self, c: Char) -> Result<()> {
        self.push(&[c])
    }

    /// `count` times the same characters.
    pub(super) fn repeat(&mut self, chars: &[Char], count: usize) -> Result<()> {
        self.reserve(chars.len().saturating_mul(count))?;
        for _ in 0..count {
            self.chars.extend_from_slice(chars);
        }
        Ok(())
    }

    pub(super) fn extend(&mut self, chars: impl Iterator<Item = Char>) -> Result<()> {
        for c in chars {
            self.push_char(c)?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Text {
        let (chars, charge) = self.into_chars();
        Text(Arc::new(Inner { chars, is_markup: false, _charge: Some(charge) }))
    }

    /// As HTML that is escaped already.
    pub(super) fn finish_markup(self) -> Text {
        let (chars, charge) = self.into_chars();
        Text(Arc::new(Inner { chars, is_markup: true, _charge: Some(charge) }))
    }

    fn reserve(&mut self, chars: usize) -> Result<()> {
        // Bytes first: what would fill memory is told so, even where it also takes too many steps.
        let needed = self.chars.len().saturating_add(chars);
        if needed > self.chars.capacity() {
            let doubled = needed.max(self.chars.capacity().saturating_mul(2));
            self.grow(doubled).or_else(|_| self.grow(needed))?;
        }
        self.charge.meter().look(chars)
    }

    /// Makes room for `capacity` characters in all. While they move, they are held twice.
    fn grow(&mut self, capacity: usize) -> Result<()> {
        let held = self.chars.capacity();
        let moving = held.saturating_mul(size_of::<Char>());
        let _moving = Charge::new(self.charge.meter(), moving)?;
        self.charge.grow((capacity - held).saturating_mul(size_of::<Char>()))?;
        self.chars.reserve_exact(capacity - self.chars.len());
        Ok(())
    }

    /// Its characters without the room for more.
    fn into_chars(mut self) -> (Box<[Char]>, Charge) {
        let spare = self.chars.capacity() - self.chars.len();
        let chars = self.chars.into_boxed_slice();
        self.charge.shrink(spare * size_of::<Char>());
        (chars, self.charge)
    }
}

/// `chars` with HTML's special characters escaped, appended.
pub(super) fn escape_into(chars: &[Char], buffer: &mut Buffer) -> Result<()> {
    for c in chars {
        let escaped = match c.letter() {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '\'' => "&#39;",
            '"' => "&#34;",
            _ => {
                buffer.push_char(*c)?;
                continue;
            }
        };
        buffer.extend(escaped.chars().map(|letter| c.with(letter)))?;
    }
    Ok(())
}

/// Where `part` begins in `whole`, at `from` or later.
pub(super) fn find(whole: &[Char], part: &[Char], from: usize) -> Option<usize> {
    let rest = whole.get(from..)?;
    let Some(first) = part.first() else { return Some(from) };
    (0..(rest.len() + 1).saturating_sub(part.len()))
        .find(|&at| rest[at] == *first && rest[at..].starts_with(part))
        .map(|at| at + from)
}

/// Where `part` begins last in `whole`.
pub(super) fn find_last(whole: &[Char], part: &[Char]) -> Option<usize> {
    (0..=whole.len().checked_sub(part.len())?).rev().find(|&at| whole[at..].starts_with(part))
}

/// Whether Python calls it white space.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}
