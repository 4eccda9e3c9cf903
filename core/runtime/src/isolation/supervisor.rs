//! The thread that reads what a worker says, and starts the next when it ends.
//!
//! Step by step: the first worker is started, and loads, on the thread that builds the engine, which
//! hears why it can't. From then on this thread has it. It reads until the pipe ends; reaps the
//! worker; makes the loss known, then lets everybody go who waits for it; waits a while that grows;
//! and starts the next with all that the first was told. Workers that can't be started, one after the
//! other, end the engine with the reason.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use indwell_kernel::SnapshotId;
use indwell_llama::gguf::FileState;
use indwell_llama::{Allocated, ContextParams, Gguf};

use super::backoff::Backoff;
use super::frame;
use super::link::{Link, Session, Stepped};
use super::log;
use super::message::{FromWorker, Laid, LoadedFacts};
use super::model::RemoteModel;
use super::process::{Process, Program};
use super::program;
use crate::model::{ModelFacts, TextModel};
use crate::{Error, ErrorKind, Result};

/// Workers that can't be started, one after the other, until the engine gives up.
const FAILED_STARTS_MAX: u32 = 5;

/// A worker that has loaded a model.
#[derive(Debug)]
pub(crate) struct Loaded {
    process: Process,
    program: Program,
    path: PathBuf,
    gpu_layers: Option<u32>,
    /// As they were when they were checked.
    files: Vec<(PathBuf, FileState)>,
    loaded: Arc<LoadedFacts>,
}

/// A worker that serves, with the thread that sees to it. Dropping it ends both.
#[derive(Debug)]
pub(crate) struct Running {
    link: Arc<Link>,
    model: Arc<RemoteModel>,
    laid: Laid,
    thread: Option<JoinHandle<()>>,
}

impl Loaded {
    /// Starts a worker, and has it load a model.
    ///
    /// # Errors
    /// `unsupported` without a program to start, and what loading fails by.
    ///
    /// # Blocking
    /// Until it is loaded.
    pub(crate) fn load(
        gguf: &Gguf,
        gpu_layers: Option<u32>,
        on_share: &mut dyn FnMut(f32),
    ) -> Result<Self> {
        let (path, files) = (gguf.path().to_owned(), gguf.file_states().to_vec());
        let directory = std::env::current_dir().ok();
        let program = Program { path: program::find()?, directory };
        let mut process = Process::spawn(&program)?;
        let loaded = Arc::new(process.load(&path, gpu_layers, on_share)?);
        gguf.check_unchanged()?;
        Ok(Self { process, program, path, gpu_layers, files, loaded })
    }

    pub(crate) fn facts(&self) -> &ModelFacts {
        &self.loaded.facts
    }

    /// What its weights take of memory.
    pub(crate) fn allocated(&self) -> Allocated {
        self.loaded.allocated
    }

    /// The digest of the model's file.
    ///
    /// # Errors
    /// As [`indwell_llama::Model::fingerprint`], and where the worker ends.
    pub(crate) fn fingerprint(
        &mut self,
        on_share: &mut dyn FnMut(f32),
    ) -> std::io::Result<[u8; 32]> {
        self.process.fingerprint(on_share)
    }

    /// Makes the context, and the thread that sees to the worker. `restarts` counts the workers after
    /// this one, and `wake` is called when one has come or gone.
    ///
    /// # Errors
    /// As making the context fails, and `out_of_memory` without a thread.
    pub(crate) fn start(
        mut self,
        context: ContextParams,
        keeps_snapshots: bool,
        restarts: Arc<AtomicU64>,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Running> {
        let laid = self.process.start(&self.path, context, keeps_snapshots)?;
        let link = Arc::new(Link::new(restarts, wake));
        let model = RemoteModel::new(Arc::clone(&self.loaded), Arc::clone(&link));
        link.loading(&self.process.handle);
        let supervisor = Supervisor {
            link: Arc::clone(&link),
            program: self.program,
            path: self.path,
            gpu_layers: self.gpu_layers,
            files: self.files,
            loaded: self.loaded,
            context,
            keeps_snapshots,
            layout: laid.layout.clone(),
            backoff: Backoff::default(),
            number: 0,
        };
        let first = supervisor.serving(self.process);
        let thread = std::thread::Builder::new().name("indwell-supervisor".to_owned());
        let thread = thread.spawn(move || supervisor.run(first)).map_err(|error| {
            Error::remedied(
                ErrorKind::OutOfMemory,
                format!("the thread that sees to the worker could not be started: {error}"),
                "raise the process's limit of threads",
            )
        })?;
        Ok(Running { link, model: Arc::new(model), laid, thread: Some(thread) })
    }
}

impl Running {
    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    pub(crate) fn model(&self) -> Arc<dyn TextModel> {
        Arc::<RemoteModel>::clone(&self.model)
    }

    pub(crate) fn layout(&self) -> &str {
        &self.laid.layout
    }

