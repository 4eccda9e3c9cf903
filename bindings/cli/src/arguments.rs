//! The command line, and its way to the library's options.
//!
//! Numbers are parsed as numbers and nothing more: limits are the library's business, so
//! negative ones and NaN pass through to it, by name.

use std::ffi::OsString;

use clap::{Args, Parser, Subcommand};
use indwell::{EngineBuilder, Request};

use crate::size;

/// Serve a language model in this process.
#[derive(Debug, Parser)]
#[command(name = "indwell", bin_name = "indwell", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Show the log on standard error; RUST_LOG narrows it
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Chat with a model: one answer, or a conversation on a terminal
    Chat(ChatArguments),
    /// Continue a text
    Complete(CompleteArguments),
    /// Serve a model in OpenAI's shapes, on a port of this machine
    Serve(ServeArguments),
    /// Fetch a model by its alias and print the path of its file
    #[command(after_help = alias_list())]
    Pull {
        /// What to fetch; without it, the aliases are listed
        alias: Option<String>,
    },
    /// List the devices that can compute
    Devices,
}

#[derive(Debug, Args)]
pub(crate) struct ChatArguments {
    /// Path of a GGUF file, or an alias (see `indwell pull`)
    pub(crate) model: String,
    /// What to ask; without it, a conversation on a terminal, else all of standard input
    pub(crate) prompt: Option<String>,
    /// Instructions for the whole chat
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// Hold a conversation even if standard input is no terminal: a message a line
    #[arg(short, long, conflicts_with = "prompt")]
    pub(crate) interactive: bool,
    #[command(flatten)]
    pub(crate) request: RequestArguments,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
}

#[derive(Debug, Args)]
pub(crate) struct CompleteArguments {
    /// Path of a GGUF file, or an alias (see `indwell pull`)
    pub(crate) model: String,
    /// The text to continue; without it, all of standard input
    pub(crate) prompt: Option<String>,
    /// Turn control tokens' literals in the prompt into those tokens
    #[arg(long)]
    pub(crate) parse_special: bool,
    #[command(flatten)]
    pub(crate) request: RequestArguments,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
}

#[derive(Debug, Args)]
#[command(after_help = SERVE_HELP)]
pub(crate) struct ServeArguments {
    /// Path of a GGUF file, or an alias (see `indwell pull`)
    pub(crate) model: String,
    /// The address to listen on; others than this machine's own need an API key
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// The port; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 8080)]
    pub(crate) port: u16,
    /// The key that clients have to give; INDWELL_API_KEY hides it from who lists processes
    #[arg(long, value_name = "KEY")]
    pub(crate) api_key: Option<String>,
    /// Serve pages of this origin too, or of any with *; may be given several times
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) allow_origin: Vec<String>,
    /// How long requests may go on after Ctrl-C or SIGTERM, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    pub(crate) grace_ms: u64,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
}

const SERVE_HELP: &str = "\
Paths: /v1/chat/completions, /v1/completions, /v1/models, /health, /metrics.
Once it listens, it says where, on standard output.";

/// Options of a request, as the library names them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Request options")]
pub(crate) struct RequestArguments {
    /// Tokens to generate at most [default: 512]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    max_tokens: Option<i64>,
    /// 0 takes the likeliest token each time; higher is more random [default: 0]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    temperature: Option<f64>,
    /// Keep the K likeliest tokens; 0 keeps all [default: 0]
    #[arg(long, value_name = "K", allow_hyphen_values = true)]
    top_k: Option<i64>,
    /// Keep the smallest set of tokens with this much probability [default: 1]
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    top_p: Option<f64>,
    /// Keep tokens with at least this share of the likeliest one's probability [default: 0]
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    min_p: Option<f64>,
    /// The random generator's seed [default: a fresh one]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    seed: Option<i64>,
    /// A text that ends the answer and is not part of it; may be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    stop: Vec<String>,
    /// How long the request may take, in milliseconds
    #[arg(long, value_name = "MS", allow_hyphen_values = true)]
    timeout_ms: Option<f64>,
    /// use, bypass, refresh, or only_if_cached, which fails where no answer is stored [default: use]
    #[arg(long, value_name = "MODE")]
    cache: Option<String>,
    /// How long the answer is kept, in milliseconds [default: that of the engine]
    #[arg(long, value_name = "MS", allow_hyphen_values = true)]
    cache_ttl_ms: Option<f64>,
    /// Add a line of tokens and times on standard error
    #[arg(long)]
    pub(crate) stats: bool,
}

/// Options of an engine, as the library names them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Engine options")]
pub(crate) struct EngineArguments {
    /// KV cells, one a token of prompt and answer [default: 8192]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    context_tokens: Option<i64>,
    /// Threads that compute [default: as many as the machine gives this process]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    threads: Option<i64>,
    /// Layers on the GPU [default: all, where there is one]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    gpu_layers: Option<i64>,
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
}

impl RequestArguments {
    pub(crate) fn apply<I>(&self, request: Request<I>) -> Request<I> {
        request
            .option("max_tokens", self.max_tokens)
            .option("temperature", self.temperature)
            .option("top_k", self.top_k)
            .option("top_p", self.top_p)
            .option("min_p", self.min_p)
            .option("seed", self.seed)
            .option("timeout_ms", self.timeout_ms)
            .option("cache", self.cache.as_deref())
            .option("cache_ttl_ms", self.cache_ttl_ms)
            .stop(&self.stop)
    }
}

impl EngineArguments {
    pub(crate) fn apply(&self, builder: EngineBuilder) -> EngineBuilder {
        let mut builder = builder
            .option("context_tokens", self.context_tokens)
            .option("threads", self.threads)
            .option("gpu_layers", self.gpu_layers)
            .option("prefix_cache_tokens", self.prefix_cache_tokens)
            .option("host_cache_bytes", self.host_cache_bytes)
            .option("disk_cache_bytes", self.disk_cache_bytes)
            .option("response_cache_bytes", self.response_cache_bytes)
            .option("response_cache_ttl_ms", self.response_cache_ttl_ms);
        if let Some(dir) = &self.disk_cache_dir {
            builder = builder.disk_cache_dir(dir);
        }
        if let Some(dir) = &self.response_cache_dir {
            builder = builder.response_cache_dir(dir);
        }
        builder
    }
}

/// Every alias, a line each.
pub(crate) fn alias_list() -> String {
    let line = |alias: &indwell::Alias| {
        format!("\n  {}  {}  {}", alias.name, size::human(alias.size_bytes), alias.description)
    };
    let lines: String = indwell::aliases().iter().map(line).collect();
    format!("Aliases:{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_numbers_and_nan_are_values_and_not_flags() {
        let arguments = ["indwell", "chat", "m", "--max-tokens", "-1", "--temperature", "NaN"];
        let Command::Chat(chat) = Arguments::parse_from(arguments).command else {
            panic!("a chat was asked for")
        };
        assert_eq!(chat.request.max_tokens, Some(-1));
        assert!(chat.request.temperature.is_some_and(f64::is_nan));
    }
}
