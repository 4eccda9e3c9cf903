//! The system packages: how each is recognised, what it is for, and how Debian calls it.

use std::process::Command;

use super::{Machine, Purpose};
use crate::process;
use crate::workspace::Workspace;

/// Something that the system's package manager provides.
#[derive(Debug)]
pub(crate) struct Package {
    /// Debian's name for it.
    pub(crate) debian: &'static str,
    /// What would fail without it.
    pub(crate) needed_for: &'static str,
    /// The first purpose that needs it.
    purpose: Purpose,
    is_present: fn(&Machine) -> bool,
}

/// Everything that the workspace needs from the system.
const PACKAGES: [Package; 7] = [
    Package {
        debian: "g++",
        needed_for: "compiling llama.cpp",
        purpose: Purpose::Build,
        is_present: |machine| machine.has_program("c++"),
    },
    Package {
        debian: "cmake",
        needed_for: "configuring llama.cpp's build",
        purpose: Purpose::Build,
        is_present: |machine| machine.has_program("cmake"),
    },
    Package {
        debian: "ninja-build",
        needed_for: "building llama.cpp on all cores",
        purpose: Purpose::Build,
        is_present: |machine| machine.has_program("ninja"),
    },
    Package {
        debian: "ccache",
        needed_for: "not compiling llama.cpp again after a change of its folder",
        purpose: Purpose::Build,
        is_present: |machine| machine.has_program("ccache"),
    },
    Package {
        debian: "libclang-dev",
        needed_for: "reading llama.cpp's headers",
        purpose: Purpose::Build,
        is_present: Machine::has_libclang,
    },
    Package {
        debian: "python3-pip",
        needed_for: "fetching the default model",
        purpose: Purpose::Demo,
        is_present: |machine| python_runs(machine, "import pip"),
    },
    Package {
        debian: "python3-venv",
        needed_for: "the Python suite's virtual environment",
        purpose: Purpose::Test,
        is_present: |machine| python_runs(machine, "import ensurepip, venv"),
    },
];

/// The packages that `purpose` needs and `machine` lacks.
pub(crate) fn missing(machine: &Machine, purpose: Purpose) -> Vec<&'static Package> {
    PACKAGES
        .iter()
        .filter(|package| package.purpose <= purpose && !(package.is_present)(machine))
        .collect()
}

/// A command as words, so that it can be run as well as printed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Words(Vec<&'static str>);

impl Words {
    /// The command to run, which asks no questions.
    pub(crate) fn into_command(self, workspace: &Workspace) -> Command {
        let mut command = workspace.command(self.0[0]);
        command
            .args(&self.0[1..])
            .args(["-o", "DPkg::Lock::Timeout=300"])
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    }
}

/// What installs `packages` on a Debian-like system, in order.
pub(crate) fn apt_commands(packages: &[&Package]) -> [Words; 2] {
    let mut install = vec!["apt-get", "install", "-y", "--no-install-recommends"];
    install.extend(packages.iter().map(|package| package.debian));
    [Words(vec!["apt-get", "update"]), Words(install)]
}

/// What somebody who is not root has to type.
pub(crate) fn explain_as_user(packages: &[&Package]) -> String {
    let typed = apt_commands(packages).map(|Words(words)| format!("sudo {}", words.join(" ")));
    format!(
        "system packages are missing:\n{}\nInstall them, then run this again:\n\n    {}\n",
        list(packages),
        typed.join(" && ")
    )
}

/// What is missing on a system whose package manager we do not know.
pub(crate) fn explain_elsewhere(packages: &[&Package]) -> String {
    format!(
        "system packages are missing:\n{}\nInstall them with your system's package manager \
         (the names are Debian's), then run this again.",
        list(packages)
    )
}

fn list(packages: &[&Package]) -> String {
    packages
        .iter()
        .map(|package| format!("  {:<14} for {}\n", package.debian, package.needed_for))
        .collect()
}

/// Whether Python has the modules that Debian packages apart from it. Where there is no Python at
/// all, that is what the user is told instead.
fn python_runs(machine: &Machine, script: &str) -> bool {
    !machine.has_program("python3")
        || process::capture(Command::new("python3").args(["-c", script])).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(packages: &[&Package]) -> Vec<&'static str> {
        packages.iter().map(|package| package.debian).collect()
    }

    #[test]
    fn bare_machine_lacks_every_build_package() {
        let root = tempfile::tempdir().unwrap();
        let missing = missing(&Machine::below(root.path()), Purpose::Build);
        assert_eq!(names(&missing), ["g++", "cmake", "ninja-build", "ccache", "libclang-dev"]);
    }

    #[test]
    fn present_packages_are_not_asked_for() {
        let root = tempfile::tempdir().unwrap();
        let bin = root.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        for program in ["c++", "cmake", "ccache"] {
            std::fs::write(bin.join(program), "").unwrap();
        }
        let missing = missing(&Machine::below(root.path()), Purpose::Demo);
        assert_eq!(names(&missing), ["ninja-build", "libclang-dev"]);
    }

    #[test]
    fn user_gets_the_exact_command() {
        let ninja = &PACKAGES[2];
        let text = explain_as_user(&[ninja]);
        let command = "sudo apt-get update && \
                       sudo apt-get install -y --no-install-recommends ninja-build";
        assert!(text.contains(command), "{text}");
        assert!(text.contains(ninja.needed_for), "{text}");
    }
}
