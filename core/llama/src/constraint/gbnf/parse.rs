//! The text of a GBNF grammar to its rules, as llama.cpp reads it.

use std::collections::HashMap;

use super::chars::CharSet;
use crate::error::GrammarError;

/// How deep groups may be nested.
const NESTING_MAX: usize = 128;
/// Rules of a grammar, at most: lexemes that don't go together are taken apart rule by rule.
const RULES_MAX: usize = 1_000;
/// The largest count of a repetition, as in llama.cpp.
const REPETITIONS_MAX: u32 = 2_000;

/// A grammar's rules.
#[derive(Debug)]
pub(super) struct Grammar {
    pub(super) rules: Vec<Expr>,
    /// Which of them is `root`.
    pub(super) root: usize,
}

/// What a rule, or a part of it, stands for.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    /// One character of a set.
    Class(CharSet),
    /// One after the other; nothing, if there is none.
    Sequence(Vec<Expr>),
    /// Any one of these.
    Choice(Vec<Expr>),
    /// So many times; without a second number, as often as one likes.
    Repeat(Box<Expr>, u32, Option<u32>),
    /// Another rule.
    Rule(usize),
    /// A token, as `<[id]>`, `<[^id]>` or `<name>`.
    Token(String),
}

pub(super) fn parse(text: &str) -> Result<Grammar, GrammarError> {
    let mut parser = Parser { text, at: 0, names: HashMap::new(), rules: Vec::new(), depth: 0 };
    parser.space(true);
    while parser.peek().is_some() {
        parser.rule()?;
    }
    let Parser { names, rules, .. } = parser;
    let refused = |reason: String| GrammarError::Refused(reason);
    let undefined = names.iter().filter(|&(_, &rule)| rules[rule].is_none());
    if let Some((name, _)) = undefined.min_by_key(|&(_, &rule)| rule) {
        return Err(refused(format!("the rule {name:?} is used but not defined")));
    }
    let Some(&root) = names.get("root") else {
        return Err(refused("there is no rule \"root\"".to_owned()));
    };
    Ok(Grammar { rules: rules.into_iter().flatten().collect(), root })
}

struct Parser<'text> {
    text: &'text str,
    at: usize,
    names: HashMap<&'text str, usize>,
    rules: Vec<Option<Expr>>,
    depth: usize,
}

impl<'text> Parser<'text> {
    fn rule(&mut self) -> Result<(), GrammarError> {
        let name = self.name()?;
        let rule = self.rule_of(name);
        if self.rules.len() > RULES_MAX {
            return Err(self.refused(&format!("at most {RULES_MAX} rules")));
        }
        self.space(false);
        if !self.text[self.at..].starts_with("::=") {
            return Err(self.expected("::="));
        }
        self.at += 3;
        self.space(true);
        self.rules[rule] = Some(self.choice(false)?);
        match self.peek() {
            None | Some('\r' | '\n') => self.space(true),
            Some(_) => return Err(self.expected("the end of the line")),
        }
        Ok(())
    }

    fn choice(&mut self, nested: bool) -> Result<Expr, GrammarError> {
        let mut options = vec![self.sequence(nested)?];
        while self.eat('|') {
            self.space(true);
            options.push(self.sequence(nested)?);
        }
        Ok(match options.len() {
            1 => options.swap_remove(0),
            _ => Expr::Choice(options),
        })
    }

    fn sequence(&mut self, nested: bool) -> Result<Expr, GrammarError> {
        let mut parts: Vec<Expr> = Vec::new();
        let mut repeated = 0;
        while let Some(next) = self.peek() {
            if let Some((from, to)) = self.repetition(next, nested)? {
                let Some(last) = parts.pop() else {
                    return Err(self.expected("something to repeat"));
                };
                repeated += 1;
                if repeated > NESTING_MAX {
                    return Err(GrammarError::TooDeep { limit: NESTING_MAX });
                }
                parts.push(match to {
                    Some(0) => Expr::Sequence(Vec::new()),
                    to => Expr::Repeat(Box::new(last), from, to),
                });
                continue;
            }
            repeated = 0;
            let part = match next {
                '"' => self.literal()?,
                '[' => self.class()?,
                '<' | '!' => self.token()?,
                '(' => self.group()?,
                '.' => {
                    self.at += 1;
                    Expr::Class(CharSet::all())
                }
                next if is_word(next) => {
                    let name = self.name()?;
                    Expr::Rule(self.rule_of(name))
                }
                _ => break,
            };
            parts.push(part);
            self.space(nested);
        }
        Ok(match parts.len() {
            1 => parts.swap_remove(0),
            _ => Expr::Sequence(parts),
        })
    }

    fn literal(&mut self) -> Result<Expr, GrammarError> {
        self.at += 1;
        let mut parts = Vec::new();
        while !self.eat('"') {
            parts.push(Expr::Class(CharSet::of(self.character()?)));
        }
        Ok(Expr::Sequence(parts))
    }

    fn class(&mut self) -> Result<Expr, GrammarError> {
        self.at += 1;
        let negated = self.eat('^');
        let mut ranges = Vec::new();
        while !self.eat(']') {
            let from = self.character()?;
            let rest = &self.text[self.at..];
            let to = if rest.starts_with('-') && !rest.starts_with("-]") {
                self.at += 1;
                self.character()?
            } else {
                from
            };
            ranges.push((from, to));
        }
        let set = CharSet::of_ranges(ranges.into_iter().filter(|(from, to)| from <= to));
        let set = if negated { set.negated() } else { set };
        if set.is_empty() {
            return Err(self.refused("this class has no characters"));
        }
        Ok(Expr::Class(set))
    }

