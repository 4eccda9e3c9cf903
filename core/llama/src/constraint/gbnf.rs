//! GBNF, llama.cpp's grammars, as the Lark that llguidance reads.
//!
//! llguidance's crate reads no GBNF. The conversion here says the same as the grammar does: an
//! answer that it allows is one that llama.cpp would, and the other way round. The two differ in
//! that GBNF has no lexer; `lexeme` finds where one would make a difference.
//!
//! Differences from llama.cpp: left recursion works, and a class without characters is refused.

mod chars;
mod lexeme;
mod lower;
mod parse;
mod terminal;

use crate::error::GrammarError;

/// A literal of `text` in Lark.
pub(super) fn lark_literal(text: &str) -> String {
    terminal::literal(text)
}

/// The grammar in Lark.
///
/// # Errors
/// [`GrammarError`] with line and column of what is not GBNF.
pub(super) fn to_lark(text: &str) -> Result<String, GrammarError> {
    let grammar = parse::parse(text)?;
    let lowered = lower::lower(&grammar);
    Ok(terminal::write_grammar(&grammar, &lowered))
}

#[cfg(test)]
mod tests;
