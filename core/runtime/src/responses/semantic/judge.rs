//! One question's way: embed it, look up the nearest, have it verified, say what to do.
//!
//! Owns the order of these steps and what becomes of each failure. Knows neither where answers
//! are kept ([`Memory`]) nor how functions get their threads ([`super::threads`]).
//!
//! - Every question gets exactly one [`Verdict`], whatever the functions do. If all else fails,
//!   dropping the question gives it.
//! - A function that never returns keeps nothing alive but its own question: memory and verdict
//!   are given up when its time is over.
//! - The log says which function failed and how, and nothing of the question; what an error says
//!   is its author's.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use indwell_kernel::{ResponseKey, SemanticSpace};
use parking_lot::Mutex;

use super::index::Near;
use super::threads::{Missed, OnMissed, Threads, Turn, guarded};
use super::vector::{NoDirection, squared_length};
use super::{Fallible, Semantic, SemanticMatch};
use crate::responses::answer::{SemanticNote, StoredAnswer};

/// A question for which there is no stored answer.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) semantic: Semantic,
    /// Which questions it may be compared with.
    pub(crate) space: SemanticSpace,
    pub(crate) text: String,
}

/// What is remembered.
pub(crate) trait Memory: Send + Sync {
    /// The nearest earlier question.
    fn nearest(&self, space: SemanticSpace, vector: &[f32]) -> Option<Near>;
    /// An answer, if it is still there.
    fn answer(&self, key: ResponseKey) -> Option<Arc<StoredAnswer>>;
}

/// What to do with a question.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Serve this, from a question at this distance.
    Serve { answer: Arc<StoredAnswer>, distance: f32 },
    /// Compute, and store the note with the answer; there is one exactly if embedding succeeded.
    Compute { note: Option<SemanticNote> },
}

/// Has a question judged, and calls `done` exactly once with the verdict. Returns at once.
///
/// `done` is called on one of the threads of [`super::threads`], and must not block: others wait
/// for them. Where there is no thread to be had it is called before this returns, on the caller's:
/// hold no lock then that it takes. A panic in it is logged and goes no further.
pub(crate) fn judge(
    question: Question,
    memory: Arc<dyn Memory>,
    done: impl FnOnce(Verdict) + Send + 'static,
) {
    judge_on(Threads::of_process(), question, memory, done);
}

/// On threads of the caller's choice.
pub(super) fn judge_on(
    threads: &'static Threads,
    question: Question,
    memory: Arc<dyn Memory>,
    done: impl FnOnce(Verdict) + Send + 'static,
) {
    let timeout = question.semantic.timeout;
    let open = Open { memory, note: None, candidate: None, done: Box::new(done) };
    let asking = Arc::new(Asking { question, open: Mutex::new(Some(open)) });
    let on_missed = asking.on_missed(Function::Embed);
    let running = Arc::clone(&asking);
    let work = Box::new(move |turn| running.run(threads, turn));
    if let Err(missed) = threads.run(timeout, on_missed, work) {
        asking.fail(Function::Embed, &Failure::Missed(missed));
    }
}

/// A question under way.
struct Asking {
    question: Question,
    /// Until there is a verdict.
    open: Mutex<Option<Open>>,
}

struct Open {
    memory: Arc<dyn Memory>,
    note: Option<SemanticNote>,
    candidate: Option<Candidate>,
    done: Box<dyn FnOnce(Verdict) + Send>,
}

/// The answer that the verifier is asked about.
struct Candidate {
    key: ResponseKey,
    answer: Arc<StoredAnswer>,
    distance: f32,
}

/// Which of the caller's functions.
#[derive(Clone, Copy, Debug)]
enum Function {
    Embed,
    Verify,
}

/// What became of a call of one.
#[derive(Debug)]
enum Failure {
    /// With what its error says.
    Failed(String),
    Panicked,
    NoDirection(NoDirection),
    Missed(Missed),
}

