//! The rules of a GBNF grammar as rules over lexemes.
//!
//! What is regular in a rule becomes one lexeme, as long as that says the same (see `lexeme`);
//! otherwise its parts do, down to single characters, which are never in each other's way.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::chars::CharSet;
use super::lexeme::{Placed, Positions, conflicts};
use super::parse::{Expr, Grammar};
use super::terminal::terminal;

/// A part of a rule over lexemes.
#[derive(Debug)]
pub(super) enum Node {
    Lexeme(usize),
    Rule(usize),
    Token(String),
    Sequence(Vec<Node>),
    Choice(Vec<Node>),
    Repeat(Box<Node>, u32, Option<u32>),
}

/// A grammar over lexemes.
#[derive(Debug)]
pub(super) struct Lowered {
    pub(super) lexemes: Vec<Lexeme>,
    /// By number; those that nobody uses are not there.
    pub(super) rules: BTreeMap<usize, Node>,
}

#[derive(Debug)]
pub(super) struct Lexeme {
    pub(super) expr: Expr,
    pub(super) terminal: String,
    pub(super) is_nullable: bool,
    positions: Positions,
}

pub(super) fn lower(grammar: &Grammar) -> Lowered {
    let regular = regular_rules(&grammar.rules);
    let mut cut = Cut::These(HashSet::new());
    loop {
        let lowered = Lowering::of(grammar, &regular, &cut);
        let follows = lowered.follows(grammar.root);
        let placed: Vec<Placed<'_>> = lowered
            .lexemes
            .iter()
            .zip(&follows)
            .map(|(lexeme, follow)| Placed { positions: &lexeme.positions, follow })
            .collect();
        let Cut::These(terminals) = &mut cut else { return lowered };
        match conflicts(&placed) {
            None => cut = Cut::All,
            Some(found) if found.is_empty() => return lowered,
            Some(found) => {
                let found = found.into_iter().map(|at| lowered.lexemes[at].terminal.clone());
                terminals.extend(found);
            }
        }
    }
}

/// Which lexemes are taken apart.
enum Cut {
    These(HashSet<String>),
    All,
}

/// Which rules stand for a regular language by their form: they use no token, no rule that is not
/// regular, and so not themselves.
fn regular_rules(rules: &[Expr]) -> Vec<bool> {
    let mut users = vec![Vec::new(); rules.len()];
    let mut open = vec![0_usize; rules.len()];
    let mut has_token = vec![false; rules.len()];
    for (rule, expr) in rules.iter().enumerate() {
        let mut parts = vec![expr];
        while let Some(part) = parts.pop() {
            match part {
                Expr::Class(_) => {}
                Expr::Sequence(inner) | Expr::Choice(inner) => parts.extend(inner),
                Expr::Repeat(inner, ..) => parts.push(inner),
                Expr::Rule(used) => {
                    users[*used].push(rule);
                    open[rule] += 1;
                }
                Expr::Token(_) => has_token[rule] = true,
            }
        }
    }
    let mut regular = vec![false; rules.len()];
    let mut closed: Vec<usize> =
        (0..rules.len()).filter(|&rule| open[rule] == 0 && !has_token[rule]).collect();
    while let Some(rule) = closed.pop() {
        regular[rule] = true;
        for &user in &users[rule] {
            open[user] -= 1;
            if open[user] == 0 && !has_token[user] {
                closed.push(user);
            }
        }
    }
    regular
}

struct Lowering<'grammar> {
    grammar: &'grammar Grammar,
    regular: &'grammar [bool],
    cut: &'grammar Cut,
    lexemes: Vec<Lexeme>,
    /// Lexemes by their terminals.
    known: HashMap<String, usize>,
    /// Rules that are used and not lowered yet.
    wanted: Vec<usize>,
}

impl<'grammar> Lowering<'grammar> {
    fn of(grammar: &'grammar Grammar, regular: &'grammar [bool], cut: &'grammar Cut) -> Lowered {
        let wanted = vec![grammar.root];
        let (lexemes, known) = (Vec::new(), HashMap::new());
        let mut lowering = Self { grammar, regular, cut, lexemes, known, wanted };
        let mut rules = BTreeMap::new();
        while let Some(rule) = lowering.wanted.pop() {
            rules.entry(rule).or_insert_with(|| lowering.node(&grammar.rules[rule]));
        }
        Lowered { lexemes: lowering.lexemes, rules }
    }

