//! One JavaScript environment, the main thread's or a worker's: its mailbox, its threads, its
//! engines.
//!
//! When the environment ends, with streams open or not, [`Environment::end`] runs on its thread:
//! from JavaScript's `exit` event, because `process.exit` runs no cleanup hooks, or from the
//! cleanup hook, because a terminated worker has no `exit` event. In this order:
//!
//! 1. the mailbox closes: nothing calls into an event loop that is going away, and who waits for a
//!    function of JavaScript's to answer waits no more;
//! 2. threads that load or close are waited for (one that still fetches a model is left alone: it
//!    touches no engine);
//! 3. every engine closes, which ends its requests;
//! 4. the preparer and the executor end.
//!
//! After it no thread of this environment runs llama.cpp, whose static data the process is about to
//! destroy.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread::{Builder, JoinHandle},
};

use indwell::{EngineBuilder, Stage};
use napi::{Env, bindgen_prelude::Function, threadsafe_function::UnknownReturnValue};
use napi_derive::napi;
use parking_lot::Mutex;

use crate::{
    engine::Engine,
    executor::Executor,
    mailbox::{Bell, Keys, Mailbox},
    options::NamedValue,
    pending::{Outcome, Pending, Promise},
    questions::{AnswerValue, News, Questions},
};

/// What an environment's handles share.
pub(crate) struct Shared {
    pub(crate) mailbox: Arc<Mailbox>,
    /// Prepares requests.
    pub(crate) preparer: Executor,
    /// Waits for their outcomes.
    pub(crate) executor: Arc<Executor>,
    pub(crate) questions: Arc<Questions>,
    threads: Mutex<Vec<Blocking>>,
    engines: Mutex<Vec<Weak<indwell::Engine>>>,
}

/// A thread for something that blocks.
struct Blocking {
    thread: JoinHandle<()>,
    /// Set while it may be left behind.
    detached: Arc<AtomicBool>,
}

impl Shared {
    /// Runs what may block, and is waited for when the environment ends unless `detached` says
    /// otherwise by then.
    ///
    /// Where no thread can be had it runs here: a pause is better than a promise that never
    /// settles.
    pub(crate) fn spawn(
        &self,
        name: &str,
        detached: Arc<AtomicBool>,
        work: impl FnOnce() + Send + 'static,
    ) {
        let here = Arc::new(Mutex::new(Some(work)));
        let there = Arc::clone(&here);
        match Builder::new().name(name.into()).spawn(move || run_once(&there)) {
            Ok(thread) => {
                let mut threads = self.threads.lock();
                threads.retain(|blocking| !blocking.thread.is_finished());
                threads.push(Blocking { thread, detached });
            }
            Err(_) => run_once(&here),
        }
    }

    fn next_thread(&self) -> Option<Blocking> {
        self.threads.lock().pop()
    }

    fn end(&self) {
        self.mailbox.close();
        self.questions.close();
        // One by one and unlocked: a thread that ends may start the one that drops its engine.
        while let Some(Blocking { thread, detached }) = self.next_thread() {
            if !detached.load(Ordering::SeqCst) {
                // Its promise has heard of a panic.
                let _ = thread.join();
            }
        }
        for engine in self.engines.lock().drain(..).filter_map(|engine| engine.upgrade()) {
            // An engine that is poisoned is as closed as it gets.
            let _ = engine.close();
        }
        // The preparer gives the executor work.
        self.preparer.stop();
        self.executor.stop();
    }
}

fn run_once(work: &Mutex<Option<impl FnOnce()>>) {
    let work = work.lock().take();
    if let Some(work) = work {
        work();
    }
}

/// What `lib/native.cjs` makes one of.
#[napi]
pub struct Environment {
    shared: Arc<Shared>,
}

#[napi]
impl Environment {
    /// `callback` hears which operations' handles have something to take.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, callback: Function<'_, Keys, UnknownReturnValue>) -> napi::Result<Self> {
        let mailbox = Arc::default();
        let shared = Arc::new(Shared {
            questions: Arc::new(Questions::new(Arc::clone(&mailbox))),
            mailbox,
            preparer: Executor::start("indwell-prepare")?,
            executor: Arc::new(Executor::start("indwell-node")?),
            threads: Mutex::default(),
            engines: Mutex::default(),
        });
        shared.mailbox.connect(&callback)?;
        env.add_env_cleanup_hook(Arc::clone(&shared), |shared| shared.end())?;
        Ok(Self { shared })
    }

    /// The engine's version.
    #[napi(getter, catch_unwind)]
    pub fn version(&self) -> &'static str {
        indwell::VERSION
    }

    /// Ends what runs here. Blocks until it has ended, a step of each engine at most. A second end
    /// does nothing.
    #[napi(catch_unwind)]
    pub fn end(&self) {
        self.shared.end();
    }

    /// Keeps the process alive: somebody waits.
    #[napi(catch_unwind)]
    pub fn hold(&self, env: Env) -> napi::Result<()> {
        self.shared.mailbox.hold(&env)
    }

    /// Lets the process end: nobody waits.
    #[napi(catch_unwind)]
    pub fn release(&self, env: Env) -> napi::Result<()> {
        self.shared.mailbox.release(&env)
    }

    /// What JavaScript's functions are asked.
    #[napi(catch_unwind)]
    pub fn questions(&self) -> News {
        self.shared.questions.take()
    }

    /// Answers one of them.
    #[napi(catch_unwind)]
    pub fn answer(&self, question: u32, answer: AnswerValue) {
        self.shared.questions.answer(question, answer);
    }

    /// Starts to load a model.
    #[napi(catch_unwind)]
    pub fn load(&self, key: u32, model: String, options: Vec<NamedValue>) -> Pending {
        let promise = Promise::new(Bell::new(Arc::clone(&self.shared.mailbox), key));
        let detached = Arc::new(AtomicBool::new(false));
        let builder = indwell::Engine::builder(model).on_progress({
            let (promise, detached) = (Arc::clone(&promise), Arc::clone(&detached));
            move |progress| {
                detached.store(matches!(progress.stage, Stage::Fetch), Ordering::SeqCst);
                promise.report(progress.into());
            }
        });
        let builder = options
            .into_iter()
            .map(NamedValue::into_option)
            .fold(builder, |builder, (name, value)| builder.option(&name, value));
        let (shared, loading) = (Arc::clone(&self.shared), Arc::clone(&promise));
        self.shared
            .spawn("indwell-load", detached, move || loading.settle_with(|| load(builder, shared)));
        Pending::new(promise)
    }

    /// Starts to look for devices.
    #[napi(catch_unwind)]
    pub fn devices(&self, key: u32) -> Pending {
        let promise = Promise::new(Bell::new(Arc::clone(&self.shared.mailbox), key));
        let listing = Arc::clone(&promise);
        self.shared.spawn("indwell-devices", Arc::default(), move || {
            listing.settle_with(|| match indwell::devices() {
                Ok(devices) => Outcome::Devices(devices.into_iter().map(Into::into).collect()),
                Err(error) => Outcome::Failed((&error).into()),
            });
        });
        Pending::new(promise)
    }
}

fn load(builder: EngineBuilder, shared: Arc<Shared>) -> Outcome {
    match builder.build() {
        Ok(engine) => {
            let engine = Arc::new(engine);
            let mut engines = shared.engines.lock();
            engines.retain(|engine| engine.strong_count() > 0);
            engines.push(Arc::downgrade(&engine));
            drop(engines);
            Outcome::Engine(Engine::new(engine, shared))
        }
        Err(error) => Outcome::Failed((&error).into()),
    }
}
