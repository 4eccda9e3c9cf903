//! The one thread that carries wake-ups from the engines' workers to Python's event loops.
//!
//! A worker that wakes a `Waiter` only puts it on a channel. This thread takes all that are
//! pending, attaches to the interpreter once, and calls each callback (a bound
//! `loop.call_soon_threadsafe`). A waiter that folds a reply is advanced here without attaching,
//! and calls back once, at the end.
//!
//! Invariants:
//! - A waiter is on the channel at most once, so the channel holds at most as many as there are
//!   streams.
//! - `NOTIFIER` is locked by attached threads alone, and never while they detach: `fork`, which
//!   needs the interpreter too, cannot catch it locked.
//! - The thread starts at the first use in a process, is another one after `fork`, and is joined by
//!   `stop` before the interpreter goes away: it never attaches to a finalizing one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};
use indwell::ErrorKind;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::error;
use crate::fold::Reader;
use crate::fork::Home;

/// Someone in Python who waits for a stream.
#[derive(Debug)]
pub(crate) struct Waiter {
    callback: Py<PyAny>,
    wakeups: Sender<Wakeup>,
    queued: AtomicBool,
    /// The stream to be folded into a reply before the callback is due. Weak: a dropped stream
    /// stays dropped.
    fold: Option<Weak<Mutex<Reader>>>,
}

#[derive(Debug)]
enum Wakeup {
    Of(Arc<Waiter>),
    Stop,
}

#[derive(Debug)]
struct Notifier {
    home: Home,
    wakeups: Sender<Wakeup>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
enum State {
    NotStarted,
    Running(Notifier),
    Stopped,
}

static NOTIFIER: Mutex<State> = Mutex::new(State::NotStarted);

impl Waiter {
    /// A waiter whose `callback` is due at the stream's next event.
    pub(crate) fn for_event(py: Python<'_>, callback: Py<PyAny>) -> PyResult<Arc<Self>> {
        Self::new(py, callback, None)
    }

    /// A waiter whose `callback` is due when `reader` has the whole reply.
    pub(crate) fn for_reply(
        py: Python<'_>,
        callback: Py<PyAny>,
        reader: &Arc<Mutex<Reader>>,
    ) -> PyResult<Arc<Self>> {
        Self::new(py, callback, Some(Arc::downgrade(reader)))
    }

    fn new(
        py: Python<'_>,
        callback: Py<PyAny>,
        fold: Option<Weak<Mutex<Reader>>>,
    ) -> PyResult<Arc<Self>> {
        let wakeups = wakeups(py)?;
        Ok(Arc::new(Self { callback, wakeups, queued: AtomicBool::new(false), fold }))
    }

    /// Whether the callback is due; folds what has arrived, if that is what is waited for.
    fn is_due(self: &Arc<Self>) -> bool {
        // Before the poll: what comes during it queues the waiter again.
        self.queued.store(false, Ordering::Release);
        let Some(fold) = &self.fold else {
            return true;
        };
        let Some(reader) = fold.upgrade() else {
            return false;
        };
        let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
        if reader.outcome.is_some() {
            return false;
        }
        let waker = Waker::from(Arc::clone(self));
        match reader.poll_fold(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => {
                reader.outcome = Some(outcome);
                true
            }
            Poll::Pending => false,
        }
    }

    fn call(&self, py: Python<'_>) {
        match self.callback.call0(py) {
            Ok(_) => {}
            // The loop is closed: nobody waits any more.
            Err(failure) if failure.is_instance_of::<PyRuntimeError>(py) => {}
            Err(failure) => failure.write_unraisable(py, Some(self.callback.bind(py))),
        }
    }
}

impl Wake for Waiter {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            // Without a receiver the interpreter is exiting, and nobody is to be woken.
            let _ = self.wakeups.send(Wakeup::Of(Arc::clone(self)));
        }
    }
}

/// Ends the thread. Streams that are waited for are not woken any more.
pub(crate) fn stop(py: Python<'_>) {
    let state = {
        let mut state = NOTIFIER.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *state, State::Stopped)
    };
    match state {
        State::Running(notifier) if !notifier.home.is_left() => {
            let _ = notifier.wakeups.send(Wakeup::Stop);
            // It may be waiting for the interpreter; a panic in it was reported when it happened.
            let _ = py.detach(|| notifier.thread.join());
        }
        // In a forked child there is no such thread to join.
        State::Running(notifier) => std::mem::forget(notifier),
        State::NotStarted | State::Stopped => {}
    }
}

fn wakeups(py: Python<'_>) -> PyResult<Sender<Wakeup>> {
    let mut state = NOTIFIER.lock().unwrap_or_else(PoisonError::into_inner);
    match &*state {
        State::Running(notifier) if !notifier.home.is_left() => {
            return Ok(notifier.wakeups.clone());
        }
        State::Running(_) | State::NotStarted => {}
        State::Stopped => {
            drop(state);
            return Err(error::of_kind(py, ErrorKind::EngineClosed, "the interpreter is exiting"));
        }
    }
    let (wakeups, pending) = unbounded();
    let thread = std::thread::Builder::new()
        .name("indwell-notify".to_owned())
        .spawn(move || run(&pending))?;
    let notifier = Notifier { home: Home::here(), wakeups: wakeups.clone(), thread };
    // The parent's notifier, in a forked child, has no thread here that could be let go of.
    std::mem::forget(std::mem::replace(&mut *state, State::Running(notifier)));
    Ok(wakeups)
}

fn run(pending: &Receiver<Wakeup>) {
    while let Ok(first) = pending.recv() {
        let mut due = Vec::new();
        for wakeup in std::iter::once(first).chain(pending.try_iter()) {
            match wakeup {
                Wakeup::Of(waiter) if waiter.is_due() => due.push(waiter),
                Wakeup::Of(_) => {}
                Wakeup::Stop => return,
            }
        }
        if !due.is_empty() {
            // Dropped attached, where Python's references can be given back at once.
            let _ = Python::try_attach(|py| due.drain(..).for_each(|waiter| waiter.call(py)));
        }
    }
}
