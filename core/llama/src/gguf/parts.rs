//! A model's files: opened without waiting, noted as they are, and followed where it was split.

use std::collections::HashSet;
use std::fs::{File, Metadata as FileMetadata, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::file::{self, File as Checked};
use super::value::{Value, ValueType};
use super::{Gguf, GgufError, Metadata, ReadError, Tensor};
use crate::error::LoadError;

/// Which of the files one is, from 0.
const NUMBER_KEY: &str = "split.no";
/// How many files there are.
const COUNT_KEY: &str = "split.count";
/// How many tensors all files have together.
const TENSORS_KEY: &str = "split.tensors.count";

/// A file as it was when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileState {
    bytes: u64,
    /// `None` where the system does not tell.
    modified: Option<SystemTime>,
}

impl FileState {
    fn of(metadata: &FileMetadata) -> Self {
        Self { bytes: metadata.len(), modified: metadata.modified().ok() }
    }

    /// Whether the file at `path` is still as this says.
    ///
    /// # Errors
    /// When it can't be asked.
    pub fn holds(&self, path: &Path) -> std::io::Result<bool> {
        Ok(Self::of(&std::fs::metadata(path)?) == *self)
    }

    /// Its length.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Reads and checks the model at `path`.
pub(super) fn open(path: &Path) -> Result<Gguf, LoadError> {
    if path.to_str().is_none_or(|text| text.contains('\0')) {
        return Err(LoadError::PathText { path: path.to_owned() });
    }
    let invalid = |error| LoadError::Invalid { path: path.to_owned(), error };
    let (Checked { metadata, mut tensors }, state) = read(path)?;
    let mut files = vec![(path.to_owned(), state)];
    let count = part_count(&metadata).map_err(invalid)?;
    if count > 1 {
        for (at, part) in names(path, count).map_err(invalid)?.into_iter().enumerate().skip(1) {
            let (name, number) = (file_name(&part), at as u32);
            let of_part =
                |error| invalid(GgufError::Part { name: name.clone(), error: Box::new(error) });
            if !part.exists() {
                let number = number + 1;
                return Err(invalid(GgufError::MissingPart { number, count, name }));
            }
            let (checked, state) = read(&part)?;
            check_number(&checked.metadata, number).map_err(of_part)?;
            tensors.extend(checked.tensors);
            files.push((part, state));
        }
        check_tensors(&metadata, &tensors).map_err(invalid)?;
    }
    super::check(&metadata, &tensors).map_err(invalid)?;
    Ok(Gguf { path: path.to_owned(), files, metadata, tensors })
}

fn read(path: &Path) -> Result<(Checked, FileState), LoadError> {
    let unreadable = |source| LoadError::Unreadable { path: path.to_owned(), source };
    let file = open_at_once(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(LoadError::NotAFile { path: path.to_owned() });
    }
    let checked = file::read(file, metadata.len()).map_err(|error| match error {
        ReadError::Io(source) => unreadable(source),
        ReadError::Invalid(error) => LoadError::Invalid { path: path.to_owned(), error },
    })?;
    Ok((checked, FileState::of(&metadata)))
}

/// Opens a pipe or a device without waiting for its other end.
#[cfg(unix)]
fn open_at_once(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)
}

#[cfg(not(unix))]
fn open_at_once(path: &Path) -> std::io::Result<File> {
    // Opening a folder fails elsewhere, and would be told as a want of rights.
    if path.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    OpenOptions::new().read(true).open(path)
}

/// How many files the model has that `metadata` is of; 1 unless it was split.
fn part_count(metadata: &Metadata) -> Result<u32, GgufError> {
    let Some(value) = metadata.get(COUNT_KEY) else { return Ok(1) };
    let count = u16_of(value).ok_or_else(|| GgufError::key(COUNT_KEY, value, "a u16"))?;
    if count > 1 {
        check_number(metadata, 0)?;
    }
    Ok(count.into())
}

/// Checks that a file is number `expected`, from 0.
fn check_number(metadata: &Metadata, expected: u32) -> Result<(), GgufError> {
    let value = metadata.get(NUMBER_KEY).ok_or_else(|| GgufError::Missing {
        key: NUMBER_KEY.to_owned(),
        purpose: "says which file of the model it is",
    })?;
    // `gguf_get_val_u16` asserts the type.
    if u16_of(value).map(u32::from) == Some(expected) {
        return Ok(());
    }
    let limit = match expected {
        0 => "0: give the first of the model's files".to_owned(),
        expected => format!("{expected}, as u16"),
    };
    Err(GgufError::key(NUMBER_KEY, value, limit))
}

fn u16_of(value: &Value) -> Option<u16> {
    let number = value.as_u64().filter(|_| value.kind() == ValueType::U16)?;
    u16::try_from(number).ok()
}

/// Checks that the tensors of all files have names of their own, and are all there.
fn check_tensors(metadata: &Metadata, tensors: &[Tensor]) -> Result<(), GgufError> {
    let mut names = HashSet::new();
    for tensor in tensors {
        if !names.insert(tensor.name.as_str()) {
            return Err(GgufError::Duplicate { what: "tensor", name: tensor.name.clone() });
        }
    }
    let value = metadata.get(TENSORS_KEY).ok_or_else(|| GgufError::Missing {
        key: TENSORS_KEY.to_owned(),
        purpose: "says how many tensors the model's files have together",
    })?;
    if value.as_u64() == Some(tensors.len() as u64) {
        return Ok(());
    }
    Err(GgufError::key(TENSORS_KEY, value, format!("{}, as many as there are", tensors.len())))
}

/// `NAME-00001-of-00003.gguf` and those that follow it.
fn names(first: &Path, count: u32) -> Result<Vec<PathBuf>, GgufError> {
    let name = file_name(first);
    let ending = format!("-00001-of-{count:05}.gguf");
    let stem = name.strip_suffix(&ending).ok_or_else(|| {
        let limit =
            format!("in a file whose name ends in {ending}, from which the others are found");
        GgufError::key(COUNT_KEY, format!("{count} in a file named {name:?}"), limit)
    })?;
    let name = |at| format!("{stem}-{at:05}-of-{count:05}.gguf");
    Ok((1..=count).map(|at| first.with_file_name(name(at))).collect())
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_split_model_follow_its_first() {
        let files = names(Path::new("/m/big-00001-of-00003.gguf"), 3).expect("well named");
        assert_eq!(files.len(), 3);
        assert_eq!(files[2], Path::new("/m/big-00003-of-00003.gguf"));
        assert!(names(Path::new("/m/big-00002-of-00003.gguf"), 3).is_err());
        assert!(names(Path::new("/m/big.gguf"), 3).is_err());
    }
}
