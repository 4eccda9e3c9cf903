//! The command line, and its way to the library's options.
//!
//! Numbers are parsed as numbers and nothing more: limits are the library's business, so
//! negative ones and NaN pass through to it, by name. Files are read before a model is loaded.
//!
//! | module | owns |
//! |---|---|
//! | [`engine`] | the options of an engine |
//! | [`request`] | the options of a request |
//! | [`sampling`] | those of them that choose tokens |
//! | [`constraint`] | those that say what an answer must look like |
//! | [`tools`] | those that only chats have: tools, documents, what templates are told |
//! | [`named`] | options on their way to the library, and what they are read from |

mod constraint;
mod engine;
mod named;
mod request;
mod sampling;
mod tools;

use clap::{Args, Parser, Subcommand};

pub(crate) use self::engine::EngineArguments;
pub(crate) use self::named::Named;
pub(crate) use self::request::RequestArguments;
use self::tools::ToolArguments;
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
    /// Show what the model thinks before it answers even if standard output is no terminal
    #[arg(long)]
    pub(crate) show_reasoning: bool,
    #[command(flatten)]
    pub(crate) request: RequestArguments,
    #[command(flatten)]
    tools: ToolArguments,
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

impl ChatArguments {
    /// The options of its requests.
    ///
    /// # Errors
    /// Files that cannot be read, and text that is no JSON where JSON is wanted.
    pub(crate) fn named(&self) -> anyhow::Result<Named> {
        let mut named = Named::default();
        self.request.name(&mut named)?;
        self.tools.name(&mut named)?;
        Ok(named)
    }
}

impl CompleteArguments {
    /// The options of its request.
    ///
    /// # Errors
    /// Files that cannot be read, and text that is no JSON where JSON is wanted.
    pub(crate) fn named(&self) -> anyhow::Result<Named> {
        let mut named = Named::default();
        self.request.name(&mut named)?;
        Ok(named)
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
        assert!(chat.request.sampling.temperature.is_some_and(f64::is_nan));
    }
}
