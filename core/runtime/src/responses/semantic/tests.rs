//! Semantic mode with every kind of function that callers may give.
//!
//! Each test has threads of its own, so that no test's functions count in another's bounds. What
//! hangs is let go at the end of its test.

mod hanging;
mod warnings;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use indwell_kernel::{FinishReason, Namespace, ResponseKey, SemanticSpace};
use parking_lot::Mutex;

use super::judge::judge_on;
use super::threads::{Clock, Limits, Start, Threads};
use super::*;
use crate::responses::answer::{SemanticNote, StoredAnswer};

/// Long enough for whatever comes at all.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than any test: whoever has it is in time.
const AMPLE: Duration = Duration::from_secs(600);
/// For what never returns.
const BRIEF: Duration = Duration::from_millis(20);

const QUESTION: &str = "a private question";

const LIMITS: Limits =
    Limits { threads_max: 4, abandoned_max: 2, idle_max: Duration::from_secs(10) };

fn start(name: &'static str, life: Box<dyn FnOnce() + Send>) -> std::io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(life).map(drop)
}

fn threads(limits: Limits, start: Start) -> &'static Threads {
    Box::leak(Box::new(Threads::new(limits, start)))
}

/// An index with answers, as an engine has it.
#[derive(Default)]
struct Remembered {
    index: Index,
    answers: Mutex<HashMap<ResponseKey, Arc<StoredAnswer>>>,
}

impl Memory for Remembered {
    fn nearest(&self, space: SemanticSpace, vector: &[f32]) -> Option<Near> {
        self.index.nearest(space, vector)
    }

    fn answer(&self, key: ResponseKey) -> Option<Arc<StoredAnswer>> {
        self.answers.lock().get(&key).cloned()
    }
}

struct Rig {
    threads: &'static Threads,
    memory: Arc<Remembered>,
}

fn space() -> SemanticSpace {
    SemanticSpace::from_bytes([1; 32])
}

fn key(number: u8) -> ResponseKey {
    ResponseKey::from_bytes([number; 32])
}

impl Rig {
    fn new() -> Self {
        Self::on(threads(LIMITS, start))
    }

    fn on(threads: &'static Threads) -> Self {
        let rig = Self { threads, memory: Arc::default() };
        rig.remember(1, "earlier", &[1.0, 0.0]);
        rig
    }

    fn remember(&self, number: u8, question: &str, vector: &[f32]) {
        let note = SemanticNote { space: space(), text: question.into(), vector: vector.into() };
        self.memory.index.insert(key(number), &note);
        let answer = StoredAnswer {
            text: format!("answer to {question}").into(),
            prompt_logprobs: Box::default(),
            logprobs: Box::default(),
            reason: FinishReason::Stop,
            completion_tokens: 3,
            namespace: Namespace::from_bytes([2; 32]),
            expires_ms: None,
            semantic: Some(Box::new(note)),
        };
        self.memory.answers.lock().insert(key(number), Arc::new(answer));
    }

    fn ask(&self, semantic: &Semantic) -> Asked {
        let text = QUESTION.to_owned();
        let question = Question { semantic: semantic.clone(), space: space(), text };
        let (sender, verdicts) = bounded(1);
        judge_on(self.threads, question, Arc::clone(&self.memory) as _, move |verdict| {
            sender.send(verdict).expect("the test listens");
        });
        Asked(verdicts)
    }
}

struct Asked(Receiver<Verdict>);

impl Asked {
    /// The one verdict.
    fn verdict(self) -> Verdict {
        let verdict = self.0.recv_timeout(PATIENCE).expect("a verdict comes");
        // Whoever could give another one is gone.
        self.0.recv_timeout(PATIENCE).expect_err("there is one verdict");
        verdict
    }

    fn computes_without_note(self) {
        let verdict = self.verdict();
        assert!(matches!(verdict, Verdict::Compute { note: None }), "{verdict:?}");
    }

    fn computes_with(self, vector: &[f32]) {
        let verdict = self.verdict();
        let Verdict::Compute { note: Some(note) } = verdict else { panic!("{verdict:?}") };
        assert_eq!(
            note,
            SemanticNote { space: space(), text: QUESTION.into(), vector: vector.into() }
        );
    }

