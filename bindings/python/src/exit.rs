//! The interpreter's exit, step by step:
//! 1. Python waits for the threads that are no daemons.
//! 2. The hook in `indwell._exit` calls `begin_exit`: the notifier's thread ends, and from then
//!    on whoever waits for an event stays where he is, detached.
//! 3. The hook closes every engine, so no thread of ours is left that computes.
//! 4. Python takes itself apart.
//!
//! After step 1 only daemon threads are left beside the exiting one. Python stops those at their
//! next attach; ours stop in step 2 already, so that none of them reports the closed engine.

use std::sync::OnceLock;
use std::thread::ThreadId;

use pyo3::prelude::*;

use crate::{error, notifier};

static EXITING_THREAD: OnceLock<ThreadId> = OnceLock::new();

/// To be called when the interpreter exits, before the engines are closed.
#[pyfunction]
pub(crate) fn begin_exit(py: Python<'_>) -> PyResult<()> {
    error::prepare(py)?;
    // A second call changes nothing: the first caller is the thread that exits.
    let _ = EXITING_THREAD.set(std::thread::current().id());
    notifier::stop(py);
    Ok(())
}

/// Never returns to a thread that Python is about to stop. To be called detached.
pub(crate) fn stay_if_exiting() {
    while others_exit() {
        std::thread::park();
    }
}

/// Whether another thread than this one takes the interpreter down.
pub(crate) fn others_exit() -> bool {
    EXITING_THREAD.get().is_some_and(|exiting| *exiting != std::thread::current().id())
}
