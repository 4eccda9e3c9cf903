//! The largest logit, in one pass, and whether all of them are numbers.

use indwell_kernel::TokenMask;

use crate::error::SampleError;

/// Logits that are looked at together: the maximum of a block compiles to vector instructions, and
/// only the block that holds the maximum is searched.
pub(super) const BLOCK: usize = 256;

/// The index of the largest logit; of several, the first.
pub(super) fn largest(logits: &[f32]) -> Result<usize, SampleError> {
    let mut best = (f32::NEG_INFINITY, 0);
    let mut sum_of_nothing = 0.0_f32;
    for (block, values) in logits.chunks(BLOCK).enumerate() {
        let mut lanes = [f32::NEG_INFINITY; 8];
        let mut nans = [0.0_f32; 8];
        let (eights, rest) = values.as_chunks::<8>();
        for eight in eights {
            for lane in 0..8 {
                lanes[lane] = if eight[lane] > lanes[lane] { eight[lane] } else { lanes[lane] };
                // 0 for every number, NaN for NaN; infinities are kept out by the clamp.
                nans[lane] += eight[lane].clamp(-1.0, 1.0) * 0.0;
            }
        }
        for &value in rest {
            lanes[0] = if value > lanes[0] { value } else { lanes[0] };
            nans[0] += value.clamp(-1.0, 1.0) * 0.0;
        }
        let largest = lanes.into_iter().fold(f32::NEG_INFINITY, f32::max);
        sum_of_nothing += nans.into_iter().sum::<f32>();
        if largest > best.0 {
            best = (largest, block);
        }
    }
    if sum_of_nothing.is_nan() || !best.0.is_finite() {
        return Err(SampleError::NotFinite);
    }
    let start = best.1 * BLOCK;
    let within = logits[start..].iter().position(|&value| value == best.0);
    Ok(start + within.expect("the block holds its maximum"))
}

/// The index of the largest logit of those in `mask`; of several, the first.
pub(super) fn largest_of(logits: &[f32], mask: &TokenMask) -> Result<usize, SampleError> {
    let mut best = (f32::NEG_INFINITY, None);
    for (block, (values, &word)) in logits.chunks(32).zip(mask.words()).enumerate() {
        // Most words are empty, or hold nothing above the largest so far.
        if word == 0 || !values.iter().any(|&value| value > best.0) {
            continue;
        }
        for (bit, &value) in values.iter().enumerate() {
            if word >> bit & 1 == 1 && value > best.0 {
                best = (value, Some(block * 32 + bit));
            }
        }
    }
    best.1.ok_or(SampleError::NoCandidate)
}
