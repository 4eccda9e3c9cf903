//! Where a lexer that takes the longest match would go wrong.
//!
//! GBNF knows characters only; llguidance reads lexemes, each as long as it can be. Both accept the
//! same texts if, wherever a lexeme could end, the next character tells whether it does. Whether
//! that is so is found out on the lexemes' positions: the characters in them, and which may follow
//! which.

use std::collections::HashSet;

use super::chars::CharSet;
use super::parse::Expr;

/// Positions of one lexeme, at most.
const POSITIONS_MAX: usize = 1_000;
/// Pairs of positions that are looked at, at most.
const PAIRS_MAX: usize = 1_000_000;
/// A repetition is looked at as if it had no other counts than these and none.
const REPETITIONS_MAX: u32 = 2;

/// The positions of a lexeme: each character in it, and which may follow which.
#[derive(Debug, Default)]
pub(super) struct Positions {
    sets: Vec<CharSet>,
    followers: Vec<Vec<usize>>,
    first: Vec<usize>,
    last: Vec<usize>,
    pub(super) is_nullable: bool,
}

/// A part of a lexeme, by the positions it begins and ends with.
struct Part {
    first: Vec<usize>,
    last: Vec<usize>,
    is_nullable: bool,
}

impl Positions {
    /// The positions of `expr`, which uses regular rules only; `None` if there are too many.
    pub(super) fn of(expr: &Expr, rules: &[Expr]) -> Option<Self> {
        let mut positions = Self::default();
        let part = positions.add(expr, rules)?;
        positions.first = part.first;
        positions.last = part.last;
        positions.is_nullable = part.is_nullable;
        Some(positions)
    }

    /// Whether there are none, so that it is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// The characters that it can begin with.
    pub(super) fn first_chars(&self) -> CharSet {
        let mut chars = CharSet::default();
        for &at in &self.first {
            chars.add(&self.sets[at]);
        }
        chars
    }

    fn add(&mut self, expr: &Expr, rules: &[Expr]) -> Option<Part> {
        match expr {
            Expr::Class(set) => {
                let at = self.sets.len();
                if at == POSITIONS_MAX {
                    return None;
                }
                self.sets.push(set.clone());
                self.followers.push(Vec::new());
                Some(Part { first: vec![at], last: vec![at], is_nullable: false })
            }
            Expr::Sequence(parts) => {
                let mut whole = Part { first: Vec::new(), last: Vec::new(), is_nullable: true };
                for part in parts {
                    let next = self.add(part, rules)?;
                    whole = self.join(whole, next);
                }
                Some(whole)
            }
            Expr::Choice(options) => {
                let mut whole = Part { first: Vec::new(), last: Vec::new(), is_nullable: false };
                for option in options {
                    let option = self.add(option, rules)?;
                    whole.first.extend(option.first);
                    whole.last.extend(option.last);
                    whole.is_nullable |= option.is_nullable;
                }
                Some(whole)
            }
            Expr::Repeat(inner, from, to) => self.add_repeated(inner, *from, *to, rules),
            Expr::Rule(rule) => self.add(&rules[*rule], rules),
            Expr::Token(_) => None,
        }
    }

    /// With many repetitions, as if there could be any number: that allows more texts, and so
    /// finds no fewer conflicts.
    fn add_repeated(
        &mut self,
        inner: &Expr,
        from: u32,
        to: Option<u32>,
        rules: &[Expr],
    ) -> Option<Part> {
        let mut whole = self.add(inner, rules)?;
        let to = to.filter(|&to| to <= REPETITIONS_MAX);
        if to == Some(2) {
            let mut again = self.add(inner, rules)?;
            again.is_nullable |= from < 2;
            whole = self.join(whole, again);
        } else if to.is_none() {
            self.link(&whole.last, &whole.first);
        }
        whole.is_nullable |= from == 0;
        Some(whole)
    }

    fn join(&mut self, before: Part, after: Part) -> Part {
        self.link(&before.last, &after.first);
        let mut whole = Part {
            first: before.first,
            last: after.last,
            is_nullable: before.is_nullable && after.is_nullable,
        };
        if before.is_nullable {
            whole.first.extend(after.first);
        }
        if after.is_nullable {
            whole.last.extend(before.last);
        }
        whole
    }

    fn link(&mut self, from: &[usize], to: &[usize]) {
        for &at in from {
            self.followers[at].extend_from_slice(to);
        }
    }
}

/// A lexeme with what may come after it.
pub(super) struct Placed<'lexemes> {
    pub(super) positions: &'lexemes Positions,
    pub(super) follow: &'lexemes CharSet,
}

/// The lexemes that don't go together: where one could end, the next character may belong to what
/// comes after it, or to a longer match. `None` if that is too much to find out.
pub(super) fn conflicts(lexemes: &[Placed<'_>]) -> Option<HashSet<usize>> {
    let mut found = HashSet::new();
    let mut budget = PAIRS_MAX;
    for (short, one) in lexemes.iter().enumerate() {
        if one.follow.is_empty() {
            continue;
        }
        for (long, other) in lexemes.iter().enumerate() {
            if is_cut_short(one, other.positions, &mut budget)? {
                found.extend([short, long]);
            }
        }
    }
    Some(found)
}

/// Whether a text of `one` may be followed by a character by which a text of `other` goes on.
fn is_cut_short(one: &Placed<'_>, other: &Positions, budget: &mut usize) -> Option<bool> {
    let mine = one.positions;
    let mut seen = HashSet::new();
    let mut next = Vec::new();
    let reach = |mine_next: &[usize], others: &[usize], next: &mut Vec<(usize, usize)>| {
        for &a in mine_next {
            let met = others.iter().filter(|&&b| mine.sets[a].meets(&other.sets[b]));
            next.extend(met.map(|&b| (a, b)));
        }
    };
    reach(&mine.first, &other.first, &mut next);
    while let Some((a, b)) = next.pop() {
        if !seen.insert((a, b)) {
            continue;
        }
        *budget = budget.checked_sub(1)?;
        let goes_on = || other.followers[b].iter().any(|&at| other.sets[at].meets(one.follow));
        if mine.last.contains(&a) && goes_on() {
            return Some(true);
        }
        reach(&mine.followers[a], &other.followers[b], &mut next);
    }
    Some(false)
}
