//! Kotlin: generated, compiled and tested on the JVM through Maven.

use std::fs;

use anyhow::Result;

use super::Context;
use crate::process;
use crate::reports::{Tally, junit_folder};

const PROJECT: &str = "bindings/mobile/kotlin";

/// Runs Maven's `test` on the staged library and counts what Surefire reports.
pub(crate) fn run(context: &Context<'_>, tally: &mut Tally) -> Result<()> {
    let project = context.workspace.path(PROJECT);
    let reports = project.join("target/surefire-reports");
    if reports.exists() {
        fs::remove_dir_all(&reports)?;
    }
    let mut native = std::ffi::OsString::from("-Dindwell.native.dir=");
    native.push(&context.staged.mobile);
    let mut command = context.workspace.command("mvn");
    command
        .current_dir(&project)
        .args(["--batch-mode", "--no-transfer-progress", "-Dstyle.color=never"])
        .arg(native)
        .arg("test");
    let status = process::stream("mvn test", &mut command, |_| {})?;
    tally.runner("mvn test", status, &junit_folder(&reports)?);
    Ok(())
}
