//! The answer to one request, taken in batches by whoever polls, or whole.
//!
//! A batch is every event that is ready: crossing into another language costs more than a token is
//! worth, so a reader that is behind catches up in one call, and one that wants the whole answer
//! crosses once. One reader at a time polls; `cancel` may be called from any thread at any moment,
//! also while a reader waits, and takes no lock that a reader holds.
//!
//! Dropping the last reference cancels the request.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use indwell::{Canceller, Error, ErrorKind, Reply, ReplyFold, TokenStream};

use crate::error::NativeError;
use crate::event::NativeEvent;
use crate::reply::NativeReply;

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

    /// Waits for the rest of the answer, and gives it whole.
    ///
    /// # Errors
    ///
    /// As `indwell::TokenStream::reply`.
    pub async fn reply(self: Arc<Self>) -> Result<NativeReply, NativeError> {
        let mut fold = ReplyFold::default();
        Ok(poll_fn(|context| self.poll_reply(&mut fold, context)).await?.into())
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
        let mut stream = self.stream();
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
    fn poll_reply(
        &self,
        fold: &mut ReplyFold,
        context: &mut Context<'_>,
    ) -> Poll<indwell::Result<Reply>> {
        let mut stream = self.stream();
        while let Some(event) = ready!(Pin::new(&mut *stream).poll_next(context)) {
            if let Some(result) = fold.take(event) {
                return Poll::Ready(result);
            }
        }
        let error = Error::new(ErrorKind::Cancelled, "the stream was read to its end before");
        Poll::Ready(Err(error))
    }

    /// A panic while polling leaves the stream as it was, so a poisoned lock means nothing here.
    fn stream(&self) -> MutexGuard<'_, TokenStream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
