//! What is installed on a machine, as far as files tell.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold shared libraries on one system or another, below the root.
const LIBRARY_DIRS: [&str; 6] = [
    "usr/lib",
    "usr/lib64",
    "usr/local/lib",
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "opt/homebrew/opt/llvm/lib",
];

/// The machine's search paths. Tests make one of a temporary folder.
#[derive(Debug)]
pub(crate) struct Machine {
    program_dirs: Vec<PathBuf>,
    root: PathBuf,
    /// The user's `LIBCLANG_PATH`: a folder, or the library itself.
    libclang: Option<PathBuf>,
}

impl Machine {
    /// The machine this runs on.
    pub(crate) fn here() -> Self {
        Self {
            program_dirs: env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect(),
            root: PathBuf::from("/"),
            libclang: env::var_os("LIBCLANG_PATH").map(PathBuf::from),
        }
    }

    /// A machine whose whole file system is `root`.
    #[cfg(test)]
    pub(crate) fn below(root: &Path) -> Self {
        Self { program_dirs: vec![root.join("bin")], root: root.to_owned(), libclang: None }
    }

    /// Whether a program is on the path.
    pub(crate) fn has_program(&self, name: &str) -> bool {
        self.program_dirs.iter().any(|dir| dir.join(name).is_file())
    }

    /// Whether bindgen will find libclang and clang's own headers. Debian's run-time package alone
    /// has neither the unversioned name nor the headers: only the development package counts.
    pub(crate) fn has_libclang(&self) -> bool {
        if let Some(chosen) = &self.libclang {
            return chosen.is_file() || holds_libclang(chosen);
        }
        self.library_dirs().iter().any(|dir| holds_libclang(dir))
    }

    fn library_dirs(&self) -> Vec<PathBuf> {
        let mut dirs: Vec<PathBuf> = LIBRARY_DIRS.iter().map(|d| self.root.join(d)).collect();
        let versions = fs::read_dir(self.root.join("usr/lib")).into_iter().flatten();
        dirs.extend(
            versions
                .flatten()
                .filter(|entry| entry.file_name().to_string_lossy().starts_with("llvm"))
                .map(|entry| entry.path().join("lib")),
        );
        dirs
    }
}

fn holds_libclang(dir: &Path) -> bool {
    ["libclang.so", "libclang.dylib"].iter().any(|name| dir.join(name).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine_with(files: &[&str]) -> (tempfile::TempDir, Machine) {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let machine = Machine::below(root.path());
        (root, machine)
    }

    #[test]
    fn programs_are_found_on_the_path() {
        let (_root, machine) = machine_with(&["bin/cmake"]);
        assert!(machine.has_program("cmake"));
        assert!(!machine.has_program("ninja"));
    }

    #[test]
    fn libclang_of_any_llvm_version_counts() {
        let (_root, machine) = machine_with(&["usr/lib/llvm-19/lib/libclang.so"]);
        assert!(machine.has_libclang());
    }

    #[test]
    fn libclang_without_development_files_does_not_count() {
        let (_root, machine) = machine_with(&["usr/lib/x86_64-linux-gnu/libclang-14.so.1"]);
        assert!(!machine.has_libclang());
    }

    #[test]
    fn chosen_libclang_wins() {
        let (root, mut machine) = machine_with(&["opt/clang/libclang.so"]);
        machine.libclang = Some(root.path().join("opt/clang"));
        assert!(machine.has_libclang());
        machine.libclang = Some(root.path().join("opt"));
        assert!(!machine.has_libclang());
    }
}
