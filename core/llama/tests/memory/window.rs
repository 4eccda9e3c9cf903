//! Layers with a window, where llama.cpp takes cells that one sequence alone holds for new
//! tokens once they are out of its window. On a tiny model, and on the real one that
//! `INDWELL_TEST_SWA_MODEL` names.

use std::sync::Arc;

use indwell_kernel::SeqId;
use indwell_llama::{ContextParams, MemoryKind, Model};

use crate::fixture::{Run, assert_same, load, params, text};
use crate::tiny;

const A: SeqId = SeqId(0);
const B: SeqId = SeqId(1);

fn models() -> Vec<(Arc<Model>, usize)> {
    let real = std::env::var_os("INDWELL_TEST_SWA_MODEL").map(|path| load(path.as_ref()));
    if real.is_none() {
        eprintln!("skipped: INDWELL_TEST_SWA_MODEL names no real model with a sliding window");
    }
    let with_window = |model: Arc<Model>| {
        let MemoryKind::SlidingWindow { window } = model.memory_kind() else {
            panic!("{} has no sliding window", model.name())
        };
        (model, window as usize)
    };
    [tiny::window()].into_iter().chain(real).map(with_window).collect()
}

/// A context for three windows of tokens.
fn context(model: &Arc<Model>, window: usize) -> Run {
    let context_tokens = u32::try_from(3 * window).expect("a short window");
    Run::with(model, ContextParams { context_tokens, ..params() })
}

/// One resident of nearly two windows goes through everything that could lose its cells; hits at
/// its end and in its middle are compared with computing anew.
#[test]
fn a_resident_keeps_what_is_out_of_the_window() {
    for (model, window) in models() {
        let (end, middle, low) = (2 * window - 40, window + window / 4, window / 4);
        let tokens = text(&model, 40, end + 20);
        let at = |tokens: usize| u32::try_from(tokens).expect("few");
        let mut reference = context(&model, window);
        reference.decode(A, 0, &tokens[..middle]);
        let at_middle = reference.decode(A, at(middle), &tokens[middle..middle + 20]);
        reference.decode(A, at(middle + 20), &tokens[middle + 20..end]);
        let at_end = reference.decode(A, at(end), &tokens[end..]);

        let mut run = context(&model, window);
        let kept = run.resident(0);
        let compare = |run: &mut Run, what: &str| {
            for (start, expected) in [(end, &at_end), (middle, &at_middle)] {
                assert!(run.context.share(kept, A, 0..at(start)), "{what}");
                let hit = run.decode(A, at(start), &tokens[start..start + 20]);
                assert_same(&model, &format!("{what}, at {start}"), &hit, expected);
                run.context.release(A);
            }
        };
        run.decode(B, 0, &text(&model, 41, low));
        run.decode(A, 0, &tokens[..end]);
        assert!(run.context.share(A, kept, 0..at(end)));
        run.context.release(A);
        run.context.release(B);
        compare(&mut run, "a hit");

        // More than the free cells below the resident's, none of which are taken.
        run.decode(B, 0, &text(&model, 42, low + 10));
        assert_eq!(run.context.positions(kept), Some(0..at(end)));
        run.context.release(B);
        compare(&mut run, "after others came and went");

        let extent = run.context.cells().expect("followed").extent();
        assert!(run.context.compact(kept, 0..at(low)), "the cells below are free");
        assert!(run.context.cells().expect("followed").extent() <= extent);
        compare(&mut run, "compacted");

        let bytes = run.context.save(kept, at(low)..at(end)).expect("saved");
        assert!(run.context.truncate(kept, at(low)));
        run.context.restore(kept, at(low)..at(end), &bytes).expect("restored");
        assert_eq!(run.used(), at(end));
        compare(&mut run, "restored");
        run.context.release(kept);
        assert_eq!(run.used(), 0);
    }
}

#[test]
fn what_a_running_sequence_lost_is_not_shared() {
    for (model, window) in models() {
        let long = u32::try_from(window + window / 2).expect("few");
        let mut run = context(&model, window);
        run.decode(A, 0, &text(&model, 43, 20));
        run.decode(B, 0, &text(&model, 44, window + window / 2));
        let kept = run.resident(0);
        assert_eq!(run.context.positions(B), Some(0..long));
        run.context.release(A);
        // 20 cells are free below; the rest are taken from what is out of B's window.
        run.decode(A, 0, &text(&model, 45, 40));
        let left = run.context.positions(B).expect("it goes on");
        assert!(left.start > 0 && left.end == long, "{left:?}");
        assert!(!run.context.share(B, kept, 0..long));
        assert!(run.context.save(B, 0..long).is_none());
        assert!(!run.context.compact(B, 0..long));
        assert!(run.context.save(B, left).is_some());
        assert_eq!(run.context.positions(kept), None);
    }
}
