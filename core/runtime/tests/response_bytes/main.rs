//! What the store of answers says that it takes, against what the allocator gave out for it.
//!
//! A counting allocator is the whole process's, so only one test of this file measures at a time,
//! and every figure is so large that whatever else runs meanwhile does not show in it.

mod responses;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use indwell::{
    CacheTier, Event, Finished, PromptLogprob, PromptLogprobs, TextDelta, Timings, TokenLogprob,
    Usage,
};
use indwell_kernel::{FinishReason, Namespace, ResponseKey, SemanticSpace};
use peak_alloc::PeakAlloc;

use responses::Kept;
use responses::answer::{SemanticNote, StoredAnswer};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const ANSWERS: u64 = 100_000;
/// How far what is accounted may be from the truth.
const TOLERANCE: f64 = 0.1;
/// No store here is ever full, unless it says so.
const UNLIMITED: u64 = 1 << 40;

/// What answers are like.
#[derive(Clone, Copy, Debug, Default)]
struct Form {
    text_bytes: usize,
    logprobs: usize,
    /// Whether it will be stale some time.
    expires: bool,
    /// The length of the vector that the question is found by, if it is.
    vector: Option<usize>,
}

const FORMS: [Form; 5] = [
    // An answer of 8 tokens, of 64 without and with their log-probabilities, and of 500.
    Form { text_bytes: 32, logprobs: 0, expires: false, vector: None },
    Form { text_bytes: 256, logprobs: 0, expires: false, vector: None },
    Form { text_bytes: 256, logprobs: 64, expires: false, vector: None },
    Form { text_bytes: 2000, logprobs: 0, expires: false, vector: None },
    // No answer at all: the end came at once.
    Form { text_bytes: 0, logprobs: 0, expires: false, vector: None },
];

impl Form {
    fn answer(self, number: u64) -> StoredAnswer {
        let logprob = TokenLogprob { token: 1, logprob: -0.5, top: Box::default() };
        let prompt = PromptLogprob { token: 1, logprob: Some(-0.5), top: Box::default() };
        let note = |length| SemanticNote {
            space: SemanticSpace::from_bytes([3; 32]),
            text: "q".repeat(80).into(),
            vector: (0..length).map(|at| (at as u64 + number) as f32 + 1.0).collect(),
        };
        StoredAnswer {
            text: "a".repeat(self.text_bytes).into(),
            logprobs: vec![logprob; self.logprobs].into(),
            prompt_logprobs: vec![prompt; self.logprobs / 2].into(),
            reason: FinishReason::Length,
            completion_tokens: 64,
            namespace: Namespace::from_bytes([7; 32]),
            // From an hour from now on, each at another moment.
            expires_ms: self.expires.then(|| now_ms() + 3_600_000 + 37 * number),
            semantic: self.vector.map(|length| Box::new(note(length))),
        }
    }
}

#[test]
fn what_is_accounted_is_what_the_allocator_gave_out() {
    let _alone = alone();
    for form in FORMS.into_iter().flat_map(|form| [form, Form { expires: true, ..form }]) {
        measure(form, UNLIMITED, ANSWERS, |kept| assert_eq!(kept.entries(), ANSWERS));
    }
}

#[test]
fn questions_that_are_found_by_what_they_mean_are_accounted() {
    let _alone = alone();
    for (length, answers) in [(8, ANSWERS), (384, ANSWERS / 5)] {
        let form = Form { text_bytes: 256, vector: Some(length), ..Form::default() };
        measure(form, UNLIMITED, answers, |kept| assert_eq!(kept.entries(), answers));
    }
}

/// With evictions, moka counts how often each question comes, and what left waits to be freed.
#[test]
fn a_full_store_takes_what_it_says() {
    let _alone = alone();
    for form in [FORMS[1], Form { expires: true, ..FORMS[1] }] {
        let capacity = ANSWERS * (beyond_the_answer(form) + form.answer(0).bytes() as u64);
        measure(form, capacity, 3 * ANSWERS, |kept| {
            assert!(kept.bytes() <= capacity, "{} of {capacity}", kept.bytes());
            assert!(kept.entries() > ANSWERS * 9 / 10, "it is full: {}", kept.entries());
        });
    }
}

