//! The options of an engine.

use indwell::{EngineBuilder, OptionValue};

use super::Named;

/// The options of an engine, named as in `indwell::EngineBuilder`.
#[derive(Debug, Clone, Default, PartialEq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::EngineBuilder documents them")]
pub struct NativeEngineOptions {
    pub context_tokens: Option<i64>,
    pub sequences_max: Option<i64>,
    pub batch_tokens: Option<i64>,
    pub prefill_chunk_tokens: Option<i64>,
    pub itl_target_ms: Option<f64>,
    pub threads: Option<i64>,
    pub queue_requests_max: Option<i64>,
    pub queue_tokens_max: Option<i64>,
    pub default_max_tokens: Option<i64>,
    pub gpu_layers: Option<i64>,
    pub flash_attention: Option<bool>,
    pub isolation: Option<String>,
    pub speculation: Option<String>,
    pub stream_capacity: Option<i64>,
    pub prefix_cache_tokens: Option<i64>,
    pub host_cache_bytes: Option<i64>,
    pub disk_cache_dir: Option<String>,
    pub disk_cache_bytes: Option<i64>,
    pub response_cache_bytes: Option<i64>,
    pub response_cache_ttl_ms: Option<f64>,
    pub response_cache_dir: Option<String>,
    pub memory_bytes: Option<i64>,
    pub chat_template: Option<String>,
    pub tool_parser: Option<String>,
    pub reasoning_parser: Option<String>,
}

impl NativeEngineOptions {
    pub(crate) fn apply(self, builder: EngineBuilder) -> EngineBuilder {
        let given = self.named().into_iter().filter(|(_, value)| *value != OptionValue::Null);
        given.fold(builder, |builder, (name, value)| builder.option(name, value))
    }

    fn named(self) -> Named<25> {
        [
            ("context_tokens", self.context_tokens.into()),
            ("sequences_max", self.sequences_max.into()),
            ("batch_tokens", self.batch_tokens.into()),
            ("prefill_chunk_tokens", self.prefill_chunk_tokens.into()),
            ("itl_target_ms", self.itl_target_ms.into()),
            ("threads", self.threads.into()),
            ("queue_requests_max", self.queue_requests_max.into()),
            ("queue_tokens_max", self.queue_tokens_max.into()),
            ("default_max_tokens", self.default_max_tokens.into()),
            ("gpu_layers", self.gpu_layers.into()),
            ("flash_attention", self.flash_attention.into()),
            ("isolation", self.isolation.into()),
            ("speculation", self.speculation.into()),
            ("stream_capacity", self.stream_capacity.into()),
            ("prefix_cache_tokens", self.prefix_cache_tokens.into()),
            ("host_cache_bytes", self.host_cache_bytes.into()),
            ("disk_cache_dir", self.disk_cache_dir.into()),
            ("disk_cache_bytes", self.disk_cache_bytes.into()),
            ("response_cache_bytes", self.response_cache_bytes.into()),
            ("response_cache_ttl_ms", self.response_cache_ttl_ms.into()),
            ("response_cache_dir", self.response_cache_dir.into()),
            ("memory_bytes", self.memory_bytes.into()),
            ("chat_template", self.chat_template.into()),
            ("tool_parser", self.tool_parser.into()),
            ("reasoning_parser", self.reasoning_parser.into()),
        ]
    }
}
