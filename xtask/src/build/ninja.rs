//! How far llama.cpp's own build is: read from the files that ninja works with.
//!
//! `build.ninja` lists every object file to make, `.ninja_log` every one made so far, those of an
//! earlier, interrupted build included. Both are only read, and only those of a build that began
//! after this program did: the folders of earlier builds stay in the target folder.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::LLAMA_SYS;
use crate::progress::Position;

/// A build of llama.cpp that may or may not be under way.
#[derive(Debug)]
pub(crate) struct NinjaBuild {
    /// The folder in which cargo gives each build script a folder.
    scripts: PathBuf,
    since: SystemTime,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    dir: PathBuf,
    position: Position,
}

impl NinjaBuild {
    /// Looks for a build that begins from now on in one of cargo's build-script folders.
    pub(crate) fn below(scripts: PathBuf) -> Self {
        Self { scripts, since: SystemTime::now(), current: None }
    }

    /// Object files made, of all; None while there is nothing to make.
    pub(crate) fn position(&self) -> Option<Position> {
        self.current.as_ref().map(|current| current.position)
    }

    /// Looks again.
    pub(crate) fn refresh(&mut self) {
        if self.current.is_none() {
            self.current = self.find();
        }
        if let Some(current) = &mut self.current {
            let log = fs::read_to_string(current.dir.join(".ninja_log")).unwrap_or_default();
            current.position.done = count_made(&log).min(current.position.total);
        }
    }

    fn find(&self) -> Option<Current> {
        let scripts = fs::read_dir(&self.scripts).ok()?;
        scripts
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(LLAMA_SYS))
            .map(|entry| entry.path().join("out/build"))
            .find(|dir| is_younger(dir, self.since))
            .and_then(|dir| {
                let rules = fs::read_to_string(dir.join("build.ninja")).ok()?;
                let total = count_to_make(&rules);
                let position = Position { done: 0, total };
                (total > 0).then_some(Current { dir, position })
            })
    }
}

fn is_younger(dir: &Path, since: SystemTime) -> bool {
    [".ninja_log", "build.ninja"].iter().any(|name| {
        fs::metadata(dir.join(name))
            .and_then(|metadata| metadata.modified())
            .is_ok_and(|modified| modified >= since)
    })
}

/// Compilations in a `build.ninja`: `build dir/file.o: CXX_COMPILER__target ...`.
fn count_to_make(rules: &str) -> u64 {
    let count = rules
        .lines()
        .filter(|line| line.starts_with("build ") && line.contains("_COMPILER__"))
        .count();
    count as u64
}

/// Distinct object files in a `.ninja_log`: start, end, time, output, hash, between tabs.
fn count_made(log: &str) -> u64 {
    let made: HashSet<&str> = log
        .lines()
        .filter_map(|line| line.split('\t').nth(3))
        .filter(|output| output.ends_with(".o"))
        .collect();
    made.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const RULES: &str = "\
rule CXX_COMPILER__llama
build src/a.o: CXX_COMPILER__llama_Release /src/a.cpp || order
build src/b.o: C_COMPILER__ggml_Release /src/b.c
build bin/libllama.so: CXX_SHARED_LIBRARY_LINKER__llama_Release src/a.o
";
    const LOG: &str = "\
# ninja log v5
17\t621\t1795318617\tsrc/a.o\tecb275950685754d
30\t700\t1795318630\tsrc/a.o\tecb275950685754d
31\t800\t1795318640\tbin/libllama.so\t1cb275950685754d
";

    fn build_in(root: &Path) {
        let dir = root.join("llama-cpp-sys-2-9c0a/out/build");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("build.ninja"), RULES).unwrap();
        fs::write(dir.join(".ninja_log"), LOG).unwrap();
    }

    #[test]
    fn object_files_are_counted_once_and_links_not_at_all() {
        assert_eq!((count_to_make(RULES), count_made(LOG)), (2, 1));
    }

    #[test]
    fn build_under_way_is_found() {
        let root = tempfile::tempdir().unwrap();
        let mut build = NinjaBuild::below(root.path().to_owned());
        build.since = SystemTime::now() - Duration::from_secs(60);
        build.refresh();
        assert_eq!(build.position(), None);
        build_in(root.path());
        build.refresh();
        assert_eq!(build.position(), Some(Position { done: 1, total: 2 }));
    }

    #[test]
    fn earlier_build_is_not_mistaken_for_this_one() {
        let root = tempfile::tempdir().unwrap();
        build_in(root.path());
        let mut build = NinjaBuild::below(root.path().to_owned());
        build.since = SystemTime::now() + Duration::from_secs(60);
        build.refresh();
        assert_eq!(build.position(), None);
    }
}
