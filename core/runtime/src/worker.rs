//! The worker: one thread that owns the backend and the scheduler, and serves one step after
//! the other.
//!
//! It alone touches the backend. Its cycle: take commands; end what has expired; plan; tell what
//! happened; execute; commit; tell what happened. With nothing to do it sleeps on the command
//! channel until the next deadline.
//!
//! Whatever ends it (`Close`, nobody left to serve of an engine that is drained, every handle gone, a
//! panic), it first makes the shared life over, then answers every request it holds or finds in the
//! channel, saves what a disk tier is to keep, lets go of the weights and drops the backend. Since submissions are sent under the lock that
//! ends the life, none can slip past the last look.
//!
//! Callers and computations are two things: several callers may wait for one computation
//! ([`intake`], [`sharing`]), which has the id of the request that began it.

mod answer;
mod caching;
mod draining;
mod intake;
mod job;
mod sharing;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};
use indwell_kernel::{
    Backend, Condition, End, FinishReason, Outcome, Output, Plan, RequestId, Scheduler,
    SchedulerConfig, SequenceFailure, Timestamp,
};

use self::answer::{Answer, Complete, Reader, ToStore, TokenProbability};
pub(crate) use self::caching::Caching;
use self::draining::Draining;
pub(crate) use self::job::{Job, Keyed};
use self::sharing::Sharing;
use crate::prompt::Prompter;
use crate::shared::{Command, Shared};
use crate::{Error, ErrorDetails, ErrorKind, Event};

/// The engine's worker on a backend.
#[derive(Debug)]
pub(crate) struct Worker<B> {
    shared: Arc<Shared>,
    prompter: Arc<Prompter>,
    commands: Receiver<Command>,
    backend: B,
    scheduler: Scheduler,
    caching: Caching,
    /// The scheduler was told something that may let it go on.
    replan: bool,
    /// By computation.
    answers: HashMap<RequestId, Answer>,
    sharing: Sharing,
    draining: Draining,
    plan: Plan,
    outcome: Outcome,
    outputs: Vec<Output>,
}

/// The worker's stack: a constraint's matcher may go down into a grammar.
const STACK_BYTES: usize = 16 << 20;

/// Who hears what at the end of a computation.
type Ends = Vec<(Reader, Event)>;

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Continue,
    Stop,
}

