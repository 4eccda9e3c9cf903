//! The stream of a request's events, taken in batches.
//!
//! Losing the handle drops the stream, which cancels its request.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures_core::Stream as _;
use indwell::{Event, TextDelta, TokenStream};
use napi::bindgen_prelude::Either6;
use napi_derive::napi;

use crate::{
    answer::{
        ChoiceFinishedObject, FinishedObject, PromptLogprobsObject, ReasoningObject, TextObject,
        ToolCallDeltaObject,
    },
    objects::ErrorObject,
    slot::{self, Slot},
};

/// The JavaScript side's handle.
#[napi]
pub struct Stream {
    slot: Arc<Slot<TokenStream>>,
    waker: Waker,
}

impl Stream {
    pub(crate) fn new(slot: Arc<Slot<TokenStream>>) -> Self {
        let waker = slot.waker();
        Self { slot, waker }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.slot.close();
    }
}

#[napi]
impl Stream {
    /// All events that are ready: `undefined` for none yet. Never blocks.
    #[napi(catch_unwind)]
    pub fn take(&self) -> Option<Batch> {
        self.slot.take(|stream| Some(Batch::of(ready_events(stream, &self.waker)?)))
    }

    /// Cancels the request; the stream then ends with `cancelled`, unless it had ended already.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.slot.cancel(TokenStream::cancel);
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

/// An event before the last one. A text alone is text of the first answer, without log-probabilities:
/// what almost all are, laid out so that few values cross into JavaScript.
type EventValue = Either6<
    String,
    TextObject,
    ReasoningObject,
    ToolCallDeltaObject,
    PromptLogprobsObject,
    ChoiceFinishedObject,
>;

/// Several events.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct Batch {
    pub events: Vec<EventValue>,
    pub finished: Option<FinishedObject>,
    pub failed: Option<ErrorObject>,
}

impl Batch {
    fn of(events: Vec<Event>) -> Self {
        let mut batch = Self { events: Vec::with_capacity(events.len()), ..Self::default() };
        if events.is_empty() {
            batch.failed = Some(ErrorObject::internal("the stream ended without a terminal event"));
        }
        for event in events {
            batch.push(event);
        }
        batch
    }

    fn push(&mut self, event: Event) {
        self.events.push(match event {
            Event::Text(TextDelta { choice: 0, text, logprobs }) if logprobs.is_empty() => {
                Either6::A(text)
            }
            Event::Text(delta) => Either6::B(delta.into()),
            Event::Reasoning(delta) => Either6::C(delta.into()),
            Event::ToolCall(delta) => Either6::D(delta.into()),
            Event::PromptLogprobs(prompt) => Either6::E(prompt.into()),
            Event::ChoiceFinished(finished) => Either6::F(finished.into()),
            Event::Finished(finished) => return self.finished = Some(finished.into()),
            Event::Cancelled => return self.failed = Some(ErrorObject::cancelled()),
            Event::Failed(error) => return self.failed = Some((&error).into()),
            // A kind of event that is newer than this binding is none that it could tell.
            _ => return,
        });
    }
}

impl slot::Batch for Batch {
    fn failed(error: ErrorObject) -> Self {
        Self { failed: Some(error), ..Self::default() }
    }

    fn is_last(&self) -> bool {
        self.finished.is_some() || self.failed.is_some()
    }
}
