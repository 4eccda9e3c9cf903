//! Who gets a sequence, and when.

use indwell_kernel::{MemoryOp, SchedulerOptions};

use crate::rig::{Rig, bounds};

#[test]
fn the_first_waiting_request_is_never_overtaken() {
    let mut rig = Rig::new();
    let running = rig.submit(10, 50);
    rig.step();
    let large = rig.submit(60, 20);
    let small = rig.submit(1, 1);
    assert_eq!(rig.step(), [(running, 1)]);
    assert_eq!(rig.running_and_waiting(), (1, 2), "the small one would fit, but waits its turn");
    rig.scheduler.cancel(running);
    assert_eq!(rig.step(), [(large, 16)]);
    assert_eq!((rig.admissions(large), rig.admissions(small)), (1, 0));
    rig.run();
    assert_eq!(rig.answer(small).len(), 1);
}

#[test]
fn a_request_is_admitted_only_with_all_the_cells_to_begin() {
    let mut rig = Rig::growing(u32::MAX);
    // The last token of an answer is sampled and never computed, so 41 tokens need 40 cells.
    let first = rig.submit(1, 40);
    let second = rig.submit(21, 20);
    let third = rig.submit(11, 11);
    assert_eq!(rig.step(), [(first, 1), (second, 15)]);
    assert_eq!(rig.step(), [(first, 1), (second, 6)], "2 tokens of the budget are left");
    assert_eq!(rig.running_and_waiting(), (2, 1), "20 cells are left and 21 wanted");
    assert_eq!(rig.admissions(third), 0);
}

#[test]
fn requests_may_fill_the_memory_to_the_last_cell() {
    let mut rig = Rig::growing(u32::MAX);
    let exact = [rig.submit(1, 40), rig.submit(21, 20), rig.submit(11, 10)];
    rig.step();
    rig.step();
    assert_eq!(rig.running_and_waiting(), (3, 0));
    rig.run();
    assert_eq!(exact.map(|request| rig.answer(request).len()), [40, 20, 10]);
    assert_eq!(rig.scheduler.load().preemptions.count, 0);
}

#[test]
fn a_freed_sequence_goes_to_the_next_request_in_the_same_step() {
    let options = SchedulerOptions { sequences_max: Some(1), ..bounds() };
    let mut rig = Rig::with(&options);
    let first = rig.submit(3, 20);
    let second = rig.submit(3, 2);
    rig.step();
    assert_eq!(rig.running_and_waiting(), (1, 1));
    rig.scheduler.cancel(first);
    assert_eq!(rig.step(), [(second, 3)]);
    let kinds: Vec<_> = rig.plan.ops.iter().map(std::mem::discriminant).collect();
    let seq = rig.seq_of(second).expect("it runs");
    let release = std::mem::discriminant(&MemoryOp::Release { seq });
    assert_eq!(kinds.len(), 2);
    assert_eq!(kinds[0], release, "the sequence is emptied before it is opened");
}

#[test]
fn no_more_than_sequences_max_run_at_once() {
    let mut rig = Rig::new();
    for _ in 0..9 {
        rig.submit(1, 5);
    }
    rig.step();
    assert_eq!(rig.running_and_waiting(), (4, 5));
}

#[test]
fn requests_are_admitted_as_far_as_the_budget_goes() {
    let mut rig = Rig::new();
    let first = rig.submit(16, 2);
    let second = rig.submit(5, 2);
    assert_eq!(rig.step(), [(first, 16)]);
    assert_eq!(rig.admissions(second), 0, "a request with no token to compute keeps waiting");
    assert_eq!(rig.step(), [(first, 1), (second, 5)]);
}

#[test]
fn a_scheduler_with_nothing_to_do_plans_nothing() {
    let mut rig = Rig::new();
    assert!(rig.step().is_empty());
    assert!(rig.plan.is_empty());
    rig.submit(3, 1);
    rig.run();
    assert_eq!(rig.running_and_waiting(), (0, 0));
    assert!(rig.plan.is_empty());
}
