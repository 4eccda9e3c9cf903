//! Threads that compute beside others who want the processors: they stop spinning, answers are what
//! they are, and nothing is left behind.

#![cfg(target_os = "linux")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indwell::{Event, Isolation};
use indwell_tests::{child, engine, tell, told};

/// The threads whose presence keeps OpenMP's from spinning.
const CROWD: &str = "indwell-crowd";
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_busy_machine_keeps_threads_from_spinning_until_it_is_quiet_or_the_engine_closed() {
    let mut child = child("serve_beside_busy_threads");
    // As for users; all other tests have a policy of their own.
    child.env_remove("OMP_WAIT_POLICY").env_remove("GOMP_SPINCOUNT");
    let output = child.output().expect("a process");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(told(&output), "a crowd came and went");
}

#[test]
fn whoever_sets_a_policy_is_left_alone() {
    let mut child = child("serve_beside_busy_threads");
    child.env("OMP_WAIT_POLICY", "passive");
    let output = child.output().expect("a process");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(told(&output), "no crowd");
}

#[test]
#[ignore = "a process that another test starts"]
fn serve_beside_busy_threads() {
    let has_policy = std::env::var_os("OMP_WAIT_POLICY").is_some();
    let engine = engine().isolation(Isolation::InProcess).threads(2).build().expect("an engine");
    let ask = || engine.complete("1, 2, 3, 4, 5, 6, 7, 8,").max_tokens(16).run().expect("a reply");
    let quiet = ask().text;
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 * std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let busy = serve_until_crowded(&engine, if has_policy { 64 } else { u32::MAX });
        assert_eq!(ask().text, quiet);
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(busy, !has_policy);
    });
    engine.close().expect("closed");
    let began = Instant::now();
    while crowd() > 0 {
        assert!(began.elapsed() < PATIENCE, "{} threads are left", crowd());
        // tidy: sleeps because nobody tells when a thread of OpenMP's has ended
        std::thread::sleep(Duration::from_millis(5));
    }
    tell(if has_policy { "no crowd" } else { "a crowd came and went" });
}

/// Whether there was a crowd before so many tokens were served.
fn serve_until_crowded(engine: &indwell::Engine, tokens: u32) -> bool {
    let began = Instant::now();
    let mut served = 0;
    while served < tokens && began.elapsed() < PATIENCE {
        let story = engine.complete("Once upon a time").max_tokens(32).ignore_eos(true);
        for event in story.stream().expect("a stream") {
            served += u32::from(matches!(event, Event::Text(_)));
            if crowd() > 0 {
                return true;
            }
        }
    }
    false
}

fn crowd() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux tells");
    let names = tasks.flatten().filter_map(|task| {
        // One that has ended meanwhile has none.
        std::fs::read_to_string(task.path().join("comm")).ok()
    });
    names.filter(|name| name.trim() == CROWD).count()
}
