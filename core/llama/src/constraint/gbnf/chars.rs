//! Sets of characters.

use std::fmt::Write;

/// The first and last of the surrogates, which are no characters.
const SURROGATES: (u32, u32) = (0xd800, 0xdfff);
const LAST: u32 = 0x0010_ffff;

/// A set of characters, as ranges that are ascending and apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CharSet(Vec<(u32, u32)>);

impl CharSet {
    pub(super) fn all() -> Self {
        Self(vec![(0, SURROGATES.0 - 1), (SURROGATES.1 + 1, LAST)])
    }

    pub(super) fn of(character: char) -> Self {
        Self(vec![(character.into(), character.into())])
    }

    /// The characters within any of the ranges.
    pub(super) fn of_ranges(ranges: impl IntoIterator<Item = (char, char)>) -> Self {
        let ranges = ranges.into_iter().map(|(from, to)| (from.into(), to.into()));
        Self::normal(ranges.collect()).without_surrogates()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its character, if it has only one.
    pub(super) fn only(&self) -> Option<char> {
        match self.0[..] {
            [(from, to)] if from == to => char::from_u32(from),
            _ => None,
        }
    }

    pub(super) fn negated(&self) -> Self {
        let mut ranges = Vec::with_capacity(self.0.len() + 1);
        let mut next = 0;
        for &(from, to) in &self.0 {
            if next < from {
                ranges.push((next, from - 1));
            }
            next = to + 1;
        }
        if next <= LAST {
            ranges.push((next, LAST));
        }
        Self(ranges).without_surrogates()
    }

    pub(super) fn meets(&self, other: &Self) -> bool {
        let (mut mine, mut others) = (self.0.iter(), other.0.iter());
        let (mut a, mut b) = (mine.next(), others.next());
        while let (Some(x), Some(y)) = (a, b) {
            if x.0.max(y.0) <= x.1.min(y.1) {
                return true;
            }
            if x.1 < y.1 { a = mine.next() } else { b = others.next() }
        }
        false
    }

    /// Adds the characters of `other`, and says whether any was new.
    pub(super) fn add(&mut self, other: &Self) -> bool {
        let both = self.0.iter().chain(&other.0).copied().collect();
        let both = Self::normal(both);
        let is_new = both != *self;
        *self = both;
        is_new
    }

    /// As a class of a regular expression.
    pub(super) fn to_regex(&self) -> String {
        let mut text = String::from("[");
        for (from, to) in &self.0 {
            // A string takes whatever is written to it.
            let _ = write!(text, "\\x{{{from:X}}}-\\x{{{to:X}}}");
        }
        text.push(']');
        text
    }

    fn normal(mut ranges: Vec<(u32, u32)>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (from, to) in ranges {
            match merged.last_mut() {
                Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        Self(merged)
    }

    fn without_surrogates(self) -> Self {
        let (first, last) = SURROGATES;
        let mut ranges = Vec::with_capacity(self.0.len() + 1);
        for (from, to) in self.0 {
            if from < first {
                ranges.push((from, to.min(first - 1)));
            }
            if to > last {
                ranges.push((from.max(last + 1), to));
            }
        }
        Self(ranges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_negated_joined_and_compared_as_sets() {
        let set = CharSet::of_ranges([('c', 'e'), ('a', 'b'), ('x', 'x')]);
        assert_eq!(set.to_regex(), "[\\x{61}-\\x{65}\\x{78}-\\x{78}]");
        assert!(set.meets(&CharSet::of('x')) && !set.meets(&CharSet::of('f')));
        let others = set.negated();
        assert!(!others.meets(&set) && others.meets(&CharSet::of('f')));
        let mut both = set.clone();
        assert!(both.add(&others) && !both.add(&set));
        assert_eq!(both, CharSet::all());
        assert_eq!(CharSet::all().negated(), CharSet::default());
        assert_eq!((CharSet::of('x').only(), set.only()), (Some('x'), None));
    }
}
