//! Tokens that a constraint forces: told, computed without drawing, and counted like any other.

use indwell_kernel::{Chunk, Ends, FinishReason, RequestId, SchedulerOptions, StepError};

use crate::rig::{Ended, Rig, bounds};

/// Steps until `request` is behind by more than its newest token, and says by how many.
fn step_until_forced(rig: &mut Rig, request: RequestId, length: usize) -> usize {
    loop {
        assert!(!rig.step().is_empty(), "{request} gets nowhere");
        let computed = rig.computed(request).expect("it goes on");
        let behind = length + rig.answer(request).len() - computed;
        if behind > 1 {
            return behind;
        }
    }
}

fn is_sampled(chunk: &Chunk) -> bool {
    chunk.outputs == 1
}

#[test]
fn forced_tokens_are_told_with_the_sample_that_forces_them() {
    let mut rig = Rig::forcing(6);
    let request = rig.submit(5, 60);
    let behind = step_until_forced(&mut rig, request, 5);
    let told = rig.answer(request).len();
    assert_eq!(rig.answer(request), rig.answer_alone(request, 5, told));
    assert_eq!(rig.step(), [(request, behind)], "they are computed in one step");
    assert!(is_sampled(&rig.plan.chunks[0]), "which goes on with the next sample");
    rig.run();
    assert_eq!(rig.answer(request), rig.answer_alone(request, 5, 60));
    assert!(rig.backend.steps() < 40, "{} steps for 60 tokens", rig.backend.steps());
}

#[test]
fn forced_tokens_come_after_decodes_and_before_prompts() {
    let options = SchedulerOptions { context_tokens: Some(400), ..bounds() };
    let mut rig = Rig::forcing_with(&options, 4, u64::MAX);
    let answers = [rig.submit(3, 80), rig.submit(3, 80)];
    rig.step();
    let mut forced_beside_a_decode = 0;
    for _ in 0..12 {
        let parts = answers.map(|request| {
            let computed = rig.computed(request).expect("it goes on");
            (request, 3 + rig.answer(request).len() - computed)
        });
        let prompt = rig.submit(30, 1);
        let batch = rig.step();
        if let [(_, 1), (_, 2..)] | [(_, 2..), (_, 1)] = parts {
            let (decode, forced) =
                if parts[0].1 == 1 { (parts[0], parts[1]) } else { (parts[1], parts[0]) };
            let rest = (prompt, 8 - forced.1);
            assert_eq!(batch, [decode, forced, rest], "forced tokens and prompts share a chunk");
            forced_beside_a_decode += 1;
        }
        rig.scheduler.cancel(prompt);
    }
    assert!(forced_beside_a_decode > 0, "the script never forces one beside the other");
}

#[test]
fn a_long_forced_text_is_computed_in_chunks_while_others_decode() {
    let options = SchedulerOptions { context_tokens: Some(400), ..bounds() };
    let mut rig = Rig::forcing_with(&options, 40, u64::MAX);
    let forced = rig.submit(4, 200);
    let behind = loop {
        let behind = step_until_forced(&mut rig, forced, 4);
        if behind > 16 {
            break behind;
        }
    };
    assert_eq!(rig.step(), [(forced, 16)], "alone it gets the whole batch");
    assert!(!is_sampled(&rig.plan.chunks[0]));
    let computed = rig.computed(forced);
    assert_eq!(computed, Some(4 + rig.answer(forced).len() - behind + 16));
}

#[test]
fn forced_tokens_beyond_the_answers_room_are_not_told() {
    for max_tokens in 1..30 {
        let mut rig = Rig::forcing(9);
        let request = rig.submit(5, max_tokens);
        rig.run();
        let count = max_tokens as usize;
        assert_eq!(rig.answer(request), rig.answer_alone(request, 5, count));
        assert_eq!(rig.end(request), Some(Ended::Finished(FinishReason::Length)));
    }
}

#[test]
fn an_answer_that_is_complete_ends_without_another_step() {
    let mut complete = 0;
    for seed in 0..40 {
        let mut rig = Rig::forcing_with(&bounds(), 9, 12);
        for _ in 0..seed {
            let skipped = rig.submit(1, 1);
            rig.scheduler.cancel(skipped);
        }
        let request = rig.submit(5, 60);
        while rig.end(request).is_none() {
            rig.step();
        }
        let told = rig.answer(request).len();
        assert_eq!(rig.answer(request), rig.answer_alone(request, 5, told));
        let last = rig.outcome.samples.last().cloned().expect("the last step drew");
        if last.ends == Ends::After {
            assert_eq!(rig.end(request), Some(Ended::Finished(FinishReason::Stop)));
            let due = last.forced.last().copied().unwrap_or(last.token);
            assert_eq!(rig.answer(request).last(), Some(&due));
            complete += 1;
        }
    }
    assert!(complete > 0);
}

#[test]
fn a_preempted_answer_goes_on_with_all_that_was_forced() {
    let options = SchedulerOptions { context_tokens: Some(400), ..bounds() };
    let mut rig = Rig::forcing_with(&options, 6, u64::MAX);
    let first = rig.submit(5, 60);
    let second = rig.submit(5, 60);
    step_until_forced(&mut rig, second, 5);
    // Nothing runs in its place: it gives way to the lack of cells, and starts over.
    rig.failing_step(StepError::NoCells, 0);
    assert_eq!(rig.seq_of(second), None, "the latest arrival gives way");
    rig.run();
    for request in [first, second] {
        assert_eq!(rig.answer(request), rig.answer_alone(request, 5, 60));
    }
}