/// Puts `answers` of one form and compares what is accounted with what the allocator gave out.
fn measure(form: Form, capacity: u64, answers: u64, check: impl FnOnce(&Kept)) {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let kept = Kept::new(capacity);
    for number in 0..answers {
        assert!(kept.put(key(number), form.answer(number)));
    }
    let taken = (ALLOCATOR.current_usage() - before) as f64;
    let peak = (ALLOCATOR.peak_usage() - before) as f64;
    let accounted = kept.bytes() as f64;
    let each = (taken - kept.counted().0 as f64) / kept.entries() as f64;
    println!(
        "{form:?}: {} answers, accounted {:.3} of {taken} bytes (peak {:.3}), {each:.1} bytes each \
         beyond the answers",
        kept.entries(),
        accounted / taken,
        peak / taken,
    );
    check(&kept);
    assert!(
        (accounted / taken - 1.0).abs() < TOLERANCE,
        "{form:?}: {accounted} bytes are accounted, the allocator gave out {taken}"
    );
}

#[test]
fn no_insertion_takes_the_weight_above_the_capacity() {
    let _alone = alone();
    let least = beyond_the_answer(Form::default());
    let most_beyond = beyond_the_answer(Form { expires: true, vector: Some(1), ..Form::default() });
    for seed in 0..8 {
        let mut random = Random(seed);
        let capacity = [1_000, 20_000, 500_000, 3_000_000][random.below(4)] as u64;
        let kept = Kept::new(capacity);
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                let mut most = 0;
                while !over.load(Relaxed) {
                    most = most.max(kept.bytes());
                }
                most
            });
            for number in 0..3_000 {
                put_something(&kept, &mut random, capacity);
                let bytes = kept.bytes();
                assert!(bytes <= capacity, "seed {seed}, {number}: {bytes} of {capacity} bytes");
                if number % 100 == 0 {
                    let (answers_bytes, answers) = kept.counted();
                    assert_eq!(kept.entries(), answers, "seed {seed}, {number}");
                    let beyond = bytes - answers_bytes;
                    assert!(
                        (answers * least..=answers * most_beyond).contains(&beyond),
                        "seed {seed}, {number}: {bytes} for {answers} answers of {answers_bytes}"
                    );
                }
            }
            over.store(true, Relaxed);
            let most = watcher.join().expect("the watcher does not panic");
            assert!(most <= capacity, "seed {seed}: {most} of {capacity} bytes were seen");
        });
        assert!(kept.entries() > 0, "seed {seed}: something is kept");
    }
}

/// Inserts that overlap, from several threads: each of them ends with the weight in bounds.
#[test]
fn insertions_at_once_keep_the_weight_within_the_capacity() {
    let _alone = alone();
    let capacity = 200_000;
    let kept = Kept::new(capacity);
    std::thread::scope(|scope| {
        for seed in 100..104 {
            let kept = &kept;
            scope.spawn(move || {
                let mut random = Random(seed);
                for number in 0..3_000 {
                    put_something(kept, &mut random, capacity);
                    let bytes = kept.bytes();
                    assert!(bytes <= capacity, "seed {seed}, {number}: {bytes} bytes");
                }
            });
        }
    });
    assert!(kept.entries() > 0);
}

/// An answer of any size, to one of a thousand questions, so that some are replaced.
fn put_something(kept: &Kept, random: &mut Random, capacity: u64) {
    let largest = usize::try_from(capacity).expect("it fits") * 5 / 4;
    let text_bytes = match random.below(50) {
        0 => random.below(largest),
        1..=10 => random.below(largest / 10),
        _ => random.below(2_000),
    };
    let form = Form {
        text_bytes,
        logprobs: random.below(2) * random.below(64),
        expires: random.below(3) == 0,
        vector: (random.below(5) == 0).then(|| 1 + random.below(16)),
    };
    let number = random.below(1_000) as u64;
    kept.put(key(number), form.answer(number));
}

/// What is accounted for an entry beside its answer.
fn beyond_the_answer(form: Form) -> u64 {
    let kept = Kept::new(UNLIMITED);
    assert!(kept.put(key(0), form.answer(0)));
    kept.bytes() - kept.counted().0
}

/// One test after the other, whatever became of the last one.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Spread like digests are.
fn key(number: u64) -> ResponseKey {
    let mut bytes = [0; 32];
    let mut random = Random(number);
    for part in bytes.chunks_exact_mut(8) {
        part.copy_from_slice(&random.next().to_le_bytes());
    }
    ResponseKey::from_bytes(bytes)
}

fn now_ms() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().expect("the clock is past 1970");
    u64::try_from(since.as_millis()).expect("it fits")
}

/// splitmix64: the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("it fits")
    }
}
