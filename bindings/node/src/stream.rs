//! An operation with many outcomes: the stream of a request's events, taken in batches.
//!
//! A job opens it; the JavaScript thread takes from it, cancels it, and, when it is
//! collected, drops it, which cancels the request. The engine's worker only rings the bell.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures_core::Stream as _;
use indwell::{Event, TextDelta, TokenStream};
use napi_derive::napi;
use parking_lot::Mutex;

use crate::{
    mailbox::Bell,
    objects::{ErrorObject, FinishedObject, LogprobObject, logprobs},
};

/// Shared by the handle and the job that opens the stream.
pub(crate) struct Slot {
    state: Mutex<State>,
    bell: Arc<Bell>,
}

enum State {
    Opening,
    Open(TokenStream),
    /// It ended with an error before any event.
    Refused(ErrorObject),
    /// The terminal event has been taken, or nobody will take it.
    Over,
}

impl Slot {
    pub(crate) fn new(bell: Arc<Bell>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::Opening), bell })
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        !matches!(*self.state.lock(), State::Opening)
    }

    pub(crate) fn opened(&self, stream: TokenStream) {
        self.end_opening(State::Open(stream));
    }

    pub(crate) fn refused(&self, error: ErrorObject) {
        self.end_opening(State::Refused(error));
    }

    /// Drops what was cancelled while it opened.
    fn end_opening(&self, opened: State) {
        let mut state = self.state.lock();
        if matches!(*state, State::Opening) {
            *state = opened;
            drop(state);
            self.bell.ring();
        }
    }
}

/// The JavaScript side's handle.
#[napi]
pub struct Stream {
    slot: Arc<Slot>,
    waker: Waker,
}

impl Stream {
    pub(crate) fn new(slot: Arc<Slot>) -> Self {
        let waker = Waker::from(Arc::clone(&slot.bell));
        Self { slot, waker }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        *self.slot.state.lock() = State::Over;
    }
}

#[napi]
impl Stream {
    /// All events that are ready: `undefined` for none yet. Never blocks.
    #[napi(catch_unwind)]
    pub fn take(&self) -> Option<Batch> {
        self.slot.bell.arm();
        let mut state = self.slot.state.lock();
        let batch = match &mut *state {
            State::Opening => return None,
            State::Open(stream) => Batch::of(ready_events(stream, &self.waker)?),
            State::Refused(error) => Batch { failed: Some(error.clone()), ..Batch::default() },
            State::Over => Batch { failed: Some(ErrorObject::cancelled()), ..Batch::default() },
        };
        if batch.finished.is_some() || batch.failed.is_some() {
            *state = State::Over;
        }
        Some(batch)
    }

    /// Cancels the request; the stream then ends with `cancelled`, unless it had ended already.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        let mut state = self.slot.state.lock();
        match &*state {
            State::Open(stream) => stream.cancel(),
            State::Opening => *state = State::Refused(ErrorObject::cancelled()),
            State::Refused(_) | State::Over => {}
        }
        drop(state);
        self.slot.bell.ring();
    }
}

/// `None` once the waker is registered and nothing is ready.
fn ready_events(stream: &mut TokenStream, waker: &Waker) -> Option<Vec<Event>> {
    let mut events = Vec::new();
    match Pin::new(&mut *stream).poll_next(&mut Context::from_waker(waker)) {
        Poll::Pending => return None,
        Poll::Ready(None) => {}
        Poll::Ready(Some(event)) => {
            events.push(event);
            stream.next_batch_ready(&mut events);
        }
    }
    Some(events)
}

/// Several events, laid out so that few values cross into JavaScript.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct Batch {
    pub texts: Vec<String>,
    /// Beside `texts`; absent when none was asked for.
    pub logprobs: Option<Vec<Vec<LogprobObject>>>,
    pub finished: Option<FinishedObject>,
    pub failed: Option<ErrorObject>,
}

impl Batch {
    fn of(events: Vec<Event>) -> Self {
        let mut batch = Self { texts: Vec::with_capacity(events.len()), ..Self::default() };
        if events.is_empty() {
            batch.failed = Some(ErrorObject::internal("the stream ended without a terminal event"));
        }
        for event in events {
            match event {
                Event::Text(delta) => batch.push(delta),
                Event::Finished(finished) => batch.finished = Some(finished.into()),
                Event::Cancelled => batch.failed = Some(ErrorObject::cancelled()),
                Event::Failed(error) => batch.failed = Some((&error).into()),
                // A kind of event that is newer than this binding is no text.
                _ => {}
            }
        }
        batch
    }

    fn push(&mut self, delta: TextDelta) {
        if !delta.logprobs.is_empty() || self.logprobs.is_some() {
            let texts = self.texts.len();
            let beside = self.logprobs.get_or_insert_default();
            beside.resize_with(texts, Vec::new);
            beside.push(logprobs(&delta.logprobs));
        }
        self.texts.push(delta.text);
    }
}
