//! Weights, and what a model says of itself.
//!
//! A [`Model`] is immutable once loaded and shared by contexts, each of which keeps it alive.
//! Nothing is loaded that [`Gguf`] did not check, and what was loaded is asked for what can only be
//! known then: whether llama.cpp could take a text at all.

mod fingerprint;
mod kv_size;

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_sys_2 as sys;
use parking_lot::Mutex;

use crate::backends::Backends;
use crate::error::LoadError;
use crate::gguf::{FileState, Gguf, GgufError};
use crate::last_record::Running;
use crate::log::listening;
use crate::memory_kind::MemoryKind;
use crate::pieces::Pieces;
use crate::sampler::Breakers;
use crate::{Allocated, Vocabulary};

pub(crate) use kv_size::kv_bytes_per_token;

/// How to load a model.
#[derive(Clone, Copy, Debug, Default)]
pub struct ModelParams {
    /// Layers to place on GPUs; `None` for all of them where there is a GPU.
    pub gpu_layers: Option<u32>,
}

/// Loaded weights and their vocabulary.
#[derive(Debug)]
pub struct Model {
    pub(crate) inner: LlamaModel,
    path: PathBuf,
    /// Its files as they were when they were checked.
    files: Vec<(PathBuf, FileState)>,
    kv_bytes_per_token: u64,
    allocated: Allocated,
    pieces: OnceLock<Arc<Pieces>>,
    /// DRY's sequence breakers that were asked for last, with their texts.
    breakers: Mutex<Option<(Vec<String>, Arc<Breakers>)>>,
}

/// What llama.cpp gives for a token that is not there (`LLAMA_TOKEN_NULL`).
const NO_TOKEN: sys::llama_token = -1;

impl Model {
    /// Checks and loads a GGUF file. `on_progress` is told the share that is loaded, from 0 to 1.
    ///
    /// # Errors
    /// [`LoadError`] for a path that is no readable GGUF file, a file that is wrong or that
    /// llama.cpp refuses, and a model that does not generate text.
    ///
    /// # Blocking
    /// As long as reading the file takes.
    pub fn load(
        path: &Path,
        params: ModelParams,
        on_progress: impl FnMut(f32) + 'static,
    ) -> Result<Self, LoadError> {
        Self::load_checked(&Gguf::open(path)?, params, on_progress)
    }

    /// As [`Self::load`], of a model that was checked already, and is loaded now: one that has
    /// changed in between is refused.
    ///
    /// # Errors
    /// As [`Self::load`], and [`LoadError::Changed`].
    ///
    /// # Blocking
    /// As [`Self::load`].
    pub fn load_checked(
        gguf: &Gguf,
        params: ModelParams,
        mut on_progress: impl FnMut(f32) + 'static,
    ) -> Result<Self, LoadError> {
        let path = gguf.path();
        let backends = Backends::load()?;
        let text = path.to_str().ok_or_else(|| LoadError::PathText { path: path.to_owned() })?;
        let mut llama_params = LlamaModelParams::default().with_progress_callback(move |share| {
            // A panic must not unwind into C++: it stops the load instead.
            catch_unwind(AssertUnwindSafe(|| on_progress(share))).is_ok()
        });
        if let Some(layers) = params.gpu_layers {
            llama_params = llama_params.with_n_gpu_layers(layers);
        }
        gguf.check_unchanged()?;
        let running = Running::new();
        running.say(|text| {
            let _ = write!(text, "loading {}", path.display());
        });
        let (loaded, heard) =
            listening(|| LlamaModel::load_from_file(&backends.token, text, &llama_params));
        // What replaced it meanwhile was not checked, whether it loads or not.
        gguf.check_unchanged()?;
        let inner = loaded.map_err(|error| LoadError::Refused {
            path: path.to_owned(),
            reason: Some(heard.errors()).filter(|e| !e.is_empty()).unwrap_or(error.to_string()),
        })?;
        let mut model = Self {
            inner,
            path: path.to_owned(),
            files: gguf.file_states().to_vec(),
            kv_bytes_per_token: 0,
            allocated: heard.allocated,
            pieces: OnceLock::new(),
            breakers: Mutex::new(None),
        };
        model.check_generative()?;
        model.check_tokenizes()?;
        model.kv_bytes_per_token = match model.memory_kind() {
            MemoryKind::Recurrent => 0,
            _ => kv_bytes_per_token(gguf.metadata()),
        };
        Ok(model)
    }

