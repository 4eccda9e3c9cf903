//! The stream form of a request, and cancelling.
//!
//! An event comes from the worker by a [`source`], and goes through what its reader wants of it: the
//! [`best`] of several answers, and reasoning and tool calls apart from text.

pub(crate) mod best;
mod source;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use indwell_kernel::RequestId;

use self::best::Best;
use self::source::{Found, Source};
use crate::mailbox::{Receiver, deadline_after};
use crate::reply_fold::ReplyFold;
use crate::shared::{Command, Shared};
use crate::tools::reading::{Plan, Reading};
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
    source: Source,
    /// `None` where all answers are told.
    best: Option<Best>,
    /// `None` where all is text.
    reading: Option<Reading>,
    /// To be told, in this order, before the source is looked at again.
    due: VecDeque<Event>,
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
    /// The requests of all its answers.
    requests: Arc<[RequestId]>,
    shared: Arc<Shared>,
}

impl Canceller {
    /// Ends the request, if it has not ended: its stream's terminal event becomes
    /// [`Event::Cancelled`], and its memory is free within one step, in the middle of its
    /// prompt too. Never blocks.
    pub fn cancel(&self) {
        for &request in &*self.requests {
            self.shared.send(Command::Cancel(request));
        }
    }
}

impl TokenStream {
    pub(crate) fn new(receiver: Receiver, request: RequestId, shared: Arc<Shared>) -> Self {
        Self::of(Source::new(request, receiver), shared)
    }

    /// The choices of one request; of these the best if `best` says so.
    pub(crate) fn of_choices(
        streams: Vec<TokenStream>,
        best: Option<Best>,
        shared: Arc<Shared>,
    ) -> Self {
        let mut whole = Self::of(streams.into_iter().map(Self::into_source).collect(), shared);
        whole.best = best;
        whole
    }

    fn into_source(mut self) -> Source {
        // What is dropped here is empty, and cancels nothing.
        self.ended = true;
        std::mem::take(&mut self.source)
    }

    fn of(source: Source, shared: Arc<Shared>) -> Self {
        let canceller = Canceller { requests: source.requests().collect(), shared };
        let due = VecDeque::new();
        Self { source, best: None, reading: None, due, canceller, ended: false }
    }

    /// With reasoning and tool calls taken apart as `plan` says.
    pub(crate) fn read_by(mut self, plan: Option<Plan>) -> Self {
        self.reading = plan.map(Reading::new);
        self
    }

    pub(crate) fn request(&self) -> RequestId {
        self.canceller.requests[0]
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
        match self.wait(|source| source.take_until(None)) {
            Wait::Event(event) => Some(event),
            Wait::TimedOut | Wait::Ended => None,
        }
    }

    /// The next event, waiting for it at most `timeout`.
    pub fn next_timeout(&mut self, timeout: Duration) -> Wait {
        let deadline = deadline_after(timeout);
        self.wait(|source| source.take_until(deadline))
    }

    /// The next event if it is there already.
    pub fn try_next(&mut self) -> Wait {
        self.wait(Source::try_take)
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

    /// The next event to be told, looking into the source with `look` as often as it takes.
    fn wait(&mut self, mut look: impl FnMut(&mut Source) -> Found) -> Wait {
        loop {
            if let Some(event) = self.due.pop_front() {
                return self.tell(event);
            }
            if self.ended {
                return Wait::Ended;
            }
            match look(&mut self.source) {
                Found::Event(event, resume) => {
                    if let Some(request) = resume {
                        self.canceller.shared.send(Command::Resume(request));
                    }
                    match (&mut self.best, &mut self.reading) {
                        (None, None) => return self.tell(event),
                        (None, Some(reading)) => reading.take(event, &mut self.due),
                        (Some(best), None) => best.take(event, &mut self.due),
                        (Some(best), Some(reading)) => {
                            let mut told = VecDeque::new();
                            best.take(event, &mut told);
                            told.into_iter().for_each(|event| reading.take(event, &mut self.due));
                        }
                    }
                }
                Found::Nothing => return Wait::TimedOut,
                Found::End => return Wait::Ended,
            }
        }
    }

    fn tell(&mut self, event: Event) -> Wait {
        self.ended = event.is_terminal();
        let broken_off = matches!(event, Event::Failed(_) | Event::Cancelled);
        if broken_off && self.canceller.requests.len() > 1 {
            // One answer's end is the request's: nobody reads the others any more. What has ended
            // is left as it is.
            self.canceller.cancel();
        }
        Wait::Event(event)
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
        let mut pending = false;
        let wait = self.get_mut().wait(|source| match source.poll_take(context) {
            Poll::Ready(found) => found,
            Poll::Pending => {
                pending = true;
                Found::Nothing
            }
        });
        match wait {
            Wait::Event(event) => Poll::Ready(Some(event)),
            Wait::TimedOut if pending => Poll::Pending,
            Wait::TimedOut | Wait::Ended => Poll::Ready(None),
        }
    }
}

impl Drop for TokenStream {
    fn drop(&mut self) {
        if !self.ended {
            self.cancel();
        }
    }
}
