//! Recurrent and hybrid memory: shared, saved and restored whole, or not at all.

use std::sync::Arc;

use indwell_kernel::{Reuse, SeqId};
use indwell_llama::{MemoryKind, Model, RestoreError};

use crate::fixture::{Run, anew, assert_same, text};
use crate::tiny;

const A: SeqId = SeqId(0);
const B: SeqId = SeqId(1);

fn models() -> [Arc<Model>; 2] {
    let models = [tiny::recurrent(), tiny::hybrid()];
    assert_eq!(models[0].memory_kind(), MemoryKind::Recurrent);
    assert_eq!(models[1].memory_kind(), MemoryKind::Hybrid);
    assert_eq!(models[1].kv_bytes_per_token(), 2 * 64 * 2, "one layer of two");
    models
}

#[test]
fn a_whole_sequence_is_shared_and_goes_on() {
    for model in models() {
        assert_eq!(model.memory_kind().reuse(), Some(Reuse::ExactEnds));
        let mut run = Run::new(&model);
        let tokens = text(&model, 50, 120);
        run.decode(A, 0, &tokens[..100]);
        let kept = run.resident(7);
        assert!(run.context.share(A, kept, 0..100));
        // The running sequence goes on with a state of its own.
        run.decode(A, 100, &text(&model, 51, 30));
        for other in [B, SeqId(2), SeqId(3)] {
            assert!(run.context.share(kept, other, 0..100));
            let hit = run.decode(other, 100, &tokens[100..]);
            assert_same(&model, "a whole sequence", &hit, &anew(&model, &tokens, 100));
        }
        run.context.release(A);
        run.context.release(kept);
        assert_eq!(run.context.positions(kept), None);
        assert_eq!(run.context.positions(B).map(|positions| positions.end), Some(120));
    }
}

#[test]
fn parts_of_it_are_refused() {
    for model in models() {
        let mut run = Run::new(&model);
        run.decode(A, 0, &text(&model, 52, 60));
        run.decode(B, 0, &text(&model, 53, 60));
        let kept = run.resident(0);
        for range in [0..59, 0..61, 1..60, 0..0] {
            assert!(!run.context.share(A, kept, range.clone()), "{range:?}");
            assert!(run.context.save(A, range.clone()).is_none(), "{range:?}");
        }
        assert!(!run.context.share(A, B, 0..60), "it is not empty");
        assert!(!run.context.replace(A, B, 0..60) && !run.context.compact(A, 0..60));
        assert!(!run.context.truncate(A, 30));
        assert!(run.context.share(A, kept, 0..60));
        assert!(!run.context.truncate(kept, 30));
    }
}

#[test]
fn it_is_saved_and_restored_whole() {
    for model in models() {
        let tokens = text(&model, 54, 120);
        let mut first = Run::new(&model);
        first.decode(A, 0, &tokens[..100]);
        let bytes = first.context.save(A, 0..100).expect("saved");
        let mut run = Run::new(&model);
        run.decode(B, 0, &text(&model, 55, 40));
        let kept = run.resident(3);
        assert_eq!(run.context.restore(kept, 0..90, &bytes), Err(RestoreError::NotHere));
        run.context.restore(kept, 0..100, &bytes).expect("restored");
        assert!(run.context.share(kept, A, 0..100));
        let restored = run.decode(A, 100, &tokens[100..]);
        assert_same(&model, "restored whole", &restored, &anew(&model, &tokens, 100));
        run.context.release(kept);
        for length in (0..bytes.len()).step_by(101) {
            assert!(run.context.restore(kept, 0..100, &bytes[..length]).is_err(), "{length}");
            assert_eq!(run.context.positions(kept), None);
        }
    }
}

#[test]
fn all_residents_and_all_running_sequences_have_a_state_at_once() {
    for model in models() {
        let mut run = Run::new(&model);
        let tokens = text(&model, 56, 50);
        for round in 0..8 {
            let kept = run.resident(round);
            run.decode(A, 0, &tokens[..40]);
            assert!(run.context.share(A, kept, 0..40));
            run.context.release(A);
        }
        for seq in 0..4 {
            assert!(run.context.share(run.resident(seq), SeqId(seq), 0..40));
        }
        for seq in 0..4 {
            let hit = run.decode(SeqId(seq), 40, &tokens[40..]);
            assert_same(&model, "with all in use", &hit, &anew(&model, &tokens, 40));
        }
    }
}
