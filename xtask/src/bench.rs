//! `cargo xtask bench`: builds and stages everything, then runs the programs of `benches`.
//!
//! Nothing else should run meanwhile. The contenders of a run share its conditions, but on a busy
//! machine the figures mean little all the same; each report says how busy it was.

use std::process::Command;

use anyhow::Result;

use crate::build;
use crate::demo::{self, run_visibly};
use crate::setup::{self, Purpose};
use crate::stage;
use crate::suites::{Context, kotlin, python};
use crate::workspace::Workspace;

/// Prepares what the clients of all languages need, and measures.
pub(crate) fn run(workspace: &Workspace, rounds: u32) -> Result<()> {
    setup::run(workspace, Purpose::Test)?;
    let staged = stage::run(workspace, &build::run(workspace)?)?;
    demo::pull_model(workspace)?;
    let context = Context { workspace, staged };
    let interpreter = python::install(&context)?;
    let class_path = kotlin::class_path(&context)?;

    let rounds = rounds.to_string();
    let mut binding_cost = program(workspace, "binding_cost");
    binding_cost.args(["--rounds", &rounds, "--node", "node", "--java", "java"]);
    binding_cost.arg("--python").arg(interpreter);
    binding_cost.args(["--kotlin-classpath", &class_path]);
    binding_cost.arg("--kotlin-native-dir").arg(&context.staged.mobile);
    run_visibly(&mut binding_cost)?;
    run_visibly(program(workspace, "decode_limit").args(["--rounds", &rounds]))
}

/// One of the programs of `benches` as just built.
fn program(workspace: &Workspace, name: &str) -> Command {
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    workspace.command(workspace.profile_dir().join(name))
}
