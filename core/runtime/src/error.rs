//! The one error type. Each kind tells the caller what to do; the details name the field, the
//! value, the limit and the remedy, the same in every language.

use std::fmt;
use std::sync::Arc;

use indwell_kernel::{Invalid, Overload};
use indwell_llama::{BackendsError, ContextError, LoadError};
use serde::{Deserialize, Serialize};

/// A result with Indwell's error.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, by what the caller can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Correct the request: it can never succeed as it is.
    InvalidRequest,
    /// Shorten the prompt, or load the model with a larger context.
    ContextOverflow,
    /// Come back later; `retry_after_ms` says when.
    Overloaded,
    /// The request's own deadline passed.
    DeadlineExceeded,
    /// The caller cancelled the request.
    Cancelled,
    /// Choose another model file, or mend this one.
    ModelLoad,
    /// Free memory, or ask for less context.
    OutOfMemory,
    /// Ask again without `only_if_cached`: nothing is stored for the request.
    NotCached,
    /// The engine was closed: make a new one.
    EngineClosed,
    /// What computes failed while the request was in flight, and the engine will serve no more: make a
    /// new one, and report it. With `isolation: "process"` the engine goes on: ask again.
    EnginePoisoned,
    /// This model or build can't do that.
    Unsupported,
    /// The process was forked after the engine was made: make a new one in the child.
    Forked,
    /// A file or program could not be used.
    Io,
    /// A fault of Indwell's or llama.cpp's: report it.
    Internal,
}

impl ErrorKind {
    /// The code that every language uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorKind::InvalidRequest => "invalid_request",
            ErrorKind::ContextOverflow => "context_overflow",
            ErrorKind::Overloaded => "overloaded",
            ErrorKind::DeadlineExceeded => "deadline_exceeded",
            ErrorKind::Cancelled => "cancelled",
            ErrorKind::ModelLoad => "model_load",
            ErrorKind::OutOfMemory => "out_of_memory",
            ErrorKind::NotCached => "not_cached",
            ErrorKind::EngineClosed => "engine_closed",
            ErrorKind::EnginePoisoned => "engine_poisoned",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::Forked => "forked",
            ErrorKind::Io => "io",
            ErrorKind::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an error is about, where that can be said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetails {
    /// The option or argument, in snake case.
    pub field: Option<String>,
    /// Its value, as text.
    pub value: Option<String>,
    /// What is allowed.
    pub limit: Option<String>,
    /// What the caller can do.
    pub remedy: Option<String>,
    /// When to try again, in milliseconds; with `overloaded`.
    pub retry_after_ms: Option<u64>,
}

/// What went wrong. Cheap to clone: the same error may reach several waiters.
#[derive(Clone, Debug)]
pub struct Error(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    details: ErrorDetails,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// One sentence with the value, the limit and the remedy.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What it is about, in parts.
    #[must_use]
    pub fn details(&self) -> &ErrorDetails {
        &self.0.details
    }

    /// An error of `kind`. Public for the bindings, which find some faults before Rust sees the
    /// values (text that is not valid Unicode, say).
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::with(kind, message, ErrorDetails::default(), None)
    }

    /// An `invalid_request` in the one form that all of them have.
    pub fn invalid(
        field: impl Into<String>,
        value: impl Into<String>,
        limit: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (field, value) = (field.into(), value.into());
        let (limit, remedy) = (limit.into(), remedy.into());
        let message = format!("{field} is {value}, but must be {limit}: {remedy}");
        let details = ErrorDetails {
            field: Some(field),
            value: Some(value),
            limit: Some(limit),
            remedy: Some(remedy),
            retry_after_ms: None,
        };
        Self::with(ErrorKind::InvalidRequest, message, details, None)
    }

    pub(crate) fn with(
        kind: ErrorKind,
        message: impl Into<String>,
        details: ErrorDetails,
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self(Arc::new(Inner { kind, message: message.into(), details, source }))
    }

    pub(crate) fn closed() -> Self {
        Self::remedied(
            ErrorKind::EngineClosed,
            "the engine is closed",
            "make a new engine, or close this one later",
        )
    }

    pub(crate) fn draining() -> Self {
        Self::remedied(
            ErrorKind::EngineClosed,
            "the engine is being drained: it serves what it has accepted, and accepts no more",
            "make a new engine, or drain this one later",
        )
    }

    pub(crate) fn poisoned(reason: &str) -> Self {
        Self::remedied(
            ErrorKind::EnginePoisoned,
            format!("the engine's worker failed: {reason}"),
            "make a new engine, and please report this",
        )
    }

    /// What a request hears that was in flight when the process which computes was lost.
    pub(crate) fn lost(reason: &str) -> Self {
        let remedy = "ask again: the engine goes on with a new process; please report this";
        let details = ErrorDetails {
            field: Some("isolation".to_owned()),
            value: Some(reason.to_owned()),
            remedy: Some(remedy.to_owned()),
            ..ErrorDetails::default()
        };
        let message =
            format!("the process that computes was lost with this request: {reason}: {remedy}");
        Self::with(ErrorKind::EnginePoisoned, message, details, None)
    }

