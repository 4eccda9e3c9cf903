//! An operation with one outcome: a load, a reply, a close, a list of devices.
//!
//! Any thread may settle it, once; the JavaScript thread takes the outcome. Nothing here blocks.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use napi::bindgen_prelude::Either6;
use napi_derive::napi;
use parking_lot::Mutex;

use crate::{
    engine::Engine,
    mailbox::Bell,
    objects::{DeviceObject, ErrorObject, ProgressObject, ReplyObject},
};

/// What an operation came to.
pub(crate) enum Outcome {
    Engine(Engine),
    Reply(ReplyObject),
    Devices(Vec<DeviceObject>),
    Closed,
    Failed(ErrorObject),
}

/// The side that works.
pub(crate) struct Promise {
    state: Mutex<State>,
    bell: Arc<Bell>,
}

#[derive(Default)]
struct State {
    outcome: Option<Outcome>,
    /// The latest only: a listener that is slow hears less often.
    progress: Option<ProgressObject>,
    /// Nobody will take the outcome.
    abandoned: bool,
}

impl Promise {
    pub(crate) fn new(bell: Arc<Bell>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), bell })
    }

    /// Settles with what `work` comes to, even if it panics.
    pub(crate) fn settle_with(&self, work: impl FnOnce() -> Outcome) {
        let outcome = catch_unwind(AssertUnwindSafe(work));
        self.settle(outcome.unwrap_or_else(|_| Outcome::Failed(ErrorObject::panicked())));
    }

    pub(crate) fn settle(&self, outcome: Outcome) {
        let mut state = self.state.lock();
        if state.abandoned {
            // An engine that nobody waits for closes as it is dropped: outside the lock.
            drop(state);
            drop(outcome);
        } else {
            state.outcome = Some(outcome);
            drop(state);
            self.bell.ring();
        }
    }

    pub(crate) fn report(&self, progress: ProgressObject) {
        self.state.lock().progress = Some(progress);
        self.bell.ring();
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.state.lock().abandoned
    }
}

/// The side that waits.
#[napi]
pub struct Pending {
    promise: Arc<Promise>,
    on_cancel: Option<Box<dyn Fn() + Send>>,
}

impl Pending {
    pub(crate) fn new(promise: Arc<Promise>) -> Self {
        Self { promise, on_cancel: None }
    }

    /// `on_cancel` must not block.
    pub(crate) fn cancellable(
        promise: Arc<Promise>,
        on_cancel: impl Fn() + Send + 'static,
    ) -> Self {
        Self { promise, on_cancel: Some(Box::new(on_cancel)) }
    }
}

type Taken = Either6<Engine, ReplyObject, Vec<DeviceObject>, ProgressObject, ErrorObject, bool>;

#[napi]
impl Pending {
    /// What happened since, with its name: `undefined` for nothing yet.
    #[napi(catch_unwind)]
    pub fn take(&self) -> Option<TakenObject> {
        self.promise.bell.arm();
        let mut state = self.promise.state.lock();
        let (what, value) = match state.outcome.take() {
            Some(Outcome::Engine(engine)) => ("engine", Either6::A(engine)),
            Some(Outcome::Reply(reply)) => ("reply", Either6::B(reply)),
            Some(Outcome::Devices(devices)) => ("devices", Either6::C(devices)),
            Some(Outcome::Failed(error)) => ("failed", Either6::E(error)),
            Some(Outcome::Closed) => ("closed", Either6::F(true)),
            None => ("progress", Either6::D(state.progress.take()?)),
        };
        Some(TakenObject { what, value })
    }

    /// Gives the operation up.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.promise.state.lock().abandoned = true;
        if let Some(on_cancel) = &self.on_cancel {
            on_cancel();
        }
    }
}

#[napi(object, object_from_js = false)]
pub struct TakenObject {
    pub what: &'static str,
    pub value: Taken,
}
