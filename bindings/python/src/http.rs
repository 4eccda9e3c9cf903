//! An exchange of HTTP as Python's layer reads it: blocking, or armed with a callback. It does not know
//! about event loops or clients; an armed callback is called once, from the notifier's thread.
//!
//! Of the body, what has arrived comes in one piece: a reader that is behind catches up in one call.
//! One reader at a time: a second one is refused, not queued. `cancel` is free for all, at any time.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_core::Stream as _;
use indwell::{HttpCanceller, HttpEvent, HttpHead, HttpWait};
use pyo3::exceptions::{PyRuntimeError, PyStopAsyncIteration, PyTimeoutError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::fork::Home;
use crate::interrupt::SLICE;
use crate::notifier::Waiter;
use crate::{exit, interrupt};

/// The answer to one request; dropping it cancels what was asked for.
#[pyclass(frozen, module = "indwell._native")]
#[derive(Debug)]
pub(crate) struct HttpExchange {
    /// `None` only while it is dropped.
    reader: Mutex<Option<Reader>>,
    canceller: HttpCanceller,
    home: Home,
}

#[derive(Debug)]
struct Reader {
    exchange: indwell::HttpExchange,
    /// The body's end was seen after its last piece, and is still to be told.
    ended: bool,
}

/// The next part of an answer.
#[derive(Debug)]
enum Part {
    Head(HttpHead),
    Body(String),
    End,
}

impl HttpExchange {
    pub(crate) fn new(exchange: indwell::HttpExchange) -> Self {
        let canceller = exchange.canceller();
        let reader = Reader { exchange, ended: false };
        Self { reader: Mutex::new(Some(reader)), canceller, home: Home::here() }
    }

    fn reader(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, Option<Reader>>> {
        self.home.check(py)?;
        match self.reader.try_lock() {
            Ok(reader) => Ok(reader),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(PyRuntimeError::new_err(
                "the answer is being read by another thread or task: give each reader its own \
                 request",
            )),
        }
    }
}

#[pymethods]
impl HttpExchange {
    /// Waits for the next part: first (status, headers), then bytes of the body, None at its end.
    /// TimeoutError where it takes longer; Ctrl-C, as that, cancels the request.
    fn next<'py>(
        &self,
        py: Python<'py>,
        timeout_s: Option<f64>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut guard = self.reader(py)?;
        let reader = guard.as_mut().expect("it is there until the object is dropped");
        let deadline = deadline_after(timeout_s);
        let part = interrupt::wait(py, || reader.next_within(deadline))
            .inspect_err(|_| self.canceller.cancel())?;
        if exit::others_exit() {
            py.detach(exit::stay_if_exiting);
        }
        let Some(part) = part else {
            self.canceller.cancel();
            return Err(PyTimeoutError::new_err("no answer came in time"));
        };
        to_python(py, part)
    }

    /// The next part if it is there, else None: then `callback` is called once, without arguments
    /// and from another thread, when there may be one; an earlier callback is forgotten. The end
    /// raises StopAsyncIteration.
    fn poll<'py>(
        &self,
        py: Python<'py>,
        callback: Py<PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut guard = self.reader(py)?;
        let reader = guard.as_mut().expect("it is there until the object is dropped");
        let waker = Waker::from(Waiter::for_event(py, callback)?);
        match reader.poll_next(&mut Context::from_waker(&waker)) {
            Poll::Pending => Ok(None),
            Poll::Ready(part) => match to_python(py, part)? {
                None => Err(PyStopAsyncIteration::new_err(())),
                part => Ok(part),
            },
        }
    }

    /// Asks for the request to end. Never blocks.
    fn cancel(&self) {
        self.canceller.cancel();
    }
}

impl Reader {
    /// The next part, within a slice of waiting; `Some(None)` once the deadline is over.
    fn next_within(&mut self, deadline: Option<Instant>) -> Option<Option<Part>> {
        if self.ended {
            return Some(Some(Part::End));
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match self.exchange.next_timeout(left.map_or(SLICE, |left| left.min(SLICE))) {
            HttpWait::Event(event) => Some(Some(self.part(event))),
            HttpWait::Ended => Some(Some(Part::End)),
            HttpWait::TimedOut => left.is_some_and(|left| left <= SLICE).then_some(None),
        }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Part> {
        if self.ended {
            return Poll::Ready(Part::End);
        }
        Pin::new(&mut self.exchange)
            .poll_next(context)
            .map(|event| event.map_or(Part::End, |event| self.part(event)))
    }

    /// The event as a part: with all that has arrived, if it is of the body.
    fn part(&mut self, event: HttpEvent) -> Part {
        match event {
            HttpEvent::Head(head) => Part::Head(head),
            HttpEvent::Chunk(mut body) => {
                while let Some(more) = self.chunk_ready() {
                    body.push_str(&more);
                }
                Part::Body(body)
            }
            _ => Part::End,
        }
    }

    fn chunk_ready(&mut self) -> Option<String> {
        match self.exchange.try_next() {
            HttpWait::Event(HttpEvent::Chunk(more)) => Some(more),
            HttpWait::Event(_) | HttpWait::Ended => {
                self.ended = true;
                None
            }
            HttpWait::TimedOut => None,
        }
    }
}

impl Drop for HttpExchange {
    fn drop(&mut self) {
        if self.home.is_left() {
            // Kept for ever: see `fork`.
            let reader = self.reader.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(reader.take());
        }
    }
}

/// The end of a wait; none where it is further off than clocks go.
fn deadline_after(timeout_s: Option<f64>) -> Option<Instant> {
    let timeout = Duration::try_from_secs_f64(timeout_s?.max(0.0)).ok()?;
    Instant::now().checked_add(timeout)
}

fn to_python(py: Python<'_>, part: Part) -> PyResult<Option<Bound<'_, PyAny>>> {
    match part {
        Part::Head(HttpHead { status, headers }) => {
            (status, headers).into_pyobject(py).map(|head| Some(head.into_any()))
        }
        Part::Body(body) => Ok(Some(PyBytes::new(py, body.as_bytes()).into_any())),
        Part::End => Ok(None),
    }
}
