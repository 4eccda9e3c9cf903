//! llama.cpp's own samplers, one for each filter, made for one answer.
//!
//! What each needs, from its source (`src/llama-sampler.cpp` in llama-cpp-sys-2 0.1.161):
//!
//! | sampler | asserts or breaks where | so |
//! |---|---|---|
//! | `top_k`, `top_p`, `min_p`, `typical`, `xtc`, `temp_ext` | softmax asserts a candidate; sorting by NaN is undefined | [`Candidates`] hold one at least, and no NaN |
//! | `top_k` above 128, `top_p` above 1,024 candidates, `typical`, `xtc`, `temp_ext` | bucket numbers overflow an `int` for logits above 3.3e8 | such are sorted before |
//! | `typical` | a probability of 0 makes the entropy NaN, and the filter a top-p | such are left out before |
//! | `temp_ext` with a range | a temperature near 0 makes ∞, of which NaN comes | logits are shifted to 0 at most before |
//! | `top_n_sigma` | marks with −∞ and leaves them in | they are left out after |
//! | `xtc` | moves the array's beginning; draws from a generator of its own | it is followed; made with probability 1, and applied when our own draw says so |
//! | all | allocate, so `std::bad_alloc` may be thrown where memory is out | as everywhere, that ends the process |
//!
//! None is given a seed, a history or a grammar: llama.cpp's ring buffers, which throw when empty, its
//! generators and its grammars are not reached. Parameters are within the kernel's limits.

use std::ptr::NonNull;

use indwell_kernel::{SamplerKind, SamplingParams, Temperature};
use llama_cpp_sys_2 as sys;

use super::candidates::Candidates;
use crate::edge;
use crate::error::SampleError;

/// Tokens that every filter keeps at least.
const KEPT_MIN: usize = 1;

/// One of llama.cpp's samplers.
#[derive(Debug)]
pub(super) struct Filter {
    kind: SamplerKind,
    /// Whether it is a temperature that moves.
    moves: bool,
    sampler: Owned,
}

#[derive(Debug)]
struct Owned(NonNull<sys::llama_sampler>);

// SAFETY: a sampler has no thread affinity, and `&mut self` keeps it to one thread at a time.
unsafe impl Send for Owned {}

impl Filter {
    /// The filter of this kind; `None` for kinds that are none of llama.cpp's here.
    pub(super) fn new(
        kind: SamplerKind,
        params: &SamplingParams,
    ) -> Result<Option<Self>, SampleError> {
        let Temperature { value, range, exponent } = params.temperature;
        // SAFETY: each init takes plain, validated values and gives an owned sampler, or null.
        let sampler = unsafe {
            match kind {
                SamplerKind::Penalties | SamplerKind::Dry => return Ok(None),
                SamplerKind::TopNSigma => sys::llama_sampler_init_top_n_sigma(params.top_n_sigma),
                SamplerKind::TopK => {
                    let k = i32::try_from(params.top_k).unwrap_or(i32::MAX);
                    sys::llama_sampler_init_top_k(k)
                }
                SamplerKind::TypicalP => {
                    sys::llama_sampler_init_typical(params.typical_p, KEPT_MIN)
                }
                SamplerKind::TopP => sys::llama_sampler_init_top_p(params.top_p, KEPT_MIN),
                SamplerKind::MinP => sys::llama_sampler_init_min_p(params.min_p, KEPT_MIN),
                SamplerKind::Xtc => {
                    sys::llama_sampler_init_xtc(1.0, params.xtc.threshold, KEPT_MIN, 0)
                }
                SamplerKind::Temperature => {
                    sys::llama_sampler_init_temp_ext(value, range, exponent)
                }
            }
        };
        let sampler = Owned(NonNull::new(sampler).ok_or(SampleError::NoSampler)?);
        Ok(Some(Self { kind, moves: range > 0.0, sampler }))
    }

    pub(super) fn kind(&self) -> SamplerKind {
        self.kind
    }

    /// Filters `candidates`, or changes their logits.
    pub(super) fn apply(&mut self, candidates: &mut Candidates) -> Result<(), SampleError> {
        match self.kind {
            SamplerKind::TypicalP => {
                candidates.drop_impossible();
                candidates.prepare_to_be_sorted();
            }
            SamplerKind::TopK | SamplerKind::TopP | SamplerKind::MinP | SamplerKind::Xtc => {
                candidates.prepare_to_be_sorted();
            }
            SamplerKind::Temperature if self.moves => {
                candidates.shift();
                candidates.prepare_to_be_sorted();
            }
            SamplerKind::Temperature
            | SamplerKind::TopNSigma
            | SamplerKind::Penalties
            | SamplerKind::Dry => {}
        }
        let sampler = self.sampler.0.as_ptr();
        // SAFETY: the sampler is alive and ours alone; the array describes candidates that are
        // there, at least one, without NaN.
        let applied = |array: &mut _| unsafe { edge::sample(sampler, array) };
        candidates.apply(|array| {
            applied(array).map_err(|thrown| {
                tracing::error!(kind = ?self.kind, "{thrown}");
                SampleError::Threw
            })
        })?;
        match self.kind {
            SamplerKind::TopNSigma | SamplerKind::Temperature => candidates.settle(),
            _ => Ok(()),
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: owned and freed once.
        unsafe { sys::llama_sampler_free(self.0.as_ptr()) };
    }
}
