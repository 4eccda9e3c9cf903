//! The one model, listed, and the names that it answers to.

use std::time::SystemTime;

use serde::Serialize;

use super::failure::{Failure, Read};
use super::stamp::unix_seconds;
use crate::shared::Shared;
use crate::{ModelInfo, aliases};

#[derive(Serialize)]
struct List {
    object: &'static str,
    data: [Model; 1],
}

#[derive(Serialize)]
struct Model {
    id: String,
    object: &'static str,
    /// When it was loaded.
    created: u64,
    owned_by: &'static str,
}

/// The list of models.
pub(super) fn list(shared: &Shared) -> String {
    let list = List { object: "list", data: [Model::of(shared)] };
    serde_json::to_string(&list).expect("texts are always JSON")
}

/// The model called `name`.
pub(super) fn retrieve(shared: &Shared, name: &str) -> Read<String> {
    check_name(&shared.info, name)?;
    Ok(serde_json::to_string(&Model::of(shared)).expect("texts are always JSON"))
}

impl Model {
    fn of(shared: &Shared) -> Self {
        let loaded = SystemTime::now().checked_sub(shared.now().0);
        Self {
            id: id(&shared.info),
            object: "model",
            created: unix_seconds(loaded.unwrap_or(SystemTime::UNIX_EPOCH)),
            owned_by: "indwell",
        }
    }
}

/// What the model is called in answers: its alias, or else its own name.
pub(super) fn id(info: &ModelInfo) -> String {
    alias(info).map_or_else(|| info.name.clone(), str::to_owned)
}

/// # Errors
/// 404 for a name that is none of the model's: its alias, its own name, and its file's, with and
/// without the ending and the folders.
pub(super) fn check_name(info: &ModelInfo, name: &str) -> Read<()> {
    let path = &info.path;
    let of_file = [path.file_name(), path.file_stem(), Some(path.as_os_str())];
    let is_file = of_file.into_iter().flatten().any(|known| known == name);
    if is_file || name == info.name || alias(info) == Some(name) {
        return Ok(());
    }
    let message = format!(
        "The model '{name}' does not exist here: this engine serves '{}'. Give that name, or leave \
         'model' out.",
        id(info)
    );
    Err(Failure::wrong(message, "model".to_owned(), "model_not_found").with_status(404))
}

/// The alias that the file was fetched by: it begins its name.
fn alias(info: &ModelInfo) -> Option<&'static str> {
    let file = info.path.file_stem()?.to_str()?;
    let (name, checksum) = file.rsplit_once('-')?;
    let alias = aliases().iter().find(|alias| alias.name == name)?;
    alias.sha256.starts_with(checksum).then_some(alias.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(path: &str) -> ModelInfo {
        ModelInfo {
            name: "Llama Mini".to_owned(),
            path: path.into(),
            description: String::new(),
            parameters: 0,
            size_bytes: 0,
            vocabulary_size: 0,
            trained_context_tokens: 0,
            context_tokens: 0,
            has_chat_template: true,
        }
    }

    #[test]
    fn a_model_answers_to_its_names_and_to_no_other() {
        let loaded = info("/models/smollm2-135m-b179c9523d0e.gguf");
        assert_eq!(id(&loaded), "smollm2-135m");
        for name in ["smollm2-135m", "Llama Mini", "smollm2-135m-b179c9523d0e.gguf"] {
            assert!(check_name(&loaded, name).is_ok(), "{name}");
        }
        assert!(check_name(&loaded, "/models/smollm2-135m-b179c9523d0e.gguf").is_ok());
        for name in ["gpt-4o", "", "smollm2", "models"] {
            assert_eq!(check_name(&loaded, name).expect_err(name).status, 404);
        }
    }

    #[test]
    fn a_file_of_another_name_has_no_alias() {
        let loaded = info("/models/smollm2-135m.gguf");
        assert_eq!(id(&loaded), "Llama Mini");
        assert!(check_name(&loaded, "smollm2-135m").is_ok(), "it is the file's");
    }
}