    fn serves(self, text: &str) -> f32 {
        let verdict = self.verdict();
        let Verdict::Serve { answer, distance } = verdict else { panic!("{verdict:?}") };
        assert_eq!(&*answer.text, text);
        distance
    }
}

/// Holds whoever calls `wait`, until it is dropped.
struct Gate {
    held: Sender<()>,
    entered: Arc<AtomicBool>,
}

fn gate() -> (Gate, impl Fn() + Send + Sync + Clone) {
    let (held, receiver) = bounded::<()>(0);
    let gate = Gate { held, entered: Arc::default() };
    let entered = Arc::clone(&gate.entered);
    let wait = move || {
        entered.store(true, Ordering::SeqCst);
        receiver.recv().expect_err("nothing is sent");
    };
    (gate, wait)
}

impl Gate {
    fn is_entered(&self) -> bool {
        self.entered.load(Ordering::SeqCst)
    }

    fn open(self) {
        drop(self.held);
    }
}

/// With ample time.
fn patient(
    distance_max: f32,
    embed: impl Fn(&str) -> Fallible<Vec<f32>> + Send + Sync + 'static,
    verify: impl Fn(&SemanticMatch) -> Fallible<bool> + Send + Sync + 'static,
) -> Semantic {
    Semantic::new(distance_max, embed, verify).timeout(AMPLE)
}

fn embedding(vector: &[f32]) -> impl Fn(&str) -> Fallible<Vec<f32>> + Send + Sync + 'static {
    let vector = vector.to_vec();
    move |_| Ok(vector.clone())
}

fn agreeing(_: &SemanticMatch) -> Fallible<bool> {
    Ok(true)
}

fn never_asked(_: &SemanticMatch) -> Fallible<bool> {
    panic!("nobody is to be asked")
}

/// Passes `calls` on, one word each.
fn telling(calls: &Sender<String>, word: &str) {
    calls.send(word.to_owned()).expect("the test listens");
}

#[test]
fn the_answer_to_a_question_that_means_the_same_is_served() {
    let rig = Rig::new();
    rig.remember(2, "another", &[0.0, 1.0]);
    let (calls, called) = unbounded();
    let semantic = patient(
        0.5,
        {
            let calls = calls.clone();
            move |text| {
                telling(&calls, text);
                Ok(vec![3.0, 0.0])
            }
        },
        move |found| {
            telling(&calls, &format!("{found:?}"));
            Ok(true)
        },
    );
    assert_eq!(rig.ask(&semantic).serves("answer to earlier"), 0.0);
    drop(semantic);
    let calls: Vec<String> = called.iter().collect();
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert_eq!(calls[0], QUESTION);
    for part in [
        "asked: \"a private question\"",
        "found: \"earlier\"",
        "answer to earlier",
        "distance: 0.0",
    ] {
        assert!(calls[1].contains(part), "{part} in {}", calls[1]);
    }
}

#[test]
fn what_the_verifier_refuses_is_computed() {
    let semantic = patient(2.0, embedding(&[1.0, 0.0]), |_| Ok(false));
    Rig::new().ask(&semantic).computes_with(&[1.0, 0.0]);
}

#[test]
fn distance_max_is_within() {
    let rig = Rig::new();
    let asked = [1.0, 1.0];
    let far = patient(2.0, embedding(&asked), agreeing);
    let distance = rig.ask(&far).serves("answer to earlier");
    assert!((distance - 0.292_893_2).abs() < 1e-6, "{distance}");
    let just = patient(distance, embedding(&asked), agreeing);
    assert_eq!(rig.ask(&just).serves("answer to earlier"), distance);
    let nearly = patient(distance.next_down(), embedding(&asked), never_asked);
    rig.ask(&nearly).computes_with(&asked);
    let opposite = patient(2.0, embedding(&[-1.0, 0.0]), agreeing);
    assert_eq!(rig.ask(&opposite).serves("answer to earlier"), 2.0);
}

