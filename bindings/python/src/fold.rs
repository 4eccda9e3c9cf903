//! A stream and the reply that its events add up to. One reader at a time: the lock round it is
//! only ever tried.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_core::Stream as _;
use indwell::{Error, Event, Reply, ReplyFold, TokenStream, Wait};

use crate::interrupt::SLICE;

/// How a reply came out.
#[derive(Debug)]
pub(crate) enum Outcome {
    Finished(Box<Reply>),
    Cancelled,
    Failed(Error),
    /// The stream had been read to its end before anybody asked for a reply.
    AlreadyRead,
}

/// A stream, and what has been folded of it.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) stream: TokenStream,
    fold: ReplyFold,
    /// Set by the notifier's thread, taken by `take_reply`.
    pub(crate) outcome: Option<Outcome>,
    /// From the first `poll_reply` that finds too little, the notifier's thread is the one reader.
    pub(crate) folding: bool,
}

impl Reader {
    pub(crate) fn new(stream: TokenStream) -> Self {
        Self { stream, fold: ReplyFold::default(), outcome: None, folding: false }
    }

    /// The next event if it is there, `Some(None)` at the end. Never blocks.
    pub(crate) fn next_ready(&mut self) -> Option<Option<Event>> {
        known(self.stream.try_next())
    }

    /// The next event, or `None` once a slice of waiting is over.
    pub(crate) fn next_in_slice(&mut self) -> Option<Option<Event>> {
        known(self.stream.next_timeout(SLICE))
    }

    /// Folds what is there; `Some` at the end of the stream. Never blocks.
    pub(crate) fn fold_ready(&mut self) -> Option<Outcome> {
        loop {
            match self.next_ready()? {
                Some(event) => {
                    if let Some(outcome) = self.fold(event) {
                        return Some(outcome);
                    }
                }
                None => return Some(Outcome::AlreadyRead),
            }
        }
    }

    /// Folds what comes within a slice of waiting; `Some` at the end of the stream.
    pub(crate) fn fold_in_slice(&mut self) -> Option<Outcome> {
        let slice_end = Instant::now() + SLICE;
        loop {
            match self.stream.next_timeout(slice_end.saturating_duration_since(Instant::now())) {
                Wait::Event(event) => {
                    if let Some(outcome) = self.fold(event) {
                        return Some(outcome);
                    }
                }
                Wait::Ended => return Some(Outcome::AlreadyRead),
                Wait::TimedOut => return None,
            }
            if Instant::now() >= slice_end {
                return None;
            }
        }
    }

    /// Folds what is there, never blocks; ready at the end of the stream.
    pub(crate) fn poll_fold(&mut self, context: &mut Context<'_>) -> Poll<Outcome> {
        loop {
            match Pin::new(&mut self.stream).poll_next(context) {
                Poll::Ready(Some(event)) => {
                    if let Some(outcome) = self.fold(event) {
                        return Poll::Ready(outcome);
                    }
                }
                Poll::Ready(None) => return Poll::Ready(Outcome::AlreadyRead),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn fold(&mut self, event: Event) -> Option<Outcome> {
        match event {
            Event::Cancelled => Some(Outcome::Cancelled),
            event => self.fold.take(event).map(|result| match result {
                Ok(reply) => Outcome::Finished(Box::new(reply)),
                Err(error) => Outcome::Failed(error),
            }),
        }
    }
}

fn known(wait: Wait) -> Option<Option<Event>> {
    match wait {
        Wait::Event(event) => Some(Some(event)),
        Wait::Ended => Some(None),
        Wait::TimedOut => None,
    }
}
