//! That a salt hides from one tenant what another has asked, by the clock too. Alone in its program,
//! so that no other test's engine is measured with it.

use indwell_tests::{engine, stats};

/// A tenant must not learn from the time to the first token what another tenant has asked.
#[test]
fn a_prompt_under_another_salt_takes_as_long_as_one_that_nobody_asked() {
    const ROUNDS: usize = 5;
    let engine = engine().build().expect("an engine");
    let (mut others, mut own) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Salts of their own for each round: nothing of an earlier one is found.
        let time = |salt: &str| {
            let salt = format!("{salt} {round}");
            let before = stats(&engine);
            let prompt = format!("Subject {round}. {}", "All of it matters. ".repeat(60));
            let request = engine.complete(prompt).max_tokens(2);
            let reply = request.cache_salt(salt).run().expect("an answer");
            let after = stats(&engine);
            let computed = after.prompt_tokens - before.prompt_tokens;
            assert_eq!(computed, u64::from(reply.usage.prompt_tokens - reply.usage.cached_tokens));
            (reply.timings.ttft_ms, computed, after.steps - before.steps)
        };
        let (nobody, computed, steps) = time("one");
        let (another, computed_for_another, steps_for_another) = time("two");
        assert_eq!((computed_for_another, steps_for_another), (computed, steps));
        others.push(another / nobody);
        own.push(time("one").0 / nobody);
    }
    let median = |ratios: &mut Vec<f64>| {
        ratios.sort_by(f64::total_cmp);
        ratios[ROUNDS / 2]
    };
    let (other, own) = (median(&mut others), median(&mut own));
    println!("time to first token: {other:.2} under another salt, {own:.2} under the same one");
    // A hit takes a few hundredths; the rest is what a machine's other work does to a median.
    assert!((0.5..2.0).contains(&other), "{others:?}");
    assert!(own < 0.25, "what a hit looks like: {own}");
}
