//! The drain of an engine as Python's layer holds it. Dropping it changes nothing.

use pyo3::prelude::*;

use crate::fork::Home;
use crate::{error, interrupt};

/// An engine that serves what it has accepted, and closes then.
#[pyclass(frozen, module = "indwell._native")]
#[derive(Debug)]
pub(crate) struct Draining {
    /// `None` only while it is dropped.
    draining: Option<indwell::Draining>,
    home: Home,
}

impl Draining {
    pub(crate) fn new(draining: indwell::Draining) -> Self {
        Self { draining: Some(draining), home: Home::here() }
    }

    fn draining(&self) -> &indwell::Draining {
        self.draining.as_ref().expect("it is there until the object is dropped")
    }
}

#[pymethods]
impl Draining {
    /// Waits until the engine is closed; whether everybody was served. Ctrl-C ends the wait, and not
    /// the drain.
    fn wait(&self, py: Python<'_>) -> PyResult<bool> {
        let waited = interrupt::wait(py, || self.draining().wait_timeout(interrupt::SLICE))?;
        waited.map_err(|failure| error::raise(py, &failure))
    }

    /// The same for at most a moment; None if the engine still serves.
    fn wait_a_moment(&self, py: Python<'_>) -> PyResult<Option<bool>> {
        let waited = py.detach(|| self.draining().wait_timeout(interrupt::SLICE));
        waited.transpose().map_err(|failure| error::raise(py, &failure))
    }
}

impl Drop for Draining {
    fn drop(&mut self) {
        self.home.let_go(self.draining.take());
    }
}
