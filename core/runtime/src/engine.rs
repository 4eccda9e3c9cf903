//! The handle that users hold, and its life from load to close.
//!
//! Shutdown, step by step. `close` (or the last drop):
//! 1. ends the shared life with `engine_closed`: from now on every call is refused;
//! 2. sends `Close` and aborts the decode that is running;
//! 3. joins the worker, which answers every request that came in before step 1 with
//!    `engine_closed`, frees the context, and ends.
//!
//! [`Engine::drain`] lets the worker come to step 3 by itself, once it has served everybody.
//!
//! In a forked child none of this is done: the threads are not there, and the memory belongs to
//! the parent.

use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

use crate::builder::EngineBuilder;
use crate::host::Abort;
use crate::shared::{Command, Shared};
use crate::{
    CacheStats, ChatRequest, CompletionRequest, DrainRequest, EngineMemory, EngineStats, Error,
    Messages, ModelInfo, ModelSource, PrefixRequest, Result,
};

/// A model being served in this process. Cheap to clone and safe to share: all clones are one
/// engine, and the last one to be dropped closes it.
#[derive(Clone, Debug)]
pub struct Engine {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    abort: Abort,
    /// `None` once joined.
    worker: Mutex<Option<JoinHandle<()>>>,
}

impl Engine {
    /// An engine for a model: the path of a GGUF file, or an alias such as `smollm2-135m`.
    pub fn builder(source: impl Into<ModelSource>) -> EngineBuilder {
        EngineBuilder::new(source.into())
    }

