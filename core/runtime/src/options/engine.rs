//! An engine's options.

use indwell_kernel::{AdmissionLimits, SchedulerConfig, SchedulerOptions, config::in_range};
use indwell_llama::ContextParams;

use super::prefix_cache::{PrefixCacheConfig, PrefixCacheOptions};
use super::response_cache::{ResponseCacheConfig, ResponseCacheOptions};
use super::{NamedOptions, OptionValue, read};
use crate::shared::RequestLimits;
use crate::tools::dialect::Dialect;
use crate::{Error, Isolation, Result, Speculation};

/// An engine's options as the caller states them; `None` takes the default.
#[derive(Clone, Debug, Default)]
pub(crate) struct EngineOptions {
    pub(crate) context_tokens: Option<i64>,
    pub(crate) sequences_max: Option<i64>,
    pub(crate) batch_tokens: Option<i64>,
    pub(crate) prefill_chunk_tokens: Option<i64>,
    pub(crate) itl_target_ms: Option<i64>,
    pub(crate) threads: Option<i64>,
    pub(crate) queue_requests_max: Option<i64>,
    pub(crate) queue_tokens_max: Option<i64>,
    pub(crate) default_max_tokens: Option<i64>,
    pub(crate) gpu_layers: Option<i64>,
    pub(crate) flash_attention: Option<bool>,
    pub(crate) isolation: Option<String>,
    pub(crate) speculation: Option<String>,
    pub(crate) stream_capacity: Option<i64>,
    pub(crate) chat_template: Option<String>,
    pub(crate) tool_parser: Option<String>,
    pub(crate) reasoning_parser: Option<String>,
    pub(crate) prefix_cache: PrefixCacheOptions,
    pub(crate) response_cache: ResponseCacheOptions,
    pub(crate) memory_bytes: Option<i64>,
}

/// An engine's options, checked.
#[derive(Clone, Debug)]
pub(crate) struct EngineConfig {
    pub(crate) scheduler: SchedulerConfig,
    pub(crate) admission: AdmissionLimits,
    pub(crate) limits: RequestLimits,
    pub(crate) threads: u32,
    pub(crate) gpu_layers: Option<u32>,
    pub(crate) flash_attention: Option<bool>,
    pub(crate) isolation: Isolation,
    pub(crate) speculation: Speculation,
    /// In place of the model's own.
    pub(crate) chat_template: Option<String>,
    /// `None` for what the model's template says.
    pub(crate) tool_parser: Option<String>,
    pub(crate) reasoning_parser: Option<String>,
    pub(crate) prefix_cache: PrefixCacheConfig,
    /// `None` for no response cache.
    pub(crate) response_cache: Option<ResponseCacheConfig>,
    /// What all of it may take; `None` for no such bound.
    pub(crate) memory_bytes: Option<u64>,
}

/// `max_tokens` when neither the engine nor the request says anything.
const MAX_TOKENS_DEFAULT: u32 = 512;
/// Events a reader may be behind before its request is paused.
const STREAM_CAPACITY_DEFAULT: u32 = 256;

impl NamedOptions for EngineOptions {
    const NAMES: &'static [&'static str] = &[
        "context_tokens",
        "sequences_max",
        "batch_tokens",
        "prefill_chunk_tokens",
        "itl_target_ms",
        "threads",
        "queue_requests_max",
        "queue_tokens_max",
        "default_max_tokens",
        "gpu_layers",
        "flash_attention",
        "isolation",
        "speculation",
        "stream_capacity",
        "chat_template",
        "tool_parser",
        "reasoning_parser",
        "prefix_cache_tokens",
        "host_cache_bytes",
        "disk_cache_dir",
        "disk_cache_bytes",
        "response_cache_bytes",
        "response_cache_ttl_ms",
        "response_cache_dir",
        "memory_bytes",
    ];

    fn set_known(&mut self, name: &str, value: OptionValue) -> Result<()> {
        let field = match name {
            "flash_attention" => {
                self.flash_attention = Some(read::flag(name, value)?);
                return Ok(());
            }
            "isolation" => {
                self.isolation = Some(read::text(name, value)?);
                return Ok(());
            }
            "speculation" => {
                self.speculation = Some(read::text(name, value)?);
                return Ok(());
            }
            "chat_template" => {
                self.chat_template = Some(read::text(name, value)?);
                return Ok(());
            }
            "tool_parser" => {
                self.tool_parser = Some(read::text(name, value)?);
                return Ok(());
            }
            "reasoning_parser" => {
                self.reasoning_parser = Some(read::text(name, value)?);
                return Ok(());
            }
            "disk_cache_dir" => {
                self.prefix_cache.disk_dir = Some(read::text(name, value)?.into());
                return Ok(());
            }
            "response_cache_dir" => {
                self.response_cache.dir = Some(read::text(name, value)?.into());
                return Ok(());
            }
            "response_cache_ttl_ms" => {
                self.response_cache.ttl_ms = Some(read::number(name, value)?);
                return Ok(());
            }
            "response_cache_bytes" => &mut self.response_cache.bytes,
            "context_tokens" => &mut self.context_tokens,
            "sequences_max" => &mut self.sequences_max,
            "batch_tokens" => &mut self.batch_tokens,
            "prefill_chunk_tokens" => &mut self.prefill_chunk_tokens,
            "itl_target_ms" => &mut self.itl_target_ms,
            "threads" => &mut self.threads,
            "queue_requests_max" => &mut self.queue_requests_max,
            "queue_tokens_max" => &mut self.queue_tokens_max,
            "default_max_tokens" => &mut self.default_max_tokens,
            "gpu_layers" => &mut self.gpu_layers,
            "stream_capacity" => &mut self.stream_capacity,
            "prefix_cache_tokens" => &mut self.prefix_cache.tokens,
            "host_cache_bytes" => &mut self.prefix_cache.host_bytes,
            "disk_cache_bytes" => &mut self.prefix_cache.disk_bytes,
            "memory_bytes" => &mut self.memory_bytes,
            _ => return Err(super::unknown(name, &value, Self::NAMES)),
        };
        *field = Some(read::whole(name, value)?);
        Ok(())
    }
}