impl Asking {
    /// On a thread of its own.
    fn run(self: Arc<Self>, threads: &'static Threads, turn: Turn) {
        let Question { semantic, text, .. } = &self.question;
        let embedded = caught(|| (semantic.embed)(text));
        if !turn.over() {
            return;
        }
        let embedded = embedded.and_then(|vector| match squared_length(&vector) {
            Ok(_) => Ok(vector),
            Err(reason) => Err(Failure::NoDirection(reason)),
        });
        let found = match embedded {
            Ok(vector) => self.look_up(vector),
            Err(failure) => return self.fail(Function::Embed, &failure),
        };
        let Some(found) = found else { return self.compute() };
        let turn = match threads.another_turn(semantic.timeout, self.on_missed(Function::Verify)) {
            Ok(turn) => turn,
            Err(missed) => return self.fail(Function::Verify, &Failure::Missed(missed)),
        };
        let agreed = caught(|| (semantic.verify)(&found));
        if !turn.over() {
            return;
        }
        match agreed {
            Ok(true) => self.serve(),
            Ok(false) => self.compute(),
            Err(failure) => self.fail(Function::Verify, &failure),
        }
    }

    /// Remembers the vector, and finds what the verifier is to be asked about.
    fn look_up(&self, vector: Vec<f32>) -> Option<SemanticMatch> {
        let Question { semantic, space, text } = &self.question;
        let memory = self.open.lock().as_ref().map(|open| Arc::clone(&open.memory))?;
        let near = memory.nearest(*space, &vector);
        let near = near.filter(|near| near.distance <= semantic.distance_max);
        let found = near.and_then(|near| Some((memory.answer(near.key)?, near)));

        let mut open = self.open.lock();
        let open = open.as_mut()?;
        let vector = vector.into_boxed_slice();
        open.note = Some(SemanticNote { space: *space, text: text.as_str().into(), vector });
        let (answer, Near { key, distance, text: earlier }) = found?;
        let found = SemanticMatch {
            asked: text.clone(),
            found: earlier.as_ref().to_owned(),
            answer: answer.text.as_ref().to_owned(),
            distance,
        };
        open.candidate = Some(Candidate { key, answer, distance });
        Some(found)
    }

    /// What is to happen when the time of `function` is over.
    fn on_missed(self: &Arc<Self>, function: Function) -> OnMissed {
        let asking = Arc::clone(self);
        Box::new(move |missed| asking.fail(function, &Failure::Missed(missed)))
    }

    fn fail(&self, function: Function, failure: &Failure) {
        // Too many that do not return are one warning, given where they are counted.
        if !matches!(failure, Failure::Missed(Missed::Full)) {
            let timeout_ms = self.question.semantic.timeout.as_millis();
            tracing::warn!(
                %function,
                %failure,
                timeout_ms,
                "a function of semantic mode failed; the request is computed"
            );
        }
        self.compute();
    }

    fn compute(&self) {
        if let Some(Open { note, done, .. }) = self.take() {
            guarded("a verdict", || done(Verdict::Compute { note }));
        }
    }

    /// Serves what was verified, unless it was invalidated meanwhile.
    fn serve(&self) {
        let Some(Open { memory, note, candidate, done }) = self.take() else { return };
        let candidate = candidate.filter(|candidate| {
            let now = memory.answer(candidate.key);
            now.is_some_and(|answer| Arc::ptr_eq(&answer, &candidate.answer))
        });
        let verdict = match candidate {
            Some(Candidate { answer, distance, .. }) => Verdict::Serve { answer, distance },
            None => Verdict::Compute { note },
        };
        guarded("a verdict", || done(verdict));
    }

    fn take(&self) -> Option<Open> {
        self.open.lock().take()
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.compute();
    }
}

/// Calls a function of the caller's, which may panic in any of its parts.
fn caught<T>(call: impl FnOnce() -> Fallible<T>) -> Result<T, Failure> {
    let returned = catch_unwind(AssertUnwindSafe(|| {
        call().map_err(|error| Failure::Failed(error.to_string()))
    }));
    returned.unwrap_or(Err(Failure::Panicked))
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Function::Embed => "embed",
            Function::Verify => "verify",
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Failed(error) => write!(f, "it failed: {error}"),
            Failure::Panicked => f.write_str("it panicked"),
            Failure::NoDirection(reason) => reason.fmt(f),
            Failure::Missed(Missed::Waiting) => {
                f.write_str("its time was over before a thread was free for it")
            }
            Failure::Missed(Missed::Running) => f.write_str("its time was over before it returned"),
            Failure::Missed(Missed::Full) => f.write_str("too many functions never returned"),
            Failure::Missed(Missed::NoThread(error)) => {
                write!(f, "no thread could be started: {error}")
            }
        }
    }
}
