//! A request of HTTP that the engine answers itself: its head first, then its body piece by piece.
//!
//! What is not taken waits in the engine, and pauses the request once that is enough. Losing the handle
//! drops the answer, which cancels its request.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures_core::Stream as _;
use indwell::{HttpEvent, HttpExchange, HttpHead};
use napi_derive::napi;

use crate::{
    objects::ErrorObject,
    slot::{Batch, Slot},
};

/// The JavaScript side's handle.
#[napi]
pub struct Exchange {
    slot: Arc<Slot<HttpExchange>>,
    waker: Waker,
}

impl Exchange {
    pub(crate) fn new(slot: Arc<Slot<HttpExchange>>) -> Self {
        let waker = slot.waker();
        Self { slot, waker }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.slot.close();
    }
}

#[napi]
impl Exchange {
    /// All of the answer that is ready: `undefined` for nothing yet. Never blocks.
    #[napi(catch_unwind)]
    pub fn take(&self) -> Option<Part> {
        self.slot.take(|exchange| Some(Part::of(ready_events(exchange, &self.waker)?)))
    }

    /// Cancels the request and drops what was not taken.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.slot.close();
    }
}

/// `None` once the waker is registered and nothing is ready.
fn ready_events(exchange: &mut HttpExchange, waker: &Waker) -> Option<Vec<HttpEvent>> {
    let mut events = Vec::new();
    match Pin::new(&mut *exchange).poll_next(&mut Context::from_waker(waker)) {
        Poll::Pending => return None,
        Poll::Ready(None) => {}
        Poll::Ready(Some(event)) => {
            events.push(event);
            exchange.next_batch_ready(&mut events);
        }
    }
    Some(events)
}

/// A part of an answer.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct Part {
    /// In the first part.
    pub head: Option<HeadObject>,
    /// More of the body.
    pub body: String,
    /// Whether that is all of it.
    pub ended: bool,
    pub failed: Option<ErrorObject>,
}

impl Part {
    fn of(events: Vec<HttpEvent>) -> Self {
        let mut part = Self::default();
        if events.is_empty() {
            part.failed = Some(ErrorObject::internal("the answer ended without an end"));
        }
        for event in events {
            match event {
                HttpEvent::Head(head) => part.head = Some(head.into()),
                HttpEvent::Chunk(text) => part.body.push_str(&text),
                HttpEvent::End => part.ended = true,
                // A kind of event that is newer than this binding has no text.
                _ => {}
            }
        }
        part
    }
}

impl Batch for Part {
    fn failed(error: ErrorObject) -> Self {
        Self { failed: Some(error), ..Self::default() }
    }

    fn is_last(&self) -> bool {
        self.ended || self.failed.is_some()
    }
}

#[napi(object, object_from_js = false)]
pub struct HeadObject {
    pub status: u16,
    /// Pairs of a name and a value.
    pub headers: Vec<Vec<String>>,
}

impl From<HttpHead> for HeadObject {
    fn from(head: HttpHead) -> Self {
        let headers = head.headers.into_iter().map(|(name, value)| vec![name, value]);
        Self { status: head.status, headers: headers.collect() }
    }
}
