//! The program that computes for engines of other processes, which start it: `isolation: "process"`.
//! It owns nothing; what it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    indwell::serve_if_worker();
    eprintln!(
        "engines with isolation \"process\" start this program; there is nothing to do by hand"
    );
    ExitCode::from(2)
}
