//! Which worker there is now: who asks it, waits for the next, ends it, or hears that it is gone.
//!
//! One lock, held for moments, and one condition. The supervisor's thread alone moves the phase from
//! `Up` to `Down` and on; closing is the engine's. What a worker was asked when it ended is answered
//! by the end of a channel, and asked again of the next worker, once.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use indwell_kernel::{Condition, Outcome, SnapshotId, StepError};
use parking_lot::{Condvar, Mutex};

use super::frame::Output;
use super::message::{Question, Reply, ToWorker};
use super::pipe::{self, WriteEnd};
use super::process::Handle;
use crate::{Error, ErrorDetails, ErrorKind, Result};

/// How long a caller's question waits for the next worker.
const ASK_WAIT_MAX: Duration = Duration::from_secs(10);
/// Who sees a worker's end before the supervisor does waits so long before it ends it for good.
const LOSS_GRACE: Duration = Duration::from_secs(1);
/// How long closing, or an aborted step, waits for a worker before it is ended.
pub(super) const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// What is suggested to a caller where nobody knows better.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);

/// The way to an engine's worker.
pub(crate) struct Link {
    state: Mutex<State>,
    changed: Condvar,
    /// Workers that were started after the first.
    restarts: Arc<AtomicU64>,
    /// Wakes the engine's own worker thread.
    wake: Box<dyn Fn() + Send + Sync>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    closing: bool,
    aborted: Option<Instant>,
    /// The worker that there is or is about to be.
    handle: Option<Arc<Handle>>,
    /// Why the last one ended.
    loss: String,
    /// Whether the supervisor's thread is done.
    done: bool,
}

#[derive(Debug)]
enum Phase {
    /// It serves.
    Up(Arc<Session>),
    /// There is none; the next is started at this time, or being loaded.
    Down(Instant),
    /// There will be none.
    Over(Error),
}

/// One worker that serves.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) number: u64,
    pub(super) handle: Arc<Handle>,
    out: Arc<Output<WriteEnd>>,
    steps: Receiver<Stepped>,
    /// Who waits for which answer; `None` once it is gone.
    questions: Mutex<Option<HashMap<u64, Sender<Reply>>>>,
    asked: AtomicU64,
}

/// What a step brought, with the bytes that it saved.
#[derive(Debug)]
pub(super) struct Stepped {
    pub(super) outcome: Outcome,
    pub(super) result: std::result::Result<(), StepError>,
    pub(super) saved: HashMap<SnapshotId, Vec<u8>>,
}

