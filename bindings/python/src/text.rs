//! Python text into Rust text. Python strings may hold lone surrogates, which no UTF-8 can: those
//! are named, with the field they came in, and never replaced.

use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyString};

use crate::error::invalid;

/// The text of `value`, which came in as `field`.
pub(crate) fn text(value: &Bound<'_, PyAny>, field: &str) -> PyResult<String> {
    let Ok(string) = value.cast::<PyString>() else {
        return Err(wrong_type(value, field, "a str"));
    };
    match string.to_cow() {
        Ok(text) => Ok(text.into_owned()),
        Err(failure) => Err(not_unicode(value, field, &failure)),
    }
}

/// The bytes of `value`, which came in as `field`: bytes as they are, a str as UTF-8.
pub(crate) fn bytes(value: &Bound<'_, PyAny>, field: &str) -> PyResult<Vec<u8>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(bytes.as_bytes().to_vec());
    }
    if let Ok(bytes) = value.cast::<PyByteArray>() {
        return Ok(bytes.to_vec());
    }
    if value.is_instance_of::<PyString>() {
        return text(value, field).map(String::into_bytes);
    }
    Err(wrong_type(value, field, "bytes or a str"))
}

/// `invalid_request` for a value of a type that `field` does not take.
pub(crate) fn wrong_type(value: &Bound<'_, PyAny>, field: &str, expected: &str) -> PyErr {
    let type_name = match value.get_type().fully_qualified_name() {
        Ok(name) => name.to_string_lossy().into_owned(),
        Err(_) => "of an unnamed type".to_owned(),
    };
    let remedy =
        if value.is_instance_of::<PyBytes>() { "decode it into a str" } else { "convert it first" };
    invalid(value.py(), field, &format!("{type_name} {}", shown(value)), expected, remedy)
}

/// The value as an error message shows it: its repr, cut where it gets long.
pub(crate) fn shown(value: &Bound<'_, PyAny>) -> String {
    const CHARS_MAX: usize = 80;
    let Ok(repr) = value.repr() else {
        return "a value that cannot be shown".to_owned();
    };
    let text = repr.to_string_lossy();
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

fn not_unicode(value: &Bound<'_, PyAny>, field: &str, failure: &PyErr) -> PyErr {
    let py = value.py();
    let index =
        failure.value(py).getattr("start").and_then(|start| start.extract::<usize>()).unwrap_or(0);
    let character =
        value.get_item(index).map_or_else(|_| "a lone surrogate".to_owned(), |found| shown(&found));
    invalid(
        py,
        field,
        &format!("text with the lone surrogate {character} at index {index}"),
        "text that is valid UTF-8",
        "where it was decoded, decode it with errors=\"replace\"",
    )
}
