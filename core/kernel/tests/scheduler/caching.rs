//! The prefix cache as requests meet it: what is shared, with whom, and who waits for what.

use indwell_kernel::{
    CacheUse, FinishReason, MemoryOp, Namespace, NamespaceField, Output, RequestId, SnapshotId,
    SnapshotPlace, Tier, Token,
};

use crate::rig::{Ended, Rig};

fn tokens(range: std::ops::Range<i32>) -> Vec<Token> {
    range.map(Token).collect()
}

/// A prompt that begins with the same `shared` tokens as others and goes on with its own.
fn prompt(shared: i32, own: i32, length: i32) -> Vec<Token> {
    [tokens(0..shared), tokens(1000 * own..1000 * own + length)].concat()
}

fn tenant(salt: &str) -> CacheUse {
    CacheUse::Use(Namespace::builder().field(NamespaceField::Salt, salt.as_bytes()).finish())
}

fn answers(rig: &mut Rig, request: RequestId, prompt: &[Token], count: usize) {
    let mut due = prompt.to_vec();
    for _ in 0..count {
        due.push(rig.backend.next_token(&due).0);
    }
    assert_eq!(rig.answer(request), due[prompt.len()..], "{request} got another answer");
}

/// The snapshot that was asked for last.
fn asked(rig: &Rig) -> SnapshotId {
    match rig.asked.last() {
        Some(Output::Fetch { snapshot }) => *snapshot,
        other => panic!("no snapshot was asked for: {other:?}"),
    }
}

#[test]
fn a_second_prompt_computes_only_what_differs() {
    let mut rig = Rig::caching(4, 100);
    let first = rig.submit_prompt(prompt(20, 1, 3), 2, tenant("a"));
    rig.run();
    assert_eq!(rig.hit(first), None);
    let second = rig.submit_prompt(prompt(20, 2, 3), 2, tenant("a"));
    assert_eq!(rig.step(), [(second, 3)]);
    rig.run();
    assert_eq!(rig.hit(second), Some((20, Tier::Resident)));
    answers(&mut rig, second, &prompt(20, 2, 3), 2);
}

#[test]
fn a_short_hit_protects_no_more_than_it_uses() {
    let mut rig = Rig::caching(6, 60);
    // Each begins with the same 5 tokens and goes on with 20 of its own.
    for own in 1..4 {
        rig.submit_prompt(prompt(5, own, 20), 1, tenant("a"));
        rig.run();
    }
    // There was room for two: the oldest has left, but for what the others share.
    let hits =
        [1, 2, 3].map(|own| rig.scheduler.resident_tokens_of(tenant("a"), &prompt(5, own, 20)));
    assert_eq!(hits, [5, 25, 25]);
}

#[test]
fn at_least_one_token_is_computed() {
    let mut rig = Rig::caching(4, 100);
    rig.submit_prompt(prompt(20, 1, 0), 2, tenant("a"));
    rig.run();
    let again = rig.submit_prompt(prompt(20, 1, 0), 2, tenant("a"));
    assert_eq!(rig.step(), [(again, 1)]);
    rig.run();
    assert_eq!(rig.hit(again), Some((19, Tier::Resident)));
    answers(&mut rig, again, &prompt(20, 1, 0), 2);
}

#[test]
fn a_conversation_goes_on_from_its_own_answer() {
    let mut rig = Rig::caching(4, 100);
    let first = rig.submit_prompt(prompt(10, 1, 5), 6, tenant("a"));
    rig.run();
    let mut turn = prompt(10, 1, 5);
    turn.extend(rig.answer(first));
    turn.extend(tokens(500..505));
    let second = rig.submit_prompt(turn.clone(), 3, tenant("a"));
    rig.run();
    // The answer's last token was never computed.
    assert_eq!(rig.hit(second), Some((10 + 5 + 6 - 1, Tier::Resident)));
    answers(&mut rig, second, &turn, 3);
}

