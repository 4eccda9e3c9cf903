//! A seeded simulation of the scheduler: thousands of short schedules with random bounds,
//! requests, cancellations, deadlines, pauses and faults, checked after every step against the
//! accounts, the backend's memory and what each request gets alone.
//!
//! `INDWELL_SIM_SCHEDULES` sets how many schedules run, and `INDWELL_SIM_FIRST` the first one's seed, 0 by
//! default. `INDWELL_SIM_SEED` replays one.

mod ledger;
mod random;
mod rules;
mod sabotage;
mod scenario;
mod tally;
mod world;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use sabotage::Sabotage;
use tally::Tally;
use world::World;

const SCHEDULES: u64 = 100_000;

#[test]
fn every_schedule_keeps_the_invariants_and_ends() {
    if let Some(seed) = from_env("INDWELL_SIM_SEED") {
        let tally = World::new(seed, None).run();
        println!("seed {seed}: {:#?}", tally.unwrap_or_else(|wrong| panic!("{wrong}")));
        return;
    }
    let schedules = from_env("INDWELL_SIM_SCHEDULES").unwrap_or(SCHEDULES);
    let first = from_env("INDWELL_SIM_FIRST").unwrap_or(0);
    let tally = run_all(first..first + schedules).unwrap_or_else(|(seed, wrong)| {
        panic!(
            "seed {seed}: {wrong}\nreplay it with: INDWELL_SIM_SEED={seed} \
             cargo test -p indwell-kernel --test simulation"
        )
    });
    println!("{tally:#?}");
    if schedules >= 1000 {
        check_coverage(&tally);
    }
}

#[test]
fn a_seed_is_a_history() {
    let history = |seed| run(seed, None).map(|tally| tally.history);
    for seed in 0..50 {
        assert_eq!(history(seed), history(seed), "seed {seed}");
    }
    assert_ne!(history(1), history(2));
}

#[test]
fn a_broken_driver_is_caught() {
    for sabotage in Sabotage::ALL {
        let broken = |seed| run(seed, Some(sabotage)).err().map(|wrong| (seed, wrong));
        let (seed, wrong) = (0..2000)
            .find_map(broken)
            .unwrap_or_else(|| panic!("2000 schedules did not notice a driver that {sabotage:?}"));
        println!("{sabotage:?}, seed {seed}: {wrong}");
        run(seed, None).expect("the seed is innocent");
    }
}

/// Runs `seeds` on all processors; the first wrong one, if any is.
fn run_all(seeds: Range<u64>) -> Result<Tally, (u64, String)> {
    let workers = thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let share = |worker: u64| {
        let mut sum = Tally::default();
        let own = seeds.start + worker..seeds.end;
        for seed in own.step_by(usize::try_from(workers).expect("few workers")) {
            sum += run(seed, None).map_err(|wrong| (seed, wrong))?;
        }
        Ok(sum)
    };
    let shares: Vec<Result<Tally, (u64, String)>> = thread::scope(|scope| {
        let workers: Vec<_> =
            (0..workers).map(|worker| scope.spawn(move || share(worker))).collect();
        workers.into_iter().map(|w| w.join().expect("a share catches its panics")).collect()
    });
    let mut sum = Tally::default();
    let (right, wrong): (Vec<_>, Vec<_>) = shares.into_iter().partition(Result::is_ok);
    if let Some(first) = wrong.into_iter().filter_map(Result::err).min() {
        return Err(first);
    }
    right.into_iter().flatten().for_each(|share| sum += share);
    Ok(sum)
}

/// Runs one schedule; a panic, as the scripted backend's, counts as something wrong.
fn run(seed: u64, sabotage: Option<Sabotage>) -> Result<Tally, String> {
    let result = catch_unwind(AssertUnwindSafe(|| World::new(seed, sabotage).run()));
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Err(text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned())
    })
}

/// A simulation that never gets anywhere proves nothing.
fn check_coverage(tally: &Tally) {
    let ends = &tally.ends;
    for (what, count) in [
        ("stop", ends.stop),
        ("length", ends.length),
        ("cancelled", ends.cancelled),
        ("deadline", ends.deadline),
        ("failed", ends.failed),
        ("refused", tally.refused),
        ("chunked prefills", tally.chunked_prefills),
        ("steps with less beside them for want of time", tally.paced),
        ("preemptions", tally.preemptions),
        ("preemptions for a mismatch", tally.mismatches),
        ("resumed requests", tally.resumed),
        ("recomputed tokens", tally.recomputed_tokens),
        ("panics", tally.panics),
        ("failed steps", tally.failed_steps),
        ("losses of the backend", tally.losses),
        ("forced tokens", tally.forced_tokens),
        ("accepted drafts", tally.accepted_tokens),
        ("refused drafts", tally.drafted_tokens - tally.accepted_tokens),
        ("kept prefixes", ends.cached),
        ("hits", tally.hits),
        ("restored tokens", tally.restored_tokens),
        ("waits for a prefix", tally.shared_in_flight),
        ("evictions", tally.evictions),
        ("saves", tally.saves),
        ("compactions", tally.compactions),
        ("refused operations", tally.refused_operations),
    ] {
        assert!(
            count * 20 >= tally.schedules,
            "{what} came up in {count} of {} schedules",
            tally.schedules
        );
    }
    let ended =
        ends.stop + ends.length + ends.cached + ends.cancelled + ends.deadline + ends.failed;
    assert_eq!(ended, tally.requests, "one end for each request");
}

fn from_env(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is {value:?}, but must be a number")))
}
