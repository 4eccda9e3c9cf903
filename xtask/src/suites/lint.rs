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
    ("documentation", &["doc", "--workspace", "--no-deps", "--document-private-items"]),
];

/// What rustdoc refuses. A map of private modules may link to them: whoever reads it has the sources.
const RUSTDOC_FLAGS: &str = "-D warnings -A rustdoc::private_intra_doc_links";

/// Runs every check, failed ones before it or not.
pub(crate) fn run(context: &Context<'_>, tally: &mut Tally) -> Result<()> {
    for (title, arguments) in CHECKS {
        let mut command = context.workspace.cargo();
        command.args(arguments).env("RUSTDOCFLAGS", RUSTDOC_FLAGS);
        tally.check(process::quietly(title, &mut command));
    }
    tally.check(features::check(context.workspace));
    Ok(())
}
