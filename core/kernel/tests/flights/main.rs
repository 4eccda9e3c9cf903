//! A seeded simulation of requests that share a computation: many callers ask the same at once,
//! read at their own pace, leave at random moments and have deadlines of their own, while others
//! keep the scheduler busy and steps fail. Whoever stays gets the whole answer.
//!
//! `INDWELL_SIM_SEED` replays one round.

#[path = "../simulation/random.rs"]
mod random;
mod room;

use room::{Room, Tally};

const ROUNDS: u64 = 1000;

fn round(seed: u64) -> Tally {
    Room::new(seed).run().unwrap_or_else(|wrong| {
        panic!(
            "seed {seed}: {wrong}\nreplay it with: INDWELL_SIM_SEED={seed} \
             cargo test -p indwell-kernel --test flights"
        )
    })
}

#[test]
fn whoever_stays_gets_the_whole_answer_of_one_computation() {
    if let Ok(seed) = std::env::var("INDWELL_SIM_SEED") {
        println!("{:#?}", round(seed.parse().expect("a number")));
        return;
    }
    let mut all = Tally::default();
    for seed in 0..ROUNDS {
        all.add(&round(seed));
    }
    println!("{all:#?}");
    // Everything that can happen has happened often.
    assert!(all.whole > 20 * ROUNDS, "{all:?}");
    assert!(all.cancelled > 10 * ROUNDS, "{all:?}");
    for count in
        [all.expired, all.handed_over, all.abandoned, all.held_up, all.failed, all.caught_up]
    {
        assert!(count > ROUNDS / 20, "{all:?}");
    }
}

#[test]
fn a_seed_is_a_history() {
    for seed in 0..20 {
        assert_eq!(round(seed), round(seed), "seed {seed}");
    }
}
