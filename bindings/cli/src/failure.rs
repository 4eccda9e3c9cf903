//! Errors as text on standard error and as exit codes.
//!
//! | code | when |
//! |---|---|
//! | 0 | success; also when whoever read standard output has gone |
//! | 1 | any other error |
//! | 2 | the command line or the request is wrong: `invalid_request`, `context_overflow` |
//! | 3 | `model_load` |
//! | 4 | `not_cached` |
//! | 130 | Ctrl-C |

use std::io::{self, Write};
use std::process::ExitCode;

use indwell::{Error, ErrorKind};

/// The exit code of an answer that Ctrl-C ended.
pub(crate) const INTERRUPTED: u8 = 130;

/// Tells the error and says how to exit.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if is_reader_gone(error) {
        return ExitCode::SUCCESS;
    }
    tell(error);
    ExitCode::from(code(error))
}

/// Writes the error as one line on standard error.
pub(crate) fn tell(error: &anyhow::Error) {
    // The library's messages are whole: their sources would only repeat a part of them.
    let line = match error.downcast_ref::<Error>() {
        Some(error) => format!("error: {error}"),
        None => format!("error: {error:#}"),
    };
    // With nobody to tell, the exit code still does.
    let _ = writeln!(io::stderr(), "{line}");
}

fn code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<Error>().map(Error::kind) {
        Some(ErrorKind::InvalidRequest | ErrorKind::ContextOverflow) => 2,
        Some(ErrorKind::ModelLoad) => 3,
        Some(ErrorKind::NotCached) => 4,
        Some(ErrorKind::Cancelled) => INTERRUPTED,
        _ => 1,
    }
}

fn is_reader_gone(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(kind: ErrorKind) -> u8 {
        code(&Error::new(kind, "so it is").into())
    }

    #[test]
    fn kinds_have_their_exit_codes() {
        assert_eq!(code_of(ErrorKind::InvalidRequest), 2);
        assert_eq!(code_of(ErrorKind::ContextOverflow), 2);
        assert_eq!(code_of(ErrorKind::ModelLoad), 3);
        assert_eq!(code_of(ErrorKind::NotCached), 4);
        assert_eq!(code_of(ErrorKind::Cancelled), 130);
        assert_eq!(code_of(ErrorKind::Overloaded), 1);
        assert_eq!(code(&anyhow::anyhow!("something else")), 1);
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure() {
        assert!(is_reader_gone(&io::Error::from(io::ErrorKind::BrokenPipe).into()));
        assert!(!is_reader_gone(&io::Error::from(io::ErrorKind::NotFound).into()));
    }
}
