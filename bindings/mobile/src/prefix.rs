//! A prefix that is kept: one object from its submission until nobody wants it.
//!
//! The object is there before the prefix is computed, and waiting gives a number, not an object:
//! uniffi forgets an object that is the result of a future whose caller left in the same moment,
//! and then nobody could unpin it. One caller at a time waits; `cancel` may be called from any
//! thread at any moment and takes no lock that a waiter holds.
//!
//! Dropping the last reference gives the prefix up, computed or not.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use indwell::{CachedPrefix, Canceller, Error, ErrorKind, PendingPrefix};

use crate::error::NativeError;

/// `indwell::PendingPrefix`, and then `indwell::CachedPrefix`.
#[derive(Debug, uniffi::Object)]
pub struct NativePrefix {
    state: Mutex<State>,
    canceller: Canceller,
}

#[derive(Debug)]
enum State {
    Pending(Box<PendingPrefix>),
    Cached(CachedPrefix),
    Gone,
}

#[uniffi::export]
impl NativePrefix {
    /// Waits until the prefix is computed and kept. Gives its length in tokens.
    ///
    /// # Errors
    ///
    /// As `indwell::PendingPrefix::wait`; `cancelled` after [`NativePrefix::unpin`].
    pub async fn cached(self: Arc<Self>) -> Result<u32, NativeError> {
        Ok(poll_fn(|context| self.poll_cached(context)).await?)
    }

    /// Ends the computing at once: who waits hears `cancelled`. Harmless when it has ended.
    pub fn cancel(&self) {
        self.canceller.cancel();
    }

    /// Lets go of a prefix that is kept; one that is still being computed is cancelled. Harmless
    /// when it is gone. Never blocks.
    pub fn unpin(&self) {
        let mut state = self.state();
        match *state {
            State::Pending(_) => self.canceller.cancel(),
            State::Cached(_) | State::Gone => *state = State::Gone,
        }
    }
}

impl NativePrefix {
    pub(crate) fn new(pending: PendingPrefix) -> Arc<Self> {
        let canceller = pending.canceller();
        Arc::new(Self { state: Mutex::new(State::Pending(Box::new(pending))), canceller })
    }

    fn poll_cached(&self, context: &mut Context<'_>) -> Poll<indwell::Result<u32>> {
        let mut state = self.state();
        if let State::Pending(pending) = &mut *state {
            *state = match ready!(Pin::new(pending).poll(context)) {
                Ok(prefix) => State::Cached(prefix),
                Err(error) => {
                    *state = State::Gone;
                    return Poll::Ready(Err(error));
                }
            };
        }
        Poll::Ready(match &*state {
            State::Cached(prefix) => Ok(prefix.tokens()),
            State::Pending(_) | State::Gone => {
                Err(Error::new(ErrorKind::Cancelled, "the prefix was let go of"))
            }
        })
    }

    /// A panic while polling leaves the state as it was, so a poisoned lock means nothing here.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