    pub(crate) fn forked() -> Self {
        Self::remedied(
            ErrorKind::Forked,
            "this process was forked after the engine was made, and its threads are not here",
            "make engines after forking, or start processes by spawning",
        )
    }

    pub(crate) fn not_cached() -> Self {
        Self::remedied(
            ErrorKind::NotCached,
            "there is no stored answer to this request",
            "ask again without only_if_cached",
        )
    }

    pub(crate) fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "the request was cancelled")
    }

    /// `message: remedy`, with the remedy in the details too.
    pub(crate) fn remedied(
        kind: ErrorKind,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (message, remedy) = (message.into(), remedy.into());
        let text = format!("{message}: {remedy}");
        let details = ErrorDetails { remedy: Some(remedy), ..ErrorDetails::default() };
        Self::with(kind, text, details, None)
    }

    /// A `model_load` for the path or alias `model`.
    pub(crate) fn model_load(
        model: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let (message, remedy) = (message.into(), remedy.into());
        let text = format!("{message}: {remedy}");
        let details = Self::model_details(model.into(), remedy);
        Self::with(ErrorKind::ModelLoad, text, details, source)
    }

    fn model_details(model: String, remedy: impl Into<String>) -> ErrorDetails {
        ErrorDetails {
            field: Some("model".to_owned()),
            value: Some(model),
            limit: Some("a readable GGUF file of a text generation model".to_owned()),
            remedy: Some(remedy.into()),
            retry_after_ms: None,
        }
    }

    pub(crate) fn io(
        message: impl Into<String>,
        remedy: impl Into<String>,
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let (message, remedy) = (message.into(), remedy.into());
        let text = format!("{message}: {remedy}");
        let details = ErrorDetails { remedy: Some(remedy), ..ErrorDetails::default() };
        Self::with(ErrorKind::Io, text, details, source)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::invalid(invalid.field, invalid.value, invalid.limit, invalid.remedy)
    }
}

impl From<Overload> for Error {
    fn from(overload: Overload) -> Self {
        let retry_after_ms = u64::try_from(overload.retry_after.as_millis()).unwrap_or(u64::MAX);
        let remedy = format!("try again in about {retry_after_ms} ms, or raise the queue's limit");
        let details = ErrorDetails {
            field: None,
            value: Some(overload.value.to_string()),
            limit: Some(format!("{} {}", overload.limit, overload.what)),
            remedy: Some(remedy.clone()),
            retry_after_ms: Some(retry_after_ms),
        };
        let message = format!(
            "the queue is full, with {} of at most {} {}: {remedy}",
            overload.value, overload.limit, overload.what
        );
        Self::with(ErrorKind::Overloaded, message, details, Some(Box::new(overload)))
    }
}

impl From<BackendsError> for Error {
    fn from(error: BackendsError) -> Self {
        let remedy = format!(
            "install the package whole, or set {} to the folder that holds libggml-cpu-*",
            indwell_llama::backends::BACKEND_DIR_VARIABLE
        );
        let details = ErrorDetails { remedy: Some(remedy.clone()), ..ErrorDetails::default() };
        let message = format!("{error}: {remedy}");
        Self::with(ErrorKind::Unsupported, message, details, Some(Box::new(error)))
    }
}

impl From<LoadError> for Error {
    fn from(error: LoadError) -> Self {
        let (path, remedy) = match error {
            LoadError::Backends(error) => return error.into(),
            LoadError::Unreadable { ref path, .. } => {
                (path, "give the path of a GGUF file that exists and can be read")
            }
            LoadError::NotAFile { ref path } => (path, "give the path of the GGUF file itself"),
            LoadError::PathText { ref path } => (path, "rename the file in valid UTF-8"),
            LoadError::Invalid { ref path, ref error } => (path, error.remedy()),
            LoadError::Changed { ref path } => (path, "load it again when nobody writes to it"),
            LoadError::Refused { ref path, .. } => {
                (path, "download it again; if it is whole, its format is not known here")
            }
            LoadError::NotGenerative { ref path, .. } => (path, "give a model that continues text"),
        };
        let limit = match &error {
            LoadError::Invalid { error, .. } => error.limit().map(str::to_owned),
            _ => None,
        };
        let mut details = Self::model_details(path.display().to_string(), remedy);
        details.limit = limit.or(details.limit);
        let message = format!("{error}: {remedy}");
        Self::with(ErrorKind::ModelLoad, message, details, Some(Box::new(error)))
    }
}

impl From<ContextError> for Error {
    fn from(error: ContextError) -> Self {
        match &error {
            ContextError::Refused { context_tokens, .. } => {
                let remedy = "lower context_tokens, or free memory";
                let details = ErrorDetails {
                    field: Some("context_tokens".to_owned()),
                    value: Some(context_tokens.to_string()),
                    limit: None,
                    remedy: Some(remedy.to_owned()),
                    retry_after_ms: None,
                };
                let message = format!("{error}: {remedy}");
                Self::with(ErrorKind::OutOfMemory, message, details, Some(Box::new(error)))
            }
            ContextError::Threads(_) => Self::with(
                ErrorKind::OutOfMemory,
                format!("{error}: raise the process's limit of threads"),
                ErrorDetails::default(),
                Some(Box::new(error)),
            ),
        }
    }
}
