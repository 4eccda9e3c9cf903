//! How other threads wake the JavaScript thread: keys of operations that have something to take.
//!
//! Any thread may [`Mailbox::ring`]; it never blocks and, however many keys wait, asks the event
//! loop for one call. [`Mailbox::connect`], `hold`, `release` and `close` belong to the JavaScript
//! thread. What is rung after `close` is dropped: nobody is left to hear it.
//!
//! Bounded: a [`Bell`] has at most one key in the mailbox, so it holds no more keys than there are
//! live operations.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Wake,
};

use napi::{
    Env, Status,
    bindgen_prelude::{FnArgs, Function},
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode, UnknownReturnValue},
};
use parking_lot::Mutex;

/// The key of [`crate::questions`]; operations have others.
pub(crate) const QUESTIONS: u32 = 0;

/// The arguments of the JavaScript callback: the keys to look at.
pub(crate) type Keys = FnArgs<(Vec<u32>,)>;

// Called without an error argument, weak (an idle engine keeps no process alive), unbounded (see
// `scheduled`).
type LoopCall = ThreadsafeFunction<(), UnknownReturnValue, Keys, Status, false, true, 0>;

#[derive(Default)]
pub(crate) struct Mailbox {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    keys: Vec<u32>,
    /// Whether the event loop has been asked to call and has not called yet.
    scheduled: bool,
    /// `None` before `connect` and after `close`.
    call: Option<LoopCall>,
}

impl Mailbox {
    /// Makes `callback` the function that hears of keys.
    pub(crate) fn connect(
        self: &Arc<Self>,
        callback: &Function<'_, Keys, UnknownReturnValue>,
    ) -> napi::Result<()> {
        let mailbox = Arc::clone(self);
        let call = callback
            .build_threadsafe_function::<()>()
            .callee_handled::<false>()
            .weak::<true>()
            .build_callback(move |_| Ok(FnArgs::from((mailbox.drain(),))))?;
        self.state.lock().call = Some(call);
        Ok(())
    }

    fn ring(&self, key: u32) {
        let mut state = self.state.lock();
        let State { keys, scheduled, call: Some(call) } = &mut *state else { return };
        keys.push(key);
        if !mem::replace(scheduled, true) {
            // Fails only while the environment goes away, and then nobody listens.
            call.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    fn drain(&self) -> Vec<u32> {
        let mut state = self.state.lock();
        state.scheduled = false;
        mem::take(&mut state.keys)
    }

    /// Keeps the process alive until [`Mailbox::release`].
    #[expect(
        deprecated,
        reason = "napi's replacement only releases for good; an operation comes and goes"
    )]
    pub(crate) fn hold(&self, env: &Env) -> napi::Result<()> {
        self.state.lock().call.as_mut().map_or(Ok(()), |call| call.refer(env))
    }

    /// Lets the process end.
    #[expect(
        deprecated,
        reason = "napi's replacement only releases for good; an operation comes and goes"
    )]
    pub(crate) fn release(&self, env: &Env) -> napi::Result<()> {
        self.state.lock().call.as_mut().map_or(Ok(()), |call| call.unref(env))
    }

    /// Lets go of the event loop.
    pub(crate) fn close(&self) {
        // Outside the lock: the callback that goes with it holds this mailbox.
        let call = self.state.lock().call.take();
        drop(call);
    }
}

/// Wakes the waiter of one key. Silent until the first look, which JavaScript takes unasked.
pub(crate) struct Bell {
    mailbox: Arc<Mailbox>,
    key: u32,
    rung: AtomicBool,
}

impl Bell {
    pub(crate) fn new(mailbox: Arc<Mailbox>, key: u32) -> Arc<Self> {
        Arc::new(Self { mailbox, key, rung: AtomicBool::new(true) })
    }

    /// To be called before looking for what a ring announces, so that a ring after the look is
    /// heard.
    pub(crate) fn arm(&self) {
        self.rung.store(false, Ordering::SeqCst);
    }

    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst) {
            self.mailbox.ring(self.key);
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}
