//! Paths: each sort of thing that is no model is told apart, and nothing waits.

use std::path::{Path, PathBuf};

use super::super::testing::Draft;
use super::super::{Gguf, GgufError, ValueType};
use crate::LoadError;

fn open(path: &Path) -> LoadError {
    Gguf::open(path).expect_err("no model")
}

fn write(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    path
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[test]
fn what_is_no_file_is_told_apart() {
    let dir = folder();
    assert!(matches!(open(&dir.path().join("none.gguf")), LoadError::Unreadable { .. }));
    assert!(matches!(open(dir.path()), LoadError::NotAFile { .. }));
    assert!(matches!(open(Path::new("")), LoadError::Unreadable { .. }));
    assert!(matches!(open(Path::new("a\0b.gguf")), LoadError::PathText { .. }));
    let empty = open(&write(&dir, "empty.gguf", b""));
    assert!(matches!(empty, LoadError::Invalid { error: GgufError::Empty, .. }), "{empty}");
}

#[test]
fn a_path_with_a_newline_is_a_path() {
    let dir = folder();
    let path = write(&dir, "two\nlines.gguf", &Draft::small().file());
    let gguf = Gguf::open(&path).expect("whole");
    assert_eq!(gguf.trained_context_tokens(), 128);
    assert_eq!(gguf.files().count(), 1);
}

#[cfg(unix)]
#[test]
fn what_unix_has_beside_files_does_not_wait() {
    use std::os::unix::ffi::OsStrExt;

    let dir = folder();
    let pipe = dir.path().join("pipe.gguf");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
    assert!(made.success());
    assert!(matches!(open(&pipe), LoadError::NotAFile { .. }));
    assert!(matches!(open(Path::new("/dev/null")), LoadError::NotAFile { .. }));
    let (one, other) = (dir.path().join("one.gguf"), dir.path().join("other.gguf"));
    std::os::unix::fs::symlink(&one, &other).expect("linked");
    std::os::unix::fs::symlink(&other, &one).expect("linked");
    assert!(matches!(open(&one), LoadError::Unreadable { .. }));
    let no_text = Path::new(std::ffi::OsStr::from_bytes(b"\xff.gguf"));
    assert!(matches!(open(no_text), LoadError::PathText { .. }));
}

#[test]
fn a_file_that_changes_is_noticed() {
    let dir = folder();
    let path = write(&dir, "model.gguf", &Draft::small().file());
    let gguf = Gguf::open(&path).expect("whole");
    gguf.check_unchanged().expect("as it was");
    std::fs::write(&path, b"another").expect("written");
    assert!(matches!(gguf.check_unchanged(), Err(LoadError::Changed { .. })));
    std::fs::remove_file(&path).expect("removed");
    assert!(matches!(gguf.check_unchanged(), Err(LoadError::Unreadable { .. })));
}

/// The small model in two files.
fn split() -> [Draft; 2] {
    let mut first = Draft::small();
    let moved = first.tensors.split_off(10);
    first.data_bytes = moved[0].offset;
    let total = first.tensors.len() + moved.len();
    first.set("split.count", ValueType::U16, vec![2, 0]);
    first.set("split.no", ValueType::U16, vec![0, 0]);
    let total = i32::try_from(total).expect("few").to_le_bytes().to_vec();
    first.set("split.tensors.count", ValueType::I32, total);
    let mut second = Draft::empty();
    second.set("split.no", ValueType::U16, vec![1, 0]);
    for tensor in moved {
        let name = String::from_utf8(tensor.name).expect("a name");
        second.add_tensor(&name, &tensor.dimensions, super::TensorType::F32);
    }
    [first, second]
}

#[test]
fn the_files_of_a_split_model_are_all_checked() {
    let dir = folder();
    let [first, second] = split();
    let path = write(&dir, "m-00001-of-00002.gguf", &first.file());
    let missing = open(&path);
    assert!(missing.to_string().contains("m-00002-of-00002.gguf, file 2"), "{missing}");

    let other = write(&dir, "m-00002-of-00002.gguf", &second.file());
    let gguf = Gguf::open(&path).expect("whole");
    assert_eq!((gguf.files().count(), gguf.tensors().len()), (2, 20));
    assert!(open(&other).to_string().contains("general.architecture"));

    let mut wrong = second.clone();
    wrong.set("split.no", ValueType::U32, vec![1, 0, 0, 0]);
    std::fs::write(&other, wrong.file()).expect("written");
    let error = open(&path);
    assert!(error.to_string().contains("in m-00002-of-00002.gguf: split.no"), "{error}");

    let mut short = second;
    short.tensors.pop();
    std::fs::write(&other, short.file()).expect("written");
    assert!(open(&path).to_string().contains("split.tensors.count"));

    let renamed = write(&dir, "renamed.gguf", &first.file());
    assert!(open(&renamed).to_string().contains("-00001-of-00002.gguf"));
}
