//! The handle of an engine.
//!
//! Nothing here blocks: closing, trimming and forgetting answers, which may wait, happen on threads of
//! their own, and so does the closing of an engine that JavaScript has dropped. What takes time, as
//! preparing a long prompt does, is the preparer's.

use std::sync::Arc;

use indwell::HttpRequest;
use napi::bindgen_prelude::{Either, Uint8Array};
use napi_derive::napi;

use crate::{
    environment::Shared,
    exchange::Exchange,
    executor::Job,
    mailbox::Bell,
    objects::{CachesObject, ErrorObject, MemoryObject, MetricsObject, ModelObject, StatsObject},
    options::{Input, NamedValue},
    pending::{Outcome, Pending, Promise, TakenObject},
    request::{self, Answering, Request, Wait},
    slot::{Open, Slot},
    stream::Stream,
};

/// Where a request is prepared: tokenized, looked up, handed to the engine.
#[derive(Clone, Copy)]
enum Place {
    /// On the JavaScript thread. A stored answer is there at once, without another thread.
    Here,
    Preparer,
}

impl Place {
    fn of(input: &Input, has_time: bool) -> Self {
        if has_time && input.is_short() { Self::Here } else { Self::Preparer }
    }
}

/// What is to be waited for, or what came of it at once.
type Answered = Either<Pending, TakenObject>;

/// An engine, as one JavaScript environment holds it.
#[napi]
pub struct Engine {
    /// `None` only while it is dropped.
    engine: Option<Arc<indwell::Engine>>,
    shared: Arc<Shared>,
}

impl Engine {
    pub(crate) fn new(engine: Arc<indwell::Engine>, shared: Arc<Shared>) -> Self {
        Self { engine: Some(engine), shared }
    }

    fn engine(&self) -> &Arc<indwell::Engine> {
        self.engine.as_ref().expect("an engine is there until it is dropped")
    }

    fn bell(&self, key: u32) -> Arc<Bell> {
        Bell::new(Arc::clone(&self.shared.mailbox), key)
    }

    /// Does the first step of something at `place`.
    fn begin(&self, place: Place, job: Arc<dyn Job>) {
        match place {
            Place::Here => job.run(),
            Place::Preparer => self.shared.preparer.submit(job),
        }
    }

    /// Asks, and has the executor wait for the outcome.
    fn answer(&self, key: u32, place: Place, answering: Answering) -> Answered {
        let promise = Promise::new(self.bell(key));
        let executor = Arc::clone(&self.shared.executor);
        let wait = Wait::new(answering, executor, Arc::clone(&promise));
        self.begin(place, Arc::clone(&wait) as Arc<dyn Job>);
        match promise.take() {
            Some(taken) => Either::B(taken),
            None => Either::A(Pending::cancellable(promise, move || wait.queue())),
        }
    }

    /// Does what blocks, on a thread of its own.
    fn detour(
        &self,
        key: u32,
        name: &str,
        work: impl FnOnce(&indwell::Engine) -> indwell::Result<Outcome> + Send + 'static,
    ) -> Pending {
        let promise = Promise::new(self.bell(key));
        let (engine, settling) = (Arc::clone(self.engine()), Arc::clone(&promise));
        self.shared.spawn(name, Arc::default(), move || {
            settling.settle_with(|| {
                work(&engine).unwrap_or_else(|error| Outcome::Failed((&error).into()))
            });
        });
        Pending::new(promise)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The last drop closes, which waits for a step: not on the event loop.
        if let Some(engine) = self.engine.take_if(|engine| !engine.is_closed()) {
            self.shared.spawn("indwell-drop", Arc::default(), move || drop(engine));
        }
    }
}

#[napi]
impl Engine {
    #[napi(getter, catch_unwind)]
    pub fn model(&self) -> ModelObject {
        self.engine().model().into()
    }

    #[napi(getter, catch_unwind)]
    pub fn closed(&self) -> bool {
        self.engine().is_closed()
    }

    #[napi(catch_unwind)]
    pub fn stats(&self) -> Either<StatsObject, ErrorObject> {
        match self.engine().stats() {
            Ok(stats) => Either::A(stats.into()),
            Err(error) => Either::B((&error).into()),
        }
    }

