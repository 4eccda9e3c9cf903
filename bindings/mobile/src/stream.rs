//! The answer to one request, taken in batches by whoever polls.
//!
//! A batch is every event that is ready: crossing into another language costs more than a token is
//! worth, so a reader that is behind catches up in one call. One reader at a time polls; `cancel`
//! may be called from any thread at any moment, also while a reader waits, and takes no lock that a
//! reader holds.
//!
//! Dropping the last reference cancels the request.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;
use indwell::{Canceller, TokenStream};

use crate::event::NativeEvent;

/// `indwell::TokenStream`.
#[derive(Debug, uniffi::Object)]
pub struct NativeStream {
    stream: Mutex<TokenStream>,
    canceller: Canceller,
}

#[uniffi::export]
impl NativeStream {
    /// Waits for at least one event and returns all that are ready; empty after the terminal event.
    pub async fn next_batch(self: Arc<Self>) -> Vec<NativeEvent> {
        poll_fn(|context| self.poll_batch(context)).await.into_iter().map(Into::into).collect()
    }

    /// Ends the request at once. Harmless when it has ended.
    pub fn cancel(&self) {
        self.canceller.cancel();
    }
}

impl NativeStream {
    pub(crate) fn new(stream: TokenStream) -> Arc<Self> {
        let canceller = stream.canceller();
        Arc::new(Self { stream: Mutex::new(stream), canceller })
    }

    fn poll_batch(&self, context: &mut Context<'_>) -> Poll<Vec<indwell::Event>> {
        // A panic while polling leaves the stream as it was, so a poisoned lock means nothing here.
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = Vec::new();
        stream.next_batch_ready(&mut batch);
        if batch.is_empty() {
            match Pin::new(&mut *stream).poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(first) => batch.extend(first),
            }
            stream.next_batch_ready(&mut batch);
        }
        Poll::Ready(batch)
    }
}