impl<B: Backend + Send + 'static> Worker<B> {
    pub(crate) fn new(
        shared: Arc<Shared>,
        prompter: Arc<Prompter>,
        commands: Receiver<Command>,
        backend: B,
        config: SchedulerConfig,
    ) -> Self {
        Self {
            shared,
            prompter,
            commands,
            backend,
            scheduler: Scheduler::new(config),
            caching: Caching::default(),
            replan: false,
            answers: HashMap::new(),
            sharing: Sharing::default(),
            draining: Draining::default(),
            plan: Plan::default(),
            outcome: Outcome::default(),
            outputs: Vec::new(),
        }
    }

    /// With prefixes kept outside the backend's memory too.
    pub(crate) fn with_caching(self, caching: Caching) -> Self {
        Self { caching, ..self }
    }

    /// Starts the thread.
    pub(crate) fn spawn(mut self) -> std::io::Result<JoinHandle<()>> {
        let thread = std::thread::Builder::new().name("indwell-engine".to_owned());
        thread.stack_size(STACK_BYTES).spawn(move || {
            // The backend may be left half-way by a panic; it is only dropped after one.
            let ended = catch_unwind(AssertUnwindSafe(|| self.serve()));
            let closed = matches!(ended, Ok(Ok(())));
            let reason = match ended {
                Ok(Ok(())) => Error::closed(),
                Ok(Err(reason)) => {
                    tracing::error!(reason, "the engine's backend is over");
                    Error::poisoned(&reason)
                }
                Err(panic) => {
                    let reason = panic_message(&*panic);
                    tracing::error!(reason, "the engine's worker panicked");
                    Error::poisoned(reason)
                }
            };
            self.shared.end(reason);
            self.answer_all_that_are_left();
            if closed {
                // A panic here has nobody left to tell; what it leaves is dropped all the same.
                let _ = catch_unwind(AssertUnwindSafe(|| self.save_for_later()));
            }
            if let Some(responses) = self.shared.responses() {
                let _ = catch_unwind(AssertUnwindSafe(|| responses.close()));
            }
            self.shared.release_model();
        })
    }

    /// Until it is told to stop.
    ///
    /// # Errors
    /// Why the backend will compute no more.
    fn serve(&mut self) -> Result<(), String> {
        while self.take_commands() == Flow::Continue {
            let now = self.shared.now();
            self.expire(now);
            if self.draining.is_overdue(now) {
                break;
            }
            if !self.backend_is_ready()? {
                self.tell();
                if self.sleep() == Flow::Stop {
                    break;
                }
                continue;
            }
            self.scheduler.plan(&mut self.plan);
            self.tell();
            if self.plan.is_empty() {
                if !std::mem::take(&mut self.replan) && self.sleep() == Flow::Stop {
                    break;
                }
            } else {
                self.step();
                self.tell();
            }
        }
        Ok(())
    }

    /// Whether a step can be planned. What a lost backend computed is given up, and who waits goes on
    /// waiting for the next.
    fn backend_is_ready(&mut self) -> Result<bool, String> {
        loop {
            match self.backend.condition() {
                Condition::Ready => return Ok(true),
                Condition::Lost(reason) => self.scheduler.lose(&reason),
                Condition::Away => return Ok(false),
                Condition::Over(reason) => return Err(reason),
            }
        }
    }

    fn step(&mut self) {
        let began = self.shared.now();
        let executed = self.backend.execute(&self.plan, &mut self.outcome);
        let took = self.shared.now().since(began);
        self.shared.stats.steps.fetch_add(u64::from(!self.plan.chunks.is_empty()), Relaxed);
        for &at in &self.outcome.refused {
            // What was refused is computed anew, or stays where it is: nobody else would know.
            tracing::debug!(operation = self.plan.ops[at].name(), "the memory refused");
        }
        match executed {
            Ok(()) => {
                self.scheduler.measured(&self.plan, took);
                self.scheduler.commit(&self.plan, &self.outcome);
                let prompt_tokens = self.plan.prompt_tokens as u64;
                self.shared.stats.prompt_tokens.fetch_add(prompt_tokens, Relaxed);
            }
            Err(error) => {
                tracing::warn!(%error, tokens = self.plan.tokens.len(), "a step failed");
                self.scheduler.fail(&self.plan, &self.outcome, &error);
            }
        }
    }

    fn take_commands(&mut self) -> Flow {
        loop {
            match self.commands.try_recv() {
                Ok(command) => {
                    if self.take(command) == Flow::Stop {
                        return Flow::Stop;
                    }
                }
                Err(TryRecvError::Empty) => return Flow::Continue,
                Err(TryRecvError::Disconnected) => return Flow::Stop,
            }
        }
    }

    /// Waits for a command, at most until the next deadline.
    fn sleep(&mut self) -> Flow {
        if self.is_drained() {
            return Flow::Stop;
        }
        let received = match self.next_deadline() {
            None => self.commands.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(deadline) => self.commands.recv_timeout(deadline.since(self.shared.now())),
        };
        match received {
            Ok(command) => self.take(command),
            Err(RecvTimeoutError::Timeout) => Flow::Continue,
            Err(RecvTimeoutError::Disconnected) => Flow::Stop,
        }
    }

    fn take(&mut self, command: Command) -> Flow {
        match command {
            Command::Submit(job) => self.begin(job),
            Command::Hold(job) => self.sharing.hold(job),
            Command::Judged { request, verdict } => self.judged(request, verdict),
            Command::Cancel(request) => self.cancel(request),
            Command::Resume(request) => self.catch_up(request),
            Command::Unpin(request) => self.scheduler.unpin(request),
            Command::Trim { bytes, reply } => {
                let freed = self.caching.trim(bytes, &self.scheduler);
                // Before the answer: whoever reads it may ask for the counters next.
                self.publish_load();
                // Who asked may be gone.
                let _ = reply.send(freed);
            }
            Command::Tier(event) => self.caching.take(event, &mut self.scheduler),
            Command::Wake => {}
            Command::Drain(drain) => self.draining.begin(drain),
            Command::Close => return Flow::Stop,
        }
        Flow::Continue
    }

    /// Turns what the scheduler says into events. Telling may end requests (stop strings), so
    /// it goes on until nothing is left to tell.
    fn tell(&mut self) {
        // Before any event: whoever reads it may ask for the load next.
        self.publish_load();
        loop {
            self.outputs.extend(self.scheduler.drain_outputs());
            if self.outputs.is_empty() {
                break;
            }
            let mut outputs = std::mem::take(&mut self.outputs);
            for output in outputs.drain(..) {
                self.tell_one(output);
            }
            self.outputs = outputs;
        }
        self.publish_load();
    }

    fn tell_one(&mut self, output: Output) {
        match output {
            Output::Admitted { request } => {
                if let Some(answer) = self.answers.get_mut(&request) {
                    let now = self.shared.now();
                    answer.admitted(now);
                    self.shared.gate.lock().leave(answer.prompt_tokens(), now);
                    if answer.uses_cache() {
                        let queries = &self.shared.stats.prefix_cache_queries;
                        queries.fetch_add(answer.prompt_tokens().into(), Relaxed);
                        self.caching.refresh();
                    }
                }
            }
            Output::Token { request, token, logprob, top } => {
                let Some(answer) = self.answers.get_mut(&request) else { return };
                if answer.is_stopped() {
                    // Of the same step as the token that stopped it.
                    return;
                }
                self.shared.stats.completion_tokens.fetch_add(1, Relaxed);
                let now = self.shared.now();
                answer.measure(&self.shared.metrics, now);
                let told =
                    answer.token(token, TokenProbability { logprob, top }, &self.prompter, now);
                self.hold_or_go_on(request);
                if told == answer::Told::Stopped {
                    self.scheduler.finish(request, FinishReason::Stop);
                }
            }
            Output::CacheHit { request, tokens, tier } => {
                let Some(answer) = self.answers.get_mut(&request) else { return };
                answer.cache_hit(tokens, tier);
                self.shared.stats.prefix_cache_hits.fetch_add(tokens.into(), Relaxed);
                self.shared.caches.hit(tokens, tier);
            }
            Output::Fetch { snapshot } => {
                self.caching.fetch(snapshot, &mut self.scheduler);
                self.replan = true;
            }
            Output::Forget { snapshot } => self.caching.forget(snapshot),
            Output::PromptLogprobs { request, scores } => {
                if let Some(answer) = self.answers.get_mut(&request) {
                    answer.scores(scores);
                    self.hold_or_go_on(request);
                }
            }
            Output::Ended { request, end } => self.end(request, end),
        }
    }

    fn end(&mut self, request: RequestId, end: End) {
        let Some(answer) = self.answers.get(&request) else { return };
        let now = self.shared.now();
        if !answer.is_admitted() {
            self.shared.gate.lock().leave(answer.prompt_tokens(), now);
        }
        for caller in answer.callers().callers() {
            self.sharing.leave(caller.id);
        }
        let ends: Vec<_> = match end {
            End::Finished(reason) => self.finish(request, reason, now),
            End::Cached => self.finish(request, FinishReason::Length, now),
            End::Cancelled => self.stop(request, &Event::Cancelled),
            End::DeadlineExceeded => self.stop(request, &Event::Failed(deadline_exceeded())),
            End::Failed(failure) => self.stop(request, &Event::Failed(failed(&failure))),
        };
        // Before the events: whoever reads one may ask for the load next.
        self.publish_load();
        for (reader, event) in ends {
            self.shared.count_end(&event);
            reader.finish(event);
        }
    }

    /// A complete answer: it is stored before anybody can begin to compute it again.
    fn finish(&mut self, computation: RequestId, reason: FinishReason, now: Timestamp) -> Ends {
        let key = self.key_of(computation);
        let Some(answer) = self.answers.remove(&computation) else { return Vec::new() };
        let Complete { ends, stored } = answer.finish(reason, now);
        if let Some(responses) = self.shared.responses()
            && let Some(ToStore { keyed, generation, mut answer }) = stored
        {
            answer.expires_ms = responses.expires_ms(keyed.ttl);
            responses.keep(keyed.key, answer, generation);
        }
        self.close_to_joiners(key, computation);
        ends
    }

    /// An answer that will not be complete.
    fn stop(&mut self, computation: RequestId, event: &Event) -> Ends {
        self.close_to_joiners(self.key_of(computation), computation);
        let answer = self.answers.remove(&computation);
        let readers = answer.into_iter().flat_map(Answer::into_readers);
        readers.map(|reader| (reader, event.clone())).collect()
    }

    fn publish_load(&self) {
        let load = self.scheduler.load();
        let stats = &self.shared.stats;
        stats.requests_running.store(load.running, Relaxed);
        stats.requests_preempted.store(load.preempted, Relaxed);
        stats.cells_used.store(load.cells_used, Relaxed);
        stats.preemptions.store(load.preemptions.count, Relaxed);
        stats.recomputed_tokens.store(load.preemptions.recomputed_tokens, Relaxed);
        stats.drafted_tokens.store(load.drafts.drafted, Relaxed);
        stats.accepted_tokens.store(load.drafts.accepted, Relaxed);
        self.shared.caches.resident(&load.prefix);
    }

    /// Saves what is resident and not saved, where files outlive the engine.
    fn save_for_later(&mut self) {
        if !self.caching.has_files() {
            return;
        }
        self.scheduler.plan_saves(&mut self.plan);
        if !self.plan.is_empty() {
            // What could not be saved is computed again in the next life.
            let _ = self.backend.execute(&self.plan, &mut self.outcome);
        }
        self.caching.close();
    }

    /// The life is over: every request gets its terminal event, and nobody waits for ever.
    fn answer_all_that_are_left(&mut self) {
        let reason = self.shared.over().unwrap_or_else(Error::closed);
        while let Ok(command) = self.commands.try_recv() {
            if let Command::Submit(job) | Command::Hold(job) = command {
                self.sharing.hold(job);
            }
        }
        let held: Vec<_> = self.sharing.drain_held().collect();
        for job in held {
            self.refuse(*job, reason.clone());
        }
        self.shared.stats.requests_running.store(0, Relaxed);
        self.shared.stats.requests_preempted.store(0, Relaxed);
        self.shared.stats.cells_used.store(0, Relaxed);
        self.shared.caches.emptied();
        for (_, answer) in self.answers.drain() {
            if !answer.is_admitted() {
                self.shared.gate.lock().leave(answer.prompt_tokens(), self.shared.now());
            }
            for reader in answer.into_readers() {
                let event = Event::Failed(reason.clone());
                self.shared.count_end(&event);
                reader.finish(event);
            }
        }
    }
}

fn failed(failure: &SequenceFailure) -> Error {
    let (kind, remedy) = match failure {
        SequenceFailure::Lost(reason) => return Error::lost(reason),
        SequenceFailure::NotCached => {
            (ErrorKind::Overloaded, "let go of a prefix, or try again when fewer requests run")
        }
        SequenceFailure::Constraint(_) => {
            (ErrorKind::InvalidRequest, "ask for a form that is easier to follow")
        }
        SequenceFailure::Compute(_) | SequenceFailure::Sampling(_) | SequenceFailure::NoCells => {
            (ErrorKind::Internal, "try again; if it stays so, please report this")
        }
    };
    Error::remedied(kind, failure.to_string(), remedy)
}

fn deadline_exceeded() -> Error {
    let remedy = "allow more time, ask for fewer tokens, or keep less in flight";
    let details = ErrorDetails {
        field: Some("timeout_ms".to_owned()),
        remedy: Some(remedy.to_owned()),
        ..ErrorDetails::default()
    };
    let message = format!("the request's own deadline passed: {remedy}");
    Error::with(ErrorKind::DeadlineExceeded, message, details, None)
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic")
}