impl Link {
    pub(super) fn new(restarts: Arc<AtomicU64>, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let state = State {
            phase: Phase::Down(Instant::now()),
            closing: false,
            aborted: None,
            handle: None,
            loss: String::new(),
            done: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), restarts, wake: Box::new(wake) }
    }

    /// Asks the worker, whichever it is.
    ///
    /// # Errors
    /// `engine_closed` and `engine_poisoned` where there will be none, `overloaded` where the next is
    /// not there soon, and `engine_poisoned` where two were lost with this question.
    ///
    /// # Blocking
    /// Until it answers; for a worker to be there, some seconds.
    pub(super) fn ask(&self, question: &Question<'_>) -> Result<Reply> {
        let mut losses = 0;
        loop {
            let session = self.session()?;
            if let Some(reply) = session.ask(question)? {
                return Ok(reply);
            }
            let reason = self.loss(&session);
            losses += 1;
            if losses > 1 {
                return Err(Error::lost(&reason));
            }
        }
    }

    /// Whether the worker numbered `known` serves; whatever became of it is told once.
    pub(super) fn condition(&self, known: &mut Option<u64>) -> Condition {
        let state = self.state.lock();
        match &state.phase {
            Phase::Over(error) => Condition::Over(error.message().to_owned()),
            Phase::Up(session) if *known == Some(session.number) => Condition::Ready,
            _ if known.take().is_some() => Condition::Lost(state.loss.clone()),
            Phase::Up(session) => {
                *known = Some(session.number);
                Condition::Ready
            }
            Phase::Down(_) => Condition::Away,
        }
    }

    /// The worker numbered `known`, if it serves still.
    pub(super) fn serving(&self, known: Option<u64>) -> Option<Arc<Session>> {
        match &self.state.lock().phase {
            Phase::Up(session) if known == Some(session.number) => Some(Arc::clone(session)),
            _ => None,
        }
    }

    /// Waits until it is known why a worker, which is gone for whoever asks, has ended.
    pub(super) fn loss(&self, session: &Session) -> String {
        let is_up = |state: &State| match &state.phase {
            Phase::Up(now) => now.number == session.number,
            Phase::Down(_) | Phase::Over(_) => false,
        };
        let mut state = self.state.lock();
        let soon = Instant::now() + LOSS_GRACE;
        let late = soon + CLOSE_WITHIN;
        while is_up(&state) && !self.changed.wait_until(&mut state, soon).timed_out() {}
        if is_up(&state) {
            session.handle.kill();
        }
        while is_up(&state) && !self.changed.wait_until(&mut state, late).timed_out() {}
        state.loss.clone()
    }

    pub(super) fn last_loss(&self) -> String {
        self.state.lock().loss.clone()
    }

    /// Aborts the step that is under way, and all that follow.
    pub(crate) fn abort(&self) {
        let session = {
            let mut state = self.state.lock();
            state.aborted.get_or_insert_with(Instant::now);
            match &state.phase {
                Phase::Up(session) => Some(Arc::clone(session)),
                Phase::Down(_) | Phase::Over(_) => None,
            }
        };
        if let Some(session) = session {
            // Where it can't be told, it is gone.
            let _ = session.out.send(&ToWorker::Abort, &[]);
        }
    }

    /// Whether a step was aborted so long ago that it should have ended.
    pub(super) fn is_overdue(&self) -> bool {
        self.state.lock().aborted.is_some_and(|at| at.elapsed() > CLOSE_WITHIN)
    }

    /// Lets the worker end, and none follow. `false` if it takes too long, and was ended.
    pub(super) fn close(&self) -> bool {
        let mut state = self.state.lock();
        state.closing = true;
        match &state.phase {
            Phase::Up(session) => {
                if let Some(end) = session.out.close() {
                    pipe::finish(&end);
                }
            }
            // It loads.
            Phase::Down(_) | Phase::Over(_) => kill(state.handle.as_ref()),
        }
        self.changed.notify_all();
        let late = Instant::now() + CLOSE_WITHIN;
        while !state.done && !self.changed.wait_until(&mut state, late).timed_out() {}
        if !state.done {
            kill(state.handle.as_ref());
        }
        state.done
    }

    fn session(&self) -> Result<Arc<Session>> {
        let late = Instant::now() + ASK_WAIT_MAX;
        let mut state = self.state.lock();
        loop {
            if state.closing {
                return Err(Error::closed());
            }
            match &state.phase {
                Phase::Up(session) => return Ok(Arc::clone(session)),
                Phase::Over(error) => return Err(error.clone()),
                Phase::Down(until) if *until > late => {
                    return Err(away(&state.loss, until.duration_since(Instant::now())));
                }
                Phase::Down(_) => {}
            }
            if self.changed.wait_until(&mut state, late).timed_out() {
                return Err(away(&state.loss, RETRY_AFTER_MIN));
            }
        }
    }
}

/// The supervisor's side.
impl Link {
    /// A worker is about to load; ended at once where the engine is closing.
    pub(super) fn loading(&self, handle: &Arc<Handle>) {
        let mut state = self.state.lock();
        if state.closing {
            handle.kill();
        }
        state.handle = Some(Arc::clone(handle));
    }

    /// A worker serves.
    pub(super) fn up(&self, session: Arc<Session>) {
        let mut state = self.state.lock();
        if session.number > 0 {
            self.restarts.fetch_add(1, Ordering::Relaxed);
        }
        if state.aborted.is_some() {
            // An engine that is closing computes nothing more.
            let _ = session.out.send(&ToWorker::Abort, &[]);
        }
        state.phase = Phase::Up(session);
        drop(state);
        self.tell();
    }

