//! Python: the wheel as users get it, installed into a virtual environment of its own; its stub
//! checked against the module (stubtest), its sources typed (mypy), its behaviour tested (pytest).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::Context;
use super::environment::Environment;
use crate::process;
use crate::reports::{Tally, junit_folder};
use crate::workspace::Workspace;

const PACKAGE: &str = "bindings/python";
const REQUIREMENTS: &str = "bindings/python/requirements-dev.txt";

/// Builds, installs and tests the wheel.
pub(crate) fn run(context: &Context<'_>, tally: &mut Tally) -> Result<()> {
    let suite = PythonSuite::installed(context)?;
    tally.check(suite.stubtest());
    tally.check(suite.mypy());
    suite.pytest(tally)
}

/// Builds and installs the wheel, and gives the interpreter that has it.
pub(crate) fn install(context: &Context<'_>) -> Result<PathBuf> {
    Ok(PythonSuite::installed(context)?.interpreter())
}

struct PythonSuite<'a> {
    workspace: &'a Workspace,
    environment: Environment<'a>,
}

impl<'a> PythonSuite<'a> {
    /// The suite, with the wheel in its environment.
    fn installed(context: &Context<'a>) -> Result<Self> {
        let workspace = context.workspace;
        let environment = Environment::prepared(workspace, "python", REQUIREMENTS)?;
        let suite = Self { workspace, environment };
        suite.install_wheel()?;
        Ok(suite)
    }

    /// Builds the wheel with the workspace's profile and target folder, and installs it.
    fn install_wheel(&self) -> Result<()> {
        let wheels = self.emptied("wheels")?;
        let mut build = self.python();
        build
            .args(["-m", "maturin", "build", "--out"])
            .arg(&wheels)
            .arg("--interpreter")
            .arg(self.interpreter());
        process::quietly("python: wheel", &mut build)?;
        let wheel = only_wheel(&wheels)?;
        let mut install = self.environment.pip_install();
        install.args(["--no-deps", "--force-reinstall"]).arg(wheel);
        process::quietly("python: install the wheel", &mut install)
    }

    fn stubtest(&self) -> Result<()> {
        let mut command = self.python();
        command.args(["-m", "mypy.stubtest", "indwell._native"]);
        process::quietly("python: stubtest", &mut command)
    }

    fn mypy(&self) -> Result<()> {
        let mut command = self.python();
        command.args(["-m", "mypy", "--cache-dir"]).arg(self.workspace.state("mypy"));
        process::quietly("python: mypy", &mut command)
    }

    fn pytest(&self, tally: &mut Tally) -> Result<()> {
        let reports = self.emptied("pytest")?;
        let mut command = self.python();
        command
            .args(["-m", "pytest", "-p", "no:cacheprovider", "--junit-xml"])
            .arg(reports.join("report.xml"));
        let status = process::stream("pytest", &mut command, |_| {})?;
        tally.runner("pytest", status, &junit_folder(&reports)?);
        Ok(())
    }

    fn interpreter(&self) -> PathBuf {
        self.environment.interpreter()
    }

    /// The environment's interpreter, in the package's folder.
    fn python(&self) -> Command {
        let mut command = self.workspace.command(self.interpreter());
        command.current_dir(self.workspace.path(PACKAGE));
        command
    }

    /// A folder of ours without what an earlier run left in it.
    fn emptied(&self, name: &str) -> Result<PathBuf> {
        let dir = self.workspace.state(name);
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        Ok(dir)
    }
}

fn only_wheel(dir: &Path) -> Result<PathBuf> {
    let mut wheels =
        fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    wheels.retain(|path| path.extension().is_some_and(|ending| ending == "whl"));
    ensure!(wheels.len() == 1, "maturin made {} wheels, not one", wheels.len());
    Ok(wheels.remove(0))
}
