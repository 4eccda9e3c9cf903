//! Requests and options as they cross: every number as wide as it comes, so that `indwell` judges
//! it, not a conversion.
//!
//! An option that is not given is `None`, and `indwell` has its default. Nothing is validated here.

use indwell::{CacheMode, EngineBuilder, Message, Request, Role};

use crate::cache::NativeCacheMode;
use crate::semantic::NativeSemantic;

/// `indwell::Role`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
#[expect(missing_docs, reason = "indwell::Role documents them")]
pub enum NativeRole {
    System,
    User,
    Assistant,
}

/// `indwell::Message`.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::Message documents them")]
pub struct NativeMessage {
    pub role: NativeRole,
    pub content: String,
}

/// The options of an engine, named as in `indwell::EngineBuilder`.
#[derive(Debug, Clone, Default, PartialEq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::EngineBuilder documents them")]
pub struct NativeEngineOptions {
    pub context_tokens: Option<i64>,
    pub sequences_max: Option<i64>,
    pub batch_tokens: Option<i64>,
    pub prefill_chunk_tokens: Option<i64>,
    pub threads: Option<i64>,
    pub queue_requests_max: Option<i64>,
    pub queue_tokens_max: Option<i64>,
    pub default_max_tokens: Option<i64>,
    pub gpu_layers: Option<i64>,
    pub flash_attention: Option<bool>,
    pub stream_capacity: Option<i64>,
    pub prefix_cache_tokens: Option<i64>,
    pub host_cache_bytes: Option<i64>,
    pub disk_cache_dir: Option<String>,
    pub disk_cache_bytes: Option<i64>,
    pub response_cache_bytes: Option<i64>,
    pub response_cache_ttl_ms: Option<f64>,
    pub response_cache_dir: Option<String>,
}

/// The options of a request, named as in `indwell::Request`.
#[derive(Debug, Clone, Default, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::Request documents them")]
pub struct NativeRequestOptions {
    pub max_tokens: Option<i64>,
    pub temperature: Option<f64>,
    pub top_k: Option<i64>,
    pub top_p: Option<f64>,
    pub min_p: Option<f64>,
    pub seed: Option<i64>,
    pub stop: Option<Vec<String>>,
    pub timeout_ms: Option<f64>,
    pub logprobs: Option<bool>,
    pub cache: Option<NativeCacheMode>,
    pub cache_salt: Option<String>,
    pub cache_ttl_ms: Option<f64>,
    pub semantic: Option<NativeSemantic>,
}

impl NativeEngineOptions {
    pub(crate) fn apply(self, builder: EngineBuilder) -> EngineBuilder {
        builder
            .option("context_tokens", self.context_tokens)
            .option("sequences_max", self.sequences_max)
            .option("batch_tokens", self.batch_tokens)
            .option("prefill_chunk_tokens", self.prefill_chunk_tokens)
            .option("threads", self.threads)
            .option("queue_requests_max", self.queue_requests_max)
            .option("queue_tokens_max", self.queue_tokens_max)
            .option("default_max_tokens", self.default_max_tokens)
            .option("gpu_layers", self.gpu_layers)
            .option("flash_attention", self.flash_attention)
            .option("stream_capacity", self.stream_capacity)
            .option("prefix_cache_tokens", self.prefix_cache_tokens)
            .option("host_cache_bytes", self.host_cache_bytes)
            .option("disk_cache_dir", self.disk_cache_dir)
            .option("disk_cache_bytes", self.disk_cache_bytes)
            .option("response_cache_bytes", self.response_cache_bytes)
            .option("response_cache_ttl_ms", self.response_cache_ttl_ms)
            .option("response_cache_dir", self.response_cache_dir)
    }
}

impl NativeRequestOptions {
    /// # Errors
    ///
    /// `invalid_request` for what has no form in `indwell` to be judged in.
    pub(crate) fn apply<I>(self, request: Request<I>) -> indwell::Result<Request<I>> {
        let request = match self.semantic {
            Some(semantic) => request.semantic(semantic.try_into()?),
            None => request,
        };
        Ok(request
            .option("max_tokens", self.max_tokens)
            .option("temperature", self.temperature)
            .option("top_k", self.top_k)
            .option("top_p", self.top_p)
            .option("min_p", self.min_p)
            .option("seed", self.seed)
            .option("stop", self.stop)
            .option("timeout_ms", self.timeout_ms)
            .option("logprobs", self.logprobs)
            .option("cache", self.cache.map(|mode| CacheMode::from(mode).as_str()))
            .option("cache_salt", self.cache_salt)
            .option("cache_ttl_ms", self.cache_ttl_ms))
    }
}

impl From<NativeMessage> for Message {
    fn from(message: NativeMessage) -> Self {
        let role = match message.role {
            NativeRole::System => Role::System,
            NativeRole::User => Role::User,
            NativeRole::Assistant => Role::Assistant,
        };
        Self::new(role, message.content)
    }
}
