//! What a failed step means: everybody back at the committed length, and who pays for it.

use indwell_kernel::{FinishReason, Outcome, Plan, SequenceFailure, StepError};

use crate::rig::{Ended, Rig};

const LENGTH: Option<Ended> = Some(Ended::Finished(FinishReason::Length));
const NO_CELLS: Option<Ended> = Some(Ended::Failed(SequenceFailure::NoCells));

#[test]
fn a_failed_step_leaves_every_sequence_at_its_committed_length() {
    let mut rig = Rig::new();
    let decoding = rig.submit(3, 20);
    rig.step_until_decoding(decoding);
    let prefilling = rig.submit(30, 5);
    rig.step();
    let before = [rig.computed(decoding), rig.computed(prefilling)];
    for partial in 0..=2 {
        rig.failing_step(StepError::Aborted, partial);
        assert_eq!([rig.computed(decoding), rig.computed(prefilling)], before);
    }
    rig.run();
    assert_eq!(rig.answer(decoding), rig.answer_alone(decoding, 3, 20));
    assert_eq!(rig.answer(prefilling), rig.answer_alone(prefilling, 30, 5));
}

#[test]
fn an_aborted_step_is_tried_again() {
    let mut rig = Rig::new();
    let request = rig.submit(20, 3);
    let aborted = rig.failing_step(StepError::Aborted, 1);
    assert_eq!(rig.step(), aborted);
    rig.run();
    assert_eq!(rig.end(request), LENGTH);
    assert_eq!(rig.answer(request), rig.answer_alone(request, 20, 3));
}

#[test]
fn a_fatal_step_ends_its_participants_and_nobody_else() {
    let mut rig = Rig::new();
    let paused = rig.submit(3, 5);
    rig.step();
    rig.scheduler.pause(paused);
    let hit = [rig.submit(3, 40), rig.submit(4, 40)];
    let waiting = rig.submit(60, 5);
    rig.step();
    rig.failing_step(StepError::Fatal("the device is gone".to_owned()), 1);
    let failure = SequenceFailure::Compute("the device is gone".to_owned());
    for request in hit {
        assert_eq!(rig.end(request), Some(Ended::Failed(failure.clone())));
    }
    rig.scheduler.resume(paused);
    rig.run();
    assert_eq!((rig.end(paused), rig.end(waiting)), (LENGTH, LENGTH));
    assert_eq!(rig.answer(paused), rig.answer_alone(paused, 3, 5));
    assert_eq!(rig.backend.cells_used(), 0);
}

#[test]
fn a_lost_backend_ends_all_that_run_and_serves_who_waits() {
    let mut rig = Rig::new();
    let paused = rig.submit(3, 5);
    rig.step();
    rig.scheduler.pause(paused);
    let running = rig.submit(3, 80);
    rig.step();
    // It needs more cells than there are beside the other.
    let waiting = rig.submit(80, 5);
    rig.step();
    assert_eq!(rig.computed(waiting), None);
    rig.failing_step(StepError::Lost("signal 9".to_owned()), 0);
    let failure = SequenceFailure::Lost("signal 9".to_owned());
    for request in [paused, running] {
        assert_eq!(rig.end(request), Some(Ended::Failed(failure.clone())));
    }
    rig.run();
    assert_eq!(rig.answer(waiting), rig.answer_alone(waiting, 80, 5));
    assert_eq!(rig.backend.cells_used(), 0);
}

#[test]
fn a_backend_lost_between_steps_is_found_empty() {
    let mut rig = Rig::new();
    let running = rig.submit(3, 40);
    rig.step();
    rig.scheduler.cancel(running);
    rig.backend.lose_memory();
    rig.scheduler.lose("signal 9");
    assert_eq!(rig.step(), [], "what was to be released is gone with all the rest");
    let next = rig.submit(3, 5);
    rig.run();
    assert_eq!(rig.answer(next), rig.answer_alone(next, 3, 5));
}

#[test]
fn a_failing_sequence_takes_nobody_down() {
    let mut rig = Rig::new();
    let requests = [rig.submit(3, 5), rig.submit(3, 5), rig.submit(3, 5)];
    rig.step();
    rig.step_failing_sequence(1);
    let failure = SequenceFailure::Sampling("scripted".to_owned());
    assert_eq!(rig.end(requests[1]), Some(Ended::Failed(failure)));
    rig.run();
    for request in [requests[0], requests[2]] {
        assert_eq!(rig.answer(request), rig.answer_alone(request, 3, 5));
    }
}

#[test]
fn a_sequence_that_is_forgotten_by_the_backend_fails_instead_of_waiting_for_ever() {
    let mut rig = Rig::new();
    let request = rig.submit(3, 5);
    let mut plan = Plan::default();
    rig.scheduler.plan(&mut plan);
    rig.scheduler.commit(&plan, &Outcome::default());
    assert!(matches!(rig.end(request), Some(Ended::Failed(SequenceFailure::Sampling(_)))));
}

