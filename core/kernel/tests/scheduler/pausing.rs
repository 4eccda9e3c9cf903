//! A reader that is behind pauses its own request and nobody else's.

use indwell_kernel::{FinishReason, StepError};

use crate::rig::{Ended, Rig};

const LENGTH: Option<Ended> = Some(Ended::Finished(FinishReason::Length));

#[test]
fn a_paused_reader_keeps_its_cells_while_nobody_needs_them_and_is_not_computed() {
    let mut rig = Rig::new();
    let paused = rig.submit(3, 9);
    let other = rig.submit(3, 9);
    rig.step();
    rig.step();
    let computed = rig.computed(paused).expect("it runs");
    rig.scheduler.pause(paused);
    while rig.end(other).is_none() {
        assert_eq!(rig.step(), [(other, 1)]);
        assert_eq!(rig.computed(paused), Some(computed));
    }
    assert_eq!(rig.running_and_waiting(), (1, 0));
    rig.scheduler.resume(paused);
    assert_eq!(rig.step(), [(paused, 1)], "nothing is computed twice");
    rig.run();
    assert_eq!(rig.answer(paused), rig.answer_alone(paused, 3, 9));
}

#[test]
fn a_paused_prefill_leaves_the_budget_to_others() {
    let mut rig = Rig::new();
    let paused = rig.submit(40, 5);
    rig.step();
    rig.scheduler.pause(paused);
    let other = rig.submit(30, 5);
    assert_eq!(rig.step(), [(other, 16)]);
    rig.scheduler.resume(paused);
    assert_eq!(rig.step(), [(paused, 16)], "it came first and goes on first");
}

#[test]
fn a_paused_decode_does_not_shorten_the_others_chunks() {
    let mut rig = Rig::new();
    let paused = rig.submit(3, 9);
    rig.step_until_decoding(paused);
    rig.scheduler.pause(paused);
    let long = rig.submit(30, 5);
    assert_eq!(rig.step(), [(long, 16)]);
}

#[test]
fn with_everybody_paused_nothing_is_planned() {
    let mut rig = Rig::new();
    let request = rig.submit(3, 9);
    rig.step();
    rig.scheduler.pause(request);
    assert!(rig.step().is_empty());
    assert!(rig.plan.is_empty());
    rig.scheduler.resume(request);
    rig.run();
    assert_eq!(rig.end(request), LENGTH);
}

#[test]
fn a_pause_holds_in_the_queue() {
    let mut rig = Rig::new();
    let first = rig.submit(3, 3);
    let second = rig.submit(3, 9);
    rig.step();
    rig.failing_step(StepError::NoCells, 0);
    assert_eq!(rig.computed(second), None, "it was preempted");
    rig.scheduler.pause(second);
    rig.run();
    assert_eq!(rig.end(first), LENGTH);
    assert_eq!(rig.answer(second).len(), 1, "a paused reader is told nothing more");
    rig.scheduler.resume(second);
    rig.run();
    assert_eq!(rig.answer(second), rig.answer_alone(second, 3, 9));
}

#[test]
fn a_paused_request_can_be_cancelled() {
    let mut rig = Rig::new();
    let request = rig.submit(3, 9);
    rig.step();
    rig.scheduler.pause(request);
    rig.scheduler.cancel(request);
    rig.run();
    assert_eq!(rig.end(request), Some(Ended::Cancelled));
    assert_eq!(rig.backend.cells_used(), 0);
}
