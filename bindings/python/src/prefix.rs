//! A prefix as Python's layer holds it: being computed, or kept. It does not know about event
//! loops; an armed callback is called once, from the notifier's thread.
//!
//! One reader of a pending prefix at a time: a second one is refused, not queued. Dropping either
//! object lets the prefix go, except in a forked child, where nothing of the parent's is touched.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};

use indwell::{Canceller, Result};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::fork::Home;
use crate::notifier::Waiter;
use crate::{error, interrupt};

/// A prefix that is being computed; dropping it gives the prefix up.
#[pyclass(frozen, module = "indwell._native")]
#[derive(Debug)]
pub(crate) struct PendingPrefix {
    /// `None` only while it is dropped.
    pending: Mutex<Option<indwell::PendingPrefix>>,
    canceller: Canceller,
    home: Home,
}

/// A prefix that is kept; dropping it unpins it.
#[pyclass(frozen, module = "indwell._native")]
#[derive(Debug)]
pub(crate) struct CachedPrefix {
    /// `None` once it is unpinned.
    pinned: Mutex<Option<indwell::CachedPrefix>>,
    tokens: u32,
    home: Home,
}

impl PendingPrefix {
    pub(crate) fn new(pending: indwell::PendingPrefix) -> Self {
        let canceller = pending.canceller();
        Self { pending: Mutex::new(Some(pending)), canceller, home: Home::here() }
    }

    fn reader(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, Option<indwell::PendingPrefix>>> {
        self.home.check(py)?;
        match self.pending.try_lock() {
            Ok(pending) => Ok(pending),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(PyRuntimeError::new_err(
                "the prefix is being waited for by another thread or task",
            )),
        }
    }
}

#[pymethods]
impl PendingPrefix {
    /// Waits until it is computed; Ctrl-C gives it up.
    fn wait(&self, py: Python<'_>) -> PyResult<CachedPrefix> {
        let mut reader = self.reader(py)?;
        let pending = reader.as_mut().expect("it is there until the object is dropped");
        let result = interrupt::wait(py, || pending.wait_timeout(interrupt::SLICE))
            .inspect_err(|_| self.canceller.cancel())?;
        cached(py, result, self.home)
    }

    /// The prefix if it is computed, else None: then `callback` is called once, without arguments
    /// and from another thread, when it may be; an earlier callback is forgotten.
    fn poll(&self, py: Python<'_>, callback: Py<PyAny>) -> PyResult<Option<CachedPrefix>> {
        let mut reader = self.reader(py)?;
        let pending = reader.as_mut().expect("it is there until the object is dropped");
        let waker = Waker::from(Waiter::for_event(py, callback)?);
        match Pin::new(pending).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => cached(py, result, self.home).map(Some),
            Poll::Pending => Ok(None),
        }
    }

    /// Gives it up: waiting for it raises. Never blocks.
    fn cancel(&self) {
        self.canceller.cancel();
    }
}

#[pymethods]
impl CachedPrefix {
    /// How many tokens it has.
    #[getter]
    fn tokens(&self) -> u32 {
        self.tokens
    }

    /// Whether it is still kept by this object.
    #[getter]
    fn pinned(&self) -> bool {
        // In a forked child the lock may be held for ever.
        !self.home.is_left() && self.pinned.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Lets go of it. Again: nothing happens. Never blocks.
    fn unpin(&self) {
        if !self.home.is_left() {
            self.pinned.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}

impl Drop for PendingPrefix {
    fn drop(&mut self) {
        if self.home.is_left() {
            // Kept for ever: see `fork`.
            let pending = self.pending.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(pending.take());
        }
    }
}

impl Drop for CachedPrefix {
    fn drop(&mut self) {
        if self.home.is_left() {
            // Kept for ever: see `fork`.
            let pinned = self.pinned.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(pinned.take());
        }
    }
}

fn cached(
    py: Python<'_>,
    result: Result<indwell::CachedPrefix>,
    home: Home,
) -> PyResult<CachedPrefix> {
    let prefix = result.map_err(|failure| match failure.kind() {
        indwell::ErrorKind::Cancelled => error::cancelled(py),
        _ => error::raise(py, &failure),
    })?;
    let tokens = prefix.tokens();
    Ok(CachedPrefix { pinned: Mutex::new(Some(prefix)), tokens, home })
}
