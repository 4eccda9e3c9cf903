//! Python's virtual environments: made once, made anew when the interpreter or the pinned packages
//! change.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::stamp::Stamp;
use crate::process;
use crate::workspace::Workspace;

/// An environment below the target folder.
#[derive(Debug)]
pub(crate) struct Environment<'a> {
    workspace: &'a Workspace,
    dir: PathBuf,
}

impl<'a> Environment<'a> {
    /// The environment called `name`, with the packages that the file `requirements` pins.
    pub(crate) fn prepared(
        workspace: &'a Workspace,
        name: &str,
        requirements: &str,
    ) -> Result<Self> {
        let environment = Self { workspace, dir: workspace.state(name) };
        let requirements = workspace.path(requirements);
        let pinned = fs::read_to_string(&requirements)
            .with_context(|| format!("could not read {}", requirements.display()))?;
        let version = process::capture(
            workspace
                .command("python3")
                .args(["-c", "import sys; print(sys.version, sys.executable)"]),
        )?;
        let stamp = Stamp::new(&environment.dir, version + &pinned);
        if stamp.is_current() {
            return Ok(environment);
        }
        let mut create = workspace.command("python3");
        create.args(["-m", "venv", "--clear"]).arg(&environment.dir);
        process::quietly(&format!("{name}: virtual environment"), &mut create)?;
        let mut install = environment.pip_install();
        install.arg("--requirement").arg(&requirements);
        process::quietly(&format!("{name}: packages"), &mut install)?;
        stamp.write()?;
        Ok(environment)
    }

    /// Its Python.
    pub(crate) fn interpreter(&self) -> PathBuf {
        self.dir.join("bin/python")
    }

    /// Its pip, which asks nothing.
    pub(crate) fn pip_install(&self) -> Command {
        let mut command = self.workspace.command(self.interpreter());
        command.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input"]);
        command
    }
}
