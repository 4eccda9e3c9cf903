//! `indwell`: the engine on the command line.
//!
//! Answers go to standard output, everything else to standard error; without `--verbose` and
//! `--stats` that is only what goes wrong, and progress of what takes longer than a second. Exit
//! codes are in [`failure`], Ctrl-C in [`interrupt`]. Options reach the library unchecked, so
//! that a bad value is the same error here as in every language.
//!
//! | module | owns |
//! |---|---|
//! | [`arguments`] | the command line, and its way to the library's options |
//! | [`chat`], [`complete`], [`serve`], [`pull`], [`devices`] | one command each |
//! | [`conversation`] | the messages of a chat, kept well formed |
//! | [`prompt`] | where the prompt comes from |
//! | [`answer`] | printing a stream, and ending it on Ctrl-C |
//! | [`interrupt`] | what Ctrl-C does when |
//! | [`progress`] | fetching and loading, shown |
//! | [`stats`] | the line that `--stats` adds |
//! | [`failure`] | errors as text and exit codes |
//! | [`size`] | bytes as people read them |

#![forbid(unsafe_code)]

mod answer;
mod arguments;
mod chat;
mod complete;
mod conversation;
mod devices;
mod failure;
mod interrupt;
mod progress;
mod prompt;
mod pull;
mod serve;
mod size;
mod stats;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::arguments::{Arguments, Command};

fn main() -> ExitCode {
    // With `--isolation process` this program starts itself.
    indwell::serve_if_worker();
    let arguments = Arguments::parse();
    if arguments.verbose {
        log_to_stderr();
    }
    match run(arguments.command) {
        Ok(code) => code,
        Err(error) => failure::report(&error),
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Chat(arguments) => chat::run(&arguments),
        Command::Complete(arguments) => complete::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Pull { alias } => pull::run(alias.as_deref()),
        Command::Devices => devices::run(),
    }
}

/// Shows the library's and llama.cpp's log: what `RUST_LOG` names, or all down to `debug`.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("debug"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Arguments;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
