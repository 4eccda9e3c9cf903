//! The stream form of a request, and cancelling.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use indwell_kernel::RequestId;

use crate::mailbox::{Look, Receiver, Taken, deadline_after};
use crate::reply::ReplyFold;
use crate::shared::{Command, Shared};
use crate::{Event, Reply, Result};

/// The events of one request, as they come. Dropping it cancels the request and frees its
/// memory within one step.
///
/// `for event in stream` reads it blocking; as a [`futures_core::Stream`] it is read
/// asynchronously, on any executor. (It is no [`Iterator`] itself, so that `next` means one thing
/// where `StreamExt` is in scope.) Both end after the one terminal event. It is bounded: a reader
/// that falls behind pauses its own request and nobody else's.
#[derive(Debug)]
pub struct TokenStream {
    receiver: Receiver,
    canceller: Canceller,
    ended: bool,
}

/// What waiting for an event gave.
#[derive(Debug)]
pub enum Wait {
    /// The next event.
    Event(Event),
    /// None came in time.
    TimedOut,
    /// The stream is over.
    Ended,
}

/// Cancels a request from anywhere.
#[derive(Clone, Debug)]
pub struct Canceller {
    request: RequestId,
    shared: Arc<Shared>,
}

impl Canceller {
    /// Ends the request, if it has not ended: its stream's terminal event becomes
    /// [`Event::Cancelled`], and its memory is free within one step, in the middle of its
    /// prompt too. Never blocks.
    pub fn cancel(&self) {
        self.shared.send(Command::Cancel(self.request));
    }
}

impl TokenStream {
    pub(crate) fn new(receiver: Receiver, request: RequestId, shared: Arc<Shared>) -> Self {
        Self { receiver, canceller: Canceller { request, shared }, ended: false }
    }

    pub(crate) fn request(&self) -> RequestId {
        self.canceller.request
    }

    /// Cancels the request; see [`Canceller::cancel`]. Events already sent are still read.
    pub fn cancel(&self) {
        self.canceller.cancel();
    }

    /// A handle that cancels the request from elsewhere while this stream is being read.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// The next event, waiting for it as long as it takes; `None` after the terminal one.
    ///
    /// # Blocking
    /// Until the request's next event.
    pub fn next_blocking(&mut self) -> Option<Event> {
        let look = self.receiver.take_until(None);
        match self.found(look) {
            Wait::Event(event) => Some(event),
            Wait::TimedOut | Wait::Ended => None,
        }
    }

    /// The next event, waiting for it at most `timeout`.
    pub fn next_timeout(&mut self, timeout: Duration) -> Wait {
        let look = self.receiver.take_until(deadline_after(timeout));
        self.found(look)
    }

    /// The next event if it is there already.
    pub fn try_next(&mut self) -> Wait {
        let look = self.receiver.try_take();
        self.found(look)
    }

    /// Moves every event that is there already to the end of `events`.
    pub fn next_batch_ready(&mut self, events: &mut Vec<Event>) {
        while let Wait::Event(event) = self.try_next() {
            events.push(event);
        }
    }

    /// Reads the rest and folds it into one reply.
    ///
    /// # Errors
    /// What the request failed with; `cancelled` if it was cancelled, or read to its end before.
    ///
    /// # Blocking
    /// Until the request ends.
    pub fn reply(mut self) -> Result<Reply> {
        let mut fold = ReplyFold::default();
        loop {
            let Some(event) = self.next_blocking() else { return Err(crate::Error::cancelled()) };
            if let Some(result) = fold.take(event) {
                return result;
            }
        }
    }

    fn found(&mut self, look: Look) -> Wait {
        match look {
            Look::Taken(Taken { event, resume }) => {
                self.ended = event.is_terminal();
                if resume {
                    self.canceller.shared.send(Command::Resume(self.canceller.request));
                }
                Wait::Event(event)
            }
            Look::Empty => Wait::TimedOut,
            Look::Ended => Wait::Ended,
        }
    }
}

/// Reads a stream blocking, event by event. Dropping it cancels the request.
#[derive(Debug)]
pub struct Events(TokenStream);

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.0.next_blocking()
    }
}

impl std::iter::FusedIterator for Events {}

impl IntoIterator for TokenStream {
    type Item = Event;
    type IntoIter = Events;

    fn into_iter(self) -> Events {
        Events(self)
    }
}

impl futures_core::Stream for TokenStream {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        let this = self.get_mut();
        this.receiver.poll_take(context).map(|look| match this.found(look) {
            Wait::Event(event) => Some(event),
            Wait::TimedOut | Wait::Ended => None,
        })
    }
}

impl Drop for TokenStream {
    fn drop(&mut self) {
        if !self.ended {
            self.cancel();
        }
    }
}
