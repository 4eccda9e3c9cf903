//! Calls that block, on a thread of their own.
//!
//! Futures are polled by the caller's coroutines, which must not be held up. A future that is
//! dropped leaves its call to run to its end unseen; what the call gave is dropped there.

use futures_channel::oneshot;

use crate::error::NativeError;

/// Runs `call` on a thread called `name`, and waits for what it gives.
///
/// # Errors
///
/// What the call fails with, and `internal` for a thread that cannot be made or that panicked.
pub(crate) async fn on_thread<T: Send + 'static>(
    name: &str,
    call: impl FnOnce() -> indwell::Result<T> + Send + 'static,
) -> Result<T, NativeError> {
    let (sender, receiver) = oneshot::channel();
    std::thread::Builder::new()
        .name(name.to_owned())
        // A caller that no longer waits gets nothing.
        .spawn(move || drop(sender.send(call())))
        .map_err(|error| NativeError::internal(format!("no thread {name} to run on: {error}")))?;
    let ended = receiver.await;
    Ok(ended.map_err(|_| NativeError::internal(format!("the thread {name} panicked")))??)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Wake, Waker};
    use std::thread::Thread;

    use super::*;
    use crate::error::NativeErrorKind;

    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn ended<T: Send + 'static>(
        call: impl FnOnce() -> indwell::Result<T> + Send + 'static,
    ) -> Result<T, NativeError> {
        let mut future = pin!(on_thread("indwell-test", call));
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(ended) => return ended,
                Poll::Pending => std::thread::park(),
            }
        }
    }

    #[test]
    fn a_call_gives_what_it_gives() {
        assert_eq!(ended(|| Ok(7)), Ok(7));
        let failed = ended(|| Err::<(), _>(indwell::Error::new(indwell::ErrorKind::Io, "no disk")));
        let Err(NativeError::Failed { kind, text, .. }) = failed else { panic!("it fails") };
        assert_eq!((kind, text.as_str()), (NativeErrorKind::Io, "no disk"));
    }

    #[test]
    fn a_panic_ends_as_an_error() {
        let failed = ended(|| -> indwell::Result<()> { panic!("a test's panic") });
        let Err(NativeError::Failed { kind, text, .. }) = failed else { panic!("it fails") };
        assert_eq!(kind, NativeErrorKind::Internal);
        assert!(text.contains("indwell-test"), "{text}");
    }
}
