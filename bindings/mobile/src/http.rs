//! Requests in the shape of `OpenAI`'s HTTP API as they cross, and the exchange that answers one, taken
//! in batches by whoever polls.
//!
//! One reader at a time polls; `cancel` may be called from any thread at any moment, also while a
//! reader waits, and takes no lock that a reader holds. Dropping the last reference cancels.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;
use indwell::{HttpCanceller, HttpEvent, HttpExchange, HttpHead};

/// `indwell::HttpEvent`. The last one ends an exchange.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
#[expect(missing_docs, reason = "indwell::HttpEvent documents them")]
pub enum NativeHttpEvent {
    Head { status: u16, headers: Vec<NativeHttpHeader> },
    Chunk { text: String },
    End,
}

/// A header of a response.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::HttpHead documents them")]
pub struct NativeHttpHeader {
    pub name: String,
    pub value: String,
}

/// `indwell::HttpExchange`.
#[derive(Debug, uniffi::Object)]
pub struct NativeExchange {
    exchange: Mutex<HttpExchange>,
    canceller: HttpCanceller,
}

#[uniffi::export]
impl NativeExchange {
    /// Waits for at least one event and returns all that are ready; empty after the end.
    pub async fn next_batch(self: Arc<Self>) -> Vec<NativeHttpEvent> {
        poll_fn(|context| self.poll_batch(context)).await.into_iter().map(Into::into).collect()
    }

    /// Ends what it answers at once. Harmless when it has ended.
    pub fn cancel(&self) {
        self.canceller.cancel();
    }
}

impl NativeExchange {
    pub(crate) fn new(exchange: HttpExchange) -> Arc<Self> {
        let canceller = exchange.canceller();
        Arc::new(Self { exchange: Mutex::new(exchange), canceller })
    }

    fn poll_batch(&self, context: &mut Context<'_>) -> Poll<Vec<HttpEvent>> {
        // A panic while polling leaves the exchange as it was, so a poisoned lock means nothing here.
        let mut exchange = self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = Vec::new();
        exchange.next_batch_ready(&mut batch);
        if batch.is_empty() {
            match Pin::new(&mut *exchange).poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(first) => batch.extend(first),
            }
            exchange.next_batch_ready(&mut batch);
        }
        Poll::Ready(batch)
    }
}

impl From<HttpEvent> for NativeHttpEvent {
    fn from(event: HttpEvent) -> Self {
        match event {
            HttpEvent::Head(HttpHead { status, headers }) => {
                let headers = headers.into_iter();
                let headers = headers.map(|(name, value)| NativeHttpHeader { name, value });
                Self::Head { status, headers: headers.collect() }
            }
            HttpEvent::End => Self::End,
            HttpEvent::Chunk(text) => Self::Chunk { text },
            // What a later `indwell` says besides has no body.
            _ => Self::Chunk { text: String::new() },
        }
    }
}
