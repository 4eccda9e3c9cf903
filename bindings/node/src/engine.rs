//! The handle of an engine.
//!
//! Nothing here blocks: closing, which waits for the step that runs, happens on a thread of its
//! own, and so does the closing of an engine that JavaScript has dropped.

use std::sync::Arc;

use napi::bindgen_prelude::Either;
use napi_derive::napi;

use crate::{
    environment::Shared,
    mailbox::Bell,
    objects::{ErrorObject, ModelObject, StatsObject},
    options::Input,
    pending::{Outcome, Pending, Promise},
    request::{Fold, Open, Request},
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
        let promise = Promise::new(self.bell(key));
        let (engine, closing) = (Arc::clone(self.engine()), Arc::clone(&promise));
        self.shared.spawn("indwell-close", Arc::default(), move || {
            closing.settle_with(|| match engine.close() {
                Ok(()) => Outcome::Closed,
                Err(error) => Outcome::Failed((&error).into()),
            });
        });
        Pending::new(promise)
    }

    /// Starts a request whose events are folded into one reply.
    #[napi(catch_unwind)]
    pub fn reply(&self, key: u32, input: Input) -> Pending {
        let promise = Promise::new(self.bell(key));
        match Request::new(self.engine(), input) {
            Ok(request) => {
                let fold =
                    Fold::start(request, Arc::clone(&self.shared.executor), Arc::clone(&promise));
                Pending::cancellable(promise, move || fold.queue())
            }
            Err(error) => {
                promise.settle(Outcome::Failed((&error).into()));
                Pending::new(promise)
            }
        }
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
