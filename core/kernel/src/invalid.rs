//! How a refused value is told: which field, what it was, what is allowed, what to do.

/// A value outside its limits. Every validation in the kernel answers with this, so that all
/// languages can name the same field, value, limit and remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}, but must be {limit}: {remedy}")]
pub struct Invalid {
    /// The option's name in snake case.
    pub field: &'static str,
    /// The value that was given, as text.
    pub value: String,
    /// What is allowed.
    pub limit: String,
    /// What the caller can do.
    pub remedy: String,
}

impl Invalid {
    /// A refusal of `value` for `field`.
    pub fn new(
        field: &'static str,
        value: impl ToString,
        limit: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { field, value: value.to_string(), limit: limit.into(), remedy: remedy.into() }
    }
}