impl EngineConfig {
    /// The context that it asks for, with so many residents.
    pub(crate) fn context(&self, residents_max: u32) -> ContextParams {
        ContextParams {
            context_tokens: self.scheduler.context_tokens,
            batch_tokens: self.scheduler.batch_tokens,
            sequences_max: self.scheduler.sequences_max,
            residents_max,
            threads: self.threads,
            flash_attention: self.flash_attention,
        }
    }
}

impl EngineOptions {
    /// Checks every option; a model trained for `trained_context_tokens` bounds each request.
    ///
    /// # Errors
    /// `invalid_request` for values outside their limits.
    pub(crate) fn validate(&self, trained_context_tokens: u32) -> Result<EngineConfig> {
        let scheduler = SchedulerOptions {
            context_tokens: self.context_tokens,
            request_tokens_max: Some(i64::from(trained_context_tokens.max(1))),
            sequences_max: self.sequences_max,
            batch_tokens: self.batch_tokens,
            prefill_chunk_tokens: self.prefill_chunk_tokens,
            itl_target_ms: self.itl_target_ms,
        }
        .validate()?;
        let (calls, thoughts) = (self.tool_parser.as_deref(), self.reasoning_parser.as_deref());
        Dialect::of(None, calls, thoughts)?;
        Ok(EngineConfig {
            scheduler,
            admission: AdmissionLimits::validate(self.queue_requests_max, self.queue_tokens_max)?,
            limits: RequestLimits {
                request_tokens_max: scheduler.request_tokens_max,
                default_max_tokens: in_range(
                    "default_max_tokens",
                    self.default_max_tokens,
                    MAX_TOKENS_DEFAULT,
                    1 << 30,
                )?,
                stream_capacity: in_range(
                    "stream_capacity",
                    self.stream_capacity,
                    STREAM_CAPACITY_DEFAULT,
                    1 << 20,
                )?,
            },
            threads: in_range("threads", self.threads, threads_default(), 512)?,
            gpu_layers: self.gpu_layers.map(gpu_layers).transpose()?,
            flash_attention: self.flash_attention,
            isolation: self
                .isolation
                .as_deref()
                .map(Isolation::named)
                .transpose()?
                .unwrap_or_default(),
            speculation: self
                .speculation
                .as_deref()
                .map(Speculation::named)
                .transpose()?
                .unwrap_or_default(),
            chat_template: self.chat_template.clone(),
            tool_parser: self.tool_parser.clone(),
            reasoning_parser: self.reasoning_parser.clone(),
            prefix_cache: self.prefix_cache.validate(scheduler.context_tokens)?,
            response_cache: self.response_cache.validate()?,
            memory_bytes: self.memory_bytes.map(memory_bytes).transpose()?,
        })
    }
}

fn gpu_layers(layers: i64) -> Result<u32> {
    u32::try_from(layers).ok().filter(|&layers| layers <= 1 << 16).ok_or_else(|| {
        Error::invalid(
            "gpu_layers",
            layers.to_string(),
            "from 0 to 65536",
            "use 0 for the processor alone, or leave it out to use a GPU if there is one",
        )
    })
}

fn memory_bytes(bytes: i64) -> Result<u64> {
    u64::try_from(bytes).ok().filter(|&bytes| bytes > 0).ok_or_else(|| {
        Error::invalid(
            "memory_bytes",
            bytes.to_string(),
            "at least 1",
            "give the bytes that the engine may take, or leave it out for no such bound",
        )
    })
}

/// What the process may use of the machine: affinity and cgroup quota counted in.
fn threads_default() -> u32 {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(threads).unwrap_or(1).min(512)
}