    /// `<[12]>`, `<name>`, and the same after `!` for all other tokens.
    fn token(&mut self) -> Result<Expr, GrammarError> {
        let negated = self.eat('!');
        if self.peek() != Some('<') {
            return Err(self.expected("<"));
        }
        let rest = &self.text[self.at..];
        let Some(length) = rest.find('>') else { return Err(self.expected(">")) };
        let inside = &rest[1..length];
        let id = inside.strip_prefix('[').and_then(|id| id.strip_suffix(']'));
        let token = match id.map(str::parse::<u32>) {
            Some(Ok(id)) if negated => format!("<[^{id}]>"),
            Some(Ok(id)) => format!("<[{id}]>"),
            Some(Err(_)) => return Err(self.refused("a token's id is a number")),
            None if negated => {
                return Err(self.refused("say the id of a token that may not come: !<[id]>"));
            }
            None if inside.is_empty()
                || inside.contains(|c: char| c == '<' || c.is_whitespace()) =>
            {
                return Err(self.refused("this is no token's name"));
            }
            None => format!("<{inside}>"),
        };
        self.at += length + 1;
        Ok(Expr::Token(token))
    }

    fn group(&mut self) -> Result<Expr, GrammarError> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(GrammarError::TooDeep { limit: NESTING_MAX });
        }
        self.at += 1;
        self.space(true);
        let inside = self.choice(true)?;
        if !self.eat(')') {
            return Err(self.expected(")"));
        }
        self.depth -= 1;
        Ok(inside)
    }

    /// The counts of a repetition that begins with `next`, if one does.
    fn repetition(
        &mut self,
        next: char,
        nested: bool,
    ) -> Result<Option<(u32, Option<u32>)>, GrammarError> {
        let counts = match next {
            '*' => (0, None),
            '+' => (1, None),
            '?' => (0, Some(1)),
            '{' => {
                self.at += 1;
                self.space(nested);
                let from = self.count()?;
                self.space(nested);
                let mut to = Some(from);
                if self.eat(',') {
                    self.space(nested);
                    to = match self.peek() {
                        Some('0'..='9') => Some(self.count()?),
                        _ => None,
                    };
                    self.space(nested);
                }
                if self.peek() != Some('}') {
                    return Err(self.expected("}"));
                }
                if to.is_some_and(|to| to < from) {
                    return Err(self.refused("the second count is below the first"));
                }
                (from, to)
            }
            _ => return Ok(None),
        };
        self.at += 1;
        self.space(nested);
        Ok(Some(counts))
    }

    fn count(&mut self) -> Result<u32, GrammarError> {
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        if length == 0 {
            return Err(self.expected("a number"));
        }
        let count = rest[..length].parse().ok().filter(|&count| count <= REPETITIONS_MAX);
        let Some(count) = count else {
            return Err(self.refused(&format!("at most {REPETITIONS_MAX} repetitions")));
        };
        self.at += length;
        Ok(count)
    }

    fn character(&mut self) -> Result<char, GrammarError> {
        let Some(character) = self.next() else { return Err(self.expected("a character")) };
        if character != '\\' {
            return Ok(character);
        }
        match self.next() {
            Some('x') => self.hexadecimal(2),
            Some('u') => self.hexadecimal(4),
            Some('U') => self.hexadecimal(8),
            Some('t') => Ok('\t'),
            Some('r') => Ok('\r'),
            Some('n') => Ok('\n'),
            Some(itself @ ('\\' | '"' | '[' | ']' | '-')) => Ok(itself),
            _ => Err(self.refused("this escape is not known")),
        }
    }

    fn hexadecimal(&mut self, digits: usize) -> Result<char, GrammarError> {
        let code = self.text.get(self.at..self.at + digits);
        let code = code.filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = code.and_then(|code| u32::from_str_radix(code, 16).ok());
        let Some(character) = code.and_then(char::from_u32) else {
            return Err(self.expected(&format!("{digits} hexadecimal digits of a character")));
        };
        self.at += digits;
        Ok(character)
    }

    fn name(&mut self) -> Result<&'text str, GrammarError> {
        let rest = &self.text[self.at..];
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if length == 0 {
            return Err(self.expected("a rule's name"));
        }
        self.at += length;
        Ok(&rest[..length])
    }

    fn rule_of(&mut self, name: &'text str) -> usize {
        let next = self.rules.len();
        let rule = *self.names.entry(name).or_insert(next);
        if rule == next {
            self.rules.push(None);
        }
        rule
    }

    /// Skips spaces and comments, and the ends of lines where they mean nothing.
    fn space(&mut self, newlines: bool) {
        while let Some(next) = self.peek() {
            match next {
                ' ' | '\t' => self.at += 1,
                '\r' | '\n' if newlines => self.at += 1,
                '#' => {
                    let rest = &self.text[self.at..];
                    self.at += rest.find(['\r', '\n']).unwrap_or(rest.len());
                }
                _ => return,
            }
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn expected(&self, what: &str) -> GrammarError {
        self.refused(&format!("expected {what}"))
    }

    fn refused(&self, reason: &str) -> GrammarError {
        let before = &self.text[..self.at.min(self.text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        GrammarError::Refused(format!("{line}({column}): {reason}"))
    }
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '-'
}
