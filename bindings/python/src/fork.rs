//! What was made before a fork. In the child its threads are missing and its locks may be held
//! for ever: there it is neither used nor dropped.

use indwell::ErrorKind;
use pyo3::prelude::*;

use crate::error;

/// The process that something was made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Home(u32);

impl Home {
    pub(crate) fn here() -> Self {
        Self(std::process::id())
    }

    /// Whether this process is a fork of that one.
    pub(crate) fn is_left(self) -> bool {
        self != Self::here()
    }

    /// Drops what may close an engine, detached: that waits for the step that runs, which nobody
    /// else should have to. In another process it is kept for ever.
    pub(crate) fn let_go<T: Send>(self, held: T) {
        if self.is_left() {
            std::mem::forget(held);
            return;
        }
        let _ = Python::try_attach(|py| py.detach(|| drop(held)));
    }

    /// # Errors
    /// `forked` in another process than the one of old.
    pub(crate) fn check(self, py: Python<'_>) -> PyResult<()> {
        if self.is_left() {
            let message = "this process was forked after the request was sent: load an engine \
                           after forking, or start processes by spawning";
            return Err(error::of_kind(py, ErrorKind::Forked, message));
        }
        Ok(())
    }
}
