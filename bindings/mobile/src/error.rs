//! Errors as they cross: the kind, the message and the details, with names spelled as the caller
//! spells them.
//!
//! Kotlin and Swift write `maxTokens` where Rust writes `max_tokens`, so a field's name is
//! respelled here, once, in the details and in the sentences, and so are the names that sentences
//! mention beside it.

use indwell::ErrorKind;

/// What a failed call throws: one variant, because each language makes its own exceptions from the
/// kind.
#[derive(Debug, Clone, PartialEq, thiserror::Error, uniffi::Error)]
pub enum NativeError {
    /// A call that failed, for the reason that `kind` names.
    #[error("{text}")]
    Failed {
        /// What the caller can do about it.
        kind: NativeErrorKind,
        /// One sentence for a person: the value, the limit and the remedy.
        text: String,
        /// The same in parts.
        details: NativeErrorDetails,
    },
}

/// `indwell::ErrorKind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
#[expect(missing_docs, reason = "indwell::ErrorKind documents them")]
pub enum NativeErrorKind {
    InvalidRequest,
    ContextOverflow,
    Overloaded,
    DeadlineExceeded,
    Cancelled,
    ModelLoad,
    OutOfMemory,
    NotCached,
    EngineClosed,
    EnginePoisoned,
    Unsupported,
    Forked,
    Io,
    Internal,
}

/// `indwell::ErrorDetails`.
#[derive(Debug, Clone, Default, PartialEq, Eq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::ErrorDetails documents them")]
pub struct NativeErrorDetails {
    pub field: Option<String>,
    pub value: Option<String>,
    pub limit: Option<String>,
    pub remedy: Option<String>,
    pub retry_after_ms: Option<u64>,
}

/// Names that sentences mention beside the one that they are about.
const MENTIONED: [&str; 16] = [
    "batch_tokens",
    "context_tokens",
    "disk_cache_bytes",
    "disk_cache_dir",
    "distance_max",
    "ignore_eos",
    "json_object",
    "json_schema",
    "max_tokens",
    "memory_bytes",
    "min_tokens",
    "response_cache_bytes",
    "response_cache_dir",
    "template_args",
    "tool_choice",
    "tool_parser",
];

impl NativeError {
    /// An error that has no counterpart in `indwell`.
    pub(crate) fn internal(text: impl Into<String>) -> Self {
        Self::Failed {
            kind: NativeErrorKind::Internal,
            text: text.into(),
            details: NativeErrorDetails::default(),
        }
    }
}

impl From<indwell::Error> for NativeError {
    fn from(error: indwell::Error) -> Self {
        let details = error.details();
        let respelled = |text: &str| {
            let names = details.field.as_deref().into_iter().chain(MENTIONED);
            names.fold(text.to_owned(), |text, name| text.replace(name, &caller_spelling(name)))
        };
        // A value is its caller's, but for that of `semantic`, which says in words what is wrong.
        let value = match details.field.as_deref() {
            Some("semantic") => details.value.as_deref().map(respelled),
            _ => details.value.clone(),
        };
        Self::Failed {
            kind: error.kind().into(),
            text: respelled(error.message()),
            details: NativeErrorDetails {
                field: details.field.as_deref().map(caller_spelling),
                value,
                limit: details.limit.as_deref().map(respelled),
                remedy: details.remedy.as_deref().map(respelled),
                retry_after_ms: details.retry_after_ms,
            },
        }
    }
}

impl From<ErrorKind> for NativeErrorKind {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidRequest => Self::InvalidRequest,
            ErrorKind::ContextOverflow => Self::ContextOverflow,
            ErrorKind::Overloaded => Self::Overloaded,
            ErrorKind::DeadlineExceeded => Self::DeadlineExceeded,
            ErrorKind::Cancelled => Self::Cancelled,
            ErrorKind::ModelLoad => Self::ModelLoad,
            ErrorKind::OutOfMemory => Self::OutOfMemory,
            ErrorKind::NotCached => Self::NotCached,
            ErrorKind::EngineClosed => Self::EngineClosed,
            ErrorKind::EnginePoisoned => Self::EnginePoisoned,
            ErrorKind::Unsupported => Self::Unsupported,
            ErrorKind::Forked => Self::Forked,
            ErrorKind::Io => Self::Io,
            // A kind newer than this binding tells its caller nothing more than that.
            _ => Self::Internal,
        }
    }
}

/// `max_tokens` as Kotlin and Swift spell it. A duration has its unit in its type there, so
/// `timeout_ms` is `timeout`.
fn caller_spelling(field: &str) -> String {
    let mut spelling = String::with_capacity(field.len());
    let mut word_starts = false;
    for letter in field.strip_suffix("_ms").unwrap_or(field).chars() {
        if letter == '_' {
            word_starts = true;
        } else if std::mem::take(&mut word_starts) {
            spelling.extend(letter.to_uppercase());
        } else {
            spelling.push(letter);
        }
    }
    spelling
}

#[cfg(test)]
mod tests {
    use super::{NativeError, NativeErrorKind, caller_spelling};

    #[test]
    fn an_error_names_its_field_as_the_caller_spells_it() {
        let error =
            indwell::Error::invalid("max_tokens", "0", "at least 1", "give max_tokens 1 or more");
        let NativeError::Failed { kind, text, details } = error.into();
        assert_eq!(kind, NativeErrorKind::InvalidRequest);
        assert_eq!(details.field.as_deref(), Some("maxTokens"));
        assert_eq!(details.remedy.as_deref(), Some("give maxTokens 1 or more"));
        assert!(text.contains("maxTokens is 0") && !text.contains('_'), "{text}");
    }

    #[test]
    fn names_that_a_sentence_mentions_are_spelled_so_too() {
        let remedy = "give response_cache_bytes more than 0, or leave response_cache_dir out";
        let error = indwell::Error::invalid("response_cache_dir", "\"a_b\"", "left out", remedy);
        let NativeError::Failed { text, details, .. } = error.into();
        let remedy = "give responseCacheBytes more than 0, or leave responseCacheDir out";
        assert_eq!(details.remedy.as_deref(), Some(remedy));
        assert_eq!(details.value.as_deref(), Some("\"a_b\""), "values are not respelled");
        assert!(text.ends_with(remedy), "{text}");

        let error = indwell::Error::invalid("semantic", "a distance_max of 3", "less", "less");
        let NativeError::Failed { text, details, .. } = error.into();
        assert_eq!(details.value.as_deref(), Some("a distanceMax of 3"));
        assert!(text.contains("a distanceMax of 3"), "{text}");
    }

    #[test]
    fn fields_are_spelled_as_the_caller_spells_them() {
        assert_eq!(caller_spelling("max_tokens"), "maxTokens");
        assert_eq!(caller_spelling("timeout_ms"), "timeout");
        assert_eq!(caller_spelling("messages[0].content"), "messages[0].content");
        assert_eq!(caller_spelling("model"), "model");
    }
}
