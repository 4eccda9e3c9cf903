//! Where what a job opens is handed to the JavaScript thread: a stream of events, the answer to a
//! request of HTTP.
//!
//! A job opens it once, on any thread. From then on the JavaScript thread polls it, in batches; and
//! closes it, which drops what was opened and so cancels it. The engine's worker only rings the bell.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::Waker,
};

use parking_lot::Mutex;

use crate::{executor::Job, mailbox::Bell, objects::ErrorObject};

/// Shared by the handle and the job that opens it.
pub(crate) struct Slot<S> {
    state: Mutex<State<S>>,
    bell: Arc<Bell>,
}

enum State<S> {
    Opening,
    Open(S),
    /// It ended with an error before anything was read.
    Refused(ErrorObject),
    /// The last batch has been taken, or nobody will take it.
    Over,
}

/// What the JavaScript thread takes at once.
pub(crate) trait Batch {
    /// Nothing but an error.
    fn failed(error: ErrorObject) -> Self;
    /// Whether nothing comes after it.
    fn is_last(&self) -> bool;
}

impl<S> Slot<S> {
    pub(crate) fn new(bell: Arc<Bell>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::Opening), bell })
    }

    /// Rings when there is something to take.
    pub(crate) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.bell))
    }

    /// What `read` finds in what was opened, or an error in its place; `None` for nothing yet.
    pub(crate) fn take<B: Batch>(&self, read: impl FnOnce(&mut S) -> Option<B>) -> Option<B> {
        self.bell.arm();
        let mut state = self.state.lock();
        let batch = match &mut *state {
            State::Opening => return None,
            State::Open(opened) => read(opened)?,
            State::Refused(error) => B::failed(error.clone()),
            State::Over => B::failed(ErrorObject::cancelled()),
        };
        if batch.is_last() {
            *state = State::Over;
        }
        Some(batch)
    }

    /// Cancels what was opened with `cancel`; what is not opened yet never will be.
    pub(crate) fn cancel(&self, cancel: impl FnOnce(&S)) {
        let mut state = self.state.lock();
        match &*state {
            State::Open(opened) => cancel(opened),
            State::Opening => *state = State::Refused(ErrorObject::cancelled()),
            State::Refused(_) | State::Over => {}
        }
        drop(state);
        self.bell.ring();
    }

    /// Drops what was opened, or will be: nobody takes from it any more.
    pub(crate) fn close(&self) {
        *self.state.lock() = State::Over;
    }

    fn is_wanted(&self) -> bool {
        matches!(*self.state.lock(), State::Opening)
    }

    /// Drops what was cancelled while it opened.
    fn end_opening(&self, opened: State<S>) {
        let mut state = self.state.lock();
        if matches!(*state, State::Opening) {
            *state = opened;
            drop(state);
            self.bell.ring();
        }
    }
}

/// Opens a slot.
pub(crate) struct Open<S, F> {
    open: Mutex<Option<F>>,
    slot: Arc<Slot<S>>,
}

impl<S, F: FnOnce() -> indwell::Result<S> + Send> Open<S, F> {
    pub(crate) fn new(slot: &Arc<Slot<S>>, open: F) -> Arc<Self> {
        Arc::new(Self { open: Mutex::new(Some(open)), slot: Arc::clone(slot) })
    }
}

impl<S: Send, F: FnOnce() -> indwell::Result<S> + Send> Job for Open<S, F> {
    fn run(self: Arc<Self>) {
        let open = self.open.lock().take();
        let Some(open) = open.filter(|_| self.slot.is_wanted()) else { return };
        self.slot.end_opening(match catch_unwind(AssertUnwindSafe(open)) {
            Ok(Ok(opened)) => State::Open(opened),
            Ok(Err(error)) => State::Refused((&error).into()),
            Err(_) => State::Refused(ErrorObject::panicked()),
        });
    }
}
