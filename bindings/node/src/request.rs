//! Requests on the executor: a reply that is folded there, a stream that is opened there.
//!
//! A reply is polled by the executor alone, so a busy event loop delays no reply, and cancelling
//! asks the executor to drop it. A stream is only opened by the executor: from then on the
//! JavaScript thread polls it.

use std::{
    future::{Future, IntoFuture},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use indwell::{ChatRequest, CompletionRequest, Engine, Reply, Result, TokenStream};
use parking_lot::Mutex;

use crate::{
    executor::{Executor, Job},
    objects::ErrorObject,
    options::{self, Input},
    pending::{Outcome, Promise},
    stream::Slot,
};

/// A request of either kind, not yet validated.
pub(crate) enum Request {
    Chat(ChatRequest),
    Completion(CompletionRequest),
}

type Folding = Pin<Box<dyn Future<Output = Result<Reply>> + Send>>;

impl Request {
    pub(crate) fn new(engine: &Engine, input: Input) -> Result<Self> {
        let named = input.options.into_iter().map(|named| named.into_option());
        Ok(match (input.messages, input.prompt) {
            (Some(messages), _) => {
                let request = engine.chat(options::messages(messages)?);
                Self::Chat(
                    named.fold(request, |request, (name, value)| request.option(&name, value)),
                )
            }
            (None, prompt) => {
                let request = engine.complete(prompt.unwrap_or_default());
                Self::Completion(
                    named.fold(request, |request, (name, value)| request.option(&name, value)),
                )
            }
        })
    }

    fn fold(self) -> Folding {
        match self {
            Self::Chat(request) => Box::pin(request.into_future()),
            Self::Completion(request) => Box::pin(request.into_future()),
        }
    }

    fn open(self) -> Result<TokenStream> {
        match self {
            Self::Chat(request) => request.stream(),
            Self::Completion(request) => request.stream(),
        }
    }
}

/// Folds one reply.
pub(crate) struct Fold {
    /// `None` once it is over.
    folding: Mutex<Option<Folding>>,
    queued: AtomicBool,
    executor: Arc<Executor>,
    promise: Arc<Promise>,
}

impl Fold {
    pub(crate) fn start(
        request: Request,
        executor: Arc<Executor>,
        promise: Arc<Promise>,
    ) -> Arc<Self> {
        let folding = Mutex::new(Some(request.fold()));
        let fold = Arc::new(Self { folding, queued: AtomicBool::new(false), executor, promise });
        fold.queue();
        fold
    }

    /// Has the executor look again: at the engine's news, or at whether the promise is abandoned.
    pub(crate) fn queue(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::SeqCst) {
            self.executor.submit(Arc::clone(self) as Arc<dyn Job>);
        }
    }
}

impl Job for Fold {
    fn run(self: Arc<Self>) {
        self.queued.store(false, Ordering::SeqCst);
        let mut slot = self.folding.lock();
        if self.promise.is_abandoned() {
            // Dropping the fold cancels its request.
            *slot = None;
        }
        let Some(folding) = slot.as_mut() else { return };
        let waker = Waker::from(Arc::clone(&self));
        let polled = catch_unwind(AssertUnwindSafe(|| {
            folding.as_mut().poll(&mut Context::from_waker(&waker))
        }));
        let outcome = match polled {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(Ok(reply))) => Outcome::Reply(reply.into()),
            Ok(Poll::Ready(Err(error))) => Outcome::Failed((&error).into()),
            Err(_) => Outcome::Failed(ErrorObject::panicked()),
        };
        *slot = None;
        self.promise.settle(outcome);
    }
}

impl Wake for Fold {
    fn wake(self: Arc<Self>) {
        self.queue();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.queue();
    }
}

/// Opens one stream.
pub(crate) struct Open {
    request: Mutex<Option<Request>>,
    slot: Arc<Slot>,
}

impl Open {
    pub(crate) fn start(request: Request, executor: &Executor, slot: Arc<Slot>) {
        executor.submit(Arc::new(Self { request: Mutex::new(Some(request)), slot }));
    }
}

impl Job for Open {
    fn run(self: Arc<Self>) {
        if self.slot.is_cancelled() {
            return;
        }
        let Some(request) = self.request.lock().take() else { return };
        match catch_unwind(AssertUnwindSafe(|| request.open())) {
            Ok(Ok(stream)) => self.slot.opened(stream),
            Ok(Err(error)) => self.slot.refused((&error).into()),
            Err(_) => self.slot.refused(ErrorObject::panicked()),
        }
    }
}
