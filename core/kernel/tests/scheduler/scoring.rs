//! The log-probabilities of a prompt's own tokens: all of them, once each, of what is computed.

use indwell_kernel::{
    CacheUse, Namespace, SchedulerConfig, SchedulerOptions, StepError, Tier, Token,
};

use crate::rig::{Ended, Rig};

const SCORES: usize = SchedulerConfig::SCORES_MAX as usize;

/// Bounds in which a step could compute a whole prompt.
fn wide() -> SchedulerOptions {
    SchedulerOptions {
        context_tokens: Some(1000),
        request_tokens_max: None,
        sequences_max: Some(4),
        batch_tokens: Some(200),
        prefill_chunk_tokens: Some(100),
        itl_target_ms: None,
    }
}

fn prompt(length: usize) -> Vec<Token> {
    (500..).take(length).map(Token).collect()
}

/// Checks that all tokens of `prompt` but the first were scored, once each and in order.
fn assert_scored(rig: &mut Rig, request: indwell_kernel::RequestId, prompt: &[Token]) {
    let due: Vec<_> =
        (1..prompt.len()).map(|at| rig.backend.score(&prompt[..at], prompt[at])).collect();
    assert_eq!(rig.scores(request), due);
}

#[test]
fn a_prompt_is_scored_in_steps_of_bounded_outputs() {
    let mut rig = Rig::with(&wide());
    let request = rig.submit_scored(prompt(70), 2, CacheUse::Bypass);
    // The last token of a chunk scores the first of the next one.
    assert_eq!(rig.step(), [(request, SCORES)]);
    assert_eq!(rig.plan.chunks[0].outputs as usize, SCORES);
    assert_eq!(rig.step(), [(request, SCORES)]);
    assert_eq!(rig.step(), [(request, 6)]);
    assert!(rig.plan.chunks[0].draws());
    assert_scored(&mut rig, request, &prompt(70));
    assert_eq!(rig.answer(request).len(), 1);
    rig.run();
    assert_scored(&mut rig, request, &prompt(70));
}

#[test]
fn all_who_are_scored_share_a_steps_outputs() {
    let mut rig = Rig::with(&wide());
    let first = rig.submit_scored(prompt(20), 1, CacheUse::Bypass);
    let second = rig.submit_scored(prompt(30), 1, CacheUse::Bypass);
    let unscored = rig.submit(40, 1);
    // 19 scores and a sample, then the other 13.
    assert_eq!(rig.step(), [(first, 20), (second, SCORES - 19), (unscored, 40)]);
    rig.run();
    assert_scored(&mut rig, first, &prompt(20));
    assert_scored(&mut rig, second, &prompt(30));
    assert!(rig.scores(unscored).is_empty());
}

#[test]
fn nothing_comes_before_the_first_token() {
    let mut rig = Rig::with(&wide());
    let request = rig.submit_scored(prompt(1), 1, CacheUse::Bypass);
    rig.run();
    assert!(rig.scores(request).is_empty());
    assert_eq!(rig.end(request), Some(Ended::Finished(indwell_kernel::FinishReason::Length)));
}

#[test]
fn scores_read_no_cached_prefix_and_leave_one() {
    let mut rig = Rig::caching(4, 100);
    let cache = CacheUse::Use(Namespace::builder().finish());
    let first = rig.submit_prompt(prompt(20), 1, cache);
    rig.run();
    let scored = rig.submit_scored(prompt(20), 1, cache);
    rig.run();
    assert_eq!(rig.hit(scored), None);
    assert_scored(&mut rig, scored, &prompt(20));
    let third = rig.submit_prompt(prompt(20), 1, cache);
    rig.run();
    assert_eq!(rig.hit(third), Some((19, Tier::Resident)));
    assert_eq!(rig.answer(first), rig.answer(scored));
}

#[test]
fn what_was_scored_before_a_lack_of_cells_is_not_scored_again() {
    let mut rig = Rig::with(&wide());
    let other = rig.submit(5, 20);
    rig.step();
    let request = rig.submit_scored(prompt(70), 3, CacheUse::Bypass);
    assert_eq!(rig.step(), [(other, 1), (request, SCORES)]);
    assert_eq!(rig.failing_step(StepError::NoCells, 0), [(other, 1), (request, SCORES)]);
    assert_eq!(rig.running_and_waiting(), (1, 1));
    rig.run();
    assert_scored(&mut rig, request, &prompt(70));
    assert_eq!(rig.answer(request).len(), 3);
}
