//! Node: the published declarations checked by the TypeScript compiler, the behaviour tested by
//! Node's own runner, on the native module that was staged.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::Context;
use super::stamp::Stamp;
use crate::process;
use crate::reports::{NodeCounter, Tally};
use crate::workspace::Workspace;

const PACKAGE: &str = "bindings/node";

/// Installs the development packages, checks types and runs the tests.
pub(crate) fn run(context: &Context<'_>, tally: &mut Tally) -> Result<()> {
    let workspace = context.workspace;
    install(workspace)?;

    let mut types = in_package(workspace, "node_modules/.bin/tsc");
    types.arg("--noEmit");
    tally.check(process::quietly("node: tsc", &mut types));

    let mut tests = in_package(workspace, "node");
    tests.args(["--test", "--test-reporter=spec"]);
    tests.env("INDWELL_PROGRAM", workspace.program());
    let mut counter = NodeCounter::default();
    let status = process::stream("node --test", &mut tests, |line| counter.line(line))?;
    tally.runner("node --test", status, &counter.finish());
    Ok(())
}

/// What the lock file says, unless it is installed already.
fn install(workspace: &Workspace) -> Result<()> {
    let package = workspace.path(PACKAGE);
    let lock = package.join("package-lock.json");
    let locked =
        fs::read_to_string(&lock).with_context(|| format!("could not read {}", lock.display()))?;
    let stamp = Stamp::new(&package.join("node_modules"), locked);
    if stamp.is_current() {
        return Ok(());
    }
    let mut command = in_package(workspace, "npm");
    command.args(["ci", "--no-audit", "--no-fund"]);
    process::quietly("node: packages", &mut command)?;
    stamp.write()
}

fn in_package(workspace: &Workspace, program: &str) -> Command {
    let dir = workspace.path(PACKAGE);
    // A program given by its path is looked up before the folder changes.
    let program = match program.contains('/') {
        true => dir.join(program).into_os_string(),
        false => program.into(),
    };
    let mut command = workspace.command(program);
    command.current_dir(dir);
    command
}
