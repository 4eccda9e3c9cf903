//! Sharing cells between running and resident sequences.

use indwell_kernel::SeqId;
use indwell_llama::{ContextParams, DecodeError};

use crate::fixture::{
    Run, anew, anew_with, assert_same, difference, models, params, stories, text, tolerance,
};
use crate::tiny;

const A: SeqId = SeqId(0);
const B: SeqId = SeqId(1);

#[test]
fn a_hit_gives_the_logits_of_computing_anew() {
    for model in models() {
        for flash_attention in [Some(true), Some(false)] {
            let params = ContextParams { flash_attention, ..params() };
            let mut run = Run::with(&model, params);
            let tokens = text(&model, 1, 300);
            run.decode(A, 0, &tokens[..250]);
            let kept = run.resident(0);
            assert!(run.context.share(A, kept, 0..250));
            run.context.release(A);
            assert!(run.context.share(kept, B, 0..200));
            assert_eq!(run.context.positions(B), Some(0..200));
            let hit = run.decode(B, 200, &tokens[200..]);
            assert_eq!(run.used(), 250 + 100);
            let anew = anew_with(&model, params, &tokens, 200);
            assert_same(&model, "after a hit", &hit, &anew);
        }
    }
}

#[test]
fn the_tolerance_tells_another_prefix() {
    for model in models().into_iter().chain([tiny::window(), tiny::recurrent(), tiny::hybrid()]) {
        let tokens = text(&model, 1, 120);
        let mut other = text(&model, 9, 110);
        other.extend(&tokens[110..]);
        let (one, other) = (anew(&model, &tokens, 100), anew(&model, &other, 100));
        let difference = difference(&one, &other);
        eprintln!("another prefix: logits differ by {difference} of their spread");
        assert!(difference > 3.0 * tolerance(&model), "{difference}");
    }
}

#[test]
fn a_resident_is_extended_and_cut() {
    let Some(model) = stories() else { return };
    let mut run = Run::new(&model);
    let tokens = text(&model, 2, 300);
    run.decode(A, 0, &tokens[..100]);
    let (kept, other) = (run.resident(0), run.resident(7));
    assert!(run.context.share(A, kept, 0..100));
    run.decode(A, 100, &tokens[100..200]);
    assert!(run.context.share(A, kept, 100..200));
    assert!(run.context.share(kept, other, 0..150));
    run.context.release(A);
    assert!(run.context.truncate(kept, 120));
    assert_eq!(run.context.positions(kept), Some(0..120));
    assert_eq!(run.used(), 150);
    assert!(run.context.share(other, B, 0..150));
    let hit = run.decode(B, 150, &tokens[150..]);
    assert_same(&model, "after two residents", &hit, &anew(&model, &tokens, 150));
}

#[test]
fn evicting_what_was_shared_frees_its_cells() {
    let Some(model) = stories() else { return };
    let mut run = Run::new(&model);
    run.decode(A, 0, &text(&model, 3, 200));
    let kept = run.resident(3);
    assert!(run.context.share(A, kept, 0..200));
    assert!(run.context.share(kept, B, 0..64));
    assert_eq!(run.used(), 200);
    run.context.release(A);
    assert_eq!(run.used(), 200);
    run.context.release(kept);
    assert_eq!(run.used(), 64);
    run.context.release(B);
    let cells = run.context.cells().expect("followed");
    assert_eq!((cells.used(), cells.extent()), (0, 0));
}

#[test]
fn replacing_frees_the_duplicates() {
    for model in models() {
        let mut run = Run::new(&model);
        let tokens = text(&model, 4, 260);
        run.decode(A, 0, &tokens[..200]);
        let kept = run.resident(0);
        assert!(run.context.share(A, kept, 0..200));
        run.context.release(A);
        run.decode(B, 0, &tokens[..240]);
        assert_eq!(run.used(), 440);
        assert!(run.context.replace(kept, B, 0..200));
        assert_eq!(run.used(), 240);
        assert_eq!(run.context.positions(B), Some(0..240));
        let replaced = run.decode(B, 240, &tokens[240..]);
        assert_same(&model, "after replacing", &replaced, &anew(&model, &tokens, 240));
    }
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let Some(model) = stories() else { return };
    let mut run = Run::new(&model);
    run.decode(A, 0, &text(&model, 5, 100));
    run.decode(B, 0, &text(&model, 6, 50));
    let (kept, empty) = (run.resident(0), run.resident(1));
    assert!(run.context.share(A, kept, 0..60));
    let unknown = [run.resident(8), SeqId(255), SeqId(256), SeqId(u32::MAX)];
    let used = run.used();
    let context = &mut run.context;
    for seq in unknown {
        assert!(!context.share(A, seq, 0..10) && !context.share(seq, empty, 0..10));
        assert!(!context.replace(A, seq, 0..10) && !context.replace(seq, A, 0..10));
        assert!(!context.truncate(seq, 0) && !context.compact(seq, 0..10));
        assert!(context.save(seq, 0..10).is_none() && context.positions(seq).is_none());
    }
    let refused = [
        (A, empty, 0..101),
        (A, empty, 0..u32::MAX),
        (A, empty, 10..20),
        (A, kept, 0..60),
        (A, kept, 50..70),
        (A, kept, 61..70),
        (A, A, 0..10),
        (A, B, 0..10),
        (empty, run.resident(2), 0..10),
    ];
    for (from, to, range) in refused {
        assert!(!run.context.share(from, to, range.clone()), "{from} to {to}: {range:?}");
    }
    assert!(!run.context.share(A, empty, 5..5));
    assert!(!run.context.replace(A, B, 0..60));
    assert!(!run.context.replace(B, A, 40..60));
    assert_eq!(run.used(), used);
    assert_eq!(run.context.positions(A), Some(0..100));
    assert_eq!(run.context.positions(B), Some(0..50));
    assert_eq!(run.context.positions(kept), Some(0..60));
}

#[test]
fn the_scratch_sequence_and_residents_are_never_decoded() {
    let Some(model) = stories() else { return };
    let mut run = Run::new(&model);
    for seq in [4, 5, 12, 255] {
        let refused = run.try_decode(SeqId(seq), 0, &text(&model, 7, 3));
        assert_eq!(refused, Err(DecodeError::InvalidBatch));
    }
    assert_eq!(run.used(), 0);
}

#[test]
fn the_smallest_and_the_largest_contexts_work() {
    let Some(model) = stories() else { return };
    let small =
        ContextParams { batch_tokens: 1, sequences_max: 1, residents_max: 1000, ..params() };
    let mut run = Run::with(&model, small);
    assert_eq!(run.context.params().residents_max, 254);
    let tokens = text(&model, 8, 40);
    run.decode(A, 0, &tokens[..30]);
    let kept = run.resident(253);
    assert!(run.context.share(A, kept, 0..30));
    run.context.release(A);
    assert!(run.context.share(kept, A, 0..20));
    let hit = run.decode(A, 20, &tokens[20..]);
    assert_same(&model, "on the smallest context", &hit, &anew_with(&model, small, &tokens, 20));

    let large = ContextParams { sequences_max: 256, ..params() };
    let mut run = Run::with(&model, large);
    assert_eq!(run.context.params().residents_max, 0);
    run.decode(SeqId(255), 0, &tokens);
    assert!(!run.context.share(SeqId(255), A, 0..40));
    assert!(run.context.save(SeqId(255), 0..40).is_none());
}
