//! What an engine's handles, streams and worker share.
//!
//! Life: `Open`, perhaps `Draining`, then once and for ever `Over` with the reason. A life goes on
//! and commands are sent under one lock, so every submission either comes before the worker's last
//! look at the channel, and is answered by the worker, or is refused at once. The same holds for
//! the word to drain, which no submission comes after.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};
use indwell_kernel::{AdmissionGate, NamespaceBuilder, RequestId, Timestamp};
use parking_lot::Mutex;

use crate::drain::Drain;
use crate::memory::FixedMemory;
use crate::metrics::Metrics;
use crate::prefix_cache::SharedCaches;
use crate::prompt::Prompter;
use crate::responses::Responses;
use crate::responses::semantic::Verdict;
use crate::tiers::TierEvent;
use crate::worker::Job;
use crate::{EngineMemory, EngineStats, Error, Event, ModelInfo, Result};

/// What the worker is asked.
#[derive(Debug)]
pub(crate) enum Command {
    /// Serve a request.
    Submit(Box<Job>),
    /// Serve a request as soon as it is known whether the answer to another question does.
    Hold(Box<Job>),
    /// That is known.
    Judged {
        /// Which request.
        request: RequestId,
        /// Whether it does.
        verdict: Verdict,
    },
    /// End a request for its caller.
    Cancel(RequestId),
    /// A reader that was behind has caught up.
    Resume(RequestId),
    /// A prefix's handle is gone; the prefix is known by the request that computed it. Nothing is
    /// to be done where that one is not pinned.
    Unpin(RequestId),
    /// Give back memory that cached prefixes take.
    Trim {
        /// At least so many bytes, if there are as many.
        bytes: u64,
        /// Is told how many it were.
        reply: Sender<u64>,
    },
    /// A snapshot was found, moved or lost.
    Tier(TierEvent),
    /// Look again at the backend, which has gone or come back.
    Wake,
    /// Stop once everybody has been served, or the time is over.
    Drain(Drain),
    /// End everything and stop.
    Close,
}

/// How far an engine's life has come.
#[derive(Debug)]
enum Life {
    Open,
    /// What was accepted is served, and no more is accepted.
    Draining,
    /// Why it serves no more.
    Over(Error),
}

/// The shared part of an engine.
#[derive(Debug)]
pub(crate) struct Shared {
    commands: Sender<Command>,
    life: Mutex<Life>,
    pub(crate) gate: Mutex<AdmissionGate>,
    /// Holds the weights; `None` once the engine is over, so that they are given back then, and
    /// not when the last handle happens to go.
    prompter: Mutex<Option<Arc<Prompter>>>,
    pub(crate) info: ModelInfo,
    pub(crate) limits: RequestLimits,
    pub(crate) stats: SharedStats,
    pub(crate) metrics: Metrics,
    pub(crate) caches: SharedCaches,
    /// Of prefixes without a salt; `None` without a prefix cache.
    namespace: Option<NamespaceBuilder>,
    /// `None` without a response cache.
    responses: Option<Arc<Responses>>,
    memory: FixedMemory,
    requests: AtomicU64,
    started: Instant,
    process: u32,
}

/// The engine's bounds that every request is checked against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestLimits {
    /// Prompt and answer together, in tokens.
    pub(crate) request_tokens_max: u32,
    /// `max_tokens` when a request says nothing.
    pub(crate) default_max_tokens: u32,
    /// Events a reader may be behind.
    pub(crate) stream_capacity: u32,
}

impl Shared {
    pub(crate) fn new(
        commands: Sender<Command>,
        gate: AdmissionGate,
        prompter: Arc<Prompter>,
        info: ModelInfo,
        limits: RequestLimits,
        cells_total: u32,
    ) -> Self {
        Self {
            commands,
            life: Mutex::new(Life::Open),
            gate: Mutex::new(gate),
            prompter: Mutex::new(Some(prompter)),
            info,
            limits,
            stats: SharedStats { cells_total, ..SharedStats::default() },
            metrics: Metrics::default(),
            caches: SharedCaches::default(),
            namespace: None,
            responses: None,
            memory: FixedMemory::default(),
            requests: AtomicU64::new(0),
            started: Instant::now(),
            process: std::process::id(),
        }
    }

    /// With a prefix cache, in this namespace. Without it, every request bypasses the cache.
    pub(crate) fn with_prefix_cache(
        self,
        namespace: NamespaceBuilder,
        caches: SharedCaches,
    ) -> Self {
        Self { namespace: Some(namespace), caches, ..self }
    }

