//! An engine's options, and loading.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indwell_kernel::AdmissionGate;
use indwell_llama::{Gguf, SnapshotStore};

use crate::host::{LoadedModel, Watch};
use crate::memory::FixedMemory;
use crate::memory_fit;
use crate::model::ModelFacts;
use crate::options::{EngineConfig, EngineOptions, NamedOptions};
use crate::prefix_cache::{SharedCaches, setup};
use crate::prompt::Prompter;
use crate::responses;
use crate::shared::{Command, Shared};
use crate::worker::{Caching, Worker};
use crate::{
    Engine, Error, Isolation, ModelInfo, ModelSource, OptionValue, Progress, Result, Speculation,
};

/// Files of cached prefixes that take longer to look through are found while the engine serves.
const FIRST_LOOK_MAX: Duration = Duration::from_millis(500);

/// An engine that is about to be made. Every option has a default.
#[must_use = "an engine is made by `build`"]
pub struct EngineBuilder {
    source: ModelSource,
    options: EngineOptions,
    /// The first option that could not be read.
    refused: Option<Error>,
    on_progress: Arc<dyn Fn(Progress) + Send + Sync>,
}

impl fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBuilder")
            .field("source", &self.source)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl EngineBuilder {
    pub(crate) fn new(source: ModelSource) -> Self {
        Self {
            source,
            options: EngineOptions::default(),
            refused: None,
            on_progress: Arc::new(|_| {}),
        }
    }

    /// KV cells that all requests share, one a token. Default 8192. A single request is also
    /// bounded by what the model was trained for.
    pub fn context_tokens(mut self, tokens: u32) -> Self {
        self.options.context_tokens = Some(tokens.into());
        self
    }

    /// Requests computed at once, 1 to 256; others wait. Default 32.
    pub fn sequences_max(mut self, sequences: u32) -> Self {
        self.options.sequences_max = Some(sequences.into());
        self
    }

    /// Tokens of one step, at least `sequences_max`. Default 512.
    pub fn batch_tokens(mut self, tokens: u32) -> Self {
        self.options.batch_tokens = Some(tokens.into());
        self
    }

    /// Prompt tokens of one step while others are being answered, at most; see
    /// [`itl_target_ms`](Self::itl_target_ms). Lower keeps their streams smoother, higher makes
    /// first tokens come sooner. Default 256.
    pub fn prefill_chunk_tokens(mut self, tokens: u32) -> Self {
        self.options.prefill_chunk_tokens = Some(tokens.into());
        self
    }

    /// Milliseconds between two tokens of a stream that a prompt which is computed beside it may
    /// make of it, 1 to 60,000: of the prompt so much is computed in a step as that leaves time for,
    /// by how long the last steps took. Default: two and a half times as long as the streams take
    /// alone, or as long as a batch of 64 tokens takes where that is longer.
    pub fn itl_target_ms(mut self, milliseconds: u32) -> Self {
        self.options.itl_target_ms = Some(milliseconds.into());
        self
    }

    /// Threads that compute. Default: what this process may use of the machine.
    pub fn threads(mut self, threads: u32) -> Self {
        self.options.threads = Some(threads.into());
        self
    }

    /// Requests that may wait; one more is `overloaded`. Default 256.
    pub fn queue_requests_max(mut self, requests: u32) -> Self {
        self.options.queue_requests_max = Some(requests.into());
        self
    }

    /// Prompt tokens that may wait, all requests together. Default 1048576.
    pub fn queue_tokens_max(mut self, tokens: u32) -> Self {
        self.options.queue_tokens_max = Some(tokens.into());
        self
    }

    /// `max_tokens` of requests that say nothing. Default 512.
    pub fn default_max_tokens(mut self, tokens: u32) -> Self {
        self.options.default_max_tokens = Some(tokens.into());
        self
    }

    /// Layers on the GPU. Default: all, where there is a GPU.
    pub fn gpu_layers(mut self, layers: u32) -> Self {
        self.options.gpu_layers = Some(layers.into());
        self
    }

    /// Flash attention. Default: llama.cpp decides.
    pub fn flash_attention(mut self, flash_attention: bool) -> Self {
        self.options.flash_attention = Some(flash_attention);
        self
    }

    /// Where llama.cpp computes: in this process, or in one of its own, which may end without ending
    /// the application. Default: in this process.
    ///
    /// What was in flight when it ended is `engine_poisoned`, what waited is served by the next
    /// (docs/robustness.md). A Rust program calls [`crate::serve_if_worker`] first in its `main`, or
    /// has `indwell-worker` beside it, or named by [`crate::WORKER_VARIABLE`].
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.options.isolation = Some(isolation.as_str().to_owned());
        self
    }

    /// Whether answers that repeat much of their prompts, as edits do, are drafted from them, several
    /// tokens a step. Default: where it is worth it.
    pub fn speculation(mut self, speculation: Speculation) -> Self {
        self.options.speculation = Some(speculation.as_str().to_owned());
        self
    }

    /// Events that a stream's reader may be behind before its request is paused. Default 256.
    pub fn stream_capacity(mut self, events: u32) -> Self {
        self.options.stream_capacity = Some(events.into());
        self
    }

    /// The form in which the model writes tool calls, by its name (docs/tools.md lists them), or `none`
    /// where it can't. Default: what its chat template writes.
    pub fn tool_parser(mut self, name: impl Into<String>) -> Self {
        self.options.tool_parser = Some(name.into());
        self
    }

    /// The form in which the model writes its reasoning, by its name (docs/tools.md lists them), or
    /// `none` to leave it in the text. Default: what its chat template knows.
    pub fn reasoning_parser(mut self, name: impl Into<String>) -> Self {
        self.options.reasoning_parser = Some(name.into());
        self
    }

    /// Tokens of cached prefixes that stay in the model's memory though no request uses them, at
    /// most; pinned ones are not counted. While anything is computed, a quarter of them stay, or
    /// 1024 if that is more. 0 turns the prefix cache off, with all its tiers.
    /// Default 2048, and never more than half of `context_tokens`.
    pub fn prefix_cache_tokens(mut self, tokens: u32) -> Self {
        self.options.prefix_cache.tokens = Some(tokens.into());
        self
    }

    /// Bytes of the host's memory for cached prefixes that left the model's; 0 for none. Default
    /// 1 GiB, and never more than an eighth of what the process may use.
    pub fn host_cache_bytes(mut self, bytes: u64) -> Self {
        self.options.prefix_cache.host_bytes = Some(saturated(bytes));
        self
    }

    /// A folder for cached prefixes that outlive the process; it is made if it is not there.
    /// Default: none, and nothing is written.
    pub fn disk_cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.options.prefix_cache.disk_dir = Some(dir.into());
        self
    }

    /// Bytes of files in that folder, at most. Default 10 GiB.
    pub fn disk_cache_bytes(mut self, bytes: u64) -> Self {
        self.options.prefix_cache.disk_bytes = Some(saturated(bytes));
        self
    }

    /// A chat template in Jinja, used in place of the model's own. Default: the model's.
    pub fn chat_template(mut self, source: impl Into<String>) -> Self {
        self.options.chat_template = Some(source.into());
        self
    }

    /// Bytes of complete answers that are kept for the same questions, bookkeeping included; an
    /// eighth of it is for the questions' tokens. 0 turns the response cache off, and with it the
    /// sharing of computations by the same requests in flight. Default 64 MiB, and never more than
    /// a 64th of what the process may use.
    pub fn response_cache_bytes(mut self, bytes: u64) -> Self {
        self.options.response_cache.bytes = Some(saturated(bytes));
        self
    }

    /// How long answers are kept, unless a request says otherwise. Default: while there is room.
    pub fn response_cache_ttl(mut self, ttl: Duration) -> Self {
        self.options.response_cache.ttl_ms = Some(ttl.as_secs_f64() * 1000.0);
        self
    }

    /// A folder for answers that outlive the process; it is made if it is not there. One engine at
    /// a time uses it. Default: none, and nothing is written.
    pub fn response_cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.options.response_cache.dir = Some(dir.into());
        self
    }

    /// Bytes of memory that the engine may take, all together: weights, KV cells, scratch and both
    /// caches; [`Engine::memory`] shows them. Options that are not said are cut to fit: first the
    /// caches, then `context_tokens`, down to 512. What does not fit even so is `out_of_memory`
    /// before anything is allocated. Default: no such bound.
    pub fn memory_bytes(mut self, bytes: u64) -> Self {
        self.options.memory_bytes = Some(saturated(bytes));
        self
    }

    /// Sets an option by its name, as callers without Rust's types do. A name or type that is
    /// not known fails [`Self::build`].
    pub fn option(mut self, name: &str, value: impl Into<OptionValue>) -> Self {
        let set = self.options.set(name, value.into());
        self.refused = self.refused.or(set.err());
        self
    }

    /// Is told how fetching and loading go, on the thread that builds.
    pub fn on_progress(mut self, on_progress: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.on_progress = Arc::new(on_progress);
        self
    }

    /// Loads the model and starts the engine. An alias is fetched first if it is not there.
    ///
    /// # Errors
    /// `invalid_request` for options, `model_load` for the model, `out_of_memory` for one that
    /// can't fit and for its context, `io` when an alias can't be fetched.
    ///
    /// # Blocking
    /// Until the model is loaded, and fetched if need be.
    pub fn build(self) -> Result<Engine> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        // Bad options are told before anything is fetched or loaded.
        self.options.validate(u32::MAX >> 2)?;
        let path = self.source.resolve(&*self.on_progress)?;
        let gguf = Gguf::open(&path)?;
        let config = memory_fit::config(&gguf, &self.options)?;
        let told = Arc::clone(&self.on_progress);
        let model = LoadedModel::load(&gguf, config.gpu_layers, config.isolation, told)?;
        start(model, config, &*self.on_progress)
    }
}

