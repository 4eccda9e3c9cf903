//! The handle of an engine.
//!
//! Nothing here blocks: closing and trimming, which wait for the step that runs, happen on threads of
//! their own, and so does the closing of an engine that JavaScript has dropped.

use std::sync::Arc;

use napi::bindgen_prelude::Either;
use napi_derive::napi;

use crate::{
    environment::Shared,
    mailbox::Bell,
    objects::{CachesObject, ErrorObject, ModelObject, StatsObject},
    options::{Input, InputMessage, NamedValue},
    pending::{Outcome, Pending, Promise},
    request::{self, Answering, Open, Request, Wait},
    stream::{Slot, Stream},
};

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

    /// Has the executor wait for what was asked, or settles with why it cannot be.
    fn answer(&self, key: u32, asked: indwell::Result<Answering>) -> Pending {
        let promise = Promise::new(self.bell(key));
        match asked {
            Ok(answering) => {
                let executor = Arc::clone(&self.shared.executor);
                let wait = Wait::start(answering, executor, Arc::clone(&promise));
                Pending::cancellable(promise, move || wait.queue())
            }
            Err(error) => {
                promise.settle(Outcome::Failed((&error).into()));
                Pending::new(promise)
            }
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

    #[napi(catch_unwind)]
    pub fn caches(&self) -> Either<CachesObject, ErrorObject> {
        match self.engine().caches() {
            Ok(caches) => Either::A(caches.into()),
            Err(error) => Either::B((&error).into()),
        }
    }

    /// Gives memory back: `bytes`, or all there is if that is less.
    #[napi(catch_unwind)]
    pub fn trim(&self, key: u32, bytes: f64) -> Pending {
        // Saturates: more than there can be is all there is.
        let bytes = bytes as u64;
        self.detour(key, "indwell-trim", move |engine| engine.trim(bytes).map(Outcome::Trimmed))
    }

    /// Starts to compute a prefix that is then kept.
    #[napi(catch_unwind)]
    pub fn cache_prefix(
        &self,
        key: u32,
        messages: Vec<InputMessage>,
        options: Vec<NamedValue>,
    ) -> Pending {
        self.answer(key, request::prefix(self.engine(), messages, options))
    }

    /// Starts a request whose events are folded into one reply.
    #[napi(catch_unwind)]
    pub fn reply(&self, key: u32, input: Input) -> Pending {
        self.answer(key, Request::new(self.engine(), input).map(Request::reply))
    }

    /// Starts a request whose events are streamed.
    #[napi(catch_unwind)]
    pub fn stream(&self, key: u32, input: Input) -> Stream {
        let slot = Slot::new(self.bell(key));
        match Request::new(self.engine(), input) {
            Ok(request) => Open::start(request, &self.shared.executor, Arc::clone(&slot)),
            Err(error) => slot.refused((&error).into()),
        }
        Stream::new(slot)
    }
}
