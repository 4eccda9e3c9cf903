//! Rust files that no target reaches: cargo says nothing of them, and they rot.

use std::collections::{BTreeMap, BTreeSet};

use super::files::File;
use super::source::Source;

/// Folders whose files, and whose folders' `main.rs`, are targets by themselves.
const TARGET_FOLDERS: [&str; 4] = ["src/bin", "tests", "benches", "examples"];

/// Rust files below a `Cargo.toml` that are neither targets nor modules of one.
pub(crate) fn unreachable(files: &[File]) -> Vec<String> {
    let rust: BTreeMap<&str, &File> =
        files.iter().filter(|file| file.is_rust()).map(|file| (file.path.as_str(), file)).collect();
    let roots = targets(files);
    let mut open: Vec<String> = roots.iter().cloned().collect();
    let mut reached = BTreeSet::new();
    while let Some(path) = open.pop() {
        let Some(file) = rust.get(path.as_str()) else { continue };
        if reached.insert(path.clone()) {
            open.extend(modules(file, roots.contains(&path)));
        }
    }
    rust.keys()
        .filter(|path| !reached.contains(**path))
        .map(|path| {
            format!("{path}: no target reaches this file; declare it with `mod`, or remove it")
        })
        .collect()
}

/// Paths at which cargo looks for targets, there or not.
fn targets(files: &[File]) -> BTreeSet<String> {
    let mut targets = BTreeSet::new();
    for manifest in files.iter().filter(|file| file.name() == "Cargo.toml") {
        let package = match manifest.folder() {
            "" => String::new(),
            folder => format!("{folder}/"),
        };
        for name in ["build.rs", "src/lib.rs", "src/main.rs"] {
            targets.insert(format!("{package}{name}"));
        }
        targets.extend(named_targets(&manifest.text).map(|path| format!("{package}{path}")));
        targets.extend(
            files.iter().filter(|file| is_target(&file.path, &package)).map(|f| f.path.clone()),
        );
    }
    targets
}

/// Whether a path is `tests/name.rs` or `tests/name/main.rs` in a package, or the like.
fn is_target(path: &str, package: &str) -> bool {
    let below = |folder: &str| path.strip_prefix(package)?.strip_prefix(folder)?.strip_prefix('/');
    TARGET_FOLDERS.iter().filter_map(|folder| below(folder)).any(|rest| {
        match rest.split('/').collect::<Vec<_>>()[..] {
            [file] => file.ends_with(".rs"),
            [_, file] => file == "main.rs",
            _ => false,
        }
    })
}

/// Paths that a manifest names.
fn named_targets(manifest: &str) -> impl Iterator<Item = &str> {
    manifest
        .lines()
        .filter_map(|line| line.trim().strip_prefix("path = \"")?.strip_suffix('"'))
        .filter(|path| path.ends_with(".rs"))
}

/// Where the files of the modules that `file` declares may lie.
fn modules(file: &File, is_root: bool) -> Vec<String> {
    let folder = file.folder();
    let children = if is_root || file.name() == "mod.rs" {
        folder.to_owned()
    } else {
        file.path.trim_end_matches(".rs").to_owned()
    };
    let source = Source::of(file);
    let mut paths = Vec::new();
    for (number, line) in source.all() {
        if let Some(name) = declared_module(line) {
            paths.push(format!("{children}/{name}.rs"));
            paths.push(format!("{children}/{name}/mod.rs"));
        }
        // A path is a literal, which the code does not have: look at the line as written.
        let written = file.text.lines().nth(number - 1).unwrap_or_default();
        for attribute in ["#[path = \"", "include!(\""] {
            let path = written.split_once(attribute).and_then(|(_, rest)| rest.split_once('"'));
            paths.extend(path.map(|(path, _)| format!("{folder}/{path}")));
        }
    }
    paths
}

/// The name in `pub(crate) mod name;`.
fn declared_module(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("mod ")?;
    let before = before.trim();
    let is_declaration = before.is_empty() || before.starts_with("pub") || before.ends_with(']');
    after.trim().strip_suffix(';').filter(|_| is_declaration)
}

#[cfg(test)]
mod tests {
    use super::super::files::file;
    use super::*;

    fn package(extra: &[(&str, &str)]) -> Vec<File> {
        let mut files = vec![
            file("core/x/Cargo.toml", "[[bin]]\nname = \"odd\"\npath = \"odd/start.rs\"\n"),
            file("core/x/src/lib.rs", "mod a;\npub(crate) mod b;\n#[cfg(test)] mod c;\n"),
            file("core/x/src/a.rs", "mod inner;\n"),
            file("core/x/src/a/inner.rs", ""),
            file("core/x/src/b/mod.rs", "#[path = \"elsewhere.rs\"]\nmod d;\n"),
            file("core/x/src/b/elsewhere.rs", ""),
            file("core/x/src/c.rs", ""),
            file("core/x/tests/whole/main.rs", "mod part;\n"),
            file("core/x/tests/whole/part.rs", ""),
            file("core/x/odd/start.rs", ""),
        ];
        files.extend(extra.iter().map(|(path, text)| file(path, text)));
        files
    }

    #[test]
    fn modules_and_targets_are_alive() {
        assert_eq!(unreachable(&package(&[])), Vec::<String>::new());
    }

    #[test]
    fn undeclared_files_are_dead() {
        let dead = unreachable(&package(&[
            ("core/x/src/forgotten.rs", ""),
            ("core/x/src/a/forgotten.rs", "// mod inner;"),
            ("core/x/tests/whole/forgotten.rs", ""),
        ]));
        assert_eq!(dead.len(), 3, "{dead:?}");
        assert!(dead.iter().all(|complaint| complaint.contains("forgotten.rs")), "{dead:?}");
    }
}