#[test]
fn other_salts_and_bypasses_share_nothing() {
    let mut rig = Rig::caching(4, 100);
    rig.submit_prompt(prompt(10, 1, 0), 2, tenant("a"));
    rig.run();
    let alike = prompt(10, 1, 1);
    let requests =
        [tenant("b"), CacheUse::Bypass].map(|cache| rig.submit_prompt(alike.clone(), 2, cache));
    assert_eq!(rig.step(), [(requests[0], 11), (requests[1], 5)]);
    rig.run();
    for request in requests {
        assert_eq!(rig.hit(request), None);
        answers(&mut rig, request, &alike, 2);
    }
    let cells = rig.scheduler.load().prefix.resident_tokens;
    // What the first two have left: 11 tokens and 12. The one that bypassed has left nothing.
    assert_eq!(cells, 23);
}

#[test]
fn a_prefix_that_many_want_at_once_is_computed_once() {
    let mut rig = Rig::caching(6, 100);
    let requests: Vec<RequestId> =
        (1..4).map(|own| rig.submit_prompt(prompt(20, own, 2), 2, tenant("a"))).collect();
    let mut computed = 0;
    for _ in 0..20 {
        computed += rig.step().iter().map(|(_, tokens)| tokens).sum::<usize>();
    }
    // 20 shared tokens once, 2 of their own each, and one token of each answer.
    assert_eq!(computed, 20 + 3 * 2 + 3);
    for (own, request) in (1..4).zip(requests) {
        answers(&mut rig, request, &prompt(20, own, 2), 2);
    }
}

#[test]
fn who_waits_for_a_prefix_is_overtaken_and_then_is_next() {
    let mut rig = Rig::caching(6, 100);
    let leader = rig.submit_prompt(prompt(30, 1, 2), 2, tenant("a"));
    let follower = rig.submit_prompt(prompt(30, 2, 2), 2, tenant("a"));
    let cold = rig.submit_prompt(tokens(700..704), 2, tenant("a"));
    assert_eq!(rig.step(), [(leader, 16)]);
    assert_eq!(rig.step(), [(leader, 16)]);
    // The prefix is there: the follower comes before the cold one, which came later.
    let part = rig.step();
    assert_eq!(part, [(leader, 1), (follower, 2), (cold, 4)]);
    rig.run();
    assert_eq!(rig.hit(follower), Some((30, Tier::Resident)));
}

#[test]
fn a_leader_that_is_cancelled_leaves_what_it_has_and_somebody_goes_on() {
    let mut rig = Rig::caching(6, 100);
    let leader = rig.submit_prompt(prompt(40, 1, 2), 2, tenant("a"));
    let followers = [2, 3].map(|own| rig.submit_prompt(prompt(40, own, 2), 2, tenant("a")));
    rig.step();
    rig.scheduler.cancel(leader);
    assert_eq!(rig.step(), [(followers[0], 16)]);
    rig.run();
    assert_eq!(rig.hit(followers[0]), Some((16, Tier::Resident)));
    assert_eq!(rig.hit(followers[1]), Some((40, Tier::Resident)));
    answers(&mut rig, followers[1], &prompt(40, 3, 2), 2);
}

#[test]
fn hot_prefixes_do_not_starve_a_cold_request() {
    let mut rig = Rig::caching(6, 60);
    rig.submit_prompt(prompt(30, 1, 2), 2, tenant("a"));
    rig.run();
    // Two hot requests arrive in every step, of which each fits with what is cached; the cold one
    // needs nearly all cells.
    let mut own = 2;
    let mut cold = None;
    for step in 0..200 {
        for _ in 0..2 {
            rig.submit_prompt(prompt(30, own, 2), 4, tenant("a"));
            own += 1;
        }
        if step == 10 {
            cold = Some(rig.submit_prompt(tokens(50_000..50_080), 2, tenant("a")));
        }
        rig.step();
        if let Some(cold) = cold
            && rig.end(cold).is_some()
        {
            // Everybody who came before it went first, and nobody after.
            assert!(step < 60, "after {step} steps");
            return;
        }
    }
    panic!("the cold request starves");
}