    /// What the context takes of memory.
    pub(crate) fn allocated(&self) -> Allocated {
        self.laid.allocated
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.link.close() {
            tracing::warn!("the worker did not end in time, and was ended");
        }
        if let Some(thread) = self.thread.take() {
            // It catches its own panics.
            let _ = thread.join();
        }
    }
}

/// All that every worker is told, and the way to it.
struct Supervisor {
    link: Arc<Link>,
    program: Program,
    path: PathBuf,
    gpu_layers: Option<u32>,
    files: Vec<(PathBuf, FileState)>,
    loaded: Arc<LoadedFacts>,
    context: ContextParams,
    keeps_snapshots: bool,
    layout: String,
    backoff: Backoff,
    /// The worker's, from 0.
    number: u64,
}

/// A worker that serves, as its reader has it.
struct Serving {
    process: Process,
    session: Arc<Session>,
    results: Sender<Stepped>,
    since: Instant,
    /// The bytes that the step which is under way has saved so far.
    saved: HashMap<SnapshotId, Vec<u8>>,
}

impl Supervisor {
    fn run(mut self, first: Serving) {
        let ended = catch_unwind(AssertUnwindSafe(|| self.supervise(first)));
        if ended.is_err() {
            self.link.over(Error::poisoned("the thread that sees to the worker panicked"));
        }
        self.link.done();
    }

    fn supervise(&mut self, first: Serving) {
        let mut serving = first;
        loop {
            let reason = serving.attend();
            let wait = self.backoff.after(serving.since.elapsed());
            self.link.down(&reason, Instant::now() + wait);
            serving.session.end();
            // With it goes whoever waits for a step.
            drop(serving);
            if self.link.is_closing() {
                return;
            }
            tracing::warn!(reason, "the process that computes was lost, and is started again");
            match self.next(&reason, wait) {
                Some(next) => serving = next,
                None => return,
            }
        }
    }

    /// The next worker; `None` where there is to be none.
    fn next(&mut self, reason: &str, mut wait: Duration) -> Option<Serving> {
        for failed in 1..=FAILED_STARTS_MAX {
            if self.link.closes_before(Instant::now() + wait) {
                return None;
            }
            self.number += 1;
            let error = match self.start() {
                Ok(process) => return Some(self.serving(process)),
                Err(error) => error,
            };
            if self.link.is_closing() {
                return None;
            }
            tracing::warn!(%error, failed, "the process that computes could not be started");
            if failed == FAILED_STARTS_MAX {
                let reason = format!(
                    "the process that computes could not be started {failed} times, after {reason}: \
                     {error}"
                );
                self.link.over(Error::poisoned(&reason));
            } else {
                wait = self.backoff.after(Duration::ZERO);
                self.link.down(reason, Instant::now() + wait);
            }
        }
        None
    }

    /// Starts a worker, and tells it what the first was told.
    fn start(&self) -> Result<Process> {
        let mut process = Process::spawn(&self.program)?;
        self.link.loading(&process.handle);
        let loaded = process.load(&self.path, self.gpu_layers, &mut |_| {})?;
        let holds = |(path, state): &(PathBuf, FileState)| state.holds(path).unwrap_or(false);
        if !self.files.iter().all(holds) || loaded.facts != self.loaded.facts {
            let model = self.path.display().to_string();
            let message = format!("{model} has changed since the engine was made");
            return Err(Error::model_load(model, message, "make a new engine", None));
        }
        let laid = process.start(&self.path, self.context, self.keeps_snapshots)?;
        debug_assert_eq!(laid.layout, self.layout, "the same model and context lie alike");
        Ok(process)
    }

    /// A worker that has loaded serves from now on.
    fn serving(&self, process: Process) -> Serving {
        let (handle, out) = (Arc::clone(&process.handle), Arc::clone(&process.out));
        let (session, results) = Session::new(self.number, handle, out);
        self.link.up(Arc::clone(&session));
        Serving { process, session, results, since: Instant::now(), saved: HashMap::new() }
    }
}

impl Serving {
    /// Passes on what the worker says, until it ends; why it did.
    fn attend(&mut self) -> String {
        loop {
            match frame::read(&mut self.process.read) {
                Ok(Some((message, body))) => {
                    if !self.take(message, &body) {
                        return self.process.handle.end_for("it was out of turn");
                    }
                }
                Ok(None) => return self.process.handle.reap(),
                Err(frame::FrameError::Broken(_)) => return self.process.handle.reap(),
                Err(error) => return self.process.handle.end_for(&error.to_string()),
            }
        }
    }

    /// Whether it could be said now.
    fn take(&mut self, message: FromWorker, body: &[u8]) -> bool {
        match message {
            FromWorker::Stepped(outcome, result) => {
                let saved = std::mem::take(&mut self.saved);
                self.results.try_send(Stepped { outcome, result, saved }).is_ok()
            }
            FromWorker::Answer(number, reply) => self.session.answer(number, reply),
            FromWorker::Snapshot(snapshot) => {
                self.saved.entry(snapshot).or_default().extend_from_slice(body);
                true
            }
            FromWorker::Log(level, own, line) => {
                log::retell(level, own, &line);
                true
            }
            FromWorker::Hello(_)
            | FromWorker::Progress(_)
            | FromWorker::Loaded(_)
            | FromWorker::Fingerprint(_)
            | FromWorker::Started(_) => false,
        }
    }
}
