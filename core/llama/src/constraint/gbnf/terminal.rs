//! How the parts of a grammar are written in llguidance's Lark.

use std::fmt::Write;

use super::lower::{Lowered, Node};
use super::parse::{Expr, Grammar};

/// A regular part as a terminal's definition. Rules stand in it by the names of their terminals.
pub(super) fn terminal(expr: &Expr) -> String {
    let mut text = String::new();
    write_terminal(expr, &mut text);
    text
}

/// The whole grammar.
pub(super) fn write_grammar(grammar: &Grammar, lowered: &Lowered) -> String {
    let mut text = format!("start: r{}\n", grammar.root);
    for (rule, node) in &lowered.rules {
        let _ = write!(text, "r{rule}: ");
        write_node(node, &mut text);
        text.push('\n');
    }
    for (at, lexeme) in lowered.lexemes.iter().enumerate() {
        let terminal = &lexeme.terminal;
        let _ = match lexeme.is_nullable {
            // A lexeme is never nothing: where nothing may stand, the rule says so.
            true => writeln!(text, "L{at}: ({terminal}) & /(?s:.)+/"),
            false => writeln!(text, "L{at}: {terminal}"),
        };
    }
    for rule in used_as_terminals(grammar, lowered) {
        let _ = writeln!(text, "T{rule}: {}", terminal(&grammar.rules[rule]));
    }
    text
}

/// A literal of `text`.
pub(super) fn literal(text: &str) -> String {
    let mut literal = String::from("\"");
    for character in text.chars() {
        let _ = match character {
            '"' | '\\' => write!(literal, "\\{character}"),
            '\u{0}'..='\u{1f}' | '\u{7f}' => write!(literal, "\\u{:04x}", u32::from(character)),
            _ => write!(literal, "{character}"),
        };
    }
    literal.push('"');
    literal
}

/// The rules that terminals use, themselves or through others.
fn used_as_terminals(grammar: &Grammar, lowered: &Lowered) -> Vec<usize> {
    let mut used = vec![false; grammar.rules.len()];
    let mut found = Vec::new();
    let mut parts: Vec<&Expr> = lowered.lexemes.iter().map(|lexeme| &lexeme.expr).collect();
    while let Some(part) = parts.pop() {
        match part {
            Expr::Class(_) | Expr::Token(_) => {}
            Expr::Sequence(inner) | Expr::Choice(inner) => parts.extend(inner),
            Expr::Repeat(inner, ..) => parts.push(inner),
            Expr::Rule(rule) if used[*rule] => {}
            Expr::Rule(rule) => {
                used[*rule] = true;
                found.push(*rule);
                parts.push(&grammar.rules[*rule]);
            }
        }
    }
    found
}

fn write_terminal(expr: &Expr, text: &mut String) {
    match expr {
        Expr::Class(set) => match set.only() {
            Some(character) => text.push_str(&literal(&character.to_string())),
            None => {
                let _ = write!(text, "/{}/", set.to_regex());
            }
        },
        Expr::Sequence(parts) => write_sequence(parts, text),
        Expr::Choice(options) => write_list(options, " | ", text, write_terminal),
        Expr::Repeat(inner, from, to) => {
            text.push('(');
            write_terminal(inner, text);
            text.push(')');
            write_counts(*from, *to, text);
        }
        Expr::Rule(rule) => {
            let _ = write!(text, "T{rule}");
        }
        Expr::Token(token) => text.push_str(token),
    }
}

/// With characters that stand side by side as one literal.
fn write_sequence(parts: &[Expr], text: &mut String) {
    let only = |part: &Expr| match part {
        Expr::Class(set) => set.only(),
        _ => None,
    };
    if parts.is_empty() {
        text.push_str("\"\"");
        return;
    }
    text.push('(');
    for run in parts.chunk_by(|a, b| only(a).is_some() && only(b).is_some()) {
        if !text.ends_with('(') {
            text.push(' ');
        }
        match run.iter().map(only).collect::<Option<String>>() {
            Some(characters) => text.push_str(&literal(&characters)),
            None => run.iter().for_each(|part| write_terminal(part, text)),
        }
    }
    text.push(')');
}

fn write_node(node: &Node, text: &mut String) {
    match node {
        Node::Lexeme(at) => {
            let _ = write!(text, "L{at}");
        }
        Node::Rule(rule) => {
            let _ = write!(text, "r{rule}");
        }
        Node::Token(token) => text.push_str(token),
        Node::Sequence(parts) if parts.is_empty() => text.push_str("\"\""),
        Node::Sequence(parts) => write_list(parts, " ", text, write_node),
        Node::Choice(options) => write_list(options, " | ", text, write_node),
        Node::Repeat(inner, from, to) => {
            text.push('(');
            write_node(inner, text);
            text.push(')');
            write_counts(*from, *to, text);
        }
    }
}

fn write_list<T>(
    items: &[T],
    between: &str,
    text: &mut String,
    write_item: impl Fn(&T, &mut String),
) {
    text.push('(');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            text.push_str(between);
        }
        write_item(item, text);
    }
    text.push(')');
}

fn write_counts(from: u32, to: Option<u32>, text: &mut String) {
    match (from, to) {
        (0, None) => text.push('*'),
        (1, None) => text.push('+'),
        (0, Some(1)) => text.push('?'),
        (from, None) => {
            let _ = write!(text, "{{{from},}}");
        }
        (from, Some(to)) => {
            let _ = write!(text, "{{{from},{to}}}");
        }
    }
}
