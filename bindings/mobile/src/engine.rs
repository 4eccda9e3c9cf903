//! An engine as Kotlin and Swift hold it.
//!
//! Loading takes seconds, trimming a step and invalidating a look at every answer, and they block,
//! so they have threads of their own; everything else is called where the caller is. A load whose future is dropped runs to its end
//! unseen, and its engine closes.

use std::sync::Arc;

use indwell::{Engine, Error, HttpRequest, Message, Progress, Stage};

use crate::blocking::on_thread;
use crate::cache::NativeCacheStats;
use crate::error::NativeError;
use crate::exit;
use crate::http::NativeExchange;
use crate::info::{NativeEngineMemory, NativeEngineStats, NativeModelInfo};
use crate::message::NativeMessage;
use crate::options::{NativeEngineOptions, NativeRequestOptions};
use crate::prefix::NativePrefix;
use crate::stream::NativeStream;

/// `indwell::Engine`. Dropping the last reference closes it.
#[derive(Debug, uniffi::Object)]
pub struct NativeEngine {
    engine: Engine,
}

/// Hears how far a load is. Must not throw.
#[uniffi::export(with_foreign)]
pub trait NativeProgressListener: Send + Sync {
    /// Called from the loading thread.
    fn on_progress(&self, progress: NativeProgress);
}

/// `indwell::Progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::Progress documents them")]
pub struct NativeProgress {
    pub stage: NativeStage,
    pub done: u64,
    pub total: Option<u64>,
}

/// `indwell::Stage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
#[expect(missing_docs, reason = "indwell::Stage documents them")]
pub enum NativeStage {
    Fetch,
    Verify,
    Load,
}

#[uniffi::export]
impl NativeEngine {
    /// Loads `model`, an alias or a path, on a thread of its own.
    ///
    /// # Errors
    ///
    /// As `indwell::EngineBuilder::build`.
    #[uniffi::constructor]
    pub async fn load(
        model: String,
        options: NativeEngineOptions,
        listener: Option<Arc<dyn NativeProgressListener>>,
    ) -> Result<Arc<Self>, NativeError> {
        let mut builder = options.apply(Engine::builder(model));
        if let Some(listener) = listener {
            builder = builder.on_progress(move |progress| listener.on_progress(progress.into()));
        }
        on_thread("indwell-load", || {
            Ok(exit::remember(Arc::new(Self { engine: builder.build()? })))
        })
        .await
    }

    /// Submits a chat.
    ///
    /// # Errors
    ///
    /// As `indwell::Request::stream`.
    pub fn chat(
        &self,
        messages: Vec<NativeMessage>,
        options: NativeRequestOptions,
    ) -> Result<Arc<NativeStream>, NativeError> {
        let request = self.engine.chat(conversation(messages));
        Ok(NativeStream::new(options.apply(request)?.stream()?))
    }

    /// Submits a completion.
    ///
    /// # Errors
    ///
    /// As `indwell::Request::stream`.
    pub fn complete(
        &self,
        prompt: String,
        parse_special: bool,
        options: NativeRequestOptions,
    ) -> Result<Arc<NativeStream>, NativeError> {
        let request = self.engine.complete(prompt).parse_special(parse_special);
        Ok(NativeStream::new(options.apply(request)?.stream()?))
    }

    /// Answers a request in the shape of `OpenAI`'s HTTP API.
    #[must_use]
    pub fn dispatch(&self, method: String, path: String, body: Vec<u8>) -> Arc<NativeExchange> {
        NativeExchange::new(self.engine.dispatch(HttpRequest { method, path, body }))
    }

    /// Has the beginning of chats computed and kept.
    ///
    /// # Errors
    ///
    /// As `indwell::PrefixRequest::start`.
    pub fn cache_prefix(
        &self,
        messages: Vec<NativeMessage>,
        cache_salt: Option<String>,
        timeout_ms: Option<f64>,
    ) -> Result<Arc<NativePrefix>, NativeError> {
        let request = self.engine.cache_prefix(conversation(messages));
        let request = request.option("cache_salt", cache_salt).option("timeout_ms", timeout_ms);
        Ok(NativePrefix::new(request.start()?))
    }

