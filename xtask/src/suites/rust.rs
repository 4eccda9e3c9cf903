//! Every Rust test of the workspace, documentation included.

use anyhow::Result;

use super::Context;
use crate::process;
use crate::reports::{LibtestCounter, Tally};
use crate::test_models::SLIDING_WINDOW;
use crate::test_templates;

/// Runs them with the selection that was built, so that nothing is built again.
pub(crate) fn run(context: &Context<'_>, tally: &mut Tally) -> Result<()> {
    let mut command = context.workspace.cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]);
    SLIDING_WINDOW.tell(context.workspace, &mut command);
    tally.check(test_templates::tell(context.workspace, &mut command));
    let mut counter = LibtestCounter::default();
    let status = process::stream("cargo test", &mut command, |line| counter.line(line))?;
    tally.runner("cargo test", status, &counter.finish());
    Ok(())
}
