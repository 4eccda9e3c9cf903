//! GGUF files, checked before llama.cpp sees a byte of them.
//!
//! llama.cpp trusts a model file: where a value is not as its converters write it, an assertion or
//! an exception ends the process. [`Gguf::open`] reads a file's metadata, and nothing of its
//! weights, and refuses what llama.cpp would not survive. It is pure and safe: it knows files and
//! bytes, and calls no C.
//!
//! Invariants: a length that a file states is compared with what the file can hold before anything
//! is allocated for it, and [`METADATA_BYTES_MAX`] bounds what is kept. A file is opened without
//! waiting, so a pipe can't hang the caller. What passes is what was read: whoever loads it
//! compares [`Gguf::check_unchanged`] afterwards.
//!
//! | module | checks |
//! |---|---|
//! | `reader` | bytes against the file's length |
//! | `value`, `metadata` | keys and their values |
//! | `tensor`, `tensor_type` | names, shapes, types and places of tensors |
//! | `file` | one file as a whole |
//! | `parts` | the files of a model that was split |
//! | `architecture` | numbers that llama.cpp divides by, asserts or sizes arrays with |
//! | `tokenizer`, `charsmap` | the vocabulary |
//! | `weights` | types of tensors by what is computed with them |

mod architecture;
mod charsmap;
mod error;
mod file;
mod metadata;
mod parts;
mod reader;
mod tensor;
mod tensor_type;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod tokenizer;
mod value;
mod weights;

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::LoadError;

pub use error::{GgufError, Place};
pub use file::METADATA_BYTES_MAX;
pub use metadata::Metadata;
pub use parts::FileState;
pub use tensor::Tensor;
pub use tensor_type::TensorType;
pub use value::{Numbers, Texts, Value, ValueType};

/// The checked metadata of a model: one file, or the files that it was split into.
#[derive(Debug)]
pub struct Gguf {
    path: PathBuf,
    files: Vec<(PathBuf, FileState)>,
    metadata: Metadata,
    tensors: Vec<Tensor>,
}

impl Gguf {
    /// Reads and checks the model at `path`, with all of its parts if it was split.
    ///
    /// # Errors
    /// [`LoadError`]: a path that can't be given to llama.cpp, something that is no regular file
    /// or can't be read, and [`LoadError::Invalid`] for whatever is wrong in the file.
    ///
    /// # Blocking
    /// For milliseconds: it reads the metadata, not the weights.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        parts::open(path)
    }

    /// Checks the model in `source`, which has `length` bytes and is one whole file.
    ///
    /// # Errors
    /// As [`Self::open`], without those of paths.
    pub fn read(source: impl Read, length: u64) -> Result<(Metadata, Vec<Tensor>), ReadError> {
        let file = file::read(source, length)?;
        check(&file.metadata, &file.tensors)?;
        Ok((file.metadata, file.tensors))
    }

    /// Where its first file lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its files in order.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|(path, _)| path.as_path())
    }

    /// Its files in order, as they were when they were checked.
    #[must_use]
    pub fn file_states(&self) -> &[(PathBuf, FileState)] {
        &self.files
    }

    /// Its keys and values: those of its first file.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Its tensors, in the order of the files.
    #[must_use]
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// The bytes of its weights in the files.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.bytes).sum()
    }

    /// The context it was trained for, in tokens.
    #[must_use]
    pub fn trained_context_tokens(&self) -> u32 {
        let tokens = self.metadata.of_architecture("context_length").and_then(Value::as_u64);
        tokens.and_then(|tokens| u32::try_from(tokens).ok()).unwrap_or(0)
    }

    /// Whether its files are still as they were when they were checked, by length and time of
    /// change. Call it after they were loaded: what replaced a file in between was not checked.
    ///
    /// # Errors
    /// [`LoadError::Changed`], or [`LoadError::Unreadable`] where a file is gone.
    pub fn check_unchanged(&self) -> Result<(), LoadError> {
        for (path, state) in &self.files {
            let unreadable = |source| LoadError::Unreadable { path: path.clone(), source };
            if !state.holds(path).map_err(unreadable)? {
                return Err(LoadError::Changed { path: path.clone() });
            }
        }
        Ok(())
    }
}

/// Why bytes are no model.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// They could not be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// They were read, and are wrong.
    #[error(transparent)]
    Invalid(#[from] GgufError),
}

/// What must hold of a model as a whole.
fn check(metadata: &Metadata, tensors: &[Tensor]) -> Result<(), GgufError> {
    architecture::check(metadata)?;
    tokenizer::check(metadata)?;
    weights::check(metadata, tensors)
}
