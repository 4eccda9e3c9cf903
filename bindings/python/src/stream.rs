//! One request's stream as Python's layer reads it: blocking, or armed with a callback. It does not
//! know about event loops; an armed callback is called once, from the notifier's thread.
//!
//! One reader at a time: a second one is refused, not queued. `cancel` is free for all, at any
//! time.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream as _;
use indwell::{Canceller, TokenStream};
use pyo3::exceptions::{PyRuntimeError, PyStopAsyncIteration};
use pyo3::prelude::*;

use crate::fold::{Outcome, Reader};
use crate::fork::Home;
use crate::notifier::Waiter;
use crate::{error, exit, interrupt, reply};

/// The stream of one request; dropping it cancels the request.
#[pyclass(frozen, module = "indwell._native")]
#[derive(Debug)]
pub(crate) struct Stream {
    reader: Arc<Mutex<Reader>>,
    canceller: Canceller,
    home: Home,
}

impl Stream {
    pub(crate) fn new(stream: TokenStream) -> Self {
        let canceller = stream.canceller();
        Self { reader: Arc::new(Mutex::new(Reader::new(stream))), canceller, home: Home::here() }
    }

    fn reader(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, Reader>> {
        self.home.check(py)?;
        match self.reader.try_lock() {
            Ok(reader) if reader.folding => Err(in_use()),
            Ok(reader) => Ok(reader),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(in_use()),
        }
    }

    /// Waits for what `slice` finds; Ctrl-C cancels the request.
    fn wait<T: Send>(
        &self,
        py: Python<'_>,
        slice: impl FnMut() -> Option<T> + Send,
    ) -> PyResult<T> {
        interrupt::wait(py, slice).inspect_err(|_| self.canceller.cancel())
    }
}

#[pymethods]
impl Stream {
    /// Waits for the next event; None after the last. A cancelled or failed request raises.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut reader = self.reader(py)?;
        let reader = &mut *reader;
        let event = match reader.next_ready() {
            Some(ready) => ready,
            None => self.wait(py, || reader.next_in_slice())?,
        };
        if exit::others_exit() {
            py.detach(exit::stay_if_exiting);
        }
        event.map(|event| reply::event(py, &event)).transpose()
    }

    /// Waits for the end and folds the events that are left into a Reply.
    fn reply<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let mut reader = self.reader(py)?;
        let reader = &mut *reader;
        let outcome = match reader.fold_ready() {
            Some(ready) => ready,
            None => self.wait(py, || reader.fold_in_slice())?,
        };
        if exit::others_exit() {
            py.detach(exit::stay_if_exiting);
        }
        outcome_to_python(py, outcome)
    }

    /// The next event if it is there, else None: then `callback` is called once, without arguments
    /// and from another thread, when there may be one; an earlier callback is forgotten. The end
    /// raises StopAsyncIteration, a cancelled or failed request its exception.
    fn poll<'py>(
        &self,
        py: Python<'py>,
        callback: Py<PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut reader = self.reader(py)?;
        let event = match reader.next_ready() {
            Some(ready) => ready,
            None => {
                let waker = Waker::from(Waiter::for_event(py, callback)?);
                match Pin::new(&mut reader.stream).poll_next(&mut Context::from_waker(&waker)) {
                    Poll::Ready(event) => event,
                    Poll::Pending => return Ok(None),
                }
            }
        };
        match event {
            Some(event) => reply::event(py, &event).map(Some),
            None => Err(PyStopAsyncIteration::new_err(())),
        }
    }

    /// The Reply if the rest of the stream is there, else None: then the rest is folded elsewhere,
    /// and `callback` called once it is; then `take_reply` has it.
    fn poll_reply<'py>(
        &self,
        py: Python<'py>,
        callback: Py<PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut reader = self.reader(py)?;
        if let Some(outcome) = reader.fold_ready() {
            return outcome_to_python(py, outcome).map(Some);
        }
        let waiter = Waiter::for_reply(py, callback, &self.reader)?;
        reader.folding = true;
        drop(reader);
        Waker::from(waiter).wake();
        Ok(None)
    }

    /// The Reply that `poll_reply` asked for. A cancelled or failed request raises.
    fn take_reply<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        // The notifier's thread, the one reader by now, holds the lock for moments, and never
        // attaches meanwhile.
        let outcome = self.reader.lock().unwrap_or_else(PoisonError::into_inner).outcome.take();
        outcome_to_python(py, outcome.ok_or_else(in_use)?)
    }

    /// Asks for the request to end: its last event will say so. Never blocks.
    fn cancel(&self) {
        self.canceller.cancel();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.home.is_left() {
            // Kept for ever: see `fork`.
            std::mem::forget(Arc::clone(&self.reader));
        }
    }
}

fn outcome_to_python(py: Python<'_>, outcome: Outcome) -> PyResult<Bound<'_, PyAny>> {
    match outcome {
        Outcome::Finished(whole) => reply::reply(py, &whole),
        Outcome::Cancelled => Err(error::cancelled(py)),
        Outcome::Failed(failure) => Err(error::raise(py, &failure)),
        Outcome::AlreadyRead => Err(PyRuntimeError::new_err(
            "the stream was read to its end: its Finished event had the usage and the timings",
        )),
    }
}

fn in_use() -> PyErr {
    PyRuntimeError::new_err(
        "the stream is being read by another thread or task: give each reader its own request",
    )
}