    /// Where it was loaded from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its vocabulary.
    #[must_use]
    pub fn vocabulary(&self) -> Vocabulary<'_> {
        Vocabulary::of(self)
    }

    /// The bytes of all tokens.
    ///
    /// # Blocking
    /// The first caller, and whoever comes meanwhile, waits while they are written out.
    pub fn pieces(&self) -> &Arc<Pieces> {
        self.pieces.get_or_init(|| Arc::new(Pieces::of(&self.vocabulary())))
    }

    /// What of an answer in tokens are the sequence breakers `texts`.
    pub fn breakers(&self, texts: &[String]) -> Arc<Breakers> {
        let mut last = self.breakers.lock();
        if let Some((known, breakers)) = &*last
            && known.as_slice() == texts
        {
            return Arc::clone(breakers);
        }
        let vocabulary = self.vocabulary();
        let tokenize = |text: &str| vocabulary.tokenize(text, false, false);
        let control = vocabulary.control_tokens();
        let breakers = Arc::new(Breakers::new(texts, self.pieces(), &control, tokenize));
        *last = Some((texts.to_vec(), Arc::clone(&breakers)));
        breakers
    }

    /// `general.name`, or else the file's name without its ending.
    #[must_use]
    pub fn name(&self) -> String {
        self.metadata("general.name").filter(|name| !name.is_empty()).unwrap_or_else(|| {
            self.path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
        })
    }

    /// Architecture, size and quantization in a few words, as llama.cpp puts it.
    #[must_use]
    pub fn description(&self) -> String {
        let mut buffer = [0_u8; 256];
        // SAFETY: the buffer is as long as stated; llama.cpp ends what it writes with a NUL.
        unsafe {
            sys::llama_model_desc(self.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len());
        }
        let end = buffer.iter().position(|&byte| byte == 0).unwrap_or(0);
        String::from_utf8_lossy(&buffer[..end]).into_owned()
    }

    /// How many weights it has.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.inner.n_params()
    }

    /// The size of its weights in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.inner.size()
    }

    /// What its weights take.
    #[must_use]
    pub fn allocated(&self) -> Allocated {
        self.allocated
    }

    /// The context it was trained for, in tokens.
    #[must_use]
    pub fn trained_context_tokens(&self) -> u32 {
        self.inner.n_ctx_train()
    }

    /// What sort of memory it keeps of its tokens.
    #[must_use]
    pub fn memory_kind(&self) -> MemoryKind {
        MemoryKind::of(self)
    }

    /// Its chat template in Jinja, if it has one.
    #[must_use]
    pub fn chat_template(&self) -> Option<String> {
        self.inner.chat_template(None).ok()?.to_string().ok()
    }

    /// Its chat template of that name, of models with several.
    #[must_use]
    pub fn named_chat_template(&self, name: &str) -> Option<String> {
        self.metadata(&format!("tokenizer.chat_template.{name}"))
    }

    /// The metadata value of `key` as text.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<String> {
        self.inner.meta_val_str(key).ok()
    }

    pub(crate) fn as_ptr(&self) -> *mut sys::llama_model {
        const { assert!(size_of::<LlamaModel>() == size_of::<*mut sys::llama_model>()) };
        // SAFETY: `LlamaModel` is `repr(transparent)` over a non-null pointer to the model, and
        // keeps it to itself; contexts can only be made with the pointer.
        unsafe { std::mem::transmute_copy(&self.inner) }
    }

    /// Encoders (BERT and the like) load, but have nothing to continue a text with.
    fn check_generative(&self) -> Result<(), LoadError> {
        let architecture = self.metadata("general.architecture").unwrap_or_default();
        let causal = self.metadata(&format!("{architecture}.attention.causal"));
        // SAFETY: the model is loaded.
        let decodes = unsafe { sys::llama_model_has_decoder(self.as_ptr()) };
        if !decodes || causal.as_deref() == Some("false") {
            return Err(LoadError::NotGenerative { path: self.path.clone(), architecture });
        }
        Ok(())
    }

    /// Tokens that llama.cpp puts around a text must be there: it asserts that when it does so.
    fn check_tokenizes(&self) -> Result<(), LoadError> {
        // SAFETY: the model is loaded, and keeps its vocabulary.
        let around = unsafe {
            let vocabulary = sys::llama_model_get_vocab(self.as_ptr());
            let is_wpm = sys::llama_vocab_type(vocabulary) == sys::LLAMA_VOCAB_TYPE_WPM;
            let adds_bos = is_wpm || sys::llama_vocab_get_add_bos(vocabulary);
            let adds_eos = sys::llama_vocab_get_add_eos(vocabulary);
            [
                ("bos", adds_bos, sys::llama_vocab_bos(vocabulary)),
                ("eos", adds_eos, sys::llama_vocab_eos(vocabulary)),
                // So it is spelled.
                ("seperator", is_wpm, sys::llama_vocab_sep(vocabulary)),
            ]
        };
        let missing =
            around.into_iter().find(|&(_, is_added, token)| is_added && token == NO_TOKEN);
        let Some((name, ..)) = missing else { return Ok(()) };
        let error = GgufError::Missing {
            key: format!("tokenizer.ggml.{name}_token_id"),
            purpose: "names the token that it wants put around texts",
        };
        Err(LoadError::Invalid { path: self.path.clone(), error })
    }
}
