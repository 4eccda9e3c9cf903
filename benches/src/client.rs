//! A client in a process of its own: the same small program in each language (`clients/`).
//!
//! A client is started with three arguments: the model, the context's tokens, and the threads to
//! compute with (0 for the engine's default). It loads the model and writes `ready`. Then it
//! answers each line that it reads (see [`Workload::to_line`]) by making all requests at once,
//! reading every stream to its end, and writing one line of JSON: `tokens`, `events`, `seconds`.
//! It ends when its input does. Between lines it sleeps.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::machine::Usage;
use crate::{Measurement, Workload};

/// A running client. Dropping it ends its process.
#[derive(Debug)]
pub struct Client {
    name: String,
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Whether its threads wait for each other spinning.
    spins: bool,
}

/// What a client loads.
#[derive(Clone, Debug)]
pub struct Load {
    /// An alias, or the path of a GGUF file.
    pub model: String,
    /// KV cells of the engine.
    pub context_tokens: u32,
    /// Threads that compute; 0 for the engine's default.
    pub threads: u32,
}

impl Client {
    /// Starts a client and waits until it is ready.
    ///
    /// # Errors
    /// When it can't be started, or ends before it is ready; what it had to say is on our
    /// standard error.
    pub fn start(name: &str, command: &mut Command, load: &Load) -> Result<Self> {
        let mut process = command
            .arg(&load.model)
            .args([load.context_tokens.to_string(), load.threads.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("the client of {name} could not be started: {command:?}"))?;
        let requests = process.stdin.take().expect("its input is a pipe");
        let answers = BufReader::new(process.stdout.take().expect("its output is a pipe"));
        let spins = load.threads != 1;
        let mut client = Self { name: name.to_owned(), process, requests, answers, spins };
        let line = client.read_line()?;
        ensure!(line == "ready", "the client of {name} says {line:?} where it should be ready");
        Ok(client)
    }

    /// Who it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Lets it do each workload after the other, and adds up.
    ///
    /// # Errors
    /// When the client has ended, or some answer was shorter than was asked for.
    pub fn measure(&mut self, workloads: &[Workload]) -> Result<Measurement> {
        let before = Usage::of_process(self.process.id());
        let mut sum = Measurement::of_tokens(0, 0.0);
        for workload in workloads {
            let done = self.ask(workload)?;
            sum.tokens += done.tokens;
            sum.events += done.events;
            sum.seconds += done.seconds;
        }
        let after = Usage::of_process(self.process.id());
        sum.cpu_seconds = after.process_since(&before).filter(|_| !self.spins);
        sum.others_share = after.others_since(&before);
        Ok(sum)
    }

    /// Sends it a line and gives its answer to it, whatever the two mean.
    ///
    /// # Errors
    /// When the client has ended.
    pub fn exchange(&mut self, line: &str) -> Result<String> {
        let sent = writeln!(self.requests, "{line}");
        sent.and_then(|()| self.requests.flush())
            .with_context(|| format!("the client of {} listens no more", self.name))?;
        self.read_line()
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    fn ask(&mut self, workload: &Workload) -> Result<Measurement> {
        let line = self.exchange(&workload.to_line())?;
        let done: Measurement = serde_json::from_str(&line)
            .with_context(|| format!("the client of {} answered {line:?}", self.name))?;
        ensure!(
            done.tokens == workload.tokens(),
            "{}: the answers have {} tokens instead of {}: one ended early, so nothing can be \
             compared",
            self.name,
            done.tokens,
            workload.tokens()
        );
        Ok(done)
    }

    fn read_line(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line)?;
        ensure!(read > 0, "the client of {} ended; see above", self.name);
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It holds nothing that would be lost; both fail only if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
