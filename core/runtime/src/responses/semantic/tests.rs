//! Semantic mode with every kind of function that callers may give.
//!
//! Each test has threads of its own, so that no test's functions count in another's bounds. What
//! hangs is let go at the end of its test.

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
fn functions_that_hang_are_given_up_and_too_late_when_they_return() {
    let rig = Rig::new();
    let (embedding_gate, wait) = gate();
    let hanging = move |_: &str| {
        wait();
        Ok(vec![1.0, 0.0])
    };
    let semantic = patient(2.0, hanging, never_asked).timeout(BRIEF);
    let verdict = rig.abandon(&semantic, &embedding_gate);
    assert!(matches!(verdict, Verdict::Compute { note: None }), "{verdict:?}");

    let (verifying_gate, wait) = gate();
    let hanging = move |_: &SemanticMatch| {
        wait();
        Ok(true)
    };
    let semantic = patient(2.0, embedding(&[1.0, 0.0]), hanging).timeout(BRIEF);
    let verdict = rig.abandon(&semantic, &verifying_gate);
    assert!(matches!(verdict, Verdict::Compute { note: Some(_) }), "{verdict:?}");

    assert_eq!(rig.threads.counts().abandoned, 2);
    embedding_gate.open();
    verifying_gate.open();
    rig.threads.wait_until(|counts| counts.abandoned == 0);
}

impl Rig {
    /// Asks what hangs at `gate`, until it does: on a busy machine its time may be over before it
    /// gets there. Gives the verdict, having checked that what hangs can't give another, and does
    /// not hold memory.
    fn abandon(&self, semantic: &Semantic, gate: &Gate) -> Verdict {
        let deadline = Instant::now() + PATIENCE;
        let before = self.threads.counts().abandoned;
        let holders = Arc::strong_count(&self.memory);
        loop {
            let verdict = self.ask(semantic).verdict();
            // What was given up on its way arrives, or ends and is asked again.
            self.threads.wait_until(|counts| gate.is_entered() || counts.abandoned == before);
            if !gate.is_entered() {
                assert!(Instant::now() < deadline, "it was never called");
                continue;
            }
            while Arc::strong_count(&self.memory) > holders {
                assert!(Instant::now() < deadline, "memory is held by what hangs");
                std::thread::yield_now();
            }
            return verdict;
        }
    }
}

#[test]
fn a_clock_that_sleeps_for_long_is_woken_for_an_earlier_deadline() {
    let rig = Rig::on(threads(Limits { idle_max: AMPLE, ..LIMITS }, start));
    let sleeps = |clock| matches!(clock, Clock::Until(at) if at > Instant::now() + PATIENCE);
    let (slow_gate, wait) = gate();
    let slow = move |_: &str| {
        wait();
        Ok(vec![1.0, 0.0])
    };
    let slow = rig.ask(&patient(2.0, slow, agreeing));
    rig.threads.wait_until(|counts| sleeps(counts.clock));
    let (first_gate, wait) = gate();
    let hanging = move |_: &str| {
        wait();
        Ok(vec![1.0, 0.0])
    };
    let given_up = rig.abandon(&patient(2.0, hanging, agreeing).timeout(BRIEF), &first_gate);
    assert!(matches!(given_up, Verdict::Compute { note: None }), "{given_up:?}");
    slow_gate.open();
    slow.serves("answer to earlier");

    let rig = Rig::on(threads(Limits { idle_max: AMPLE, ..LIMITS }, start));
    rig.ask(&patient(2.0, embedding(&[]), agreeing).timeout(BRIEF)).computes_without_note();
    rig.threads.wait_until(|counts| counts.clock == Clock::Idle);
    let (second_gate, wait) = gate();
    let hanging = move |_: &str| {
        wait();
        Ok(vec![1.0, 0.0])
    };
    rig.abandon(&patient(2.0, hanging, agreeing).timeout(BRIEF), &second_gate);
    first_gate.open();
    second_gate.open();
}

