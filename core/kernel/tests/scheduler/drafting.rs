//! Drafts: fewer steps, the same answers, and nothing left of what was refused.

use std::sync::Arc;

use indwell_kernel::{
    Chunk, Constraint, Drafts, Draws, FinishReason, Matcher, Mirostat, MirostatVersion,
    SchedulerOptions, StepError,
};

use crate::rig::{Ended, Rig, bounds};

const TOKENS: u32 = 300;

/// Steps until drafts are in the batch, and says how many.
fn step_until_drafted(rig: &mut Rig) -> usize {
    loop {
        assert!(!rig.step().is_empty(), "nothing is drafted");
        let drafts = rig.plan.chunks.iter().map(Chunk::drafts).sum();
        if drafts > 0 {
            return drafts;
        }
    }
}

#[test]
fn answers_that_repeat_take_fewer_steps_and_are_the_same() {
    let run = |drafts| {
        let mut rig = Rig::repeating(drafts);
        let request = rig.submit(5, TOKENS);
        rig.run();
        assert_eq!(rig.end(request), Some(Ended::Finished(FinishReason::Length)));
        assert_eq!(rig.answer(request), rig.answer_alone(request, 5, TOKENS as usize));
        (rig.backend.steps(), rig.scheduler.load().drafts)
    };
    let (without, none) = run(false);
    let (with, drafts) = run(true);
    assert_eq!(none, Drafts::default());
    assert!(drafts.accepted > 0 && drafts.drafted > drafts.accepted, "{drafts:?}");
    assert_eq!(with + drafts.accepted, without, "each that is right saves a step");
    assert!(with * 5 < without * 4, "{with} steps instead of {without}");
}

#[test]
fn answers_without_repetition_are_left_alone() {
    let options = SchedulerOptions { context_tokens: Some(400), ..bounds() };
    let mut rig = Rig::with(&options);
    let request = rig.submit(5, TOKENS);
    rig.run();
    assert_eq!(rig.answer(request).len(), TOKENS as usize);
    assert_eq!(rig.scheduler.load().drafts.drafted, 0);
}

#[test]
fn nothing_is_drafted_beside_a_prompt() {
    let mut rig = Rig::repeating(true);
    rig.submit(5, TOKENS);
    step_until_drafted(&mut rig);
    let prompt = rig.submit(30, 1);
    while rig.end(prompt).is_none() {
        let beside = rig.step().len() > 1;
        let drafts: usize = rig.plan.chunks.iter().map(Chunk::drafts).sum();
        assert!(beside && drafts == 0, "{drafts} drafts beside a prompt");
    }
    step_until_drafted(&mut rig);
}

#[test]
fn drafts_of_a_step_that_was_broken_off_are_gone() {
    let mut rig = Rig::repeating(true);
    let request = rig.submit(5, TOKENS);
    let mut drafted = 0;
    while drafted < 3 {
        assert!(!rig.failing_step(StepError::Aborted, 1).is_empty(), "nothing is drafted");
        drafted += usize::from(rig.plan.chunks.iter().any(|chunk| chunk.drafts() > 0));
        rig.step();
    }
    rig.run();
    assert_eq!(rig.answer(request), rig.answer_alone(request, 5, TOKENS as usize));
}

#[test]
fn an_answer_ends_where_its_room_does_whatever_is_drafted() {
    for max_tokens in 1..80 {
        let mut rig = Rig::repeating(true);
        let request = rig.submit(5, max_tokens);
        rig.run();
        let count = max_tokens as usize;
        assert_eq!(rig.answer(request), rig.answer_alone(request, 5, count));
        assert_eq!(rig.end(request), Some(Ended::Finished(FinishReason::Length)));
        assert_eq!(rig.scheduler.load().cells_used, 0);
    }
}

#[derive(Debug)]
struct Anything;

impl Constraint for Anything {
    fn digest(&self) -> [u8; 32] {
        [0; 32]
    }

    fn start(&self) -> Box<dyn Matcher> {
        unreachable!("the scripted backend follows none")
    }
}

#[test]
fn what_cannot_take_tokens_back_is_not_drafted() {
    let mut rig = Rig::repeating(true);
    let constraint = Some(Arc::new(Anything) as _);
    rig.submit_drawn(5, TOKENS, Draws { constraint, ..Draws::greedy() });
    let mut surprising = Draws::greedy();
    surprising.sampling.mirostat =
        Some(Mirostat { version: MirostatVersion::V2, tau: 5.0, eta: 0.1 });
    rig.submit_drawn(5, 90, surprising);
    rig.run();
    assert_eq!(rig.scheduler.load().drafts.drafted, 0);
}
