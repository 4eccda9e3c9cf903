//! Kotlin: generated, compiled and tested on the JVM through Maven.

use std::ffi::OsString;
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};

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
    let mut command = maven(context);
    command.arg("test");
    let status = process::stream("mvn test", &mut command, |_| {})?;
    tally.runner("mvn test", status, &junit_folder(&reports)?);
    Ok(())
}

/// Compiles the package and what is tested and measured with it, and gives the class path of all.
pub(crate) fn class_path(context: &Context<'_>) -> Result<String> {
    process::quietly("kotlin: compile", maven(context).arg("test-compile"))?;
    // Into a file: what Maven prints has a terminal's escape codes around it, quiet or not.
    let file = context.workspace.state("kotlin-class-path");
    let mut output = OsString::from("-Dexec.outputFile=");
    output.push(&file);
    let print = ["exec:exec", "-Dexec.executable=echo", "-Dexec.args=%classpath"];
    let mut command = maven(context);
    command.args(print).arg("-Dexec.classpathScope=test").arg(output);
    process::quietly("kotlin: class path", &mut command)?;
    let printed =
        fs::read_to_string(&file).with_context(|| format!("could not read {}", file.display()))?;
    Ok(printed.trim().to_owned())
}

/// Maven in the package's folder, told where the staged library is.
fn maven(context: &Context<'_>) -> Command {
    let mut native = OsString::from("-Dindwell.native.dir=");
    native.push(&context.staged.mobile);
    let mut command = context.workspace.command("mvn");
    command
        .current_dir(context.workspace.path(PROJECT))
        .args(["--batch-mode", "--no-transfer-progress", "-Dstyle.color=never"])
        .arg(native);
    command
}