#[test]
fn functions_that_are_slow_but_in_time_count() {
    let rig = Rig::new();
    let (embedding_gate, wait) = gate();
    let (verifying_gate, wait_more) = gate();
    let (calls, called) = unbounded();
    let telling_too = calls.clone();
    let semantic = patient(
        2.0,
        move |_| {
            telling(&calls, "embed");
            wait();
            Ok(vec![1.0, 0.0])
        },
        move |_| {
            telling(&telling_too, "verify");
            wait_more();
            Ok(true)
        },
    );
    let asked = rig.ask(&semantic);
    assert_eq!(called.recv_timeout(PATIENCE).as_deref(), Ok("embed"));
    assert!(asked.0.is_empty());
    embedding_gate.open();
    assert_eq!(called.recv_timeout(PATIENCE).as_deref(), Ok("verify"));
    assert!(asked.0.is_empty());
    verifying_gate.open();
    asked.serves("answer to earlier");
}

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
fn with_too_many_abandoned_nothing_is_asked_until_one_returns() {
    let rig = Rig::new();
    let (gates, waits): (Vec<Gate>, Vec<_>) = (0..LIMITS.abandoned_max).map(|_| gate()).unzip();
    for (gate, wait) in gates.iter().zip(waits) {
        let hanging = move |_: &str| {
            wait();
            Ok(vec![1.0, 0.0])
        };
        let semantic = patient(2.0, hanging, never_asked).timeout(BRIEF);
        rig.abandon(&semantic, gate);
    }
    let refused = patient(2.0, |_| panic!("nobody is to be asked"), never_asked);
    rig.ask(&refused).computes_without_note();
    assert_eq!(rig.threads.counts().abandoned, LIMITS.abandoned_max);

    let mut gates = gates.into_iter();
    gates.next().expect("the first").open();
    rig.threads.wait_until(|counts| counts.abandoned < LIMITS.abandoned_max);
    let sound = patient(2.0, embedding(&[1.0, 0.0]), agreeing);
    rig.ask(&sound).serves("answer to earlier");
    gates.for_each(Gate::open);
}

#[test]
fn what_waits_for_a_thread_runs_when_one_is_free_or_its_time_is_over() {
    let rig = Rig::on(threads(Limits { threads_max: 1, abandoned_max: 2, ..LIMITS }, start));
    let (gate, wait) = gate();
    let (calls, called) = unbounded();
    let slow = move |_: &str| {
        telling(&calls, "embed");
        wait();
        Ok(vec![1.0, 0.0])
    };
    let slow = patient(2.0, slow, agreeing);
    let first = rig.ask(&slow);
    called.recv_timeout(PATIENCE).expect("it runs");
    let sound = patient(2.0, embedding(&[1.0, 0.0]), agreeing);
    let waiting = rig.ask(&sound);
    let impatient = patient(2.0, |_| panic!("its time is over"), never_asked).timeout(BRIEF);
    rig.ask(&impatient).computes_without_note();
    assert!(waiting.0.is_empty() && first.0.is_empty());
    gate.open();
    first.serves("answer to earlier");
    waiting.serves("answer to earlier");
}

#[test]
fn what_waits_is_told_when_too_many_are_abandoned() {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let limits = Limits { threads_max: 1, abandoned_max: 1, ..LIMITS };
        let rig = Rig::on(threads(limits, start));
        let (gate, wait) = gate();
        let hanging = move |_: &str| {
            wait();
            Ok(vec![1.0, 0.0])
        };
        let first = rig.ask(&patient(2.0, hanging, never_asked).timeout(BRIEF));
        let waiting = rig.ask(&patient(2.0, embedding(&[1.0, 0.0]), agreeing));
        first.computes_without_note();
        // On a busy machine its time may have been over before it began: then nothing hung.
        if gate.is_entered() {
            waiting.computes_without_note();
            gate.open();
            return rig.threads.wait_until(|counts| counts.abandoned == 0);
        }
        assert!(Instant::now() < deadline, "it was never called");
    }
}