#[test]
fn other_spaces_and_other_lengths_are_not_compared() {
    let rig = Rig::new();
    let elsewhere = SemanticSpace::from_bytes([9; 32]);
    let note = SemanticNote { space: elsewhere, text: "else".into(), vector: [0.0, 1.0].into() };
    rig.memory.index.insert(key(3), &note);
    let semantic = patient(0.5, embedding(&[0.0, 1.0]), never_asked);
    rig.ask(&semantic).computes_with(&[0.0, 1.0]);
    let semantic = patient(2.0, embedding(&[1.0, 0.0, 0.0]), never_asked);
    rig.ask(&semantic).computes_with(&[1.0, 0.0, 0.0]);
}

#[test]
fn what_is_no_embedding_is_computed_and_not_remembered() {
    let rig = Rig::new();
    for vector in [&[][..], &[0.0, 0.0], &[f32::NAN, 1.0], &[1.0, f32::NEG_INFINITY]] {
        let semantic = patient(2.0, embedding(vector), never_asked);
        rig.ask(&semantic).computes_without_note();
    }
}

#[test]
fn functions_that_fail_or_panic_cost_no_answer() {
    let rig = Rig::new();
    let failing = patient(2.0, |_| Err("no model".into()), never_asked);
    let panicking = patient(2.0, |_| panic!("on purpose"), never_asked);
    for semantic in [failing, panicking] {
        rig.ask(&semantic).computes_without_note();
    }
    let vector = [1.0, 0.0];
    let failing = patient(2.0, embedding(&vector), |_| Err("no judge".into()));
    let panicking = patient(2.0, embedding(&vector), |_| panic!("on purpose"));
    let with_bad_error = patient(2.0, embedding(&vector), |_| Err(Box::new(Unprintable)));
    for semantic in [failing, panicking, with_bad_error] {
        rig.ask(&semantic).computes_with(&vector);
    }
    let sound = patient(2.0, embedding(&vector), agreeing);
    rig.ask(&sound).serves("answer to earlier");
}

/// An error that can't be told.
#[derive(Debug)]
struct Unprintable;

impl fmt::Display for Unprintable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("on purpose")
    }
}

impl StdError for Unprintable {}

#[test]
fn an_answer_that_is_gone_or_replaced_when_the_verifier_agrees_is_not_served() {
    let rig = Rig::new();
    let remove = |memory: &Remembered| memory.answers.lock().clear();
    let replace = |memory: &Remembered| {
        let mut answers = memory.answers.lock();
        let another = StoredAnswer::clone(&answers[&key(1)]);
        answers.insert(key(1), Arc::new(another));
    };
    for change in [replace, remove] as [fn(&Remembered); 2] {
        let memory = Arc::clone(&rig.memory);
        let verify = move |_: &SemanticMatch| {
            change(&memory);
            Ok(true)
        };
        let semantic = patient(2.0, embedding(&[1.0, 0.0]), verify);
        rig.ask(&semantic).computes_with(&[1.0, 0.0]);
    }
    // It is still in the index, but nothing answers to it.
    let semantic = patient(2.0, embedding(&[1.0, 0.0]), never_asked);
    rig.ask(&semantic).computes_with(&[1.0, 0.0]);
}

#[test]
fn bad_limits_are_refused() {
    let with = |distance_max| patient(distance_max, embedding(&[1.0]), agreeing);
    for good in [0.0, 0.1, 2.0] {
        assert!(with(good).check().is_ok(), "{good}");
    }
    let bad = [-0.1, -f32::MIN_POSITIVE, 2.000_001, f32::NAN, f32::INFINITY].map(with);
    for semantic in bad.into_iter().chain([with(1.0).timeout(Duration::ZERO)]) {
        let error = semantic.check().expect_err("it is bad");
        assert_eq!(error.kind(), crate::ErrorKind::InvalidRequest);
        assert_eq!(error.details().field.as_deref(), Some("semantic"));
    }
    let forever = with(2.0).timeout(Duration::MAX);
    assert!(forever.check().is_ok());
    Rig::new().ask(&forever).computes_with(&[1.0]);
}
