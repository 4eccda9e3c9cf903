//! An engine as Kotlin and Swift hold it.
//!
//! Loading takes seconds and blocks, so it has a thread of its own; everything else is called where
//! the caller is. A load whose future is dropped runs to its end unseen, and its engine closes.

use std::sync::Arc;

use futures_channel::oneshot;
use indwell::{Engine, Progress, Stage};

use crate::error::NativeError;
use crate::exit;
use crate::info::{NativeEngineStats, NativeModelInfo};
use crate::options::{NativeEngineOptions, NativeMessage, NativeRequestOptions};
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
        let (sender, receiver) = oneshot::channel();
        std::thread::Builder::new()
            .name("indwell-load".to_owned())
            .spawn(move || {
                let loaded =
                    builder.build().map(|engine| exit::remember(Arc::new(Self { engine })));
                // A caller that no longer waits gets nothing; the engine closes as it is dropped
                // here.
                drop(sender.send(loaded));
            })
            .map_err(|error| {
                NativeError::internal(format!("no thread to load the model on: {error}"))
            })?;
        let loaded = receiver
            .await
            .map_err(|_| NativeError::internal("the thread that loaded the model panicked"))?;
        Ok(loaded?)
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
        let messages: Vec<_> = messages.into_iter().map(Into::into).collect();
        Ok(NativeStream::new(options.apply(self.engine.chat(messages)).stream()?))
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
        Ok(NativeStream::new(options.apply(request).stream()?))
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
