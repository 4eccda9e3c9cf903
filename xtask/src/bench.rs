//! `cargo xtask bench`: builds everything, then runs the programs of `benches`, all or those named.
//!
//! Nothing else should run meanwhile. The contenders of a run share its conditions, but on a busy
//! machine the figures mean little all the same; each report says how busy it was.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;

use crate::build;
use crate::demo::{self, run_visibly};
use crate::process;
use crate::setup::{self, Purpose};
use crate::stage;
use crate::suites::environment::Environment;
use crate::suites::stamp::Stamp;
use crate::suites::{Context, kotlin, python};
use crate::workspace::Workspace;

/// What the peer is installed from.
const PEER_REQUIREMENTS: &str = "benches/clients/requirements.txt";

/// What mistral.rs is installed from.
const MISTRALRS_REQUIREMENTS: &str = "benches/clients/requirements-mistralrs.txt";

/// What npm installs of node-llama-cpp.
const NODE_LLAMA_CPP: &str = "node-llama-cpp@3.21.1";

/// The program that sums up what the others found.
const SUMMARY: &str = "summary";

/// One of the programs of `benches`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Program {
    /// Each language's binding against Rust
    BindingCost,
    /// The engine against a bare decode loop
    DecodeLimit,
    /// An engine in a process of its own, against one in this process
    Isolation,
    /// Reuse of prompts, against none and against llama-server
    PrefixCache,
    /// Answers given again: how fast, against llama-server, and what they take
    ResponseCache,
    /// Streams, arrivals, a long prompt, a busy neighbour, memory: against all peers
    Serving,
    /// Requests of all kinds for ten minutes, and a model loaded 200 times
    Soak,
    /// Drafts by prompt lookup, against none
    Speculation,
    /// Answers within a schema: how many fit it, and how fast they come
    Structured,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::BindingCost => "binding_cost",
            Self::DecodeLimit => "decode_limit",
            Self::Isolation => "isolation",
            Self::PrefixCache => "prefix_cache",
            Self::ResponseCache => "response_cache",
            Self::Serving => "serving",
            Self::Soak => "soak",
            Self::Speculation => "speculation",
            Self::Structured => "structured",
        }
    }
}

/// Prepares what the named programs need, or all of them, measures, and sums up; `rounds` in place
/// of each one's own, `trace` for the one that replays it.
pub(crate) fn run(
    workspace: &Workspace,
    rounds: Option<u32>,
    trace: Option<&Path>,
    named: &[Program],
) -> Result<()> {
    setup::run(workspace, Purpose::Test)?;
    let staged = stage::run(workspace, &build::run(workspace)?)?;
    demo::pull_model(workspace)?;
    let context = Context { workspace, staged };
    let programs = if named.is_empty() { Program::value_variants() } else { named };
    for &program in programs {
        let mut command = command(workspace, program.name());
        command.args(rounds.map(|rounds| format!("--rounds={rounds}")));
        match program {
            Program::BindingCost => give_bindings(&context, &mut command)?,
            Program::DecodeLimit
            | Program::Isolation
            | Program::Soak
            | Program::Speculation
            | Program::Structured => {}
            Program::PrefixCache => give_peer(workspace, &mut command),
            Program::ResponseCache => {
                command.arg("--python").arg(python::install(&context)?);
                command.args(["--node", "node"]);
                give_peer(workspace, &mut command);
            }
            Program::Serving => {
                give_peer(workspace, &mut command);
                give_mistralrs(workspace, &mut command);
                give_node_llama_cpp(workspace, &mut command);
                if let Some(trace) = trace {
                    command.arg("--trace").arg(std::path::absolute(trace)?);
                }
            }
        }
        run_visibly(&mut command)?;
    }
    run_visibly(&mut command(workspace, SUMMARY))
}

/// What the clients of all languages need.
fn give_bindings(context: &Context<'_>, command: &mut Command) -> Result<()> {
    command.arg("--python").arg(python::install(context)?);
    command.args(["--node", "node", "--java", "java"]);
    command.args(["--kotlin-classpath", &kotlin::class_path(context)?]);
    command.arg("--kotlin-native-dir").arg(&context.staged.mobile);
    Ok(())
}

/// An interpreter that has the peer. Without one the program leaves its columns out and says so.
fn give_peer(workspace: &Workspace, command: &mut Command) {
    match Environment::prepared(workspace, "peer", PEER_REQUIREMENTS) {
        Ok(environment) => {
            command.arg("--peer-python").arg(environment.interpreter());
        }
        Err(error) => println!("llama-server will be left out: {error:#}"),
    }
}

/// An interpreter that has mistral.rs, likewise.
fn give_mistralrs(workspace: &Workspace, command: &mut Command) {
    match Environment::prepared(workspace, "mistralrs", MISTRALRS_REQUIREMENTS) {
        Ok(environment) => {
            command.arg("--mistralrs-python").arg(environment.interpreter());
        }
        Err(error) => println!("mistral.rs will be left out: {error:#}"),
    }
}

/// A folder that has node-llama-cpp, likewise.
fn give_node_llama_cpp(workspace: &Workspace, command: &mut Command) {
    match node_llama_cpp(workspace) {
        Ok(folder) => {
            command.arg("--node-llama-cpp").arg(folder);
        }
        Err(error) => println!("node-llama-cpp will be left out: {error:#}"),
    }
}

/// Installs node-llama-cpp with the compiled libraries that npm has of it. Its install script is
/// not run: where those don't fit it would compile llama.cpp.
fn node_llama_cpp(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.state("node-llama-cpp");
    let stamp = Stamp::new(&folder, NODE_LLAMA_CPP);
    if !stamp.is_current() {
        std::fs::create_dir_all(&folder)?;
        let mut install = workspace.command("npm");
        install.arg("install").arg("--prefix").arg(&folder);
        install.args(["--ignore-scripts", "--no-audit", "--no-fund", NODE_LLAMA_CPP]);
        process::quietly("node-llama-cpp: packages", &mut install)?;
        stamp.write()?;
    }
    Ok(folder)
}

/// One of the programs of `benches` as just built.
fn command(workspace: &Workspace, name: &str) -> Command {
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    workspace.command(workspace.profile_dir().join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_is_named_as_its_file_is() {
        for program in Program::value_variants() {
            assert_eq!(Program::from_str(program.name(), false), Ok(*program));
            let name = program.name();
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let bin = root.join("../benches/src/bin").join(name);
            assert!(bin.with_extension("rs").is_file() || bin.join("main.rs").is_file(), "{name}");
        }
    }
}
