//! Who shares a step, in which order, and with how many tokens.

use indwell_kernel::SchedulerOptions;

use crate::rig::{Rig, bounds};

#[test]
fn decoding_sequences_come_first_and_contiguously() {
    let mut rig = Rig::new();
    let first = rig.submit(3, 50);
    let second = rig.submit(5, 20);
    rig.step_until_decoding(second);
    let long = rig.submit(20, 5);
    assert_eq!(rig.step(), [(first, 1), (second, 1), (long, 8)]);
    assert_eq!(rig.step(), [(first, 1), (second, 1), (long, 8)]);
    assert_eq!(rig.step(), [(first, 1), (second, 1), (long, 4)]);
    assert_eq!(rig.step(), [(first, 1), (second, 1), (long, 1)]);
}

#[test]
fn a_decode_on_a_later_sequence_still_comes_before_a_prefill_on_an_earlier_one() {
    let mut rig = Rig::new();
    let first = rig.submit(3, 50);
    let second = rig.submit(3, 20);
    rig.step_until_decoding(second);
    rig.scheduler.cancel(first);
    let long = rig.submit(20, 5);
    assert_eq!(rig.step(), [(second, 1), (long, 8)]);
    assert!(rig.seq_of(long) < rig.seq_of(second), "the long prompt took the freed sequence");
}

#[test]
fn a_long_prompt_is_prefilled_in_chunks_while_others_decode() {
    let mut rig = Rig::new();
    let streaming = rig.submit(3, 50);
    rig.step_until_decoding(streaming);
    let long = rig.submit(30, 5);
    for chunk in [8, 8, 8, 6] {
        let told = rig.answer(streaming).len();
        assert_eq!(rig.step(), [(streaming, 1), (long, chunk)]);
        assert_eq!(rig.answer(streaming).len(), told + 1, "the stream goes on");
    }
    assert_eq!(rig.answer(long), rig.answer_alone(long, 30, 1));
}

#[test]
fn a_prompt_gets_the_whole_batch_while_nothing_decodes() {
    let mut rig = Rig::new();
    let long = rig.submit(40, 5);
    assert_eq!(rig.step(), [(long, 16)]);
    assert_eq!(rig.step(), [(long, 16)]);
    assert_eq!(rig.step(), [(long, 8)]);
}

#[test]
fn only_the_end_of_a_prompt_is_sampled() {
    let mut rig = Rig::new();
    let long = rig.submit(20, 5);
    rig.step();
    assert_eq!(rig.plan.chunks[0].outputs, 0);
    assert!(rig.answer(long).is_empty());
    rig.step();
    assert_eq!(rig.plan.chunks[0].outputs, 1);
    assert_eq!(rig.answer(long).len(), 1);
}

#[test]
fn prefills_share_the_budget_in_order_of_arrival() {
    let mut rig = Rig::new();
    let first = rig.submit(20, 5);
    let second = rig.submit(10, 5);
    let third = rig.submit(10, 5);
    assert_eq!(rig.step(), [(first, 16)]);
    assert_eq!(rig.step(), [(first, 4), (second, 10), (third, 2)]);
    assert_eq!(rig.step(), [(first, 1), (second, 1), (third, 8)]);
}

#[test]
fn running_prefills_go_by_arrival_and_not_by_sequence() {
    let mut rig = Rig::new();
    let gone = rig.submit(2, 1);
    let first = rig.submit(40, 5);
    assert_eq!(rig.step(), [(gone, 2), (first, 14)]);
    let second = rig.submit(40, 5);
    assert_eq!(rig.step(), [(first, 16)]);
    assert_eq!(rig.step(), [(first, 10), (second, 6)]);
    assert!(rig.seq_of(second) < rig.seq_of(first), "the second took the freed sequence");
    rig.scheduler.pause(first);
    assert_eq!(rig.step(), [(second, 16)]);
    rig.scheduler.resume(first);
    assert_eq!(rig.step(), [(first, 1), (second, 8)]);
}

#[test]
fn prefill_goes_on_with_one_token_when_decodes_leave_no_more() {
    let options =
        SchedulerOptions { batch_tokens: Some(4), prefill_chunk_tokens: Some(4), ..bounds() };
    let mut rig = Rig::with(&options);
    let decoding = [rig.submit(1, 20), rig.submit(1, 20), rig.submit(1, 20)];
    rig.step();
    let long = rig.submit(3, 2);
    for _ in 0..3 {
        let batch = rig.step();
        assert_eq!(batch[3], (long, 1));
        assert_eq!(batch[..3], decoding.map(|request| (request, 1)));
    }
    assert_eq!(rig.answer(long).len(), 1);
}

#[test]
fn a_shared_batch_gives_each_request_the_tokens_it_gets_alone() {
    let options = SchedulerOptions {
        context_tokens: Some(4096),
        sequences_max: Some(32),
        batch_tokens: Some(64),
        ..bounds()
    };
    let mut rig = Rig::with(&options);
    let requests: Vec<_> = (0..32).map(|n| (rig.submit(1 + n * 2, 20), 1 + n * 2)).collect();
    rig.run();
    for &(request, length) in &requests {
        assert_eq!(rig.answer(request), rig.answer_alone(request, length, 20));
    }
    assert!(rig.backend.steps() < 200, "{} steps for 640 tokens", rig.backend.steps());
}

#[test]
fn a_steady_decode_reuses_the_plans_buffers() {
    let mut rig = Rig::new();
    for _ in 0..4 {
        rig.submit(4, 20);
    }
    rig.step();
    rig.step();
    let buffers = |rig: &Rig| (rig.plan.chunks.as_ptr(), rig.plan.tokens.as_ptr());
    let before = buffers(&rig);
    for _ in 0..10 {
        assert_eq!(rig.step().len(), 4);
        assert_eq!(buffers(&rig), before);
    }
}
