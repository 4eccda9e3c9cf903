//! More requests than cells: who gives way, who comes back, and that all come to their ends.

use std::time::Duration;

use indwell_kernel::{CacheUse, FinishReason, MemoryOp, Namespace, RequestId, Timestamp, Token};

use crate::rig::{Ended, Rig};

/// The same prompt's beginning for all that have it, or one that nobody else has.
fn submit_cached(rig: &mut Rig, first: i32, length: usize, max_tokens: u32) -> RequestId {
    let prompt = (first..).take(length).map(Token).collect();
    rig.submit_prompt(prompt, max_tokens, CacheUse::Use(Namespace::builder().finish()))
}

/// What such a request answers with `count` tokens when it is alone.
fn cached_alone(rig: &Rig, first: i32, length: usize, count: usize) -> Vec<Token> {
    let mut tokens: Vec<Token> = (first..).take(length).map(Token).collect();
    for _ in 0..count {
        tokens.push(rig.backend.next_token(&tokens).0);
    }
    tokens.split_off(length)
}

const LENGTH: Option<Ended> = Some(Ended::Finished(FinishReason::Length));

#[test]
fn a_request_is_admitted_with_room_to_grow_and_not_for_its_whole_answer() {
    let mut rig = Rig::growing(10);
    let requests = [rig.submit(10, 80), rig.submit(10, 80), rig.submit(10, 80)];
    let large = rig.submit(30, 80);
    while rig.running_and_waiting() != (3, 1) {
        rig.step();
    }
    rig.step();
    // 10 tokens of each are known by now, and some: 30 are left to all, and 40 wanted.
    assert_eq!((rig.admissions(requests[2]), rig.admissions(large)), (1, 0));
    assert_eq!(rig.scheduler.load().preemptions.count, 0);
}

#[test]
fn requests_that_outgrow_the_cells_give_way_by_arrival_and_all_end_as_they_do_alone() {
    let mut rig = Rig::growing(4);
    let requests: Vec<_> = (0..4).map(|_| rig.submit(10, 60)).collect();
    let mut ends = Vec::new();
    while ends.len() < 4 {
        rig.step();
        assert!(rig.scheduler.load().cells_used <= 100);
        for &request in &requests {
            if rig.end(request).is_some() && !ends.contains(&request) {
                ends.push(request);
            }
        }
    }
    assert_eq!(ends, requests, "who came first ends first");
    for request in requests {
        assert_eq!(rig.end(request), LENGTH);
        assert_eq!(rig.answer(request), rig.answer_alone(request, 10, 60));
        assert_eq!(rig.admissions(request), 1, "coming back is no second admission");
    }
    let preemptions = rig.scheduler.load().preemptions;
    assert!(preemptions.count >= 3, "{preemptions:?}");
    assert_eq!(preemptions.resumed, preemptions.count);
    assert!(preemptions.recomputed_tokens > 0, "{preemptions:?}");
}

#[test]
fn nobody_is_taken_back_before_another_has_ended() {
    let mut rig = Rig::growing(0);
    let first = rig.submit(40, 30);
    let second = rig.submit(40, 30);
    while rig.scheduler.load().preemptions.count == 0 {
        rig.step();
    }
    assert_eq!(rig.computed(second), None, "the latest gave way");
    while rig.end(first).is_none() {
        assert_eq!(rig.computed(second), None, "its cells would only be called back again");
        rig.step();
    }
    rig.run();
    assert_eq!(rig.scheduler.load().preemptions.count, 1);
    assert_eq!(rig.answer(second), rig.answer_alone(second, 40, 30));
}

#[test]
fn who_is_behind_gives_way_to_an_answer_that_grows() {
    let mut rig = Rig::growing(0);
    let behind = rig.submit(30, 60);
    let first = rig.submit(30, 40);
    let second = rig.submit(20, 40);
    while rig.computed(second).is_none_or(|computed| computed < 20) {
        rig.step();
    }
    rig.scheduler.pause(behind);
    while rig.scheduler.load().preemptions.count == 0 {
        rig.step();
    }
    assert_eq!(rig.computed(behind), None, "though it came first");
    assert!(rig.computed(first).is_some() && rig.computed(second).is_some());
    rig.run();
    assert_eq!((rig.end(first), rig.end(second)), (LENGTH, LENGTH));
    assert_eq!(rig.end(behind), None, "it waits for its reader, and holds nothing");
    assert_eq!(rig.scheduler.load().cells_used, 0);
    rig.scheduler.resume(behind);
    rig.run();
    assert_eq!(rig.answer(behind), rig.answer_alone(behind, 30, 60));
}

#[test]
fn who_is_behind_does_not_keep_others_waiting() {
    let mut rig = Rig::new();
    let behind = rig.submit(60, 30);
    rig.step_until_decoding(behind);
    rig.scheduler.pause(behind);
    let waiting = rig.submit(60, 30);
    assert_eq!(rig.step(), [(waiting, 16)], "nothing else is computed: it gives way at once");
    rig.scheduler.resume(behind);
    rig.run();
    assert_eq!(rig.answer(waiting), rig.answer_alone(waiting, 60, 30));
    assert_eq!(rig.answer(behind), rig.answer_alone(behind, 60, 30));
}

