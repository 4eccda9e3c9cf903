//! Saving and restoring state, and moving cells.

use indwell_kernel::SeqId;
use indwell_llama::{ContextParams, RestoreError};

use crate::fixture::{Run, anew, anew_with, assert_same, models, params, stories, text};

const A: SeqId = SeqId(0);
const B: SeqId = SeqId(1);

#[test]
fn a_range_in_the_middle_is_saved_and_restored() {
    for model in models() {
        for flash_attention in [Some(true), Some(false)] {
            let params = ContextParams { flash_attention, ..params() };
            let mut run = Run::with(&model, params);
            let tokens = text(&model, 10, 720);
            run.decode(A, 0, &tokens[..710]);
            let kept = run.resident(0);
            assert!(run.context.share(A, kept, 0..710));
            let bytes = run.context.save(kept, 100..710).expect("saved");
            run.context.release(A);
            assert!(run.context.truncate(kept, 100));
            assert_eq!(run.used(), 100);
            // Other sequences' tokens where the old cells were.
            run.decode(B, 0, &text(&model, 11, 133));
            run.context.restore(kept, 100..700, &bytes).expect("restored");
            assert_eq!(run.context.positions(kept), Some(0..700));
            assert_eq!(run.used(), 700 + 133);
            assert!(run.context.share(kept, A, 0..700));
            let restored = run.decode(A, 700, &tokens[700..]);
            let anew = anew_with(&model, params, &tokens, 700);
            assert_same(&model, "after restoring", &restored, &anew);
        }
    }
}

#[test]
fn another_context_restores_it() {
    for model in models() {
        let tokens = text(&model, 12, 600);
        let mut first = Run::new(&model);
        first.decode(A, 0, &tokens[..550]);
        let bytes = first.context.save(A, 0..550).expect("saved");
        let mut second = Run::new(&model);
        assert_eq!(first.context.layout_id(), second.context.layout_id());
        let kept = second.resident(5);
        second.context.restore(kept, 0..550, &bytes).expect("restored");
        assert!(second.context.share(kept, B, 0..550));
        let restored = second.decode(B, 550, &tokens[550..]);
        assert_same(&model, "in another context", &restored, &anew(&model, &tokens, 550));
    }
}

#[test]
fn what_no_longer_fits_is_refused_and_leaves_no_cells() {
    let Some(model) = stories() else { return };
    let mut run = Run::new(&model);
    run.decode(A, 0, &text(&model, 13, 600));
    let bytes = run.context.save(A, 40..600).expect("saved");
    let kept = run.resident(0);
    let refused = |run: &mut Run, range: std::ops::Range<u32>, bytes: &[u8]| {
        let used = run.used();
        let error = run.context.restore(kept, range, bytes).expect_err("refused");
        assert_eq!((run.used(), run.context.positions(kept)), (used, None));
        error
    };
    assert_eq!(refused(&mut run, 40..600, &bytes), RestoreError::NotHere);
    assert_eq!(refused(&mut run, 0..40, &bytes), RestoreError::NotHere);
    assert_eq!(refused(&mut run, 0..0, &bytes), RestoreError::NotHere);
    assert_eq!(refused(&mut run, 0..600, b""), RestoreError::Malformed);
    assert_eq!(refused(&mut run, 0..600, b"hello, world"), RestoreError::Malformed);
    let unfit = Run::with(&model, ContextParams { flash_attention: Some(false), ..params() })
        .context
        .restore(SeqId(4), 0..600, &bytes);
    assert_eq!(unfit, Err(RestoreError::NotHere));
    assert_eq!(
        run.context.restore(SeqId(4 + 8), 0..600, &bytes),
        Err(RestoreError::NotHere),
        "no such sequence"
    );
}

#[test]
fn cut_and_damaged_bytes_never_end_the_process_nor_leave_cells() {
    let Some(model) = stories() else { return };
    let mut run = Run::new(&model);
    run.decode(A, 0, &text(&model, 14, 40));
    let bytes = run.context.save(A, 0..40).expect("saved");
    let (used, kept) = (run.used(), run.resident(0));
    for length in (0..bytes.len()).step_by(97).chain(0..700) {
        let cut = run.context.restore(kept, 0..40, &bytes[..length]);
        assert!(cut.is_err(), "cut to {length} of {} bytes", bytes.len());
        assert_eq!((run.used(), run.context.positions(kept)), (used, None));
    }
    // A frame that promises less than there was, so that llama.cpp itself meets the end.
    let header = 4 + 24;
    for length in (0..bytes.len() - header).step_by(1013) {
        let mut short = bytes[..header + length].to_vec();
        short[12..20].copy_from_slice(&(length as u64).to_le_bytes());
        assert!(run.context.restore(kept, 0..40, &short).is_err(), "{length} bytes of state");
        assert_eq!((run.used(), run.context.positions(kept)), (used, None));
    }
    let mut accepted = 0;
    for at in 0..bytes.len().min(header + 16 + 40 * 12 + 64) {
        for mask in [1, 0x80, 0xff] {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= mask;
            if run.context.restore(kept, 0..40, &damaged).is_ok() {
                accepted += 1;
                assert_eq!(run.context.positions(kept), Some(0..40), "byte {at}");
                run.context.release(kept);
            }
            assert_eq!((run.used(), run.context.positions(kept)), (used, None), "byte {at}");
        }
    }
    eprintln!("{accepted} damages were in what does not matter");
    run.context.restore(kept, 0..40, &bytes).expect("the memory still works");
    assert!(run.context.share(kept, B, 0..40));
}

#[test]
fn a_full_memory_refuses_to_restore() {
    let Some(model) = stories() else { return };
    let mut run = Run::with(&model, ContextParams { context_tokens: 512, ..params() });
    run.decode(A, 0, &text(&model, 15, 300));
    let bytes = run.context.save(A, 0..300).expect("saved");
    let kept = run.resident(0);
    let refused = run.context.restore(kept, 0..300, &bytes);
    assert_eq!(refused, Err(RestoreError::NoRoom { cells: 300 }));
    assert_eq!((run.used(), run.context.positions(kept)), (300, None));
    run.context.release(A);
    run.context.restore(kept, 0..300, &bytes).expect("restored");
}

#[test]
fn compacting_moves_cells_down_and_keeps_their_state() {
    for model in models() {
        let mut run = Run::new(&model);
        let tokens = text(&model, 16, 380);
        run.decode(B, 0, &text(&model, 17, 370));
        run.decode(A, 0, &tokens[..350]);
        let kept = run.resident(0);
        assert!(run.context.share(A, kept, 0..350));
        assert!(!run.context.compact(A, 0..350), "there is nothing free below");
        run.context.release(B);
        assert!(!run.context.compact(A, 0..350), "the cells are shared");
        run.context.release(A);
        assert_eq!(run.context.cells().expect("followed").extent(), 720);
        assert!(run.context.compact(kept, 0..350));
        let cells = run.context.cells().expect("followed");
        assert_eq!((cells.extent(), cells.used()), (350, 350));
        assert!(!run.context.compact(kept, 0..350), "they lie as low as they can");
        assert!(run.context.share(kept, A, 0..350));
        let moved = run.decode(A, 350, &tokens[350..]);
        assert_same(&model, "after compacting", &moved, &anew(&model, &tokens, 350));
    }
}
