//! `cargo xtask build`: one cargo call compiles everything, llama.cpp included.
//!
//! The selection (`--workspace --all-targets`) is the one that the suites use, so nothing of what
//! is built here is built again. Its progress is the sum of two counts: cargo's own compilation
//! units ([`cargo_output`]) and, while llama.cpp's build script runs, the object files that ninja
//! has finished ([`ninja`]); cargo knows nothing of the latter, which take most of the time.

mod cargo_output;
mod ninja;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::process::{self, Event, Source};
use crate::progress::{self, Position, Progress};
use crate::workspace::Workspace;
use cargo_output::Shown;
use ninja::NinjaBuild;

/// The crate whose build script compiles llama.cpp.
pub(crate) const LLAMA_SYS: &str = "llama-cpp-sys-2";

/// Those of llama.cpp's shared libraries that our code links. Its build makes others, which would
/// bring dependencies of their own along.
const LINKED_LIBRARIES: [&str; 3] = ["libllama", "libggml", "libggml-base"];

/// What cargo made.
#[derive(Debug)]
pub(crate) struct Built {
    /// The folder where llama.cpp was installed.
    llama: PathBuf,
}

impl Built {
    /// The shared libraries that programs link, under the names they ask for at run time:
    /// `libllama.so.0`, not `libllama.so` or `libllama.so.0.0.1`.
    pub(crate) fn shared_libraries(&self) -> Result<Vec<PathBuf>> {
        files_in(&self.llama.join("lib"), is_linked)
    }

    /// The backends that are loaded at run time: one for each kind of CPU.
    pub(crate) fn backends(&self) -> Result<Vec<PathBuf>> {
        files_in(&self.llama.join("backends"), |name| name.ends_with(std::env::consts::DLL_SUFFIX))
    }
}

/// Compiles the workspace.
pub(crate) fn run(workspace: &Workspace) -> Result<Built> {
    let mut command = workspace.cargo();
    command
        .args(["build", "--workspace", "--all-targets"])
        .arg("--message-format=json-render-diagnostics")
        // Cargo's progress bar is the only place where it says how many units there are.
        .envs([("CARGO_TERM_PROGRESS_WHEN", "always"), ("CARGO_TERM_PROGRESS_WIDTH", "120")]);
    if progress::is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }

    remove_dangling_links(&workspace.profile_dir())?;
    let mut progress = Progress::start("build");
    let mut watched = Watched::new(workspace);
    let status = process::watch(&mut command, |event| match event {
        Event::Line(Source::Output, text) => watched.message(text),
        Event::Line(Source::Error, text) => watched.shown(text, &mut progress),
        Event::Tick => watched.tick(&mut progress),
    })?;
    progress.finish();
    ensure!(status.success(), "`{}` ended with {status}", process::describe(&command));
    let llama =
        watched.llama.with_context(|| format!("cargo did not say where {LLAMA_SYS} was built"))?;
    Ok(Built { llama })
}

/// What has been seen of a build that is under way.
struct Watched {
    units: Position,
    compiling: String,
    ninja: NinjaBuild,
    llama: Option<PathBuf>,
}

impl Watched {
    fn new(workspace: &Workspace) -> Self {
        Self {
            units: Position { done: 0, total: 0 },
            compiling: String::new(),
            ninja: NinjaBuild::below(workspace.profile_dir().join("build")),
            llama: None,
        }
    }

    fn message(&mut self, line: &str) {
        if let Some(folder) = cargo_output::build_script_folder(line, LLAMA_SYS) {
            self.llama = Some(folder);
        }
    }

    fn shown(&mut self, line: &str, progress: &mut Progress) {
        match Shown::parse(line) {
            Shown::Units { position, names } => {
                self.units = position;
                self.compiling = names;
                self.report(progress);
            }
            Shown::Status => {}
            Shown::Text => progress.print(line),
        }
    }

    fn tick(&mut self, progress: &mut Progress) {
        self.ninja.refresh();
        self.report(progress);
    }

    fn report(&self, progress: &mut Progress) {
        let objects = self.ninja.position();
        progress.position(Position {
            done: self.units.done + objects.map_or(0, |objects| objects.done),
            total: self.units.total + objects.map_or(0, |objects| objects.total),
        });
        match objects.filter(|objects| objects.done < objects.total) {
            Some(Position { done, total }) => {
                progress.detail(&format!("llama.cpp, {done} of {total} files; {}", self.compiling))
            }
            None => progress.detail(&self.compiling),
        }
    }
}

/// Removes links to libraries that are not there.
///
/// llama-cpp-sys-2's build script links each `lib*.so` into these folders, without the `lib*.so.0`
/// that it points to. When the script runs a second time, it takes the dangling link for nothing
/// there, links again, and panics: the name exists.
fn remove_dangling_links(profile: &Path) -> Result<()> {
    for folder in [profile.to_owned(), profile.join("deps"), profile.join("examples")] {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_symlink() && !path.exists() {
                fs::remove_file(&path)
                    .with_context(|| format!("could not remove {}", path.display()))?;
            }
        }
    }
    Ok(())
}

/// Whether a file is one of the linked libraries, under the name that the linker writes into its
/// users: a version of one number after the suffix on Linux (`.so.0`), before it on macOS
/// (`.0.dylib`).
fn is_linked(name: &str) -> bool {
    let Some((stem, rest)) = name.split_once('.') else { return false };
    let version = rest.strip_prefix("so.").or_else(|| rest.strip_suffix(".dylib"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    LINKED_LIBRARIES.contains(&stem) && version.is_some_and(is_number)
}

fn files_in(dir: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("could not list {}", dir.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        if wanted(&entry.file_name().to_string_lossy()) {
            files.push(entry.path());
        }
    }
    files.sort();
    ensure!(!files.is_empty(), "{} holds no libraries", dir.display());
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn only_dangling_links_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let (profile, deps) = (root.path(), root.path().join("deps"));
        fs::create_dir(&deps).unwrap();
        fs::write(profile.join("libggml.so.0"), "library").unwrap();
        std::os::unix::fs::symlink("libggml.so.0", profile.join("libggml.so")).unwrap();
        std::os::unix::fs::symlink("libllama.so.0", deps.join("libllama.so")).unwrap();
        remove_dangling_links(profile).unwrap();
        assert!(profile.join("libggml.so").is_symlink());
        assert!(!deps.join("libllama.so").is_symlink());
    }

    #[test]
    fn only_linked_libraries_under_their_linked_names_count() {
        for name in ["libllama.so.0", "libggml-base.so.12", "libggml.0.dylib"] {
            assert!(is_linked(name), "{name}");
        }
        for name in ["libllama.so", "libllama.so.0.0.1", "libllama.dylib", "libggml.0.9.dylib"] {
            assert!(!is_linked(name), "{name}");
        }
        assert!(!is_linked("libllama-common.so.0"));
    }

    #[test]
    fn folder_without_libraries_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let error = files_in(dir.path(), is_linked).unwrap_err().to_string();
        assert!(error.contains(&dir.path().display().to_string()), "{error}");
    }
}
