//! The process that loads mutants, seen from both sides.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use indwell::Engine;

use crate::outcome::Outcome;

/// The first argument of a child.
pub(crate) const ARGUMENT: &str = "--load-mutants";
/// How long a mutant may take: a hundred times what the models take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Kilobytes of addresses that a child may have.
const ADDRESSES: &str = "6000000";
/// Tokens that a model must give.
const TOKENS: u32 = 8;

/// Loads what standard input names, a path a line, and answers each on a line.
pub(crate) fn serve() {
    let stdin = std::io::stdin();
    for line in stdin.lock().lines() {
        let Ok(path) = line else { return };
        let answer = match load(&path) {
            Ok(tokens) => format!("tokens {tokens}"),
            Err(error) => format!("{} {}", error.kind(), error.message().replace('\n', " ")),
        };
        // A parent that is gone needs no answer.
        let _ = writeln!(std::io::stdout(), "{answer}");
    }
}

fn load(path: &str) -> indwell::Result<u32> {
    let engine = Engine::builder(Path::new(path))
        .context_tokens(256)
        .sequences_max(2)
        .batch_tokens(32)
        .prefill_chunk_tokens(32)
        .threads(1)
        .host_cache_bytes(0)
        .response_cache_bytes(0)
        .build()?;
    let request = engine.complete("Once upon a time, é 🙂\n\t there was");
    let reply = request.max_tokens(TOKENS).ignore_eos(true).run()?;
    Ok(reply.usage.completion_tokens)
}

/// A child that runs.
pub(crate) struct Child {
    process: std::process::Child,
    stdin: ChildStdin,
    answers: Receiver<String>,
}

impl Child {
    /// Starts one, with bounds where the system has a shell that sets them.
    pub(crate) fn start() -> std::io::Result<Self> {
        let program = std::env::current_exe()?;
        let mut command = if cfg!(unix) {
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(format!("ulimit -c 0; ulimit -v {ADDRESSES}; exec \"$0\" \"$@\""));
            shell.arg(program);
            shell
        } else {
            Command::new(program)
        };
        command.arg(ARGUMENT).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut process = command.spawn()?;
        let stdin = process.stdin.take().expect("it was piped");
        let stdout = process.stdout.take().expect("it was piped");
        let (send, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { process, stdin, answers })
    }

    /// Has it load the model at `path`.
    pub(crate) fn load(&mut self, path: &Path) -> std::io::Result<Outcome> {
        let begun = Instant::now();
        // If it is dead already, it does not answer.
        let _ = writeln!(self.stdin, "{}", path.display());
        match self.answers.recv_timeout(PATIENCE) {
            Ok(answer) => Ok(Outcome::answered(&answer, begun.elapsed())),
            Err(RecvTimeoutError::Timeout) => {
                self.process.kill()?;
                self.process.wait()?;
                Ok(Outcome::Silent)
            }
            Err(RecvTimeoutError::Disconnected) => Ok(Outcome::Died(self.status()?)),
        }
    }

    fn status(&mut self) -> std::io::Result<ExitStatus> {
        self.process.wait()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may be gone; then there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
