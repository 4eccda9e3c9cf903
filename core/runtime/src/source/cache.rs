//! The folder where fetched models are kept.

use std::path::{Path, PathBuf};

use super::Alias;
use crate::{Error, Result};

/// Names the folder to use in place of the user's cache folder.
pub const CACHE_DIR_VARIABLE: &str = "INDWELL_CACHE_DIR";

/// Where the model's file belongs.
pub(super) fn model_path(alias: &Alias) -> Result<PathBuf> {
    let directory = std::env::var_os(CACHE_DIR_VARIABLE)
        .map(PathBuf::from)
        .or_else(|| dirs::cache_dir().map(|dir| dir.join("indwell")))
        .ok_or_else(|| {
            Error::io(
                "this user has no cache folder",
                format!("set {CACHE_DIR_VARIABLE} to a folder, or give the path of a model"),
                None,
            )
        })?;
    // The checksum in the name: a new version of an alias never meets the old one's file.
    let file = format!("{}-{}.gguf", alias.name, &alias.sha256[..12]);
    Ok(directory.join("models").join(file))
}

/// Whether the file is there whole. Only checked files are ever renamed to this path, so its
/// size is enough.
pub(super) fn holds(path: &Path, alias: &Alias) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() == alias.size_bytes)
}
