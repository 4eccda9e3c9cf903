//! What JavaScript's functions are asked by other threads: to embed a prompt, to verify a match.
//!
//! Any thread may ask, and waits for the answer: until it comes, the function's time is over, or
//! the environment ends. The JavaScript thread takes the questions, calls the functions and
//! answers; `lib/semantic.cjs` knows them by the number of their asker. When the runtime lets go of
//! an asker, JavaScript hears that too, and forgets the functions.
//!
//! Bounded: a question is here for as long as a thread of the runtime's waits for it, and an asker
//! for as long as its request is being judged.

use std::{
    collections::HashMap,
    error::Error,
    mem,
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    time::Duration,
};

use indwell::{Semantic, SemanticMatch};
use napi::bindgen_prelude::{Either3, Float32Array};
use napi_derive::napi;
use parking_lot::Mutex;

use crate::mailbox::{Bell, Mailbox, QUESTIONS};

/// How long each function may take when the caller does not say: what the runtime allows.
const TIMEOUT: Duration = Duration::from_secs(1);

const ENDED: &str = "the JavaScript environment has ended";

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The questions of one environment.
pub(crate) struct Questions {
    state: Mutex<State>,
    bell: Arc<Bell>,
}

#[derive(Default)]
struct State {
    /// What JavaScript has not taken.
    news: News,
    /// Who waits, by question.
    waiting: HashMap<u32, Sender<Answer>>,
    last: u32,
    is_closed: bool,
}

enum Answer {
    Vector(Vec<f32>),
    Agrees(bool),
    Failed(String),
}

impl Questions {
    pub(crate) fn new(mailbox: Arc<Mailbox>) -> Self {
        let bell = Bell::new(mailbox, QUESTIONS);
        // JavaScript looks when it is called, and not before.
        bell.arm();
        Self { state: Mutex::default(), bell }
    }

    /// What JavaScript has to do.
    pub(crate) fn take(&self) -> News {
        self.bell.arm();
        mem::take(&mut self.state.lock().news)
    }

    /// A question that nobody waits for any more needs no answer.
    pub(crate) fn answer(&self, question: u32, answer: AnswerValue) {
        let waiting = self.state.lock().waiting.remove(&question);
        if let Some(waiting) = waiting {
            // Its time may be over just now.
            let _ = waiting.send(answer.into());
        }
    }

    /// Nothing is asked any more; who waits hears of it.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        state.waiting.clear();
    }

    fn ask(&self, asked: Asked, within: Duration) -> Fallible<Answer> {
        let (sender, answer) = channel();
        let question = self.add(asked, sender).ok_or(ENDED)?;
        self.bell.ring();
        match answer.recv_timeout(within) {
            Ok(Answer::Failed(reason)) => Err(reason.into()),
            Ok(answer) => Ok(answer),
            Err(RecvTimeoutError::Disconnected) => Err(ENDED.into()),
            Err(RecvTimeoutError::Timeout) => {
                self.give_up(question);
                Err("it did not answer in time".into())
            }
        }
    }

    fn add(&self, asked: Asked, sender: Sender<Answer>) -> Option<u32> {
        let mut state = self.state.lock();
        if state.is_closed {
            return None;
        }
        state.last = state.last.wrapping_add(1);
        let id = state.last;
        state.waiting.insert(id, sender);
        state.news.questions.push(Question {
            id,
            asker: asked.asker,
            embed: asked.embed,
            verify: asked.verify,
        });
        Some(id)
    }

    fn give_up(&self, question: u32) {
        let mut state = self.state.lock();
        state.waiting.remove(&question);
        state.news.questions.retain(|other| other.id != question);
    }

    fn forget(&self, asker: u32) {
        let mut state = self.state.lock();
        if state.is_closed {
            return;
        }
        state.news.forgotten.push(asker);
        drop(state);
        self.bell.ring();
    }
}

/// What is asked of whom.
#[derive(Default)]
struct Asked {
    asker: u32,
    embed: Option<String>,
    verify: Option<MatchObject>,
}

/// Two functions of JavaScript's.
struct Asker {
    number: u32,
    timeout: Duration,
    questions: Arc<Questions>,
}

impl Asker {
    fn embed(&self, prompt: &str) -> Fallible<Vec<f32>> {
        let asked = Asked { asker: self.number, embed: Some(prompt.into()), ..Asked::default() };
        match self.questions.ask(asked, self.timeout)? {
            Answer::Vector(vector) => Ok(vector),
            _ => Err("it gave no vector".into()),
        }
    }

    fn verify(&self, found: &SemanticMatch) -> Fallible<bool> {
        let verify = Some(found.into());
        let asked = Asked { asker: self.number, verify, ..Asked::default() };
        match self.questions.ask(asked, self.timeout)? {
            Answer::Agrees(agrees) => Ok(agrees),
            _ => Err("it gave neither true nor false".into()),
        }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.questions.forget(self.number);
    }
}

/// How an answer to a question that means the same may be served.
#[napi(object, object_to_js = false)]
pub struct SemanticInput {
    /// What JavaScript knows the functions by.
    pub asker: u32,
    pub distance_max: f64,
    /// Above 0.
    pub timeout_ms: Option<f64>,
}

impl SemanticInput {
    pub(crate) fn into_semantic(self, questions: &Arc<Questions>) -> Semantic {
        let timeout = self.timeout_ms.map_or(TIMEOUT, |ms| {
            // Fails for what is longer than can be said: that is no limit.
            Duration::try_from_secs_f64(ms / 1000.0).unwrap_or(Duration::MAX)
        });
        let questions = Arc::clone(questions);
        let asker = Arc::new(Asker { number: self.asker, timeout, questions });
        let verifier = Arc::clone(&asker);
        Semantic::new(
            self.distance_max as f32,
            move |prompt| asker.embed(prompt),
            move |found| verifier.verify(found),
        )
        .timeout(timeout)
    }
}

/// What has happened since JavaScript looked last.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct News {
    pub questions: Vec<Question>,
    /// Askers that ask no more.
    pub forgotten: Vec<u32>,
}

/// One of `embed` and `verify` is there: the argument of the function to call.
#[napi(object, object_from_js = false)]
pub struct Question {
    pub id: u32,
    pub asker: u32,
    pub embed: Option<String>,
    pub verify: Option<MatchObject>,
}

#[napi(object, object_from_js = false)]
pub struct MatchObject {
    pub asked: String,
    pub found: String,
    pub answer: String,
    pub distance: f64,
}

impl From<&SemanticMatch> for MatchObject {
    fn from(found: &SemanticMatch) -> Self {
        Self {
            asked: found.asked.clone(),
            found: found.found.clone(),
            answer: found.answer.clone(),
            distance: found.distance.into(),
        }
    }
}

/// A vector, whether the verifier agrees, or why the function failed.
pub(crate) type AnswerValue = Either3<bool, String, Float32Array>;

impl From<AnswerValue> for Answer {
    fn from(value: AnswerValue) -> Self {
        match value {
            Either3::A(agrees) => Self::Agrees(agrees),
            Either3::B(reason) => Self::Failed(reason),
            Either3::C(vector) => Self::Vector(vector.to_vec()),
        }
    }
}