    pub(crate) fn new(shared: Arc<Shared>, abort: Abort, worker: JoinHandle<()>) -> Self {
        Self { handle: Arc::new(Handle { shared, abort, worker: Mutex::new(Some(worker)) }) }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    /// A chat: the next message of the assistant. Takes a text, or messages.
    pub fn chat(&self, messages: impl Into<Messages>) -> ChatRequest {
        ChatRequest::chat(Arc::clone(&self.handle.shared), messages.into().0)
    }

    /// A completion: the text that follows `prompt`.
    pub fn complete(&self, prompt: impl Into<String>) -> CompletionRequest {
        CompletionRequest::completion(Arc::clone(&self.handle.shared), prompt.into())
    }

    /// Computes the beginning of chats, and keeps it at hand until the handle is dropped: for
    /// instructions that many chats begin with. Takes a text, or messages.
    ///
    /// ```no_run
    /// use indwell::{Engine, system, user};
    ///
    /// let engine = Engine::builder("smollm2-135m").build()?;
    /// let instructions = system("Answer in one short sentence.");
    /// let prefix = engine.cache_prefix([instructions.clone()]).run()?;
    /// let reply = engine.chat([instructions, user("What is a llama?")]).run()?;
    /// println!("{} of {} tokens", reply.usage.cached_tokens, reply.usage.prompt_tokens);
    /// prefix.unpin();
    /// # Ok::<(), indwell::Error>(())
    /// ```
    pub fn cache_prefix(&self, messages: impl Into<Messages>) -> PrefixRequest {
        PrefixRequest::new(Arc::clone(&self.handle.shared), messages.into().0)
    }

    /// What the caches hold and have done: the prefix cache tier by tier, and the response cache.
    /// Never blocks; works after closing too.
    ///
    /// # Errors
    /// `forked` in a forked process.
    pub fn caches(&self) -> Result<CacheStats> {
        self.handle.shared.check_process()?;
        let shared = &self.handle.shared;
        let response = shared.responses().map(|responses| responses.stats()).unwrap_or_default();
        Ok(CacheStats { response, ..shared.caches.snapshot() })
    }

    /// Forgets every stored answer, in memory and on disk; how many there were. Answers that are
    /// being computed at this moment are not stored either.
    ///
    /// # Errors
    /// An engine that is over: `engine_closed`, `engine_poisoned` or `forked`.
    pub fn invalidate_responses(&self) -> Result<u64> {
        self.invalidate(None)
    }

    /// Forgets the stored answers to requests with this salt, as
    /// [`Self::invalidate_responses`] does with all.
    ///
    /// # Errors
    /// An engine that is over, and `invalid_request` for what is no salt.
    pub fn invalidate_responses_of(&self, cache_salt: impl Into<String>) -> Result<u64> {
        self.invalidate(Some(crate::options::cache_salt(cache_salt.into())?))
    }

    fn invalidate(&self, salt: Option<String>) -> Result<u64> {
        let shared = &self.handle.shared;
        shared.check_open()?;
        Ok(shared.responses().map_or(0, |responses| responses.invalidate(salt.as_deref())))
    }

    /// Gives back at least `bytes` of the memory that cached prefixes take, coldest first, if
    /// there are as many; how many bytes it gave back. For an application that is told to use
    /// less memory.
    ///
    /// # Errors
    /// An engine that is over: `engine_closed`, `engine_poisoned` or `forked`.
    ///
    /// # Blocking
    /// Until the worker has done it: about a step.
    pub fn trim(&self, bytes: u64) -> Result<u64> {
        self.handle.shared.trim(bytes)
    }

    /// What the engine takes of memory, part by part, and what it may take. Never blocks; works
    /// after closing too.
    ///
    /// # Errors
    /// `forked` in a forked process.
    pub fn memory(&self) -> Result<EngineMemory> {
        self.handle.shared.check_process()?;
        Ok(self.handle.shared.memory())
    }

    /// What the model says of itself.
    #[must_use]
    pub fn model(&self) -> &ModelInfo {
        &self.handle.shared.info
    }

    /// What the engine has done and is doing. Works after closing too.
    ///
    /// # Errors
    /// `forked` in a forked process.
    pub fn stats(&self) -> Result<EngineStats> {
        self.handle.shared.check_process()?;
        Ok(self.handle.shared.snapshot())
    }

    /// The same and more as text that Prometheus reads: counters, gauges, and histograms of times
    /// to first tokens and between tokens, under vLLM's names with `indwell:` in front. A server
    /// gives it out as [`crate::METRICS_CONTENT_TYPE`]. Never blocks; works after closing too.
    ///
    /// # Errors
    /// `forked` in a forked process.
    pub fn metrics_text(&self) -> Result<String> {
        let stats = self.stats()?;
        let shared = &self.handle.shared;
        Ok(shared.metrics.text(&stats, &crate::openai::model_id(&shared.info)))
    }

    /// Closes the engine once everybody has been served: from now on requests are refused as
    /// `engine_closed`, and those that were accepted come to their ends, if
    /// [`DrainRequest::timeout`] gives them the time. Its memory is given back then. For an
    /// application that is told to end. [`Self::close`] ends it at once, meanwhile too.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// # let engine = indwell::Engine::builder("smollm2-135m").build()?;
    /// let all_served = engine.drain().timeout(Duration::from_secs(10)).run()?;
    /// # Ok::<(), indwell::Error>(())
    /// ```
    pub fn drain(&self) -> DrainRequest {
        DrainRequest::new(self.clone())
    }

    /// Closes the engine: requests in flight end as `engine_closed`, later calls are refused,
    /// and its memory is given back. Closing again does nothing.
    ///
    /// # Errors
    /// `forked` in a forked process.
    ///
    /// # Blocking
    /// Until the worker has ended: less than one step where the backend can abort one.
    pub fn close(&self) -> Result<()> {
        self.handle.close()
    }

    /// Whether the engine serves no more: closed, or poisoned. While it is drained it still serves.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.handle.shared.is_forked() || self.handle.shared.over().is_some()
    }
}

impl Handle {
    fn close(&self) -> Result<()> {
        self.shared.check_process()?;
        if self.shared.end(Error::closed()) {
            self.shared.send(Command::Close);
            self.abort.abort();
        }
        // Held while joining, so that a second close returns only when the engine is closed.
        let mut worker = self.worker.lock();
        if let Some(worker) = worker.take() {
            // The worker catches its own panics; a join error has nothing to add.
            let _ = worker.join();
            // It freed the context, the weights and what it kept for them.
            indwell_llama::free_memory::give_back();
        }
        Ok(())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.close().is_err() {
            // Forked: the thread is not here, so its handle must not be touched.
            std::mem::forget(self.worker.get_mut().take());
        }
    }
}
