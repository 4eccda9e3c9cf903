//! One llama.cpp context: decode, logits, and the memory of its sequences.
//!
//! llama-cpp-2 keeps its context's pointer private, and with it the abort callback, the bound on
//! outputs and the sequence memory; hence this one, on llama-cpp-sys-2. It is `Send` but not
//! `Sync`: one thread at a time. Contexts are made and freed under one process-wide lock, since
//! doing so in parallel is unsound upstream. What is done to sequences is in [`crate::memory`];
//! sequences have the kernel's ids here, running ones first, then residents.

use std::ffi::c_void;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indwell_kernel::{SchedulerConfig, SeqId};
use llama_cpp_sys_2 as sys;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::cells::Cells;
use crate::edge;
use crate::error::{ContextError, DecodeError, RestoreError};
use crate::log::listening;
use crate::memory::{Handles, Memory, Numbering};
use crate::memory_kind::MemoryKind;
use crate::{Allocated, Batch, Model, SnapshotBytes};

static LIFECYCLE: Mutex<()> = Mutex::new(());

/// How to make a context.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ContextParams {
    /// KV cells shared by all sequences. llama.cpp rounds up to a multiple of 256.
    pub context_tokens: u32,
    /// Tokens of one decode call; also its micro-batch, so that a call is one graph run.
    pub batch_tokens: u32,
    /// Sequences that are decoded; at most `batch_tokens`.
    pub sequences_max: u32,
    /// Further sequences, which are never decoded but keep cells; 0 turns sharing, saving and
    /// restoring off. Cut to what [`crate::residents_possible`] allows.
    pub residents_max: u32,
    /// Threads that compute.
    pub threads: u32,
    /// Flash attention; `None` lets llama.cpp decide.
    pub flash_attention: Option<bool>,
}

/// A context on a model.
#[derive(Debug)]
pub struct Context {
    pointer: NonNull<sys::llama_context>,
    memory: Memory,
    params: ContextParams,
    vocabulary_size: usize,
    allocated: Allocated,
    /// Read by llama.cpp during a decode through a pointer into this allocation.
    abort: Arc<AtomicBool>,
    /// Whether a batch was computed: the first one makes llama.cpp's last static data.
    has_decoded: bool,
    /// Keeps the weights alive; dropped after the context.
    model: Arc<Model>,
}

// SAFETY: llama.cpp's contexts have no thread affinity; `&mut self` keeps it to one at a time.
unsafe impl Send for Context {}

/// Stops a decode that is running on another thread, and every later one until it is cleared.
#[derive(Clone, Debug)]
pub struct AbortHandle(Arc<AtomicBool>);

