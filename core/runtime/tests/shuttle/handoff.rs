//! What the scenarios need of a mailbox, so that they run on the real one and on one with a
//! mistake alike.

use std::task::{Context, Poll};
use std::time::Instant;

use crate::event::Event;
use crate::mailbox::{self, Delivery, Look};

/// A kind of mailbox.
pub(crate) trait Handoff: Copy + Send + Sync + 'static {
    type Writer: Writer;
    type Reader: Reader;

    fn pair(self, capacity: usize) -> (Self::Writer, Self::Reader);
}

/// The worker's side.
pub(crate) trait Writer: Send + 'static {
    fn send(&self, event: Event) -> Delivery;
    fn finish(&self, event: Event);
}

/// The reader's side.
pub(crate) trait Reader: Send + 'static {
    fn try_take(&mut self) -> Look;
    fn take_until(&mut self, deadline: Option<Instant>) -> Look;
    fn poll_take(&mut self, context: &mut Context<'_>) -> Poll<Look>;
}

/// The library's mailbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Real;

impl Handoff for Real {
    type Writer = mailbox::Sender;
    type Reader = mailbox::Receiver;

    fn pair(self, capacity: usize) -> (Self::Writer, Self::Reader) {
        mailbox::mailbox(capacity)
    }
}

impl Writer for mailbox::Sender {
    fn send(&self, event: Event) -> Delivery {
        self.send(event)
    }

    fn finish(&self, event: Event) {
        self.finish(event);
    }
}

impl Reader for mailbox::Receiver {
    fn try_take(&mut self) -> Look {
        self.try_take()
    }

    fn take_until(&mut self, deadline: Option<Instant>) -> Look {
        self.take_until(deadline)
    }

    fn poll_take(&mut self, context: &mut Context<'_>) -> Poll<Look> {
        self.poll_take(context)
    }
}