#[test]
fn who_is_behind_for_a_moment_keeps_its_cells_while_others_are_computed() {
    let mut rig = Rig::new();
    let running = rig.submit(1, 39);
    let behind = rig.submit(30, 20);
    rig.step_until_decoding(behind);
    rig.scheduler.pause(behind);
    let waiting = rig.submit(30, 20);
    for _ in 0..10 {
        rig.step();
    }
    assert!(rig.computed(behind).is_some());
    while rig.end(running).is_none() {
        rig.step();
    }
    rig.step();
    assert!(rig.admissions(waiting) > 0);
}

#[test]
fn who_is_behind_for_long_makes_room_for_a_sequence_too() {
    let mut rig = Rig::new();
    let running = rig.submit(1, 60);
    let behind = [rig.submit(1, 9), rig.submit(1, 9), rig.submit(1, 9)];
    rig.step();
    behind.iter().for_each(|&request| rig.scheduler.pause(request));
    let waiting = rig.submit(1, 5);
    let mut steps = 0;
    while rig.admissions(waiting) == 0 {
        rig.step();
        steps += 1;
    }
    assert_eq!((steps, rig.end(running)), (33, None));
    assert_eq!(rig.computed(behind[2]), None, "the latest of them");
    assert!(rig.computed(behind[1]).is_some());
    behind.iter().for_each(|&request| rig.scheduler.resume(request));
    rig.run();
    for request in behind {
        assert_eq!(rig.answer(request), rig.answer_alone(request, 1, 9));
    }
}

#[test]
fn what_gave_way_goes_on_from_its_snapshot() {
    let mut rig = Rig::growing_and_caching(0, 4, 50);
    let first = submit_cached(&mut rig, 1000, 40, 30);
    let second = submit_cached(&mut rig, 2000, 40, 30);
    let mut restored = 0;
    while rig.end(second).is_none() {
        rig.step();
        rig.fetch();
        for op in &rig.plan.ops {
            if let MemoryOp::Restore { range, .. } = op {
                restored += range.len();
            }
        }
    }
    let preemptions = rig.scheduler.load().preemptions;
    assert_eq!((preemptions.count, preemptions.resumed), (1, 1));
    assert!(restored > 0);
    assert_eq!(preemptions.recomputed_tokens, 0, "all of it was restored");
    assert_eq!(rig.answer(first), cached_alone(&rig, 1000, 40, 30));
    assert_eq!(rig.answer(second), cached_alone(&rig, 2000, 40, 30));
}

#[test]
fn prefixes_that_nobody_uses_leave_before_anybody_gives_way() {
    let mut rig = Rig::growing_and_caching(0, 4, 60);
    submit_cached(&mut rig, 3000, 40, 1);
    rig.run();
    assert_eq!(rig.scheduler.load().prefix.idle_tokens, 40);
    let first = submit_cached(&mut rig, 1000, 20, 30);
    let second = submit_cached(&mut rig, 2000, 20, 30);
    rig.run();
    let load = rig.scheduler.load();
    assert_eq!(load.preemptions.count, 0);
    assert!(load.prefix.evictions > 0);
    assert_eq!(rig.answer(first), cached_alone(&rig, 1000, 20, 30));
    assert_eq!(rig.answer(second), cached_alone(&rig, 2000, 20, 30));
}

#[test]
fn answers_to_one_prompt_that_outgrow_the_cells_are_those_it_gets_alone() {
    let mut rig = Rig::growing_and_caching(0, 6, 100);
    let several: Vec<_> = (0..3).map(|_| submit_cached(&mut rig, 0, 40, 50)).collect();
    while rig.running_and_waiting() != (0, 0) {
        rig.step();
        rig.fetch();
    }
    for &request in &several {
        assert_eq!(rig.end(request), LENGTH);
        assert_eq!(rig.answer(request), cached_alone(&rig, 0, 40, 50));
    }
    assert!(rig.scheduler.load().preemptions.count > 0);
}

#[test]
fn a_request_that_gave_way_ends_by_its_deadline() {
    let mut rig = Rig::growing(0);
    rig.submit(40, 50);
    let late = Timestamp::default().after(Duration::from_millis(5));
    let second = rig.submit_until(40, 50, Some(late));
    while rig.scheduler.load().preempted == 0 {
        rig.step();
    }
    assert_eq!(rig.scheduler.next_deadline(), Some(late));
    rig.scheduler.expire(late);
    assert_eq!(rig.end(second), Some(Ended::DeadlineExceeded));
    rig.run();
    assert_eq!(rig.scheduler.load().preempted, 0);
}

#[test]
fn a_request_that_fills_the_context_is_served_alone() {
    let mut rig = Rig::growing(0);
    let all = rig.submit(50, 51);
    let other = rig.submit(20, 20);
    rig.run();
    assert_eq!(rig.answer(all), rig.answer_alone(all, 50, 50));
    assert_eq!(rig.answer(other), rig.answer_alone(other, 20, 20));
}