    /// There is none, because of `reason`; the next comes at `until`.
    pub(super) fn down(&self, reason: &str, until: Instant) {
        let mut state = self.state.lock();
        reason.clone_into(&mut state.loss);
        state.phase = Phase::Down(until);
        drop(state);
        self.tell();
    }

    /// There will be none.
    pub(super) fn over(&self, error: Error) {
        self.state.lock().phase = Phase::Over(error);
        self.tell();
    }

    /// Waits until `until`, or until the engine closes; whether it does.
    pub(super) fn closes_before(&self, until: Instant) -> bool {
        let mut state = self.state.lock();
        while !state.closing && !self.changed.wait_until(&mut state, until).timed_out() {}
        state.closing
    }

    pub(super) fn is_closing(&self) -> bool {
        self.state.lock().closing
    }

    /// The supervisor's thread ends.
    pub(super) fn done(&self) {
        self.state.lock().done = true;
        self.changed.notify_all();
    }

    fn tell(&self) {
        self.changed.notify_all();
        (self.wake)();
    }
}

impl Session {
    /// A worker that serves, and where its steps' results are to be put.
    pub(super) fn new(
        number: u64,
        handle: Arc<Handle>,
        out: Arc<Output<WriteEnd>>,
    ) -> (Arc<Self>, Sender<Stepped>) {
        let (results, steps) = crossbeam_channel::bounded(1);
        let questions = Mutex::new(Some(HashMap::new()));
        let asked = AtomicU64::new(0);
        (Arc::new(Self { number, handle, out, steps, questions, asked }), results)
    }

    /// Says something to it.
    ///
    /// # Errors
    /// When it is gone.
    pub(super) fn send(&self, message: &ToWorker<'_>, body: &[u8]) -> io::Result<()> {
        self.out.send(message, body)
    }

    /// Where its steps' results come from.
    pub(super) fn steps(&self) -> &Receiver<Stepped> {
        &self.steps
    }

    /// Its answer; `None` if it is gone.
    fn ask(&self, question: &Question<'_>) -> Result<Option<Reply>> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = crossbeam_channel::bounded(1);
        match &mut *self.questions.lock() {
            Some(questions) => questions.insert(number, reply),
            None => return Ok(None),
        };
        match self.out.send(&ToWorker::Ask(number, Cow::Borrowed(question)), &[]) {
            Ok(()) => Ok(answer.recv().ok()),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(Error::invalid(
                "prompt",
                "too long to be made tokens of",
                "at most 64 MiB",
                "shorten it",
            )),
            Err(_) => Ok(None),
        }
    }

    /// Passes an answer on. `false` if nobody asked.
    pub(super) fn answer(&self, number: u64, reply: Reply) -> bool {
        let asked = self.questions.lock().as_mut().and_then(|asked| asked.remove(&number));
        // Who asked waits for it.
        asked.is_some_and(|asked| asked.send(reply).is_ok())
    }

    /// It is gone: nobody waits for it any more.
    pub(super) fn end(&self) {
        self.questions.lock().take();
        self.out.close();
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("state", &self.state).finish_non_exhaustive()
    }
}

fn kill(handle: Option<&Arc<Handle>>) {
    if let Some(handle) = handle {
        handle.kill();
    }
}

fn away(reason: &str, wait: Duration) -> Error {
    let retry_after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let remedy = format!("try again in about {retry_after_ms} ms");
    let details = ErrorDetails {
        field: Some("isolation".to_owned()),
        value: Some("process".to_owned()),
        limit: None,
        remedy: Some(remedy.clone()),
        retry_after_ms: Some(retry_after_ms),
    };
    let message =
        format!("the process that computes is being started again, since {reason}: {remedy}");
    Error::with(ErrorKind::Overloaded, message, details, None)
}
