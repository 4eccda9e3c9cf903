//! What a model and a context would take, found out without taking it.
//!
//! llama.cpp can load a model's metadata alone and then lay out a context's graphs without
//! allocating anything (`no_alloc`, as its own `fit` does). Its log then says what computing would
//! take; the cells' bytes follow from the model's metadata.

use std::path::Path;
use std::sync::Arc;

use crate::error::{ContextError, LoadError};
use crate::{Allocated, Context, ContextParams, Model, ModelParams};

/// llama.cpp rounds the cells of a context up to a multiple of this.
const CELLS_PAD: u32 = 256;

/// A model's metadata, for laying out contexts. It can't compute, and no context leaves it.
#[derive(Debug)]
pub struct Rehearsal {
    model: Arc<Model>,
}

impl Rehearsal {
    /// Reads the metadata of a GGUF file.
    ///
    /// # Errors
    /// As [`Model::load`].
    ///
    /// # Blocking
    /// As long as reading the vocabulary takes: a tenth of a second for 49,152 tokens.
    pub fn of(path: &Path, params: ModelParams) -> Result<Self, LoadError> {
        Ok(Self { model: Arc::new(Model::load_metadata(path, params)?) })
    }

    /// The model, of which only what its metadata say may be asked.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What the model and a context with `params` would take, all weights counted as copied.
    ///
    /// # Errors
    /// [`ContextError::Refused`] for a context that llama.cpp can't make of this model.
    pub fn needs(&self, params: ContextParams) -> Result<Allocated, ContextError> {
        let context = Context::new(Arc::clone(&self.model), params)?;
        let laid_out = context.allocated();
        let cells = u64::from(params.context_tokens.next_multiple_of(CELLS_PAD));
        Ok(Allocated {
            mapped_bytes: 0,
            weights_bytes: self.model.size_bytes(),
            // States of recurrent layers are small, and allocated and said even so.
            memory_bytes: laid_out.memory_bytes + cells * self.model.kv_bytes_per_token(),
            scratch_bytes: laid_out.scratch_bytes,
        })
    }
}
