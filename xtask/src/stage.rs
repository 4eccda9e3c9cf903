//! `cargo xtask stage`: puts native libraries where the programs and bindings look for them.
//!
//! Cargo leaves llama.cpp's shared libraries and backends in a build script's folder. Whatever
//! loads them has `$ORIGIN` and `$ORIGIN/lib` as its rpath, so each place below gets a copy, and
//! no library path is ever needed. With them goes the program that computes where an engine is to
//! have a process for that.
//!
//! Invariants: a file is written aside and renamed, so a program that has the old one mapped keeps
//! it; folders that are ours alone hold nothing else afterwards; unchanged files are not touched.

use std::collections::BTreeSet;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::build::Built;
use crate::workspace::Workspace;

/// Where things were put, for those who have to be told.
#[derive(Debug)]
pub(crate) struct Staged {
    /// What Kotlin and Swift load: the library, what it needs, and the generator of their glue.
    pub(crate) mobile: PathBuf,
}

/// Copies the libraries of `built` to every place that wants them.
pub(crate) fn run(workspace: &Workspace, built: &Built) -> Result<Staged> {
    let output = workspace.profile_dir();
    let library = |name: &str| output.join(format!("{DLL_PREFIX}{name}{DLL_SUFFIX}"));
    let mut llama = built.shared_libraries()?;
    llama.extend(built.backends()?);
    let worker = output.join(format!("indwell-worker{EXE_SUFFIX}"));

    // Beside the command-line program, and whatever else cargo puts there.
    place(&output, &llama)?;

    llama.push(worker);

    // Inside the Python package: maturin takes the folder into the wheel.
    place_only(&workspace.path("bindings/python/python/indwell/lib"), &llama)?;

    // Beside Node's native module, which has a name of its own.
    let node = workspace.path("bindings/node/native");
    let module = node.join("indwell_node.node");
    place_only_with(&node, &llama, &[(&library("indwell_node"), &module)])?;

    let mobile = workspace.state("mobile");
    let generator = output.join(format!("uniffi-bindgen{EXE_SUFFIX}"));
    let with_module = [llama, vec![library("indwell_mobile"), generator]].concat();
    place_only(&mobile, &with_module)?;
    Ok(Staged { mobile })
}

fn place(dir: &Path, files: &[PathBuf]) -> Result<BTreeSet<PathBuf>> {
    fs::create_dir_all(dir).with_context(|| format!("could not make {}", dir.display()))?;
    files
        .iter()
        .map(|from| {
            let to = dir.join(from.file_name().context("a library has a name")?);
            copy_if_changed(from, &to)?;
            Ok(to)
        })
        .collect()
}

fn place_only(dir: &Path, files: &[PathBuf]) -> Result<()> {
    place_only_with(dir, files, &[])
}

/// Makes `dir` hold `files` and the `renamed` ones (from, to), and nothing else.
fn place_only_with(dir: &Path, files: &[PathBuf], renamed: &[(&Path, &Path)]) -> Result<()> {
    let mut placed = place(dir, files)?;
    for (from, to) in renamed {
        copy_if_changed(from, to)?;
        placed.insert(to.to_path_buf());
    }
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_file() && !placed.contains(&path) {
            fs::remove_file(&path)
                .with_context(|| format!("could not remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Copies a file, following links, unless its size and time say that it was copied before.
fn copy_if_changed(from: &Path, to: &Path) -> Result<()> {
    let context = || format!("could not copy {} to {}", from.display(), to.display());
    let source = fs::metadata(from).with_context(context)?;
    let modified = source.modified()?;
    let is_current = fs::symlink_metadata(to).is_ok_and(|copied| {
        copied.is_file()
            && copied.len() == source.len()
            && copied.modified().is_ok_and(|time| time == modified)
    });
    if is_current {
        return Ok(());
    }
    let mut aside = to.as_os_str().to_owned();
    aside.push(".partial");
    fs::copy(from, &aside).with_context(context)?;
    File::options()
        .write(true)
        .open(&aside)
        .and_then(|file| file.set_modified(modified))
        .with_context(context)?;
    fs::rename(&aside, to).with_context(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn folder_of_ours_holds_what_was_placed_and_nothing_stale() {
        let root = tempfile::tempdir().unwrap();
        let library = root.path().join("libllama.so.0");
        let module = root.path().join("libindwell_node.so");
        fs::write(&library, "llama").unwrap();
        fs::write(&module, "module").unwrap();
        let dir = root.path().join("native");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("libggml-cpu-old.so"), "").unwrap();

        let renamed = dir.join("indwell_node.node");
        place_only_with(&dir, &[library], &[(&module, &renamed)]).unwrap();

        assert_eq!(names(&dir), ["indwell_node.node", "libllama.so.0"]);
        assert_eq!(fs::read_to_string(renamed).unwrap(), "module");
    }

    #[test]
    fn folder_of_cargo_keeps_what_is_not_ours() {
        let root = tempfile::tempdir().unwrap();
        let library = root.path().join("libllama.so.0");
        fs::write(&library, "llama").unwrap();
        let dir = root.path().join("debug");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("indwell"), "").unwrap();
        place(&dir, &[library]).unwrap();
        assert_eq!(names(&dir), ["indwell", "libllama.so.0"]);
    }

    #[test]
    fn changed_library_is_copied_again() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        fs::write(&from, "old").unwrap();
        copy_if_changed(&from, &to).unwrap();
        fs::write(&from, "newer").unwrap();
        copy_if_changed(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "newer");
    }

    #[cfg(unix)]
    #[test]
    fn link_is_replaced_by_what_it_points_to() {
        let root = tempfile::tempdir().unwrap();
        let real = root.path().join("libllama.so.0.0.1");
        fs::write(&real, "llama").unwrap();
        let link = root.path().join("libllama.so.0");
        std::os::unix::fs::symlink("libllama.so.0.0.1", &link).unwrap();
        let to = root.path().join("copy");
        copy_if_changed(&link, &to).unwrap();
        assert!(fs::symlink_metadata(&to).unwrap().is_file());
    }

    #[test]
    fn missing_library_is_an_error_that_names_it() {
        let root = tempfile::tempdir().unwrap();
        let from = root.path().join("libabsent.so.0");
        let error = copy_if_changed(&from, &root.path().join("to")).unwrap_err();
        assert!(format!("{error:#}").contains("libabsent.so.0"), "{error:#}");
    }
}
