//! The case of letters.

use std::sync::Arc;

use crate::jinja::failure::Result;
use crate::jinja::meter::Meter;
use crate::jinja::text::{Buffer, Char, Text};

/// All letters small.
pub(crate) fn lowered(chars: &[Char], meter: &Arc<Meter>) -> Result<Text> {
    let mut buffer = Buffer::new(meter)?;
    for (index, c) in chars.iter().enumerate() {
        lower_into(chars, index, *c, &mut buffer)?;
    }
    Ok(buffer.finish())
}

/// All letters capital.
pub(crate) fn raised(chars: &[Char], meter: &Arc<Meter>) -> Result<Text> {
    let mut buffer = Buffer::new(meter)?;
    for c in chars {
        buffer.extend(c.letter().to_uppercase().map(|letter| c.with(letter)))?;
    }
    Ok(buffer.finish())
}

/// The first letter capital, the others small.
pub(crate) fn capitalized(chars: &[Char], meter: &Arc<Meter>) -> Result<Text> {
    words(chars, |at| at == 0, meter)
}

/// The first letter of each word capital, the others small; a word begins after whatever is no
/// letter.
pub(super) fn titled(chars: &[Char], meter: &Arc<Meter>) -> Result<Text> {
    let begins = |at: usize| {
        at.checked_sub(1).and_then(|before| chars.get(before)).is_none_or(|c| !is_cased(*c))
    };
    words(chars, begins, meter)
}

/// Capital letters small, small ones capital.
pub(super) fn swapped(chars: &[Char], meter: &Arc<Meter>) -> Result<Text> {
    let mut buffer = Buffer::new(meter)?;
    for (index, c) in chars.iter().enumerate() {
        if c.letter().is_uppercase() {
            lower_into(chars, index, *c, &mut buffer)?;
        } else {
            buffer.extend(c.letter().to_uppercase().map(|letter| c.with(letter)))?;
        }
    }
    Ok(buffer.finish())
}

pub(super) fn is_cased(c: Char) -> bool {
    c.letter().is_uppercase() || c.letter().is_lowercase()
}

fn words(chars: &[Char], begins: impl Fn(usize) -> bool, meter: &Arc<Meter>) -> Result<Text> {
    let mut buffer = Buffer::new(meter)?;
    for (index, c) in chars.iter().enumerate() {
        if begins(index) {
            buffer.extend(c.letter().to_uppercase().map(|letter| c.with(letter)))?;
        } else {
            lower_into(chars, index, *c, &mut buffer)?;
        }
    }
    Ok(buffer.finish())
}

fn lower_into(chars: &[Char], index: usize, c: Char, buffer: &mut Buffer) -> Result<()> {
    // A sigma at the end of a word has a form of its own.
    if c.letter() == 'Σ' {
        let before = index.checked_sub(1).and_then(|at| chars.get(at));
        let after = chars.get(index + 1);
        let ends = before.is_some_and(|c| is_cased(*c)) && !after.is_some_and(|c| is_cased(*c));
        return buffer.push_char(c.with(if ends { 'ς' } else { 'σ' }));
    }
    buffer.extend(c.letter().to_lowercase().map(|letter| c.with(letter)))
}