#[test]
fn without_threads_everything_is_computed_at_once() {
    let none: Start = |_, _| Err(std::io::ErrorKind::WouldBlock.into());
    let no_functions: Start = |name, life| match name {
        "indwell-clock" => start(name, life),
        _ => Err(std::io::ErrorKind::WouldBlock.into()),
    };
    for start in [none, no_functions] {
        let rig = Rig::on(threads(LIMITS, start));
        let semantic = patient(2.0, embedding(&[1.0, 0.0]), agreeing);
        let asked = rig.ask(&semantic);
        assert_eq!(asked.0.len(), 1, "before `judge` returned");
        asked.computes_without_note();
    }
}

#[test]
fn idle_threads_are_used_again_and_end() {
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    let counting: Start = |name, life| {
        STARTED.fetch_add(1, Ordering::Relaxed);
        start(name, life)
    };
    let semantic = patient(2.0, embedding(&[1.0, 0.0]), agreeing);
    let rig = Rig::on(threads(Limits { idle_max: AMPLE, ..LIMITS }, counting));
    for _ in 0..20 {
        rig.ask(&semantic).serves("answer to earlier");
        rig.threads.wait_until(|counts| counts.idle == counts.threads);
    }
    assert_eq!(STARTED.load(Ordering::Relaxed), 2, "the clock and one thread");

    let brief = Limits { idle_max: Duration::from_millis(1), ..LIMITS };
    let rig = Rig::on(threads(brief, start));
    for _ in 0..3 {
        rig.ask(&semantic).serves("answer to earlier");
        rig.threads.wait_until(|counts| counts.threads == 0 && counts.clock == Clock::Off);
    }
}

#[test]
fn every_question_has_one_verdict_however_times_fall() {
    let rig = Rig::on(threads(Limits { threads_max: 8, abandoned_max: 8, ..LIMITS }, start));
    // From far too short to ample, for functions that spin a little: some are in time, some not,
    // and some return just as their time is over.
    let asked: Vec<Asked> = (0..600u64)
        .map(|number| {
            let spin = move || {
                let until = Instant::now() + Duration::from_micros(number * 7 % 50);
                while Instant::now() < until {
                    std::thread::yield_now();
                }
            };
            let semantic = patient(
                2.0,
                move |_| {
                    spin();
                    Ok(vec![1.0, 0.0])
                },
                move |_| {
                    spin();
                    Ok(number % 2 == 0)
                },
            );
            rig.ask(&semantic.timeout(Duration::from_micros(1 + number % 60 * 20)))
        })
        .collect();
    for asked in asked {
        asked.verdict();
    }
    rig.threads.wait_until(|counts| counts.idle == counts.threads);
    let counts = rig.threads.counts();
    assert_eq!((counts.abandoned, counts.turns), (0, 0));
    assert!(counts.threads <= 8);
}

#[test]
fn a_forked_process_has_threads_of_its_own() {
    let parent = threads(LIMITS, start);
    assert!(std::ptr::eq(parent.of(1), parent));
    let child = parent.of(2);
    assert!(!std::ptr::eq(child, parent));
    let grandchild = parent.of(3);
    assert!(!std::ptr::eq(grandchild, child) && !std::ptr::eq(grandchild, parent));
    assert!(std::ptr::eq(parent.of(1), parent) && std::ptr::eq(parent.of(2), child));
}

#[test]
fn a_verdict_that_panics_costs_no_thread() {
    let rig = Rig::new();
    let semantic = patient(2.0, embedding(&[1.0, 0.0]), agreeing);
    for _ in 0..2 * LIMITS.threads_max {
        let question =
            Question { semantic: semantic.clone(), space: space(), text: QUESTION.to_owned() };
        judge_on(rig.threads, question, Arc::clone(&rig.memory) as _, |_| panic!("on purpose"));
    }
    rig.ask(&semantic).serves("answer to earlier");
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
