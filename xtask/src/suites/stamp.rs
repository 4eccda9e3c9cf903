//! Remembers that something slow was done for certain inputs, so that it is not done again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The inputs of an installation, kept in a file inside what was installed: removing the one
/// removes the other.
#[derive(Debug)]
pub(crate) struct Stamp {
    file: PathBuf,
    inputs: String,
}

impl Stamp {
    /// For what is installed in `dir` from `inputs`.
    pub(crate) fn new(dir: &Path, inputs: impl Into<String>) -> Self {
        Self { file: dir.join(".xtask-stamp"), inputs: inputs.into() }
    }

    /// Whether it was done, to its end, from the same inputs.
    pub(crate) fn is_current(&self) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|kept| kept == self.inputs)
    }

    /// To be called when it is done.
    pub(crate) fn write(&self) -> Result<()> {
        fs::write(&self.file, &self.inputs)
            .with_context(|| format!("could not write {}", self.file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_inputs_are_current() {
        let dir = tempfile::tempdir().unwrap();
        let stamp = Stamp::new(dir.path(), "typescript 6.0.3");
        assert!(!stamp.is_current());
        stamp.write().unwrap();
        assert!(stamp.is_current());
        assert!(!Stamp::new(dir.path(), "typescript 6.0.4").is_current());
    }
}
