//! Reading text of which the end may still be missing.
//!
//! A decision is made only where more text could not change it: else it is [`Stop::More`], and the
//! same place is read again later. So what is read never depends on how the text was cut.

use std::borrow::Cow;

use super::scan::{JsonScan, Scan, passed};

/// Bytes of a call's name at most, and of what may be between a name and its arguments: text that
/// is no call is held back no longer.
pub(super) const NAME_BYTES_MAX: usize = 256;

/// Why reading can't go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It depends on text that has not come.
    More,
    /// The text is not what it should be.
    Broken,
}

/// A place in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// How much was read, in bytes.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Reads `bytes` that were looked at.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// What was not read.
    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// Reads space, as much as there is.
    pub(super) fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// The next character, which is not read.
    pub(super) fn peek(&self) -> Result<char, Stop> {
        self.rest().chars().next().ok_or(Stop::More)
    }

    /// Reads the next character if it is `c`.
    pub(super) fn take(&mut self, c: char) -> Result<bool, Stop> {
        let found = self.peek()? == c;
        if found {
            self.at += c.len_utf8();
        }
        Ok(found)
    }

    /// Reads the longest of `markers` that is next, if one is.
    pub(super) fn marker(
        &mut self,
        markers: &[&'static str],
    ) -> Result<Option<&'static str>, Stop> {
        let rest = self.rest();
        let found = markers.iter().filter(|marker| rest.starts_with(**marker));
        let found = found.max_by_key(|marker| marker.len()).copied();
        let longer = |marker: &&&str| {
            marker.len() > found.map_or(0, str::len)
                && marker.len() > rest.len()
                && marker.starts_with(rest)
        };
        if markers.iter().any(|marker| longer(&marker)) {
            return Err(Stop::More);
        }
        self.at += found.map_or(0, str::len);
        Ok(found)
    }

    /// Reads up to the first of `markers` and past it: what was before it, and it.
    pub(super) fn until(
        &mut self,
        markers: &[&'static str],
    ) -> Result<(&'t str, &'static str), Stop> {
        let rest = self.rest();
        match find(rest, markers) {
            Found::Whole(at, marker) => {
                self.at += at + marker.len();
                Ok((&rest[..at], marker))
            }
            Found::Perhaps(_) | Found::Nowhere => Err(Stop::More),
        }
    }

    /// The same, for what has `most` bytes at most: anything longer is not what it should be.
    pub(super) fn until_within(
        &mut self,
        markers: &[&'static str],
        most: usize,
    ) -> Result<(&'t str, &'static str), Stop> {
        let before = *self;
        let read = self.until(markers);
        match &read {
            Ok((text, _)) if text.len() <= most => read,
            Err(Stop::More) if before.rest().len() <= most => read,
            _ => {
                *self = before;
                Err(Stop::Broken)
            }
        }
    }

    /// Reads a JSON string.
    pub(super) fn string(&mut self) -> Result<String, Stop> {
        if self.peek()? != '"' {
            return Err(Stop::Broken);
        }
        let mut scan = JsonScan::new();
        let mut written = String::new();
        if !self.pass(&mut scan, &mut written)? {
            return Err(Stop::More);
        }
        serde_json::from_str(&written).map_err(|_| Stop::Broken)
    }

    /// Reads what there is of the value that `scan` follows, and appends it: whether it ended.
    pub(super) fn pass(&mut self, scan: &mut JsonScan, into: &mut String) -> Result<bool, Stop> {
        for c in self.rest().chars() {
            let in_text = scan.in_text();
            let scanned = scan.take(c);
            match scanned {
                Scan::Bad => return Err(Stop::Broken),
                Scan::After => return Ok(true),
                Scan::More | Scan::Last => {
                    self.at += c.len_utf8();
                    passed(c, in_text, into);
                }
            }
            if scanned == Scan::Last {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Where a marker is in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The first of them, whole.
    Whole(usize, &'static str),
    /// From here on the text may be the beginning of one.
    Perhaps(usize),
    /// Nowhere, whatever follows.
    Nowhere,
}

/// The first of `markers` in `text`.
pub(super) fn find(text: &str, markers: &[&'static str]) -> Found {
    let whole = markers
        .iter()
        .filter(|marker| !marker.is_empty())
        .filter_map(|marker| text.find(*marker).map(|at| (at, *marker)))
        .min_by_key(|(at, marker)| (*at, std::cmp::Reverse(marker.len())));
    match (whole, beginning(text, markers)) {
        (Some((at, _)), Some(perhaps)) if perhaps < at => Found::Perhaps(perhaps),
        (Some((at, marker)), _) => Found::Whole(at, marker),
        (None, Some(at)) => Found::Perhaps(at),
        (None, None) => Found::Nowhere,
    }
}

/// Where the longest end of `text` is that a marker begins with, but is no whole one.
fn beginning(text: &str, markers: &[&str]) -> Option<usize> {
    let longest = markers.iter().map(|marker| marker.len()).max()?;
    let from = text.len().saturating_sub(longest.saturating_sub(1));
    let ends = (from..text.len()).filter(|&at| text.is_char_boundary(at));
    ends.into_iter().find(|&at| {
        markers
            .iter()
            .any(|marker| marker.len() > text.len() - at && marker.starts_with(&text[at..]))
    })
}

/// `value` without the line breaks that tags stand on lines of their own with.
pub(super) fn unframed(value: &str) -> &str {
    let value = value.strip_prefix('\n').unwrap_or(value);
    value.strip_suffix('\n').unwrap_or(value)
}

/// `text` as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(Cow::from(text)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_marker_is_found_and_a_beginning_before_it_is_waited_for() {
        assert_eq!(find("a<b>", &["<b>", "<c>"]), Found::Whole(1, "<b>"));
        assert_eq!(find("a<b", &["<b>"]), Found::Perhaps(1));
        assert_eq!(find("a<x", &["<b>"]), Found::Nowhere);
        assert_eq!(find("ab<b", &["ab<bc", "b<b"]), Found::Perhaps(0));
        assert_eq!(find("", &["<b>"]), Found::Nowhere);
        assert_eq!(find("é<", &["<b>"]), Found::Perhaps(2));
    }

    #[test]
    fn the_longest_marker_is_read_once_it_is_clear() {
        let markers = &["``", "```"];
        assert_eq!(Cursor::new("``").marker(markers), Err(Stop::More));
        assert_eq!(Cursor::new("``x").marker(markers), Ok(Some("``")));
        assert_eq!(Cursor::new("```").marker(markers), Ok(Some("```")));
        assert_eq!(Cursor::new("x").marker(markers), Ok(None));
        assert_eq!(Cursor::new("").marker(markers), Err(Stop::More));
    }

    #[test]
    fn a_string_is_read_whole_or_not_at_all() {
        assert_eq!(Cursor::new(r#""a\"b" "#).string(), Ok("a\"b".to_owned()));
        assert_eq!(Cursor::new("\"a\nb\"").string(), Ok("a\nb".to_owned()));
        assert_eq!(Cursor::new(r#""a"#).string(), Err(Stop::More));
        assert_eq!(Cursor::new("a").string(), Err(Stop::Broken));
    }
}
