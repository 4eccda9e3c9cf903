//! Errors on their way to Python: every one becomes an exception of `indwell.errors`.
//!
//! The classes are Python's own, so that they pickle, subclass and document like any other; this
//! file only calls their factory. It decides nothing about kinds.

use indwell::{Error, ErrorKind};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// The exception for `error`.
pub(crate) fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let details = error.details();
    let parts = (
        error.kind().as_str(),
        error.message(),
        details.field.as_deref(),
        details.value.as_deref(),
        details.limit.as_deref(),
        details.remedy.as_deref(),
        details.retry_after_ms,
    );
    let made = factory(py).and_then(|factory| factory.call1(parts));
    match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(failure) => failure,
    }
}

/// The exception for a request that was cancelled.
pub(crate) fn cancelled(py: Python<'_>) -> PyErr {
    of_kind(py, ErrorKind::Cancelled, "the request was cancelled")
}

/// The exception for something that no argument is to blame for.
pub(crate) fn of_kind(py: Python<'_>, kind: ErrorKind, message: &str) -> PyErr {
    raise(py, &Error::new(kind, message))
}

/// `invalid_request` for what Python's types let through and the engine could not be told.
pub(crate) fn invalid(
    py: Python<'_>,
    field: &str,
    value: &str,
    limit: &str,
    remedy: &str,
) -> PyErr {
    raise(py, &Error::invalid(field, value, limit, remedy))
}

/// Finds the factory while Python can still import. What is raised after that needs it too.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    factory(py).map(drop)
}

fn factory(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static FACTORY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    FACTORY.import(py, "indwell.errors", "from_native")
}