#[test]
fn what_leaves_is_saved_and_comes_back() {
    let mut rig = Rig::caching(4, 100);
    rig.submit_prompt(prompt(20, 1, 2), 2, tenant("a"));
    rig.run();
    // Needs all cells: what is cached gives way.
    rig.submit_prompt(tokens(5000..5095), 4, CacheUse::Bypass);
    rig.run();
    assert_eq!(rig.scheduler.load().prefix.resident_tokens, 0);
    rig.spill();
    let again = rig.submit_prompt(prompt(20, 1, 5), 2, tenant("a"));
    assert!(rig.step().is_empty(), "it waits for its snapshot");
    let snapshot = asked(&rig);
    rig.scheduler.place_snapshot(snapshot, SnapshotPlace::Away);
    let meanwhile = rig.submit_prompt(tokens(900..903), 1, tenant("a"));
    assert_eq!(rig.step(), [(meanwhile, 3)], "others go on meanwhile");
    rig.scheduler.place_snapshot(snapshot, SnapshotPlace::Ready(Tier::Disk));
    assert_eq!(rig.step(), [(again, 5 - 2)]);
    let restored = rig.plan.ops.iter().any(|op| matches!(op, MemoryOp::Restore { .. }));
    assert!(restored, "{:?}", rig.plan.ops);
    rig.run();
    assert_eq!(rig.hit(again), Some((22, Tier::Disk)));
    answers(&mut rig, again, &prompt(20, 1, 5), 2);
}

#[test]
fn a_snapshot_that_is_lost_is_computed_again() {
    let mut rig = Rig::caching(4, 0);
    rig.submit_prompt(prompt(20, 1, 2), 2, tenant("a"));
    rig.run();
    rig.spill();
    let again = rig.submit_prompt(prompt(20, 1, 2), 2, tenant("a"));
    rig.step();
    let snapshot = asked(&rig);
    rig.scheduler.place_snapshot(snapshot, SnapshotPlace::Lost);
    rig.run();
    assert_eq!(rig.hit(again), None);
    answers(&mut rig, again, &prompt(20, 1, 2), 2);
    assert_eq!(rig.scheduler.snapshots_coldest_first().len(), 1, "it was saved anew");
}

#[test]
fn a_snapshot_that_has_no_room_is_not_saved_again_and_again() {
    let mut rig = Rig::caching(4, 100);
    rig.submit_prompt(prompt(20, 1, 2), 2, tenant("a"));
    rig.run();
    let snapshot = rig.scheduler.snapshots_coldest_first()[0];
    rig.scheduler.place_snapshot(snapshot, SnapshotPlace::Lost);
    assert!(rig.step().is_empty() && rig.plan.is_empty(), "{:?}", rig.plan);
    // But when it leaves the memory it is.
    rig.submit_prompt(tokens(5000..5095), 4, CacheUse::Bypass);
    rig.run();
    assert_eq!(rig.scheduler.snapshots_coldest_first().len(), 1);
}

#[test]
fn a_restore_that_is_refused_costs_a_prompt_and_leaves_no_cells() {
    let mut rig = Rig::caching(4, 0);
    rig.submit_prompt(prompt(20, 1, 2), 2, tenant("a"));
    rig.run();
    let snapshot = rig.scheduler.snapshots_coldest_first()[0];
    rig.backend.lose_snapshot(snapshot);
    let again = rig.submit_prompt(prompt(20, 1, 2), 2, tenant("a"));
    rig.run();
    assert_eq!((rig.hit(again), rig.admissions(again)), (None, 1));
    answers(&mut rig, again, &prompt(20, 1, 2), 2);
    let forgotten = |o: &Output| matches!(o, Output::Forget { snapshot: s } if *s == snapshot);
    assert!(rig.asked.iter().any(forgotten), "{:?}", rig.asked);
    assert_eq!(rig.backend.cells_used(), 0);
}

