//! `cargo xtask`: the one entry point for developers, the same locally and in CI.
//!
//! Each command does all of its own preparation: `demo` and `test` work on a fresh machine with
//! nothing else typed. What a command does is in the module of its name; what they share is in
//! [`workspace`] (where things are), [`process`] (running a program and showing it) and
//! [`progress`] (what is shown meanwhile).
//!
//! Invariants: nothing is downloaded but packages from registries, through their own clients; no
//! toolchain is ever installed; everything that is built lands in one target folder, so that
//! llama.cpp is compiled once.

mod bench;
mod build;
mod demo;
mod features;
mod process;
mod progress;
mod reports;
mod setup;
mod stage;
mod suites;
mod test;
mod test_models;
mod test_templates;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::bench::Program;
use crate::setup::Purpose;
use crate::suites::Suite;
use crate::workspace::Workspace;

/// Indwell's developer commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install missing system packages (as root) or print the command that does; check toolchains
    Setup,
    /// Compile the whole workspace, llama.cpp included
    Build,
    /// Build, then place native libraries beside the programs and bindings that load them
    Stage,
    /// Build, fetch the default model and stream a chat answer from it
    Demo,
    /// Build, fetch the default model and run every suite of every language, or only those named
    Test {
        /// Suites to run; all of them when none is named
        #[arg(value_enum)]
        suites: Vec<Suite>,
    },
    /// Build, then measure: bindings against Rust, the engine against a bare decode loop and
    /// against its peers; then sum up
    Bench {
        /// Rounds of each measurement, in place of each program's own number
        #[arg(long)]
        rounds: Option<u32>,
        /// A trace of arrivals and lengths for `serving`: a CSV file with the columns of Azure's
        /// LLM inference traces of 2023
        #[arg(long)]
        trace: Option<PathBuf>,
        /// What to measure; everything when nothing is named
        #[arg(long, value_enum, value_delimiter = ',')]
        only: Vec<Program>,
    },
    /// Check that no selection of packages would compile llama.cpp a second time
    CheckFeatures,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{} {error:#}", console::style("error:").red().bold());
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    let workspace = Workspace::locate()?;
    match command {
        Command::Setup => setup::run(&workspace, Purpose::Test)?,
        Command::Build => {
            setup::run(&workspace, Purpose::Build)?;
            build::run(&workspace)?;
        }
        Command::Stage => {
            setup::run(&workspace, Purpose::Build)?;
            stage::run(&workspace, &build::run(&workspace)?)?;
        }
        Command::Demo => demo::run(&workspace)?,
        Command::Test { suites } => return test::run(&workspace.with_passive_waiting(), &suites),
        Command::Bench { rounds, trace, only } => {
            bench::run(&workspace, rounds, trace.as_deref(), &only)?;
        }
        Command::CheckFeatures => features::check(&workspace)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Arguments;

    #[test]
    fn command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