    /// With a response cache.
    pub(crate) fn with_responses(self, responses: Option<Responses>) -> Self {
        Self { responses: responses.map(Arc::new), ..self }
    }

    /// Taking this of memory.
    pub(crate) fn with_memory(self, memory: FixedMemory) -> Self {
        Self { memory, ..self }
    }

    /// With the count of times that the backend was started again.
    pub(crate) fn with_restarts(mut self, restarts: Arc<AtomicU64>) -> Self {
        self.stats.restarts = restarts;
        self
    }

    /// What the engine takes of memory.
    pub(crate) fn memory(&self) -> EngineMemory {
        if self.over().is_some() {
            return self.memory.over();
        }
        let answers = self.responses().map_or(0, |responses| responses.stats().bytes);
        self.memory.open(self.caches.snapshot().host.bytes, answers)
    }

    /// The response cache, if there is one.
    pub(crate) fn responses(&self) -> Option<&Arc<Responses>> {
        self.responses.as_ref()
    }

    /// The namespace of prefixes without a salt; `None` without a prefix cache.
    pub(crate) fn namespace(&self) -> Option<&NamespaceBuilder> {
        self.namespace.as_ref()
    }

    /// The present moment on the engine's clock.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(self.started.elapsed())
    }

    /// An id that was never used.
    pub(crate) fn next_request(&self) -> RequestId {
        RequestId(self.requests.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether this process is a fork of the one that made the engine. Its worker is not here.
    pub(crate) fn is_forked(&self) -> bool {
        self.process != std::process::id()
    }

    /// To be looked at before anything else: a lock may be held for ever in a forked process.
    ///
    /// # Errors
    /// `forked` in a forked process.
    pub(crate) fn check_process(&self) -> Result<()> {
        if self.is_forked() { Err(Error::forked()) } else { Ok(()) }
    }

    /// # Errors
    /// `forked`, `engine_closed` or `engine_poisoned` if the engine accepts no more.
    pub(crate) fn check_open(&self) -> Result<()> {
        self.check_process()?;
        self.life.lock().check_open()
    }

    /// What makes prompts.
    ///
    /// # Errors
    /// As [`Self::check_open`].
    pub(crate) fn prompter(&self) -> Result<Arc<Prompter>> {
        self.check_open()?;
        self.prompter.lock().clone().ok_or_else(Error::closed)
    }

    /// Lets go of the weights. Calls that are making a prompt just now keep them until they have.
    pub(crate) fn release_model(&self) {
        self.prompter.lock().take();
    }

    /// Sends a request to the worker.
    ///
    /// # Errors
    /// As [`Self::check_open`].
    pub(crate) fn submit(&self, job: Box<Job>) -> Result<()> {
        self.send_while_open(Command::Submit(job))
    }

    /// Sends the worker a request that it holds until [`Command::Judged`] comes.
    ///
    /// # Errors
    /// As [`Self::check_open`].
    pub(crate) fn hold(&self, job: Box<Job>) -> Result<()> {
        self.send_while_open(Command::Hold(job))
    }

    /// How to tell the worker something from elsewhere, without keeping the engine's parts alive.
    pub(crate) fn commands(&self) -> Sender<Command> {
        self.commands.clone()
    }

    /// Has the worker give back at least `bytes` of cached prefixes; how many it gave back.
    ///
    /// # Errors
    /// As [`Self::check_open`].
    ///
    /// # Blocking
    /// Until the worker has done it: about a step.
    pub(crate) fn trim(&self, bytes: u64) -> Result<u64> {
        self.check_open()?;
        let (reply, answer) = crossbeam_channel::bounded(1);
        self.send_while_open(Command::Trim { bytes, reply })?;
        // A worker that ends drops the commands it did not get to.
        answer.recv().map_err(|_| self.over().unwrap_or_else(Error::closed))
    }

    /// Sends a command that is either taken by the worker or dropped by it as it ends.
    fn send_while_open(&self, command: Command) -> Result<()> {
        let life = self.life.lock();
        life.check_open()?;
        self.send(command);
        Ok(())
    }

    /// Has the worker stop once everybody has been served, or at `deadline`. What is given is told
    /// when everybody has been, at once if the engine is over, and disconnected if it does not come
    /// to that.
    pub(crate) fn drain(&self, deadline: Option<Timestamp>) -> Receiver<()> {
        let (served, hears) = crossbeam_channel::bounded(1);
        let mut life = self.life.lock();
        if let Life::Over(_) = *life {
            let _ = served.send(());
        } else {
            *life = Life::Draining;
            self.send(Command::Drain(Drain { deadline, served }));
        }
        hears
    }

    /// Sends a command; a worker that is gone needs none.
    pub(crate) fn send(&self, command: Command) {
        if !self.is_forked() {
            let _ = self.commands.send(command);
        }
    }

    /// Ends the engine's life for `reason`, unless it is over; whether it was not.
    pub(crate) fn end(&self, reason: Error) -> bool {
        let mut life = self.life.lock();
        let was_over = matches!(*life, Life::Over(_));
        if !was_over {
            *life = Life::Over(reason);
        }
        !was_over
    }

    /// Why the engine is over, if it is.
    pub(crate) fn over(&self) -> Option<Error> {
        match &*self.life.lock() {
            Life::Over(reason) => Some(reason.clone()),
            Life::Open | Life::Draining => None,
        }
    }

    /// Counts a request's end, once it neither waits nor runs any more and before its caller
    /// hears of it.
    pub(crate) fn count_end(&self, event: &Event) {
        self.metrics.ended(event);
        let counter = match event {
            Event::Cancelled => &self.stats.requests_cancelled,
            Event::Failed(_) => &self.stats.requests_failed,
            _ => &self.stats.requests_finished,
        };
        counter.fetch_add(1, Ordering::Release);
    }

    /// What is counted, in an order by which no request that ended is found to wait or to run.
    pub(crate) fn snapshot(&self) -> EngineStats {
        let responses = self.responses().map(|responses| responses.stats()).unwrap_or_default();
        let counted = self.stats.snapshot();
        EngineStats {
            response_cache_queries: responses.queries(),
            response_cache_hits: responses.answered(),
            requests_waiting: counted.requests_waiting + self.gate.lock().waiting(),
            ..counted
        }
    }
}

impl Life {
    /// # Errors
    /// Why no more requests are accepted.
    fn check_open(&self) -> Result<()> {
        match self {
            Self::Open => Ok(()),
            Self::Draining => Err(Error::draining()),
            Self::Over(reason) => Err(reason.clone()),
        }
    }
}

/// The engine's counters: written by the worker, read by anyone.
#[derive(Debug, Default)]
pub(crate) struct SharedStats {
    pub(crate) steps: AtomicU64,
    pub(crate) prompt_tokens: AtomicU64,
    pub(crate) completion_tokens: AtomicU64,
    pub(crate) requests_running: AtomicU32,
    /// Those that gave way and wait to go on: they have left the gate.
    pub(crate) requests_preempted: AtomicU32,
    pub(crate) preemptions: AtomicU64,
    pub(crate) recomputed_tokens: AtomicU64,
    pub(crate) drafted_tokens: AtomicU64,
    pub(crate) accepted_tokens: AtomicU64,
    pub(crate) requests_finished: AtomicU64,
    pub(crate) requests_cancelled: AtomicU64,
    pub(crate) requests_failed: AtomicU64,
    pub(crate) cells_used: AtomicU32,
    pub(crate) prefix_cache_queries: AtomicU64,
    pub(crate) prefix_cache_hits: AtomicU64,
    /// Counted by whoever sees to the backend.
    restarts: Arc<AtomicU64>,
    cells_total: u32,
}

impl SharedStats {
    /// All but the requests that wait at the gate. Ends come first: with the order of
    /// [`Shared::count_end`], what is read after them is no older.
    fn snapshot(&self) -> EngineStats {
        let ended = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        EngineStats {
            requests_finished: ended(&self.requests_finished),
            requests_cancelled: ended(&self.requests_cancelled),
            requests_failed: ended(&self.requests_failed),
            steps: get(&self.steps),
            prompt_tokens: get(&self.prompt_tokens),
            completion_tokens: get(&self.completion_tokens),
            requests_running: self.requests_running.load(Ordering::Relaxed),
            requests_waiting: self.requests_preempted.load(Ordering::Relaxed),
            cells_used: self.cells_used.load(Ordering::Relaxed),
            cells_total: self.cells_total,
            preemptions: get(&self.preemptions),
            recomputed_tokens: get(&self.recomputed_tokens),
            drafted_tokens: get(&self.drafted_tokens),
            accepted_tokens: get(&self.accepted_tokens),
            prefix_cache_queries: get(&self.prefix_cache_queries),
            prefix_cache_hits: get(&self.prefix_cache_hits),
            restarts: get(&self.restarts),
            ..EngineStats::default()
        }
    }
}