fn start(
    mut loaded: LoadedModel,
    mut config: EngineConfig,
    on_progress: &dyn Fn(Progress),
) -> Result<Engine> {
    let facts = loaded.facts().clone();
    let kind = facts.memory_kind;
    let prefix = setup::prefix_config(&config, kind);
    setup::log(&config, &prefix, kind);
    config.scheduler.prefix = prefix;
    config.scheduler.drafts = config.speculation == Speculation::Auto && kind.takes_back();
    let host_cache_bytes_max = if prefix.snapshots { config.prefix_cache.host_bytes } else { 0 };
    let mut memory = FixedMemory {
        budget_bytes: config.memory_bytes,
        model: loaded.allocated(),
        host_cache_bytes_max,
        response_cache_bytes_max: config.response_cache.as_ref().map_or(0, |cache| cache.bytes),
        ..FixedMemory::default()
    };
    let identity = setup::Identity::of(&config, &facts, || loaded.fingerprint(on_progress));
    let (commands, received) = crossbeam_channel::unbounded();
    let restarts = Arc::default();
    let waking = commands.clone();
    let watch = Watch {
        restarts: Arc::clone(&restarts),
        wake: move || {
            // A worker that is gone need not wake.
            let _ = waking.send(Command::Wake);
        },
    };
    let started = loaded.start(config.context(prefix.residents_max), prefix.snapshots, watch)?;
    memory.context = started.allocated();
    let layout = started.layout();
    let namespace = identity.namespace(&facts, &layout);
    let request_tokens_max = config.limits.request_tokens_max;
    let chat_template = config.chat_template.clone();
    let prompter = Prompter::new(started.model(), request_tokens_max, chat_template)?
        .with_parsers(config.tool_parser.as_deref(), config.reasoning_parser.as_deref())?;
    let prompter = Arc::new(prompter);
    let answers = prompter.speech().namespace(namespace.clone());
    let responses = responses::setup::open(&config, &identity, answers)?;
    let tiers = setup::tiers(&config, &prefix, &identity, &layout, &commands);
    let abort = started.abort();
    let store = tiers.clone().map(|tiers| -> Arc<dyn SnapshotStore> { tiers });
    let backend = started.backend(store)?;
    let info = model_info(&facts, &config, prompter.can_chat());
    let mut shared = Shared::new(
        commands,
        AdmissionGate::new(config.admission),
        Arc::clone(&prompter),
        info,
        config.limits,
        config.scheduler.context_tokens,
    )
    .with_responses(responses)
    .with_memory(memory)
    .with_restarts(restarts);
    if prefix.is_on() {
        let kv_bytes = facts.kv_bytes_per_token;
        let caches = SharedCaches::of(tiers.as_ref(), prefix.idle_tokens_max, kv_bytes);
        shared = shared.with_prefix_cache(namespace, caches);
    }
    let files = tiers.clone();
    let caching = Caching { tiers, request_tokens_max: config.limits.request_tokens_max };
    let shared = Arc::new(shared);
    let worker = Worker::new(Arc::clone(&shared), prompter, received, backend, config.scheduler)
        .with_caching(caching);
    let thread = worker.spawn().map_err(|error| {
        Error::remedied(
            crate::ErrorKind::OutOfMemory,
            format!("the engine's thread could not be started: {error}"),
            "raise the process's limit of threads",
        )
    })?;
    if let Some(files) = files {
        files.wait_for_files(FIRST_LOOK_MAX);
    }
    Ok(Engine::new(shared, abort, thread))
}

/// Options are read as 64 bits with a sign; nothing has 2^63 bytes.
fn saturated(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn model_info(facts: &ModelFacts, config: &EngineConfig, has_chat_template: bool) -> ModelInfo {
    ModelInfo {
        name: facts.name.clone(),
        path: facts.path.clone(),
        description: facts.description.clone(),
        parameters: facts.parameters,
        size_bytes: facts.size_bytes,
        vocabulary_size: facts.vocabulary_size,
        trained_context_tokens: facts.trained_context_tokens,
        context_tokens: config.limits.request_tokens_max,
        has_chat_template,
    }
}
