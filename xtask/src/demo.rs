//! `cargo xtask demo`: from a fresh machine to a streamed chat answer of the default model.

use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use crate::build;
use crate::process;
use crate::setup::{self, Purpose};
use crate::stage;
use crate::workspace::Workspace;

/// The alias of the model that a first run uses.
const MODEL: &str = "smollm2-135m";
const QUESTION: &str = "What is a computer?";
/// Ends an answer that does not end by itself, after a few seconds on a small machine.
const ANSWER_TOKENS_MAX: u32 = 96;

/// Prepares everything, then asks the default model a question.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    setup::run(workspace, Purpose::Demo)?;
    stage::run(workspace, &build::run(workspace)?)?;
    pull_model(workspace)?;
    println!("\n> {QUESTION}\n");
    let max_tokens = ANSWER_TOKENS_MAX.to_string();
    run_visibly(cli(workspace).args(["chat", MODEL, QUESTION]).args([
        "--max-tokens",
        &max_tokens,
        "--stats",
    ]))
}

/// Fetches the default model into the user's cache, unless it is there.
pub(crate) fn pull_model(workspace: &Workspace) -> Result<()> {
    run_visibly(cli(workspace).args(["pull", MODEL]))
}

/// Indwell's command-line program as just built.
fn cli(workspace: &Workspace) -> Command {
    let name = format!("indwell{}", std::env::consts::EXE_SUFFIX);
    workspace.command(workspace.profile_dir().join(name))
}

/// Runs a program that shows its own progress: it gets the terminal.
pub(crate) fn run_visibly(command: &mut Command) -> Result<()> {
    let status = command.stdout(Stdio::inherit()).stderr(Stdio::inherit()).status()?;
    ensure!(status.success(), "`{}` ended with {status}", process::describe(command));
    Ok(())
}