    fn is_regular(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Class(_) => true,
            Expr::Sequence(parts) | Expr::Choice(parts) => parts.iter().all(|p| self.is_regular(p)),
            Expr::Repeat(inner, ..) => self.is_regular(inner),
            Expr::Rule(rule) => self.regular[*rule],
            Expr::Token(_) => false,
        }
    }

    fn node(&mut self, expr: &Expr) -> Node {
        if self.is_regular(expr)
            && let Some(node) = self.lexeme(expr)
        {
            return node;
        }
        match expr {
            Expr::Class(_) => unreachable!("a single character is never taken apart"),
            Expr::Sequence(parts) => Node::Sequence(self.sequence(parts)),
            Expr::Choice(options) => {
                Node::Choice(options.iter().map(|option| self.node(option)).collect())
            }
            Expr::Repeat(inner, from, to) => Node::Repeat(Box::new(self.node(inner)), *from, *to),
            Expr::Rule(rule) => {
                self.wanted.push(*rule);
                Node::Rule(*rule)
            }
            Expr::Token(token) => Node::Token(token.clone()),
        }
    }

    /// The parts of a sequence, with those that are regular and stand side by side as one.
    fn sequence(&mut self, parts: &[Expr]) -> Vec<Node> {
        let is_whole = parts.iter().all(|part| self.is_regular(part));
        let goes_on = |a: &Expr, b: &Expr| !is_whole && self.is_regular(a) && self.is_regular(b);
        let runs: Vec<&[Expr]> = parts.chunk_by(goes_on).collect();
        let mut nodes = Vec::new();
        for run in runs {
            match run {
                [part] => nodes.push(self.node(part)),
                run => nodes.push(self.node(&Expr::Sequence(run.to_vec()))),
            }
        }
        nodes
    }

    /// `expr`, which is regular, as one lexeme; `None` where it is to be taken apart.
    fn lexeme(&mut self, expr: &Expr) -> Option<Node> {
        let terminal = terminal(expr);
        let positions = Positions::of(expr, &self.grammar.rules);
        let is_cut = match self.cut {
            Cut::All => true,
            Cut::These(terminals) => positions.is_none() || terminals.contains(&terminal),
        };
        if is_cut && !matches!(expr, Expr::Class(_)) {
            return None;
        }
        let positions = positions.unwrap_or_default();
        if positions.is_empty() {
            return Some(Node::Sequence(Vec::new()));
        }
        let is_nullable = positions.is_nullable;
        let next = self.lexemes.len();
        let lexeme = *self.known.entry(terminal.clone()).or_insert(next);
        if lexeme == next {
            self.lexemes.push(Lexeme { expr: expr.clone(), terminal, is_nullable, positions });
        }
        let node = Node::Lexeme(lexeme);
        Some(if is_nullable { Node::Repeat(Box::new(node), 0, Some(1)) } else { node })
    }
}

impl Lowered {
    /// What may come after each lexeme.
    fn follows(&self, root: usize) -> Vec<CharSet> {
        let mut sets = Sets {
            lowered: self,
            first: BTreeMap::new(),
            rule_follow: BTreeMap::from([(root, CharSet::default())]),
            lexeme_follow: vec![CharSet::default(); self.lexemes.len()],
            has_changed: true,
        };
        while std::mem::take(&mut sets.has_changed) {
            for (&rule, node) in &self.rules {
                let first = sets.first_of(node);
                let known = sets.first.entry(rule).or_default();
                let is_new = known.0.add(&first.0) | (first.1 && !known.1);
                known.1 |= first.1;
                sets.has_changed |= is_new;
            }
        }
        sets.has_changed = true;
        while std::mem::take(&mut sets.has_changed) {
            for (rule, node) in &self.rules {
                let follow = sets.rule_follow.get(rule).cloned().unwrap_or_default();
                sets.follow(node, &follow);
            }
        }
        sets.lexeme_follow
    }
}

/// The characters that parts begin with, and those that come after them.
struct Sets<'lowered> {
    lowered: &'lowered Lowered,
    /// By rule: what it begins with, and whether it may be nothing.
    first: BTreeMap<usize, (CharSet, bool)>,
    rule_follow: BTreeMap<usize, CharSet>,
    lexeme_follow: Vec<CharSet>,
    has_changed: bool,
}

impl Sets<'_> {
    fn first_of(&self, node: &Node) -> (CharSet, bool) {
        match node {
            Node::Lexeme(at) => (self.lowered.lexemes[*at].positions.first_chars(), false),
            Node::Rule(rule) => self.first.get(rule).cloned().unwrap_or_default(),
            Node::Token(_) => (CharSet::default(), false),
            Node::Sequence(parts) => {
                let mut chars = CharSet::default();
                for part in parts {
                    let (first, is_nullable) = self.first_of(part);
                    chars.add(&first);
                    if !is_nullable {
                        return (chars, false);
                    }
                }
                (chars, true)
            }
            Node::Choice(options) => {
                let mut both = (CharSet::default(), false);
                for option in options {
                    let (first, is_nullable) = self.first_of(option);
                    both.0.add(&first);
                    both.1 |= is_nullable;
                }
                both
            }
            Node::Repeat(inner, from, _) => {
                let (first, is_nullable) = self.first_of(inner);
                (first, is_nullable || *from == 0)
            }
        }
    }

    fn follow(&mut self, node: &Node, after: &CharSet) {
        match node {
            Node::Lexeme(at) => self.has_changed |= self.lexeme_follow[*at].add(after),
            Node::Rule(rule) => {
                self.has_changed |= self.rule_follow.entry(*rule).or_default().add(after);
            }
            Node::Token(_) => {}
            Node::Sequence(parts) => {
                let mut after = after.clone();
                for part in parts.iter().rev() {
                    self.follow(part, &after);
                    let (first, is_nullable) = self.first_of(part);
                    if is_nullable {
                        after.add(&first);
                    } else {
                        after = first;
                    }
                }
            }
            Node::Choice(options) => options.iter().for_each(|option| self.follow(option, after)),
            Node::Repeat(inner, _, to) => {
                let mut after = after.clone();
                if *to != Some(1) {
                    after.add(&self.first_of(inner).0);
                }
                self.follow(inner, &after);
            }
        }
    }
}