    /// What the caches hold and have done.
    ///
    /// # Errors
    ///
    /// As `indwell::Engine::caches`.
    pub fn caches(&self) -> Result<NativeCacheStats, NativeError> {
        Ok(self.engine.caches()?.into())
    }

    /// What the engine takes of memory.
    ///
    /// # Errors
    ///
    /// As `indwell::Engine::memory`.
    pub fn memory(&self) -> Result<NativeEngineMemory, NativeError> {
        Ok(self.engine.memory()?.into())
    }

    /// Gives back `bytes` of cached prefixes' memory, on a thread of its own.
    ///
    /// # Errors
    ///
    /// As `indwell::Engine::trim`, and `invalid_request` for fewer than 0 bytes.
    pub async fn trim(&self, bytes: i64) -> Result<u64, NativeError> {
        let bytes = u64::try_from(bytes).map_err(|_| {
            Error::invalid("bytes", bytes.to_string(), "at least 0", "name the bytes to give back")
        })?;
        let engine = self.engine.clone();
        on_thread("indwell-trim", move || engine.trim(bytes)).await
    }

    /// Forgets every stored answer, or those of `cache_salt`, on a thread of its own. Gives how many
    /// there were.
    ///
    /// # Errors
    ///
    /// As `indwell::Engine::invalidate_responses` and `indwell::Engine::invalidate_responses_of`.
    pub async fn invalidate_responses(
        &self,
        cache_salt: Option<String>,
    ) -> Result<u64, NativeError> {
        let engine = self.engine.clone();
        on_thread("indwell-invalidate", move || match cache_salt {
            Some(salt) => engine.invalidate_responses_of(salt),
            None => engine.invalidate_responses(),
        })
        .await
    }

    /// The model that is loaded.
    #[must_use]
    pub fn model(&self) -> NativeModelInfo {
        self.engine.model().into()
    }

    /// The engine's counters.
    ///
    /// # Errors
    ///
    /// As `indwell::Engine::stats`.
    pub fn stats(&self) -> Result<NativeEngineStats, NativeError> {
        Ok(self.engine.stats()?.into())
    }

    /// The engine's counters, as Prometheus reads them.
    ///
    /// # Errors
    ///
    /// As `indwell::Engine::metrics_text`.
    pub fn metrics_text(&self) -> Result<String, NativeError> {
        Ok(self.engine.metrics_text()?)
    }

    /// Stops the engine once everybody has been served, on a thread of its own. Gives whether
    /// everybody was.
    ///
    /// # Errors
    ///
    /// As `indwell::DrainRequest::run`.
    pub async fn drain(&self, timeout_ms: Option<f64>) -> Result<bool, NativeError> {
        let request = self.engine.drain().option("timeout_ms", timeout_ms);
        on_thread("indwell-drain", move || request.run()).await
    }

    /// Ends every request with `engine_closed` and stops the engine. Idempotent; blocks for about
    /// one step at most. Not called `close`, which generated Kotlin has for dropping the reference.
    ///
    /// # Errors
    ///
    /// As `indwell::Engine::close`.
    pub fn shut_down(&self) -> Result<(), NativeError> {
        Ok(self.engine.close()?)
    }

    /// Whether the engine has been closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.engine.is_closed()
    }
}

fn conversation(messages: Vec<NativeMessage>) -> Vec<Message> {
    messages.into_iter().map(Into::into).collect()
}

impl From<Progress> for NativeProgress {
    fn from(progress: Progress) -> Self {
        let stage = match progress.stage {
            Stage::Fetch => NativeStage::Fetch,
            Stage::Verify => NativeStage::Verify,
            // Whatever a later `indwell` does besides is part of loading to this binding.
            _ => NativeStage::Load,
        };
        Self { stage, done: progress.done, total: progress.total }
    }
}
