//! Why a template gave no text.

use std::fmt;

/// Why a template gave no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The template refused its values itself, with `raise_exception`.
    Raised(String),
    /// The template is wrong, or does not go with its values.
    Wrong(String),
    /// It needed more than it may have.
    Limit(Limit),
    /// The system has no thread for it now: why.
    NoThread(String),
}

/// A bound that a template ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// What is bounded.
    pub(crate) of: &'static str,
    /// How much of it there may be.
    pub(crate) most: u64,
}

/// What comes of a step of a template.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// An error of the template, in words.
pub(super) fn wrong<T>(message: impl Into<String>) -> Result<T> {
    Err(Failure::Wrong(message.into()))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Raised(message) | Failure::Wrong(message) => f.write_str(message),
            Failure::NoThread(error) => write!(f, "no thread for chat templates: {error}"),
            Failure::Limit(Limit { of, most }) => write!(f, "it needs more than {most} {of}"),
        }
    }
}

impl std::error::Error for Failure {}
