//! Python: the wheel as users get it, installed into a virtual environment of its own; its stub
//! checked against the module (stubtest), its sources typed (mypy), its behaviour tested (pytest).
//! The same wheel goes into a second environment, with clients of OpenAI's API in their released
//! versions, which run on an engine in the process and over HTTP.

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
/// The folder of the wheel among what xtask keeps.
const WHEELS: &str = "wheels";
const CLIENTS: &str = "tests/clients";
const CLIENTS_REQUIREMENTS: &str = "bindings/python/tests/clients/requirements.txt";

/// Builds, installs and tests the wheel.
pub(crate) fn run(context: &Context<'_>, tally: &mut Tally) -> Result<()> {
    let suite = PythonSuite::installed(context)?;
    tally.check(suite.stubtest());
    tally.check(suite.mypy());
    suite.pytest("pytest", &[], tally)?;
    suite.clients()?.pytest("pytest-clients", &[CLIENTS], tally)
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
        let wheel = suite.build_wheel()?;
        suite.install(&wheel)?;
        Ok(suite)
    }

    /// The suite of the clients: an environment with them and the same wheel.
    fn clients(&self) -> Result<Self> {
        let workspace = self.workspace;
        let environment = Environment::prepared(workspace, "python-clients", CLIENTS_REQUIREMENTS)?;
        let suite = Self { workspace, environment };
        suite.install(&only_wheel(&workspace.state(WHEELS))?)?;
        Ok(suite)
    }

    /// Builds the wheel with the workspace's profile and target folder.
    fn build_wheel(&self) -> Result<PathBuf> {
        let wheels = self.emptied(WHEELS)?;
        let mut build = self.python();
        build
            .args(["-m", "maturin", "build", "--out"])
            .arg(&wheels)
            .arg("--interpreter")
            .arg(self.interpreter());
        process::quietly("python: wheel", &mut build)?;
        only_wheel(&wheels)
    }

    fn install(&self, wheel: &Path) -> Result<()> {
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

    /// Runs the tests below `paths`, or those that the package's settings name.
    fn pytest(&self, name: &str, paths: &[&str], tally: &mut Tally) -> Result<()> {
        let reports = self.emptied(name)?;
        let mut command = self.python();
        command
            .args(["-m", "pytest", "-p", "no:cacheprovider", "--junit-xml"])
            .arg(reports.join("report.xml"))
            .env("INDWELL_PROGRAM", self.workspace.program())
            .args(paths);
        let status = process::stream(name, &mut command, |_| {})?;
        tally.runner(name, status, &junit_folder(&reports)?);
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
