//! Requests on the executor: a reply or a prefix that is waited for there, a stream that is opened
//! there.
//!
//! A job may run first on the JavaScript thread, where that takes no time to speak of: a stored
//! answer is then there at once. Otherwise the executor runs it. What has one outcome is polled by
//! the executor from then on, so a busy event loop delays no reply, and cancelling asks the executor
//! to drop it. A stream is only opened by a job: from then on the JavaScript thread polls it.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use indwell::{ChatRequest, CompletionRequest, Engine, Result, Semantic, TokenStream};
use parking_lot::Mutex;

use crate::{
    executor::{Executor, Job},
    objects::ErrorObject,
    options::{self, Input, InputMessage, NamedValue},
    pending::{Outcome, Promise},
    prefix::Prefix,
    questions::Questions,
    stream::Slot,
};

/// A request of either kind, not yet validated.
pub(crate) enum Request {
    Chat(ChatRequest),
    Completion(CompletionRequest),
}

/// A request on its way to its one outcome. It is made when this is first polled, and cancelled when
/// this is dropped.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Result<Outcome>> + Send>>;

impl Request {
    pub(crate) fn new(engine: &Engine, questions: &Arc<Questions>, input: Input) -> Result<Self> {
        let semantic = input.semantic.map(|semantic| semantic.into_semantic(questions));
        Ok(match (input.messages, input.prompt) {
            (Some(messages), _) => {
                let request = engine.chat(options::messages(messages)?);
                Self::Chat(with_options(request, input.options, semantic))
            }
            (None, prompt) => {
                let request = engine.complete(prompt.unwrap_or_default());
                Self::Completion(with_options(request, input.options, semantic))
            }
        })
    }

    /// Folds its events into one reply.
    pub(crate) fn reply(self) -> Answering {
        Box::pin(async {
            let reply = match self {
                Self::Chat(request) => request.await?,
                Self::Completion(request) => request.await?,
            };
            Ok(Outcome::Reply(reply.into()))
        })
    }

    fn open(self) -> Result<TokenStream> {
        match self {
            Self::Chat(request) => request.stream(),
            Self::Completion(request) => request.stream(),
        }
    }
}

fn with_options<I>(
    request: indwell::Request<I>,
    options: Vec<NamedValue>,
    semantic: Option<Semantic>,
) -> indwell::Request<I> {
    let request = options
        .into_iter()
        .map(NamedValue::into_option)
        .fold(request, |request, (name, value)| request.option(&name, value));
    match semantic {
        Some(semantic) => request.semantic(semantic),
        None => request,
    }
}

/// Computes a prefix and keeps it.
pub(crate) fn prefix(
    engine: &Engine,
    messages: Vec<InputMessage>,
    options: Vec<NamedValue>,
) -> Result<Answering> {
    let request = options
        .into_iter()
        .map(NamedValue::into_option)
        .fold(engine.cache_prefix(options::messages(messages)?), |request, (name, value)| {
            request.option(&name, value)
        });
    Ok(Box::pin(async { Ok(Outcome::Prefix(Prefix::new(request.await?))) }))
}

/// Waits for one outcome.
pub(crate) struct Wait {
    /// `None` once it is over.
    answering: Mutex<Option<Answering>>,
    queued: AtomicBool,
    executor: Arc<Executor>,
    promise: Arc<Promise>,
}

impl Wait {
    /// Nothing happens before it is run or queued.
    pub(crate) fn new(
        answering: Answering,
        executor: Arc<Executor>,
        promise: Arc<Promise>,
    ) -> Arc<Self> {
        let answering = Mutex::new(Some(answering));
        Arc::new(Self { answering, queued: AtomicBool::new(false), executor, promise })
    }

    /// Has the executor look: at the engine's news, or at whether the promise is abandoned.
    pub(crate) fn queue(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::SeqCst) {
            self.executor.submit(Arc::clone(self) as Arc<dyn Job>);
        }
    }
}

impl Job for Wait {
    fn run(self: Arc<Self>) {
        self.queued.store(false, Ordering::SeqCst);
        let mut slot = self.answering.lock();
        if self.promise.is_abandoned() {
            *slot = None;
        }
        let Some(answering) = slot.as_mut() else { return };
        let waker = Waker::from(Arc::clone(&self));
        let polled = catch_unwind(AssertUnwindSafe(|| {
            answering.as_mut().poll(&mut Context::from_waker(&waker))
        }));
        let outcome = match polled {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(Ok(outcome))) => outcome,
            Ok(Poll::Ready(Err(error))) => Outcome::Failed((&error).into()),
            Err(_) => Outcome::Failed(ErrorObject::panicked()),
        };
        *slot = None;
        self.promise.settle(outcome);
    }
}

impl Wake for Wait {
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
    pub(crate) fn new(request: Request, slot: Arc<Slot>) -> Self {
        Self { request: Mutex::new(Some(request)), slot }
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
