//! The repository's text files, as git would see them: what is ignored is not there.

use std::path::Path;
use std::sync::OnceLock;

/// One text file.
#[derive(Debug)]
pub(crate) struct File {
    /// Path from the repository's root, with `/` between its parts.
    pub(crate) path: String,
    /// Everything in it.
    pub(crate) text: String,
}

/// Endings of source files that people write and read.
const SOURCE_ENDINGS: [&str; 9] = ["rs", "py", "pyi", "ts", "js", "cjs", "mjs", "kt", "swift"];

impl File {
    /// Whether it holds source code, in any of our languages.
    pub(crate) fn is_source(&self) -> bool {
        SOURCE_ENDINGS.contains(&self.ending())
    }

    /// Whether it holds Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.ending() == "rs"
    }

    /// Whether all of it is test code, by where it lies.
    pub(crate) fn is_test(&self) -> bool {
        let folders = ["tests", "test", "Tests"];
        let mut parts: Vec<&str> = self.path.split('/').collect();
        parts.pop();
        parts.iter().any(|part| folders.contains(part)) || self.path.ends_with("/tests.rs")
    }

    /// The name without folder.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The folder, without a last `/`; empty at the root.
    pub(crate) fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    fn ending(&self) -> &str {
        self.name().rsplit_once('.').map_or("", |(_, ending)| ending)
    }
}

/// All files of this repository; read once.
pub(crate) fn repository() -> &'static [File] {
    static FILES: OnceLock<Vec<File>> = OnceLock::new();
    FILES.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("this crate lies in the repository's root");
        let files = read(root);
        assert!(
            files.iter().any(|file| file.path == "Cargo.toml"),
            "{} is not the repository",
            root.display()
        );
        files
    })
}

fn read(root: &Path) -> Vec<File> {
    ignore::WalkBuilder::new(root)
        .hidden(false)
        .parents(false)
        .git_global(false)
        .require_git(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .sort_by_file_name(Ord::cmp)
        .build()
        .map(|entry| entry.expect("the repository can be listed"))
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .filter_map(|entry| {
            let path = entry.path().strip_prefix(root).expect("walked from the root");
            Some(File {
                path: path.to_string_lossy().replace('\\', "/"),
                // Whatever is no text is not ours to judge.
                text: std::fs::read_to_string(entry.path()).ok()?,
            })
        })
        .collect()
}

/// A file that a check's own test makes up.
#[cfg(test)]
pub(crate) fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn test_files_are_told_by_their_folder() {
    for path in ["tests/src/lib.rs", "core/kernel/tests/a.rs", "bindings/node/test/a.test.js"] {
        assert!(file(path, "").is_test(), "{path}");
    }
    for path in ["xtask/src/test.rs", "core/kernel/src/testing.rs", "Cargo.toml"] {
        assert!(!file(path, "").is_test(), "{path}");
    }
}
