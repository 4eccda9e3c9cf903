//! One worker, from its start to its end: spawned, told what to load, reaped.
//!
//! Whatever it ends by, it is reaped, and why it ended is said in words: its signal or exit code, and
//! the last lines that it wrote to its standard error, where ggml says which assertion failed.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use indwell_llama::ContextParams;
use parking_lot::Mutex;

use super::frame::{self, Output};
use super::log;
use super::message::{self, FromWorker, Laid, LoadedFacts, ToWorker};
use super::pipe::{self, ReadEnd, WriteEnd};
use super::program::SERVES_VARIABLE;
use crate::{Error, ErrorKind, Result};

/// A worker that loads and says nothing for so long hangs, and is ended.
const LOAD_SILENCE_MAX: Duration = Duration::from_secs(300);
/// A program that was started and does not say so long which build it is, is no worker.
const HELLO_WITHIN: Duration = Duration::from_secs(30);
/// A worker whose pipe has ended has so long to end itself.
pub(super) const END_WITHIN: Duration = Duration::from_secs(2);
/// How often it is looked whether it has.
const REAP_EVERY: Duration = Duration::from_millis(1);
/// How long its last words are waited for, once it is reaped: a process of its own could hold them.
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(200);
/// The last lines of its standard error that are kept.
const LAST_LINES_MAX: usize = 4;
/// Bytes of each.
const LINE_BYTES_MAX: u64 = 1 << 10;

/// What starts workers that are all alike.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    /// Where relative paths begin: where they began at first.
    pub(super) directory: Option<PathBuf>,
}

/// A worker, before anybody asks it things.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) handle: Arc<Handle>,
    pub(super) read: BufReader<ReadEnd>,
    pub(super) out: Arc<Output<WriteEnd>>,
}

/// What ends a worker and says why it ended.
#[derive(Debug)]
pub(super) struct Handle {
    child: Mutex<Child>,
    last_lines: Arc<Mutex<VecDeque<String>>>,
    /// Ends when its standard error does.
    silence: Receiver<()>,
}

impl Process {
    /// Starts a worker of this build.
    ///
    /// # Errors
    /// `unsupported` for a program that can't be started, or is of another build.
    pub(super) fn spawn(program: &Program) -> Result<Self> {
        let shown = program.path.display();
        let unusable = |error: std::io::Error| {
            let remedy = "install the package whole, or leave isolation out";
            let message = format!("the worker {shown} can't be started: {error}");
            Error::remedied(ErrorKind::Unsupported, message, remedy)
        };
        let mut command = Command::new(&program.path);
        command.env(SERVES_VARIABLE, "1").stderr(Stdio::piped());
        if let Some(directory) = &program.directory {
            command.current_dir(directory);
        }
        let prepared = pipe::prepare(&mut command).map_err(unusable)?;
        let mut child = command.spawn().map_err(unusable)?;
        // With it goes this process's copy of the worker's end.
        drop(command);
        let pipe = prepared.take(&mut child);
        let errors = child.stderr.take();
        let last_lines = Arc::new(Mutex::new(VecDeque::new()));
        let (speaks, silence) = crossbeam_channel::bounded::<()>(0);
        let handle =
            Arc::new(Handle { child: Mutex::new(child), last_lines: last_lines.clone(), silence });
        let listening = thread::Builder::new().name("indwell-stderr".to_owned()).spawn(move || {
            if let Some(errors) = errors {
                listen(errors, &last_lines);
            }
            drop(speaks);
        });
        let pipe = match (pipe, listening) {
            (Ok(pipe), Ok(_)) => pipe,
            (Err(error), _) | (_, Err(error)) => {
                handle.end();
                return Err(unusable(error));
            }
        };
        let out = Arc::new(Output::new(pipe.write));
        let mut process = Self { handle, read: BufReader::new(pipe.read), out };
        match process.receive(HELLO_WITHIN, &mut |_| {}) {
            Ok(FromWorker::Hello(build)) if build == message::build() => Ok(process),
            Ok(FromWorker::Hello(build)) => {
                let ours = message::build();
                let message = format!("the worker {shown} is of {build:?}, not of {ours:?}");
                Err(Error::remedied(ErrorKind::Unsupported, message, "install one version whole"))
            }
            Ok(_) => Err(unusable(std::io::Error::other("it does not serve"))),
            Err(reason) => Err(unusable(std::io::Error::other(reason))),
        }
    }

    /// Loads a model. `on_share` is told how much of it is loaded, from 0 to 1.
    ///
    /// # Errors
    /// As loading it here, and `model_load` where the worker ends while it does.
    pub(super) fn load(
        &mut self,
        path: &Path,
        gpu_layers: Option<u32>,
        on_share: &mut dyn FnMut(f32),
    ) -> Result<LoadedFacts> {
        let order = ToWorker::Load {
            path: path.as_os_str().to_owned(),
            gpu_layers,
            log_level: log::wanted(),
        };
        match self.exchange(&order, on_share) {
            Ok(FromWorker::Loaded(loaded)) => Ok(*loaded.map_err(Error::from)?),
            Ok(_) => Err(lost_in_load(path, "it said something out of turn")),
            Err(reason) => Err(lost_in_load(path, &reason)),
        }
    }

