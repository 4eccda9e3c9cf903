//! What can be said of the Rust sources without running them; each check counts as one test.
//!
//! `cargo deny` is not among them: it is no part of a toolchain, and `deny.toml` says how to run it.

use anyhow::Result;

use super::Context;
use crate::features;
use crate::process;
use crate::reports::Tally;

/// Title and arguments of each cargo call that must succeed.
const CHECKS: [(&str, &[&str]); 3] = [
    ("formatting", &["fmt", "--all", "--check"]),
    ("clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    ("documentation", &["doc", "--workspace", "--no-deps"]),
];

/// Runs every check, failed ones before it or not.
pub(crate) fn run(context: &Context<'_>, tally: &mut Tally) -> Result<()> {
    for (title, arguments) in CHECKS {
        let mut command = context.workspace.cargo();
        command.args(arguments).env("RUSTDOCFLAGS", "-D warnings");
        tally.check(process::quietly(title, &mut command));
    }
    tally.check(features::check(context.workspace));
    Ok(())
}