impl AbortHandle {
    /// Makes the running decode return [`DecodeError::Aborted`] soon. CPU and Metal honour it
    /// within a graph node; other backends finish their step.
    pub fn abort(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Context {
    /// A context with empty memory.
    ///
    /// # Errors
    /// [`ContextError::Refused`] when llama.cpp can't make it, most often for want of memory.
    pub fn new(model: Arc<Model>, mut params: ContextParams) -> Result<Self, ContextError> {
        assert!(
            (1..=params.batch_tokens).contains(&params.sequences_max)
                && params.sequences_max <= indwell_kernel::config::SEQUENCES_LIMIT,
            "validated config: 1 ≤ sequences_max ≤ batch_tokens, sequences_max ≤ 256"
        );
        let abort = Arc::new(AtomicBool::new(false));
        let kind = model.memory_kind();
        let numbering = Numbering::new(kind, params.sequences_max, params.residents_max);
        params.residents_max = numbering.residents();
        let llama_params = llama_params(&params, numbering.llama_sequences(kind), &abort);
        let refused =
            |reason| ContextError::Refused { context_tokens: params.context_tokens, reason };
        let _lifecycle = LIFECYCLE.lock();
        // SAFETY: the model is alive and stays so in `self`; the parameters' bounds were checked
        // above; the abort flag lives in an `Arc` that `self` holds until after `llama_free`.
        let (pointer, heard) =
            listening(|| unsafe { sys::llama_init_from_model(model.as_ptr(), llama_params) });
        let pointer = NonNull::new(pointer).ok_or_else(|| refused(heard.errors()))?;
        // SAFETY: the context was just made.
        let llama_memory = unsafe { sys::llama_get_memory(pointer.as_ptr()) };
        if llama_memory.is_null() {
            // SAFETY: made above and not used since.
            unsafe { sys::llama_free(pointer.as_ptr()) };
            return Err(refused("the model keeps no memory of its tokens".to_owned()));
        }
        let vocabulary_size = model.vocabulary().size() as usize;
        let handles = Handles { context: pointer, memory: llama_memory };
        // SAFETY: both are of the context made above, which `self` keeps for as long and lends
        // with itself; it was made for these sequences.
        let memory = unsafe {
            let cells = followed_cells(pointer, kind, &params);
            Memory::new(handles, kind, numbering, cells, has_extra(&model))
        };
        crate::exit::install();
        Ok(Self {
            pointer,
            memory,
            params,
            vocabulary_size,
            allocated: heard.allocated,
            abort,
            has_decoded: false,
            model,
        })
    }

    /// The model it computes with.
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// What it was made with.
    #[must_use]
    pub fn params(&self) -> &ContextParams {
        &self.params
    }

    /// What its memory and its scratch take, beside the model's weights.
    #[must_use]
    pub fn allocated(&self) -> Allocated {
        self.allocated
    }

    /// A handle that stops decodes.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle(Arc::clone(&self.abort))
    }

    /// Computes the batch. After any error but [`DecodeError::NoSlot`] and
    /// [`DecodeError::InvalidBatch`], some of the batch's tokens may have cells: the caller
    /// removes them.
    ///
    /// # Errors
    /// [`DecodeError`]; a batch with ids that the model or context does not have is refused
    /// before llama.cpp sees it.
    pub fn decode(&mut self, batch: &mut Batch) -> Result<(), DecodeError> {
        let Some(extent) = batch.extent() else { return Err(DecodeError::InvalidBatch) };
        let tokens_known =
            extent.token_min >= 0 && (extent.token_max as usize) < self.vocabulary_size;
        let sequences_known = i64::from(extent.sequence_max) < i64::from(self.params.sequences_max);
        let fits = batch.len() <= self.params.batch_tokens as usize
            && batch.output_count() <= outputs_max(self.params.sequences_max) as usize;
        if !(tokens_known && sequences_known && fits) {
            return Err(DecodeError::InvalidBatch);
        }
        let _computing = crate::exit::computing();
        // SAFETY: the context is alive and ours alone; the batch's arrays hold as many entries as
        // it states, and its ids were checked against the model and the context.
        let decoded = unsafe { edge::decode(self.pointer.as_ptr(), batch.as_llama()) };
        if !self.has_decoded {
            self.has_decoded = true;
            crate::exit::install();
        }
        let code = match decoded {
            Ok(code) => code,
            Err(thrown) => {
                self.memory.lose_track();
                return Err(DecodeError::Threw(thrown.0));
            }
        };
        match code {
            0 => self.memory.decoded(batch),
            2 | -3 => self.memory.broken_off(batch),
            1 | -1 => {}
            _ => self.memory.lose_track(),
        }
        match code {
            0 => Ok(()),
            1 => Err(DecodeError::NoSlot),
            2 => Err(DecodeError::Aborted),
            -1 => Err(DecodeError::InvalidBatch),
            code => Err(DecodeError::Failed(code)),
        }
    }

    /// The logits of the batch's token at `index`, one a vocabulary entry, valid until the next
    /// decode. `None` if that token asked for none.
    ///
    /// `batch` must be the one last decoded.
    pub fn logits(&mut self, batch: &Batch, index: usize) -> Option<&[f32]> {
        if !batch.is_output(index) {
            return None;
        }
        let index = i32::try_from(index).ok()?;
        // SAFETY: the context is alive; a bad index yields null, and a row has one entry for
        // each token of the vocabulary.
        unsafe {
            let row = sys::llama_get_logits_ith(self.pointer.as_ptr(), index);
            (!row.is_null()).then(|| std::slice::from_raw_parts(row, self.vocabulary_size))
        }
    }

    /// Removes the cells of `seq` at positions `from` and above. `false` if the memory can't
    /// remove a part (recurrent models): then nothing was removed.
    #[must_use]
    pub fn truncate(&mut self, seq: SeqId, from: u32) -> bool {
        self.memory.truncate(seq, from)
    }

    /// Removes all cells of `seq`.
    pub fn release(&mut self, seq: SeqId) {
        // Removing a whole sequence works on every kind of memory.
        let removed = self.truncate(seq, 0);
        debug_assert!(removed, "a whole sequence can always be removed");
    }

    /// The positions that `seq` has; of recurrent memory only the last. `None` if it has none.
    #[must_use]
    pub fn positions(&self, seq: SeqId) -> Option<Range<u32>> {
        self.memory.positions(seq)
    }

    /// Lets `to`, which ends where `range` begins, have the cells of `from` at the positions
    /// `range` too. `false` if one of them is not as it should be: then nothing was done.
    /// Recurrent and hybrid memory is shared only whole, from position 0, with an empty sequence.
    #[must_use]
    pub fn share(&mut self, from: SeqId, to: SeqId, range: Range<u32>) -> bool {
        self.memory.share(from, to, range)
    }

    /// As [`Self::share`], in place of cells that `to` has at these positions, which must be of
    /// the same tokens. Always `false` on recurrent and hybrid memory.
    #[must_use]
    pub fn replace(&mut self, from: SeqId, to: SeqId, range: Range<u32>) -> bool {
        self.memory.replace(from, to, range)
    }

    /// Copies the state of `seq` at the positions `range`; `None` if it has not all of it.
    /// Recurrent and hybrid memory is saved only whole.
    ///
    /// # Blocking
    /// For the copy: about as long as reading the memory's bytes takes.
    #[must_use]
    pub fn save(&mut self, seq: SeqId, range: Range<u32>) -> Option<SnapshotBytes> {
        self.memory.save(seq, range)
    }

    /// Gives `seq`, which ends where `range` begins, the positions `range` with the state that
    /// [`Self::save`] gave of at least these, on a context with the same [`Self::layout_id`]. The
    /// bytes must be those that were saved: their structure is checked, not their content.
    ///
    /// # Errors
    /// [`RestoreError`]; `seq` is then as it was.
    pub fn restore(
        &mut self,
        seq: SeqId,
        range: Range<u32>,
        bytes: &[u8],
    ) -> Result<(), RestoreError> {
        self.memory.restore(seq, range, bytes)
    }

    /// Moves the cells of `seq` at the positions `range`, which nobody shares, to the lowest free
    /// ones. `false` if none would come to lie lower, or it can't be told: then nothing was done.
    #[must_use]
    pub fn compact(&mut self, seq: SeqId, range: Range<u32>) -> bool {
        self.memory.compact(seq, range)
    }

    /// The cells as far as they can be followed: those of attention, without a window unless it
    /// is kept in full. `None` for other memory and after a failure that leaves them unknown.
    #[must_use]
    pub fn cells(&self) -> Option<&Cells> {
        self.memory.cells()
    }

    /// Whatever makes the saved state of one context unfit for another on the same model and the
    /// same build of llama.cpp. Whether values are transposed follows from flash attention, which
    /// llama.cpp decides for each device if it is told nothing; it refuses a state of the other
    /// sort, so a restore fails and does no harm.
    #[must_use]
    pub fn layout_id(&self) -> String {
        let flash_attention = match self.params.flash_attention {
            None => "auto",
            Some(true) => "on",
            Some(false) => "off",
        };
        let kind = self.memory.kind();
        format!("format 1; {kind:?}; keys f16; values f16; flash attention {flash_attention}")
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let _lifecycle = LIFECYCLE.lock();
        // SAFETY: made in `new`, freed once; nothing else holds the pointer.
        unsafe { sys::llama_free(self.pointer.as_ptr()) };
    }
}

/// The context's cells, if their allocation can be followed.
///
/// # Safety
/// `context` is alive.
unsafe fn followed_cells(
    context: NonNull<sys::llama_context>,
    kind: MemoryKind,
    params: &ContextParams,
) -> Option<Cells> {
    let followed = match kind {
        MemoryKind::Attention => true,
        MemoryKind::SlidingWindow { .. } => params.residents_max > 0,
        MemoryKind::Recurrent | MemoryKind::Hybrid | MemoryKind::Unsupported => false,
    };
    // SAFETY: the context is alive.
    let size = unsafe { sys::llama_n_ctx(context.as_ptr()) };
    followed.then(|| Cells::new(size, params.batch_tokens))
}

/// Whether the model's positions have several dimensions.
fn has_extra(model: &Model) -> bool {
    // SAFETY: the model is loaded.
    let rope = unsafe { sys::llama_model_rope_type(model.as_ptr()) };
    matches!(rope, sys::LLAMA_ROPE_TYPE_MROPE | sys::LLAMA_ROPE_TYPE_IMROPE)
}

/// Outputs of one decode call: a token for each sequence, and a prompt's tokens that are scored.
pub(crate) fn outputs_max(sequences_max: u32) -> u32 {
    sequences_max + SchedulerConfig::SCORES_MAX
}

fn llama_params(
    params: &ContextParams,
    sequences: u32,
    abort: &Arc<AtomicBool>,
) -> sys::llama_context_params {
    // SAFETY: returns plain data.
    let mut llama = unsafe { sys::llama_context_default_params() };
    let threads = i32::try_from(params.threads).unwrap_or(i32::MAX);
    llama.n_ctx = params.context_tokens;
    llama.n_batch = params.batch_tokens;
    llama.n_ubatch = params.batch_tokens;
    llama.n_seq_max = sequences;
    // llama.cpp asserts that this is not below `n_seq_max`.
    llama.n_outputs_max = sequences.max(outputs_max(params.sequences_max));
    llama.n_threads = threads;
    llama.n_threads_batch = threads;
    llama.kv_unified = true;
    // Cells that several sequences hold are never taken for new tokens, so a cache as small as
    // the window would run out of them.
    llama.swa_full = params.residents_max > 0;
    llama.no_perf = true;
    llama.flash_attn_type = match params.flash_attention {
        None => sys::LLAMA_FLASH_ATTN_TYPE_AUTO,
        Some(true) => sys::LLAMA_FLASH_ATTN_TYPE_ENABLED,
        Some(false) => sys::LLAMA_FLASH_ATTN_TYPE_DISABLED,
    };
    llama.abort_callback = Some(abort_requested);
    llama.abort_callback_data = Arc::as_ptr(abort).cast_mut().cast::<c_void>();
    llama
}

unsafe extern "C" fn abort_requested(flag: *mut c_void) -> bool {
    // SAFETY: points to the flag in the `Arc` that the context holds while it lives.
    let aborted = unsafe { &*flag.cast::<AtomicBool>() }.load(Ordering::Relaxed);
    aborted || crate::exit::is_exiting()
}
