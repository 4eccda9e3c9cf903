//! One llama.cpp context: decode, sequence memory, logits.
//!
//! llama-cpp-2 keeps its context's pointer private, and with it the abort callback, the bound on
//! outputs and the sequence memory; hence this one, on llama-cpp-sys-2. It is `Send` but not
//! `Sync`: one thread at a time. Contexts are made and freed under one process-wide lock, since
//! doing so in parallel is unsound upstream.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indwell_kernel::SeqId;
use llama_cpp_sys_2 as sys;
use parking_lot::Mutex;

use crate::error::{ContextError, DecodeError};
use crate::log::capturing_errors;
use crate::{Batch, Model};

static LIFECYCLE: Mutex<()> = Mutex::new(());

/// How to make a context.
#[derive(Clone, Copy, Debug)]
pub struct ContextParams {
    /// KV cells shared by all sequences. llama.cpp rounds up to a multiple of 256.
    pub context_tokens: u32,
    /// Tokens of one decode call; also its micro-batch, so that a call is one graph run.
    pub batch_tokens: u32,
    /// Sequences, and outputs of one decode call; at most `batch_tokens`.
    pub sequences_max: u32,
    /// Threads that compute.
    pub threads: u32,
    /// Flash attention; `None` lets llama.cpp decide.
    pub flash_attention: Option<bool>,
}

/// A context on a model.
#[derive(Debug)]
pub struct Context {
    pointer: NonNull<sys::llama_context>,
    memory: sys::llama_memory_t,
    params: ContextParams,
    vocabulary_size: usize,
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
    pub fn new(model: Arc<Model>, params: ContextParams) -> Result<Self, ContextError> {
        assert!(
            (1..=params.batch_tokens).contains(&params.sequences_max)
                && params.sequences_max <= indwell_kernel::config::SEQUENCES_LIMIT,
            "validated config: 1 ≤ sequences_max ≤ batch_tokens, sequences_max ≤ 256"
        );
        let abort = Arc::new(AtomicBool::new(false));
        let llama_params = llama_params(&params, &abort);
        let refused =
            |reason| ContextError::Refused { context_tokens: params.context_tokens, reason };
        let _lifecycle = LIFECYCLE.lock();
        // SAFETY: the model is alive and stays so in `self`; the parameters' bounds were checked
        // above; the abort flag lives in an `Arc` that `self` holds until after `llama_free`.
        let (pointer, errors) = capturing_errors(|| unsafe {
            sys::llama_init_from_model(model.as_ptr(), llama_params)
        });
        let pointer = NonNull::new(pointer).ok_or_else(|| refused(errors))?;
        // SAFETY: the context was just made.
        let memory = unsafe { sys::llama_get_memory(pointer.as_ptr()) };
        if memory.is_null() {
            // SAFETY: made above and not used since.
            unsafe { sys::llama_free(pointer.as_ptr()) };
            return Err(refused("the model keeps no memory of its tokens".to_owned()));
        }
        let vocabulary_size = model.vocabulary().size() as usize;
        crate::exit::install();
        Ok(Self { pointer, memory, params, vocabulary_size, abort, has_decoded: false, model })
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
            && batch.output_count() <= self.params.sequences_max as usize;
        if !(tokens_known && sequences_known && fits) {
            return Err(DecodeError::InvalidBatch);
        }
        let _computing = crate::exit::computing();
        // SAFETY: the context is alive and ours alone; the batch's arrays hold as many entries as
        // it states, and its ids were checked against the model and the context.
        let code = unsafe { sys::llama_decode(self.pointer.as_ptr(), batch.as_llama()) };
        if !self.has_decoded {
            self.has_decoded = true;
            crate::exit::install();
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
        let (Ok(seq_id), Ok(from)) = (i32::try_from(seq.0), i32::try_from(from)) else {
            return false;
        };
        assert!(seq.0 < self.params.sequences_max, "{seq} is not of this context");
        // SAFETY: the memory belongs to the living context; the sequence is in range.
        unsafe { sys::llama_memory_seq_rm(self.memory, seq_id, from, -1) }
    }

    /// Removes all cells of `seq`.
    pub fn release(&mut self, seq: SeqId) {
        // Removing a whole sequence works on every kind of memory.
        let removed = self.truncate(seq, 0);
        debug_assert!(removed, "a whole sequence can always be removed");
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let _lifecycle = LIFECYCLE.lock();
        // SAFETY: made in `new`, freed once; nothing else holds the pointer.
        unsafe { sys::llama_free(self.pointer.as_ptr()) };
    }
}

fn llama_params(params: &ContextParams, abort: &Arc<AtomicBool>) -> sys::llama_context_params {
    // SAFETY: returns plain data.
    let mut llama = unsafe { sys::llama_context_default_params() };
    let threads = i32::try_from(params.threads).unwrap_or(i32::MAX);
    llama.n_ctx = params.context_tokens;
    llama.n_batch = params.batch_tokens;
    llama.n_ubatch = params.batch_tokens;
    llama.n_seq_max = params.sequences_max;
    llama.n_outputs_max = params.sequences_max;
    llama.n_threads = threads;
    llama.n_threads_batch = threads;
    llama.kv_unified = true;
    llama.swa_full = false;
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
