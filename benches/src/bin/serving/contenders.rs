//! Who is compared: each a client in a process of its own, with the same schedule.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use indwell_benches::Client;
use indwell_benches::client::Load;

/// The engine, with which the others are compared.
pub(crate) const ENGINE: &str = "indwell";
pub(crate) const LLAMA_SERVER: &str = "llama-server";

/// What the engine is told, unless an option says otherwise: answers say the same over and over here,
/// of which drafts would make more than they do of others.
pub(crate) const NO_DRAFTS: &str = "speculation=off";

/// Where the peers are. One that is not named is left out.
#[derive(Debug, Args)]
pub(crate) struct Peers {
    /// A Python interpreter that can import xllamacpp
    #[arg(long)]
    peer_python: Option<PathBuf>,
    /// A Python interpreter that can import mistralrs
    #[arg(long)]
    mistralrs_python: Option<PathBuf>,
    /// A folder in which node-llama-cpp is installed
    #[arg(long)]
    node_llama_cpp: Option<PathBuf>,
    /// The Node program that runs it
    #[arg(long, default_value = "node")]
    node: PathBuf,
    /// An option of the engine as NAME=VALUE; may be given several times
    #[arg(long = "engine-option", value_name = "NAME=VALUE")]
    pub(crate) engine_options: Vec<String>,
}

/// What every contender gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Requests that are computed at once: sequences or slots.
    pub(crate) sequences: u32,
    /// KV cells of all of them together.
    pub(crate) context_tokens: u32,
}

impl Peers {
    /// Starts the engine and every peer that was named. A peer that can't load the model is left
    /// out, and the second part says why.
    ///
    /// # Errors
    /// When the engine can't be started.
    pub(crate) fn start(
        &self,
        model: &Path,
        threads: u32,
        size: Size,
    ) -> Result<(Vec<Client>, Vec<String>)> {
        let load = load(model, threads, size)?;
        let (mut clients, mut left_out) = (Vec::new(), Vec::new());
        for (name, command) in self.commands()? {
            let started = match command {
                Some(command) => start(name, command, &load, size),
                None => Err(anyhow!("it was not given")),
            };
            match started {
                Ok(client) => clients.push(client),
                Err(error) if name == ENGINE => return Err(error),
                Err(error) => left_out.push(format!("{name} was left out: {error:#}.")),
            }
        }
        Ok((clients, left_out))
    }

    /// Starts a process of the contender called `name`.
    ///
    /// # Errors
    /// When it can't be started, or was not given.
    pub(crate) fn start_one(
        &self,
        model: &Path,
        threads: u32,
        size: Size,
        name: &str,
    ) -> Result<Client> {
        let found = self.commands()?.into_iter().find(|(other, _)| *other == name);
        let command = found.and_then(|(_, command)| command).context("it was not given")?;
        start(name, command, &load(model, threads, size)?, size)
    }

    /// The engine's first: it is what the others are compared with.
    fn commands(&self) -> Result<[(&'static str, Option<Command>); 4]> {
        let program = format!("rust-serve{}", std::env::consts::EXE_SUFFIX);
        let mut engine = Command::new(std::env::current_exe()?.with_file_name(program));
        engine.args([NO_DRAFTS]).args(&self.engine_options);
        let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
        let run = |program: &Path, script: &str| {
            let mut command = Command::new(program);
            // A peer has a llama.cpp of its own, and must not find the engine's.
            command.env_remove("LD_LIBRARY_PATH").arg(clients.join(script));
            command
        };
        let python = |interpreter: &Option<PathBuf>, script| {
            interpreter.as_deref().map(|interpreter| run(interpreter, script))
        };
        let node = self.node_llama_cpp.as_deref().map(|folder| {
            let mut command = run(&self.node, "serve_node_llama_cpp.mjs");
            command.arg(folder);
            command
        });
        Ok([
            (ENGINE, Some(engine)),
            (LLAMA_SERVER, python(&self.peer_python, "serve_llama_server.py")),
            ("node-llama-cpp", node),
            ("mistral.rs", python(&self.mistralrs_python, "serve_mistralrs.py")),
        ])
    }
}

fn load(model: &Path, threads: u32, size: Size) -> Result<Load> {
    let model = model.to_str().context("the model's path is no text")?.to_owned();
    Ok(Load { model, context_tokens: size.context_tokens, threads })
}

fn start(name: &str, mut command: Command, load: &Load, size: Size) -> Result<Client> {
    Client::start(name, command.arg(size.sequences.to_string()), load)
}
