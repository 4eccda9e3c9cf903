//! Where the prompt comes from: the command line, or standard input.

use std::io::{self, IsTerminal, Read};

use anyhow::Context;
use indwell::Error;

/// Whether a person sits at standard input.
pub(crate) fn has_person() -> bool {
    io::stdin().is_terminal()
}

/// All of standard input, without the newline that ends it.
///
/// # Errors
/// `invalid_request` for bytes that are no text.
pub(crate) fn read() -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes).context("standard input could not be read")?;
    text(bytes)
}

fn text(bytes: Vec<u8>) -> anyhow::Result<String> {
    let mut text = String::from_utf8(bytes).map_err(|error| {
        Error::invalid(
            "prompt",
            format!("not valid from byte {} on", error.utf8_error().valid_up_to()),
            "text in UTF-8",
            "convert it first",
        )
    })?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_newline_is_no_part_of_the_prompt() {
        assert_eq!(text(b"a\nb\n".to_vec()).expect("text"), "a\nb");
        assert_eq!(text(b"a\r\n".to_vec()).expect("text"), "a");
        assert_eq!(text(b"a\n\n".to_vec()).expect("text"), "a\n");
        assert_eq!(text(Vec::new()).expect("text"), "");
    }

    #[test]
    fn bytes_that_are_no_text_are_an_invalid_request() {
        let error = text(b"ab\xff".to_vec()).expect_err("no UTF-8");
        let error = error.downcast_ref::<Error>().expect("the library's error");
        assert_eq!(error.kind(), indwell::ErrorKind::InvalidRequest);
        assert!(error.message().contains("byte 2"), "{error}");
    }
}
