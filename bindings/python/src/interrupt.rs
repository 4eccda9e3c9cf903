//! Waiting from Python: detached, in slices short enough that Ctrl-C is answered at once.

use std::time::Duration;

use pyo3::prelude::*;

use crate::exit;

/// How long a wait may go without looking for signals.
pub(crate) const SLICE: Duration = Duration::from_millis(50);

/// Repeats `wait`, detached, until it has a value or a signal handler raises. Each call of
/// `wait` returns within about a [`SLICE`].
pub(crate) fn wait<T: Send>(
    py: Python<'_>,
    mut wait: impl FnMut() -> Option<T> + Send,
) -> PyResult<T> {
    loop {
        let found = py.detach(|| {
            let found = wait();
            exit::stay_if_exiting();
            found
        });
        match found {
            Some(value) => return Ok(value),
            None => py.check_signals()?,
        }
    }
}