    /// The digest of the model's file.
    ///
    /// # Errors
    /// As [`indwell_llama::Model::fingerprint`], and where the worker ends.
    pub(super) fn fingerprint(
        &mut self,
        on_share: &mut dyn FnMut(f32),
    ) -> std::io::Result<[u8; 32]> {
        match self.exchange(&ToWorker::Fingerprint, on_share) {
            Ok(FromWorker::Fingerprint(digest)) => digest.map_err(std::io::Error::other),
            Ok(_) => Err(std::io::Error::other("the worker said something out of turn")),
            Err(reason) => Err(std::io::Error::other(reason)),
        }
    }

    /// Makes the context.
    ///
    /// # Errors
    /// As making it here, and `model_load` where the worker ends meanwhile.
    pub(super) fn start(
        &mut self,
        path: &Path,
        context: ContextParams,
        keeps_snapshots: bool,
    ) -> Result<Laid> {
        let order = ToWorker::Start { context, keeps_snapshots };
        match self.exchange(&order, &mut |_| {}) {
            Ok(FromWorker::Started(laid)) => laid.map_err(Error::from),
            Ok(_) => Err(lost_in_load(path, "it said something out of turn")),
            Err(reason) => Err(lost_in_load(path, &reason)),
        }
    }

    fn exchange(
        &mut self,
        order: &ToWorker<'_>,
        on_share: &mut dyn FnMut(f32),
    ) -> std::result::Result<FromWorker, String> {
        if self.out.send(order, &[]).is_err() {
            self.handle.kill();
        }
        self.receive(LOAD_SILENCE_MAX, on_share)
    }

    /// What it says next that is more than progress; else why it ended, or was ended for its silence.
    fn receive(
        &mut self,
        patience: Duration,
        on_share: &mut dyn FnMut(f32),
    ) -> std::result::Result<FromWorker, String> {
        pipe::set_patience(self.read.get_ref(), Some(patience));
        let said = loop {
            match frame::read(&mut self.read) {
                Ok(Some((FromWorker::Log(level, own, line), _))) => log::retell(level, own, &line),
                Ok(Some((FromWorker::Progress(share), _))) => on_share(share),
                Ok(Some((message, _))) => break Ok(message),
                Ok(None) => break Err(self.handle.reap()),
                Err(frame::FrameError::Broken(error)) if is_silence(&error) => {
                    break Err(self.handle.end_for(&format!("nothing for {patience:?}")));
                }
                Err(error) => break Err(self.handle.end_for(&error.to_string())),
            }
        };
        pipe::set_patience(self.read.get_ref(), None);
        said
    }
}

impl Drop for Process {
    /// One that serves is reaped by then.
    fn drop(&mut self) {
        self.handle.end();
    }
}

impl Handle {
    /// Ends it at once.
    pub(super) fn kill(&self) {
        // It may have ended.
        let _ = self.child.lock().kill();
    }

    /// Ends it at once, and reaps it.
    fn end(&self) {
        self.kill();
        let _ = self.wait(Instant::now());
    }

    /// Ends it because of what it said; all of that in words.
    pub(super) fn end_for(&self, wrong: &str) -> String {
        self.kill();
        format!("what it said could not be taken ({wrong}); {}", self.reap())
    }

    /// Waits until it has ended, ends it if it does not, and says why it ended.
    pub(super) fn reap(&self) -> String {
        let status = self.wait(Instant::now() + END_WITHIN);
        // The thread drops its end of the channel and sends nothing.
        let _ = self.silence.recv_timeout(LAST_WORDS_WITHIN);
        let ended = status.map_or_else(|error| format!("it is gone: {error}"), in_words);
        let lines: Vec<String> = self.last_lines.lock().iter().cloned().collect();
        match &lines[..] {
            [] => ended,
            lines => format!("{ended}; its last words: {}", lines.join(" / ")),
        }
    }

    fn wait(&self, until: Instant) -> std::io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.child.lock().try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= until {
                self.kill();
            }
            thread::sleep(REAP_EVERY);
        }
    }
}

/// Passes on what a worker writes to its standard error, and keeps the last of it.
fn listen(errors: impl Read, last_lines: &Mutex<VecDeque<String>>) {
    let mut errors = BufReader::new(errors);
    let mut line = Vec::new();
    loop {
        line.clear();
        match errors.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        tracing::warn!("the worker: {text}");
        let mut last = last_lines.lock();
        if last.len() == LAST_LINES_MAX {
            last.pop_front();
        }
        last.push_back(text.to_owned());
    }
}

/// Whether a read waited as long as it may.
fn is_silence(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

fn in_words(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return match name(signal) {
            Some(name) => format!("it was ended by signal {signal} ({name})"),
            None => format!("it was ended by signal {signal}"),
        };
    }
    match status.code() {
        Some(code) => format!("it ended with exit code {code}"),
        None => "it ended".to_owned(),
    }
}

#[cfg(unix)]
fn name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        4 => "SIGILL",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        15 => "SIGTERM",
        _ => return None,
    })
}

fn lost_in_load(path: &Path, reason: &str) -> Error {
    let model = path.display().to_string();
    let message =
        format!("the process that was to compute {model} was lost as it loaded: {reason}");
    let remedy = "see whether the file is whole and the memory enough; if so, please report this";
    Error::model_load(model, message, remedy, None)
}