#[test]
fn no_cells_preempts_the_latest_arrival_and_it_finishes_with_the_same_tokens() {
    let mut rig = Rig::new();
    let first = rig.submit(5, 20);
    let second = rig.submit(5, 20);
    let third = rig.submit(5, 20);
    for _ in 0..5 {
        rig.step();
    }
    let told = rig.answer(third).len();
    assert!(told > 0);
    rig.failing_step(StepError::NoCells, 0);
    assert_eq!(rig.running_and_waiting(), (2, 1));
    assert_eq!(rig.computed(third), None);
    rig.run();
    for request in [first, second, third] {
        assert_eq!(rig.end(request), LENGTH);
        assert_eq!(rig.answer(request), rig.answer_alone(request, 5, 20));
        assert_eq!(rig.admissions(request), 1, "coming back is no second admission");
    }
}

#[test]
fn a_preempted_request_waits_until_another_has_ended() {
    let mut rig = Rig::new();
    let first = rig.submit(5, 6);
    let second = rig.submit(5, 20);
    rig.step();
    rig.failing_step(StepError::NoCells, 0);
    while rig.end(first).is_none() {
        assert_eq!(rig.step(), [(first, 1)], "it would only take the cells away again");
    }
    assert_eq!(rig.step(), [(second, 6)], "its prompt and the token it was told");
}

#[test]
fn preempted_requests_come_back_in_order_of_arrival_and_before_later_ones() {
    let mut rig = Rig::new();
    let first = rig.submit(2, 4);
    let second = rig.submit(2, 20);
    let third = rig.submit(2, 20);
    rig.step();
    let later = rig.submit(2, 1);
    rig.failing_step(StepError::NoCells, 0);
    assert_eq!(rig.computed(later), None, "it was admitted last");
    rig.failing_step(StepError::NoCells, 0);
    rig.failing_step(StepError::NoCells, 0);
    while rig.end(first).is_none() {
        assert_eq!(rig.step(), [(first, 1)]);
    }
    assert_eq!(rig.step(), [(second, 3), (third, 3), (later, 2)]);
}

#[test]
fn a_request_preempted_during_prefill_starts_over() {
    let mut rig = Rig::new();
    let first = rig.submit(3, 4);
    let second = rig.submit(40, 5);
    rig.step();
    rig.step();
    rig.failing_step(StepError::NoCells, 2);
    rig.run();
    assert_eq!(rig.end(first), LENGTH);
    assert_eq!(rig.answer(second), rig.answer_alone(second, 40, 5));
}

#[test]
fn no_cells_for_a_lone_request_fails_it() {
    let mut rig = Rig::short_of_cells(10);
    let request = rig.submit(20, 5);
    rig.run();
    assert_eq!(rig.end(request), NO_CELLS);
    assert_eq!(rig.backend.cells_used(), 0);
}

#[test]
fn a_lack_of_cells_takes_one_after_the_other_and_never_everybody() {
    // Together they need 80 cells, and the backend has 30, against what it promised.
    let mut rig = Rig::short_of_cells(30);
    let requests: Vec<_> = (0..4).map(|_| rig.submit(10, 11)).collect();
    rig.run();
    for request in requests {
        assert_eq!(rig.end(request), LENGTH);
        assert_eq!(rig.answer(request), rig.answer_alone(request, 10, 11));
    }
}

#[test]
fn a_request_too_large_for_the_real_cells_fails_alone() {
    let mut rig = Rig::short_of_cells(30);
    let small = rig.submit(10, 5);
    let large = rig.submit(40, 5);
    let other = rig.submit(10, 5);
    rig.run();
    assert_eq!(rig.end(large), NO_CELLS);
    assert_eq!((rig.end(small), rig.end(other)), (LENGTH, LENGTH));
}

#[test]
fn a_preempted_request_can_be_cancelled() {
    let mut rig = Rig::new();
    let first = rig.submit(3, 9);
    let second = rig.submit(3, 9);
    rig.step();
    rig.failing_step(StepError::NoCells, 1);
    rig.scheduler.cancel(second);
    assert_eq!(rig.end(second), Some(Ended::Cancelled));
    rig.run();
    assert_eq!(rig.answer(first), rig.answer_alone(first, 3, 9));
}

#[test]
fn without_cells_who_is_behind_gives_way_before_who_goes_on() {
    let mut rig = Rig::new();
    let first = rig.submit(2, 4);
    let second = rig.submit(2, 20);
    let third = rig.submit(2, 20);
    rig.step();
    rig.scheduler.pause(second);
    rig.failing_step(StepError::NoCells, 0);
    assert_eq!(rig.computed(second), None, "the third came later, but goes on");
    rig.scheduler.resume(second);
    rig.failing_step(StepError::NoCells, 0);
    while rig.end(first).is_none() {
        assert_eq!(rig.step(), [(first, 1)]);
    }
    assert_eq!(rig.step(), [(second, 3), (third, 3)]);
}
