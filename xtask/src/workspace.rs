//! Where things are: the checkout, the target folder, and the environment that children get.
//!
//! Invariant: every child program sees the environment of the user's own shell plus the build
//! settings below, never what `cargo run` adds for `xtask` itself. So a run through `cargo xtask`
//! and a run by hand fingerprint alike, and a missing rpath is not masked by a library path.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::setup::Machine;

/// Variables that `cargo run` sets for the program it runs, by prefix.
const SET_BY_CARGO_RUN: [&str; 5] =
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];

/// What OpenMP reads, once, when a program starts.
const WAIT_POLICY_VARIABLE: &str = "OMP_WAIT_POLICY";

/// The checkout and the folders beside it.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
    compiler_cache: bool,
    passive_waiting: bool,
}

impl Workspace {
    /// Finds the checkout that this program was built from, and the target folder: the user's
    /// `CARGO_TARGET_DIR`, else one in the user's cache, which outlives a fresh clone.
    pub(crate) fn locate() -> Result<Self> {
        let manifest =
            env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root =
            Path::new(&manifest).parent().context("xtask's folder has no parent")?.to_owned();
        let target = match env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty()) {
            Some(chosen) => std::path::absolute(chosen)?,
            None => dirs::cache_dir()
                .context("no cache folder: set HOME, XDG_CACHE_HOME or CARGO_TARGET_DIR")?
                .join("indwell/target"),
        };
        let compiler_cache = Machine::here().has_program("ccache");
        Ok(Self { root, target, compiler_cache, passive_waiting: false })
    }

    /// The same, with OpenMP's workers told to wait without spinning, unless the user said
    /// otherwise. Tests run several engines at once on few processors, beside compilers: spinning
    /// workers would take most of their time from each other.
    pub(crate) fn with_passive_waiting(self) -> Self {
        Self { passive_waiting: env::var_os(WAIT_POLICY_VARIABLE).is_none(), ..self }
    }

    /// A folder or file of the repository.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Where the one profile's programs and libraries land.
    pub(crate) fn profile_dir(&self) -> PathBuf {
        self.target.join("debug")
    }

    /// The command-line program, as it was built.
    pub(crate) fn program(&self) -> PathBuf {
        self.profile_dir().join(format!("indwell{}", env::consts::EXE_SUFFIX))
    }

    /// Where xtask keeps what it makes itself: virtual environment, wheels, reports.
    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.target.join("xtask").join(name)
    }

    /// A program to be run at the repository's root, with no standard input.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).stdin(Stdio::null());
        for (name, _) in env::vars_os() {
            if is_set_by_cargo_run(&name) {
                command.env_remove(name);
            }
        }
        if let Some(path) = env::var_os("LD_LIBRARY_PATH") {
            match users_library_path(&path, &self.target) {
                Some(kept) => command.env("LD_LIBRARY_PATH", kept),
                None => command.env_remove("LD_LIBRARY_PATH"),
            };
        }
        command.env("CARGO_TARGET_DIR", &self.target);
        if self.passive_waiting {
            command.env(WAIT_POLICY_VARIABLE, "passive");
        }
        if self.compiler_cache {
            command.env("CMAKE_C_COMPILER_LAUNCHER", "ccache");
            command.env("CMAKE_CXX_COMPILER_LAUNCHER", "ccache");
        }
        command
    }

    /// The cargo that runs this program.
    pub(crate) fn cargo(&self) -> Command {
        self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }
}

fn is_set_by_cargo_run(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name == "CARGO" || SET_BY_CARGO_RUN.iter().any(|p| name.starts_with(p))
}

/// The library path without the entries that `cargo run` put in front: folders of a target folder
/// and of the Rust toolchain.
fn users_library_path(path: &OsStr, target: &Path) -> Option<OsString> {
    let is_cargos = |entry: &PathBuf| {
        entry.starts_with(target)
            || entry.components().any(|c| c.as_os_str() == "rustlib")
            || entry.components().any(|c| c.as_os_str() == "toolchains")
    };
    let kept: Vec<PathBuf> = env::split_paths(path)
        .filter(|entry| !entry.as_os_str().is_empty() && !is_cargos(entry))
        .collect();
    (!kept.is_empty()).then(|| env::join_paths(kept).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_cargo_run_are_recognised() {
        for name in ["CARGO", "CARGO_PKG_NAME", "CARGO_MANIFEST_DIR"] {
            assert!(is_set_by_cargo_run(OsStr::new(name)), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_NET_OFFLINE"] {
            assert!(!is_set_by_cargo_run(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn library_path_keeps_only_the_users_entries() {
        let target = Path::new("/cache/target");
        let path =
            OsStr::new("/cache/target/debug/deps:/rust/toolchains/stable/lib:/opt/cuda/lib64");
        assert_eq!(users_library_path(path, target), Some(OsString::from("/opt/cuda/lib64")));
        assert_eq!(users_library_path(OsStr::new("/cache/target/debug"), target), None);
    }

    #[test]
    fn commands_have_one_target_folder_and_no_library_path_of_it() {
        let workspace = Workspace::locate().unwrap();
        assert!(workspace.path("Cargo.toml").is_file());
        let command = workspace.command("true");
        let target = command
            .get_envs()
            .find(|(name, _)| *name == "CARGO_TARGET_DIR")
            .and_then(|(_, value)| value);
        assert_eq!(target, Some(workspace.target.as_os_str()));
    }
}
