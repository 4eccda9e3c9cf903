//! An operation with one outcome: a load, a reply, a prefix, a trim, an invalidation, a drain, a
//! close, a list of devices.
//!
//! Any thread may settle it, once; the JavaScript thread takes the outcome. Nothing here blocks.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use napi::bindgen_prelude::Either8;
use napi_derive::napi;
use parking_lot::Mutex;

use crate::{
    answer::ReplyObject,
    engine::Engine,
    mailbox::Bell,
    objects::{DeviceObject, ErrorObject, ProgressObject},
    prefix::Prefix,
};

/// What an operation came to.
pub(crate) enum Outcome {
    Engine(Engine),
    Reply(ReplyObject),
    Prefix(Prefix),
    /// How many bytes were given back, or answers forgotten.
    Count(u64),
    Devices(Vec<DeviceObject>),
    /// Whether everybody was served.
    Drained(bool),
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
            // An engine that nobody waits for closes as it is dropped, and a prefix is unpinned:
            // outside the lock.
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

    /// What happened since, if anything did.
    pub(crate) fn take(&self) -> Option<TakenObject> {
        self.bell.arm();
        let mut state = self.state.lock();
        match state.outcome.take() {
            Some(outcome) => Some(outcome.into()),
            None => state.progress.take().map(TakenObject::progress),
        }
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

type Taken =
    Either8<Engine, ReplyObject, Prefix, Vec<DeviceObject>, ProgressObject, ErrorObject, f64, bool>;

#[napi]
impl Pending {
    /// What happened since: `undefined` for nothing yet.
    #[napi(catch_unwind)]
    pub fn take(&self) -> Option<TakenObject> {
        self.promise.take()
    }

    /// Gives the operation up, and what it came to if nobody has taken that.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        let mut state = self.promise.state.lock();
        state.abandoned = true;
        let unwanted = state.outcome.take();
        drop(state);
        drop(unwanted);
        if let Some(on_cancel) = &self.on_cancel {
            on_cancel();
        }
    }
}

/// What happened, with its name.
#[napi(object, object_from_js = false)]
pub struct TakenObject {
    pub what: &'static str,
    pub value: Taken,
}

impl TakenObject {
    fn progress(progress: ProgressObject) -> Self {
        Self { what: "progress", value: Either8::E(progress) }
    }
}

impl From<Outcome> for TakenObject {
    fn from(outcome: Outcome) -> Self {
        let (what, value) = match outcome {
            Outcome::Engine(engine) => ("engine", Either8::A(engine)),
            Outcome::Reply(reply) => ("reply", Either8::B(reply)),
            Outcome::Prefix(prefix) => ("prefix", Either8::C(prefix)),
            Outcome::Devices(devices) => ("devices", Either8::D(devices)),
            Outcome::Failed(error) => ("failed", Either8::F(error)),
            Outcome::Count(count) => ("count", Either8::G(count as f64)),
            Outcome::Drained(all_served) => ("drained", Either8::H(all_served)),
            Outcome::Closed => ("closed", Either8::H(true)),
        };
        Self { what, value }
    }
}
