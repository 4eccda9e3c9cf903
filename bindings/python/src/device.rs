//! What this machine can compute on.

use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::{error, record};

/// The devices that llama.cpp can compute on, in its own order.
#[pyfunction]
pub(crate) fn devices(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let devices = py.detach(indwell::devices).map_err(|failure| error::raise(py, &failure))?;
    let records = devices.iter().map(|device| record::device(py, device));
    PyList::new(py, records.collect::<PyResult<Vec<_>>>()?)
}
