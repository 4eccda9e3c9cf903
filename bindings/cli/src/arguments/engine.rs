//! Options of an engine.

use std::ffi::OsString;

use clap::Args;
use indwell::EngineBuilder;

use super::named::text_of;

/// Options of an engine, as the library names them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Engine options")]
pub(crate) struct EngineArguments {
    /// KV cells, one a token of prompt and answer [default: 8192]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    context_tokens: Option<i64>,
    /// Milliseconds that a prompt beside a stream may make of the time between two of its tokens
    /// [default: two and a half times what the streams take alone, or what 64 tokens take]
    #[arg(long, value_name = "MS", allow_hyphen_values = true)]
    itl_target_ms: Option<i64>,
    /// Threads that compute [default: as many as the machine gives this process]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    threads: Option<i64>,
    /// Layers on the GPU [default: all, where there is one]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    gpu_layers: Option<i64>,
    /// Where llama.cpp computes: in_process, or process for one of its own [default: in_process]
    #[arg(long, value_name = "WHERE")]
    isolation: Option<String>,
    /// Drafts of what answers repeat, verified several a step: auto, or off for none [default: auto]
    #[arg(long, value_name = "WHETHER")]
    speculation: Option<String>,
    /// Tokens of cached prefixes that no request is using [default: 2048, or half of the context]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    prefix_cache_tokens: Option<i64>,
    /// Bytes of cached prefixes in the host's memory [default: 1 GiB, or an eighth of the memory]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    host_cache_bytes: Option<i64>,
    /// The folder of cached prefixes on disk, for later commands too [default: none]
    #[arg(long, value_name = "DIR")]
    disk_cache_dir: Option<OsString>,
    /// Bytes of the files in that folder [default: 10 GiB]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    disk_cache_bytes: Option<i64>,
    /// Bytes of answers kept for the same questions; 0 for none [default: 64 MiB at most]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    response_cache_bytes: Option<i64>,
    /// How long answers are kept, in milliseconds [default: while there is room]
    #[arg(long, value_name = "MS", allow_hyphen_values = true)]
    response_cache_ttl_ms: Option<f64>,
    /// The folder of answers that later commands find, one command at a time [default: none]
    #[arg(long, value_name = "DIR")]
    response_cache_dir: Option<OsString>,
    /// Bytes of memory that the engine may take, all together; what is not said gives way [default: no bound]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    memory_bytes: Option<i64>,
    /// A file with a Jinja template for chats [default: the model's own]
    #[arg(long, value_name = "FILE")]
    chat_template: Option<OsString>,
    /// How the model writes tool calls [default: found from the template]
    #[arg(long, value_name = "NAME")]
    tool_parser: Option<String>,
    /// How the model marks what it thinks [default: found from the template]
    #[arg(long, value_name = "NAME")]
    reasoning_parser: Option<String>,
}

impl EngineArguments {
    /// # Errors
    /// A template that cannot be read.
    pub(crate) fn apply(&self, builder: EngineBuilder) -> anyhow::Result<EngineBuilder> {
        let mut builder = builder
            .option("context_tokens", self.context_tokens)
            .option("itl_target_ms", self.itl_target_ms)
            .option("threads", self.threads)
            .option("gpu_layers", self.gpu_layers)
            .option("prefix_cache_tokens", self.prefix_cache_tokens)
            .option("host_cache_bytes", self.host_cache_bytes)
            .option("disk_cache_bytes", self.disk_cache_bytes)
            .option("response_cache_bytes", self.response_cache_bytes)
            .option("response_cache_ttl_ms", self.response_cache_ttl_ms)
            .option("memory_bytes", self.memory_bytes);
        if let Some(dir) = &self.disk_cache_dir {
            builder = builder.disk_cache_dir(dir);
        }
        if let Some(dir) = &self.response_cache_dir {
            builder = builder.response_cache_dir(dir);
        }
        if let Some(path) = &self.chat_template {
            builder = builder.option("chat_template", text_of("chat_template", path)?);
        }
        let named = [
            ("isolation", &self.isolation),
            ("speculation", &self.speculation),
            ("tool_parser", &self.tool_parser),
            ("reasoning_parser", &self.reasoning_parser),
        ];
        for (name, value) in named {
            if let Some(value) = value {
                builder = builder.option(name, value.as_str());
            }
        }
        Ok(builder)
    }
}