#[test]
fn a_share_that_is_refused_costs_a_prompt() {
    let mut rig = Rig::caching(4, 100);
    rig.submit_prompt(prompt(20, 1, 2), 2, tenant("a"));
    rig.run();
    let again = rig.submit_prompt(prompt(20, 2, 2), 2, tenant("a"));
    rig.backend.refuse_one_in(1);
    rig.step();
    rig.backend.refuse_one_in(0);
    rig.run();
    assert_eq!((rig.hit(again), rig.admissions(again)), (None, 1));
    answers(&mut rig, again, &prompt(20, 2, 2), 2);
}

#[test]
fn what_is_kept_stays_until_it_is_let_go() {
    let mut rig = Rig::caching(4, 0);
    let kept = rig.keep(prompt(20, 1, 0), tenant("a"));
    rig.run();
    assert_eq!(rig.end(kept), Some(Ended::Cached));
    assert_eq!(rig.answer(kept), []);
    assert_eq!(rig.scheduler.load().prefix.pinned_tokens, 20);
    for own in 1..6 {
        let request = rig.submit_prompt(prompt(20, own, 3), 2, tenant("a"));
        rig.run();
        assert_eq!(rig.hit(request), Some((20, Tier::Resident)));
        assert_eq!(rig.end(request), Some(Ended::Finished(FinishReason::Length)));
    }
    rig.scheduler.unpin(kept);
    rig.run();
    let prefix = rig.scheduler.load().prefix;
    assert_eq!((prefix.pinned_tokens, prefix.resident_tokens), (0, 0), "the cap is 0");
}

#[test]
fn what_is_kept_gives_way_rather_than_let_somebody_wait_for_ever() {
    let mut rig = Rig::caching(4, 0);
    rig.keep(prompt(60, 1, 0), tenant("a"));
    rig.run();
    let large = rig.submit_prompt(tokens(5000..5095), 4, tenant("b"));
    rig.run();
    assert_eq!(rig.end(large), Some(Ended::Finished(FinishReason::Length)));
    // It is still asked for, and restored.
    let request = rig.submit_prompt(prompt(60, 1, 3), 2, tenant("a"));
    assert_eq!(rig.step(), [(request, 3)], "the host's memory is at hand");
    rig.run();
    assert_eq!(rig.hit(request), Some((60, Tier::Host)));
}

#[test]
fn idle_prefixes_stay_within_their_cap() {
    let mut rig = Rig::caching(4, 30);
    for own in 1..9 {
        rig.submit_prompt(tokens(1000 * own..1000 * own + 14), 2, tenant("a"));
        rig.run();
        let prefix = rig.scheduler.load().prefix;
        assert!((15..=30).contains(&prefix.idle_tokens), "{prefix:?}");
    }
}

#[test]
fn a_preempted_request_goes_on_from_what_it_had_computed() {
    let mut rig = Rig::caching(4, 100);
    let first = rig.submit_prompt(tokens(0..10), 20, tenant("a"));
    let second = rig.submit_prompt(tokens(100..110), 20, tenant("a"));
    rig.step_until_decoding(second);
    rig.failing_step(indwell_kernel::StepError::NoCells, 0);
    assert_eq!(rig.running_and_waiting(), (1, 1), "the latest gives way");
    rig.run();
    answers(&mut rig, first, &tokens(0..10), 20);
    answers(&mut rig, second, &tokens(100..110), 20);
    assert_eq!(rig.hit(second), None, "its own work is no hit");
}

#[test]
fn snapshots_of_an_earlier_life_are_used() {
    let CacheUse::Use(namespace) = tenant("a") else { unreachable!("a tenant's") };
    let tokens = prompt(20, 1, 2);
    let key = indwell_kernel::SnapshotKey { namespace, tokens, start: 0 };
    let mut rig = Rig::caching(4, 0);
    let snapshot = rig.scheduler.adopt_snapshot(&key).expect("nothing like it is known");
    assert_eq!(rig.scheduler.adopt_snapshot(&key), None, "it is known now");
    rig.submit_prompt(prompt(20, 1, 4), 2, tenant("a"));
    rig.step();
    assert_eq!(asked(&rig), snapshot);
}