    #[napi(catch_unwind)]
    pub fn close(&self, key: u32) -> Pending {
        self.detour(key, "indwell-close", |engine| engine.close().map(|()| Outcome::Closed))
    }

    /// Closes the engine once everybody has been served.
    #[napi(catch_unwind)]
    pub fn drain(&self, key: u32, options: Vec<NamedValue>) -> Pending {
        self.detour(key, "indwell-drain", move |engine| {
            let options = options.into_iter().map(NamedValue::into_option);
            let request = engine.drain();
            let request =
                options.fold(request, |request, (name, value)| request.option(&name, value));
            request.run().map(Outcome::Drained)
        })
    }

    #[napi(catch_unwind)]
    pub fn caches(&self) -> Either<CachesObject, ErrorObject> {
        match self.engine().caches() {
            Ok(caches) => Either::A(caches.into()),
            Err(error) => Either::B((&error).into()),
        }
    }

    #[napi(catch_unwind)]
    pub fn memory(&self) -> Either<MemoryObject, ErrorObject> {
        match self.engine().memory() {
            Ok(memory) => Either::A(memory.into()),
            Err(error) => Either::B((&error).into()),
        }
    }

    #[napi(catch_unwind)]
    pub fn metrics(&self) -> Either<MetricsObject, ErrorObject> {
        match self.engine().metrics_text() {
            Ok(text) => Either::A(MetricsObject { text }),
            Err(error) => Either::B((&error).into()),
        }
    }

    /// Gives memory back: `bytes`, or all there is if that is less.
    #[napi(catch_unwind)]
    pub fn trim(&self, key: u32, bytes: f64) -> Pending {
        // Saturates: more than there can be is all there is.
        let bytes = bytes as u64;
        self.detour(key, "indwell-trim", move |engine| engine.trim(bytes).map(Outcome::Count))
    }

    /// Forgets stored answers: those with a salt, or all.
    #[napi(catch_unwind)]
    pub fn invalidate_responses(&self, key: u32, cache_salt: Option<String>) -> Pending {
        self.detour(key, "indwell-invalidate", move |engine| {
            let invalidated = match cache_salt {
                Some(salt) => engine.invalidate_responses_of(salt),
                None => engine.invalidate_responses(),
            };
            invalidated.map(Outcome::Count)
        })
    }

    /// Starts to compute a prefix that is then kept.
    #[napi(catch_unwind)]
    pub fn cache_prefix(&self, key: u32, messages: String, options: Vec<NamedValue>) -> Answered {
        self.answer(key, Place::Preparer, request::prefix(self.engine(), messages, options))
    }

    /// Starts a request whose events are folded into one reply; `has_time` says whether this thread
    /// may prepare it, if it is short.
    #[napi(catch_unwind)]
    pub fn reply(&self, key: u32, input: Input, has_time: bool) -> Answered {
        let place = Place::of(&input, has_time);
        let request = Request::new(self.engine(), &self.shared.questions, input);
        self.answer(key, place, request.reply())
    }

    /// Starts a request whose events are streamed; `has_time` as in [`Engine::reply`].
    #[napi(catch_unwind)]
    pub fn stream(&self, key: u32, input: Input, has_time: bool) -> Stream {
        let place = Place::of(&input, has_time);
        let request = Request::new(self.engine(), &self.shared.questions, input);
        let slot = Slot::new(self.bell(key));
        self.begin(place, Open::new(&slot, move || request.open()));
        Stream::new(slot)
    }

    /// Starts to answer a request of HTTP.
    #[napi(catch_unwind)]
    pub fn dispatch(&self, key: u32, method: String, path: String, body: Uint8Array) -> Exchange {
        let request = HttpRequest { method, path, body: body.to_vec() };
        let engine = Arc::clone(self.engine());
        let slot = Slot::new(self.bell(key));
        self.begin(Place::Preparer, Open::new(&slot, move || Ok(engine.dispatch(request))));
        Exchange::new(slot)
    }
}
