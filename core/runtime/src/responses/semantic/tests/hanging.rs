//! Functions that hang, are slow, wait for a thread or find none: every question has one verdict, and
//! the harm has bounds.

use super::*;

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
    pub(super) fn abandon(&self, semantic: &Semantic, gate: &Gate) -> Verdict {
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
