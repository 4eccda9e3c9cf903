//! How requests end: by themselves, for their callers, or for the clock. Each exactly once.

use std::time::Duration;

use indwell_kernel::testing::VirtualClock;
use indwell_kernel::{FinishReason, RequestId, SchedulerOptions, Timestamp};

use crate::rig::{Ended, Rig, bounds};

const LENGTH: Option<Ended> = Some(Ended::Finished(FinishReason::Length));
const STOP: Option<Ended> = Some(Ended::Finished(FinishReason::Stop));

#[test]
fn an_answer_ends_for_length_at_max_tokens() {
    let mut rig = Rig::new();
    let request = rig.submit(3, 7);
    rig.run();
    assert_eq!(rig.end(request), LENGTH);
    assert_eq!(rig.answer(request), rig.answer_alone(request, 3, 7));
}

#[test]
fn an_answer_ends_for_length_at_request_tokens_max() {
    let options = SchedulerOptions { request_tokens_max: Some(10), ..bounds() };
    let mut rig = Rig::with(&options);
    let long = rig.submit(4, u32::MAX);
    let full = rig.submit(9, 50);
    rig.run();
    assert_eq!((rig.end(long), rig.answer(long).len()), (LENGTH, 6));
    assert_eq!((rig.end(full), rig.answer(full).len()), (LENGTH, 1));
}

#[test]
fn the_models_end_of_an_answer_is_a_stop_and_no_token() {
    let mut rig = Rig::with_answers_of_about(3);
    let requests: Vec<_> = (1..8).map(|length| (rig.submit(length, 90), length)).collect();
    rig.run();
    for (request, length) in requests {
        let answer = rig.answer(request);
        if answer.len() < 90 {
            assert_eq!(rig.end(request), STOP);
        }
        assert_eq!(answer, rig.answer_alone(request, length, answer.len()));
    }
}

#[test]
fn a_stop_string_ends_an_answer_between_steps() {
    let mut rig = Rig::new();
    let request = rig.submit(3, 50);
    rig.step_until_decoding(request);
    rig.scheduler.finish(request, FinishReason::Stop);
    assert_eq!(rig.end(request), STOP);
    assert!(rig.step().is_empty());
    assert_eq!(rig.backend.cells_used(), 0);
}

#[test]
fn a_finished_answer_returns_its_cells_with_the_next_step() {
    let mut rig = Rig::new();
    let request = rig.submit(3, 1);
    let other = rig.submit(3, 9);
    rig.step();
    assert_eq!(rig.end(request), LENGTH);
    rig.step();
    assert_eq!(rig.backend.cells_used(), rig.computed(other).expect("it runs"));
}

#[test]
fn cancelled_sequence_returns_its_cells() {
    let mut rig = Rig::new();
    let cancelled = rig.submit(5, 50);
    let other = rig.submit(3, 9);
    rig.step();
    rig.step();
    rig.scheduler.cancel(cancelled);
    assert_eq!(rig.end(cancelled), Some(Ended::Cancelled));
    assert_eq!(rig.step(), [(other, 1)]);
    assert_eq!(rig.backend.cells_used(), rig.computed(other).expect("it runs"));
    rig.run();
    assert_eq!(rig.answer(other), rig.answer_alone(other, 3, 9));
}

#[test]
fn cancelling_during_prefill_frees_the_sequence_within_one_step() {
    let mut rig = Rig::new();
    let request = rig.submit(60, 5);
    rig.step();
    assert_eq!(rig.backend.cells_used(), 16);
    rig.scheduler.cancel(request);
    assert!(rig.step().is_empty(), "nothing more is computed for it");
    assert_eq!(rig.backend.cells_used(), 0);
    assert_eq!(rig.end(request), Some(Ended::Cancelled));
}

#[test]
fn a_cancelled_waiting_request_ends_without_admission() {
    let mut rig = Rig::new();
    let running = rig.submit(90, 10);
    rig.step();
    let cancelled = rig.submit(50, 10);
    let next = rig.submit(1, 1);
    rig.scheduler.cancel(cancelled);
    assert_eq!(rig.end(cancelled), Some(Ended::Cancelled));
    rig.run();
    assert_eq!(rig.admissions(cancelled), 0);
    assert_eq!((rig.end(running), rig.end(next)), (LENGTH, LENGTH));
}

#[test]
fn a_request_ends_once_however_often_it_is_ended() {
    let mut rig = Rig::new();
    let request = rig.submit(3, 1);
    rig.run();
    rig.scheduler.cancel(request);
    rig.scheduler.finish(request, FinishReason::Stop);
    rig.scheduler.pause(request);
    rig.scheduler.resume(request);
    rig.scheduler.expire(Timestamp(Duration::MAX));
    assert_eq!(rig.end(request), LENGTH);
    rig.scheduler.cancel(RequestId(99));
    assert!(rig.step().is_empty());
    assert!(rig.plan.is_empty());
}

#[test]
fn a_deadline_ends_a_running_request_and_not_before_its_time() {
    let mut clock = VirtualClock::default();
    let mut rig = Rig::new();
    let deadline = clock.now().after(Duration::from_millis(10));
    let request = rig.submit_until(3, 50, Some(deadline));
    let patient = rig.submit(3, 5);
    assert_eq!(rig.scheduler.next_deadline(), Some(deadline));
    rig.step();
    clock.advance(Duration::from_millis(9));
    rig.scheduler.expire(clock.now());
    assert_eq!(rig.end(request), None);
    clock.advance(Duration::from_millis(1));
    rig.scheduler.expire(clock.now());
    assert_eq!(rig.end(request), Some(Ended::DeadlineExceeded));
    assert_eq!(rig.scheduler.next_deadline(), None);
    assert_eq!(rig.step(), [(patient, 1)]);
    assert_eq!(rig.backend.cells_used(), rig.computed(patient).expect("it runs"));
}

#[test]
fn a_deadline_ends_a_waiting_request() {
    let mut clock = VirtualClock::default();
    let mut rig = Rig::new();
    let running = rig.submit(90, 10);
    let waiting = rig.submit_until(50, 10, Some(clock.now().after(Duration::from_millis(5))));
    rig.step();
    clock.advance(Duration::from_millis(5));
    rig.scheduler.expire(clock.now());
    assert_eq!(rig.end(waiting), Some(Ended::DeadlineExceeded));
    assert_eq!(rig.running_and_waiting(), (1, 0));
    rig.run();
    assert_eq!(rig.end(running), LENGTH);
}

#[test]
fn a_deadline_ends_a_paused_request() {
    let mut rig = Rig::new();
    let request = rig.submit_until(3, 50, Some(Timestamp(Duration::from_millis(5))));
    rig.step();
    rig.scheduler.pause(request);
    rig.scheduler.expire(Timestamp(Duration::from_millis(6)));
    assert_eq!(rig.end(request), Some(Ended::DeadlineExceeded));
}

#[test]
fn the_next_deadline_is_the_earliest_of_running_and_waiting() {
    let at = |ms| Some(Timestamp(Duration::from_millis(ms)));
    let mut rig = Rig::new();
    rig.submit_until(90, 10, at(30));
    rig.step();
    rig.submit_until(50, 10, at(20));
    rig.submit(50, 10);
    assert_eq!(rig.scheduler.next_deadline(), at(20));
}
