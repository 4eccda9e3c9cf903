//! Requests on threads of this binding's own: a reply or a prefix that is waited for, a stream that is
//! opened.
//!
//! The first look at a request prepares it: its options are read, its prompt is rendered and tokenized,
//! its constraint compiled, and it is handed to the engine. That is the preparer's, or the JavaScript
//! thread's where it takes no time to speak of: a stored answer is then there at once. What has one
//! outcome is polled by the executor from then on, so neither a busy event loop nor the preparation of
//! others delays a reply, and cancelling asks the executor to drop it. A stream is polled by the
//! JavaScript thread.

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

use indwell::{ChatRequest, CompletionRequest, Engine, OptionValue, Result, Semantic, TokenStream};
use parking_lot::Mutex;

use crate::{
    executor::{Executor, Job},
    objects::ErrorObject,
    options::{self, Input, NamedValue},
    pending::{Outcome, Promise},
    prefix::Prefix,
    questions::Questions,
};

/// A request as JavaScript made it: nothing of it is read yet.
pub(crate) struct Request {
    engine: Arc<Engine>,
    messages: Option<String>,
    prompt: Option<String>,
    options: Vec<NamedValue>,
    semantic: Option<Semantic>,
}

/// A request of either kind, not yet validated.
enum Asked {
    Chat(ChatRequest),
    Completion(CompletionRequest),
}

/// A request on its way to its one outcome. It is made when this is first polled, and cancelled when
/// this is dropped.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Result<Outcome>> + Send>>;

impl Request {
    pub(crate) fn new(engine: &Arc<Engine>, questions: &Arc<Questions>, input: Input) -> Self {
        let Input { messages, prompt, options, semantic } = input;
        // At once, so that the functions are let go of whatever becomes of the request.
        let semantic = semantic.map(|semantic| semantic.into_semantic(questions));
        Self { engine: Arc::clone(engine), messages, prompt, options, semantic }
    }

    /// Folds its events into one reply.
    pub(crate) fn reply(self) -> Answering {
        Box::pin(async move {
            let reply = match self.read()? {
                Asked::Chat(request) => request.await?,
                Asked::Completion(request) => request.await?,
            };
            Ok(Outcome::Reply(reply.into()))
        })
    }

    pub(crate) fn open(self) -> Result<TokenStream> {
        match self.read()? {
            Asked::Chat(request) => request.stream(),
            Asked::Completion(request) => request.stream(),
        }
    }

    fn read(self) -> Result<Asked> {
        let Self { engine, messages, prompt, options, semantic } = self;
        Ok(match (messages, prompt) {
            (Some(messages), _) => {
                let request = engine.chat(options::messages(&messages)?);
                Asked::Chat(with_options(request, options, semantic))
            }
            (None, prompt) => {
                let request = engine.complete(prompt.unwrap_or_default());
                Asked::Completion(with_options(request, options, semantic))
            }
        })
    }
}

fn with_options<I>(
    request: indwell::Request<I>,
    options: Vec<NamedValue>,
    semantic: Option<Semantic>,
) -> indwell::Request<I> {
    let request =
        read(options).fold(request, |request, (name, value)| request.option(&name, value));
    match semantic {
        Some(semantic) => request.semantic(semantic),
        None => request,
    }
}

/// Computes a prefix and keeps it.
pub(crate) fn prefix(
    engine: &Arc<Engine>,
    messages: String,
    options: Vec<NamedValue>,
) -> Answering {
    let engine = Arc::clone(engine);
    Box::pin(async move {
        let request = engine.cache_prefix(options::messages(&messages)?);
        // Who waits does not keep the engine open.
        drop(engine);
        let request =
            read(options).fold(request, |request, (name, value)| request.option(&name, value));
        Ok(Outcome::Prefix(Prefix::new(request.await?)))
    })
}

fn read(options: Vec<NamedValue>) -> impl Iterator<Item = (String, OptionValue)> {
    options.into_iter().map(NamedValue::into_option)
}

/// Waits for one outcome.
pub(crate) struct Wait {
    /// `None` once it is over. Locked by whoever polls it.
    answering: Mutex<Option<Answering>>,
    queued: AtomicBool,
    /// Set by whoever found it locked: it is to be looked at once more.
    again: AtomicBool,
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
        Arc::new(Self {
            answering: Mutex::new(Some(answering)),
            queued: AtomicBool::default(),
            again: AtomicBool::default(),
            executor,
            promise,
        })
    }

    /// Has the executor look: at the engine's news, or at whether the promise is abandoned.
    pub(crate) fn queue(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::SeqCst) {
            self.executor.submit(Arc::clone(self) as Arc<dyn Job>);
        }
    }
}

impl Wait {
    fn poll(self: &Arc<Self>, slot: &mut Option<Answering>) {
        if self.promise.is_abandoned() {
            *slot = None;
        }
        let Some(answering) = slot.as_mut() else { return };
        let waker = Waker::from(Arc::clone(self));
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

impl Job for Wait {
    fn run(self: Arc<Self>) {
        self.queued.store(false, Ordering::SeqCst);
        // Before the look: whoever holds the lock looks at this after letting go of it.
        self.again.store(true, Ordering::SeqCst);
        // The executor does not wait for the preparer.
        let Some(mut slot) = self.answering.try_lock() else { return };
        self.again.store(false, Ordering::SeqCst);
        self.poll(&mut slot);
        drop(slot);
        if self.again.load(Ordering::SeqCst) {
            self.queue();
        }
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
