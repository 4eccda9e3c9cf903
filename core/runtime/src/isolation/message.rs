//! What the processes say to each other. Both are of one build: a worker says first which it is, and
//! another is refused.

use std::borrow::Cow;
use std::ffi::OsString;

use indwell_kernel::{Outcome, SnapshotId, StepError, Token};
use indwell_llama::{Allocated, ContextParams, Grammar};
use serde::{Deserialize, Serialize};

use super::plan::WirePlan;
use crate::model::{ModelFacts, Passage, Place};
use crate::{Error, ErrorDetails, ErrorKind};

/// To the worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToWorker<'a> {
    /// Load a model: [`FromWorker::Loaded`] follows, after progress.
    Load {
        /// Its file.
        path: OsString,
        /// Layers on the GPU.
        gpu_layers: Option<u32>,
        /// The most detailed log lines that are wanted: 0 for none, 5 for all.
        log_level: u8,
    },
    /// Digest the model's file: [`FromWorker::Fingerprint`] follows, after progress.
    Fingerprint,
    /// Make a context: [`FromWorker::Started`] follows. From then on steps are executed.
    Start {
        /// How.
        context: ContextParams,
        /// Whether snapshots are saved and restored.
        keeps_snapshots: bool,
    },
    /// Bytes of a snapshot, as the body, that the next step restores.
    Snapshot(SnapshotId),
    /// Execute a plan: [`FromWorker::Stepped`] follows.
    Step(WirePlan<'a>),
    /// Answer a question, beside steps: [`FromWorker::Answer`] follows with its number.
    Ask(u64, Cow<'a, Question<'a>>),
    /// Stop computing, for good: steps that decode are aborted.
    Abort,
}

/// From the worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromWorker {
    /// The first message: which build it is.
    Hello(String),
    /// The share that is loaded, or digested.
    Progress(f32),
    /// The model is loaded, or can't be.
    Loaded(Result<Box<LoadedFacts>, Told>),
    /// The digest of the model's file, or why it could not be read.
    Fingerprint(Result<[u8; 32], String>),
    /// The context is there, laid out so, or can't be.
    Started(Result<Laid, Told>),
    /// Bytes of a snapshot, as the body, that the step which is under way saves.
    Snapshot(SnapshotId),
    /// What a step brought.
    Stepped(Outcome, Result<(), StepError>),
    /// The answer to the question with this number.
    Answer(u64, Reply),
    /// A log line: its level from 1 to 5, whether it is llama.cpp's own, and the line.
    Log(u8, bool, String),
}

/// A context that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Laid {
    /// How it lays out what it keeps.
    pub(super) layout: String,
    /// What it takes of memory.
    pub(super) allocated: Allocated,
}

/// All that is known of a model once it is loaded.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LoadedFacts {
    pub(super) facts: ModelFacts,
    /// What its weights take of memory.
    pub(super) allocated: Allocated,
    /// The bytes of all tokens, one after the other.
    pub(super) spelling: Vec<u8>,
    /// Where each token's bytes end.
    pub(super) ends: Vec<u32>,
    /// Tokens that end an answer, ascending.
    pub(super) endings: Vec<Token>,
}

/// What callers want to know while steps are executed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Question<'a> {
    /// The tokens of texts.
    Tokenize(Vec<WirePassage<'a>>),
    /// Whether answers can be bound to a grammar.
    Compile(Cow<'a, Grammar>),
}

/// A text to be made tokens of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct WirePassage<'a>(Cow<'a, str>, Place, bool);

/// The answer to a question.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    /// Of [`Question::Tokenize`], a list for each text.
    Tokens(Vec<Vec<Token>>),
    /// Of [`Question::Compile`].
    Compiled(Result<(), Told>),
}

/// An error on its way between processes. What caused it stays behind.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Told {
    kind: ErrorKind,
    message: String,
    details: ErrorDetails,
}

impl<'a> From<&Passage<'a>> for WirePassage<'a> {
    fn from(passage: &Passage<'a>) -> Self {
        Self(Cow::Borrowed(passage.text), passage.place, passage.parse_special)
    }
}

impl WirePassage<'_> {
    pub(super) fn as_passage(&self) -> Passage<'_> {
        let Self(text, place, parse_special) = self;
        Passage { text, place: *place, parse_special: *parse_special }
    }
}

impl From<Error> for Told {
    fn from(error: Error) -> Self {
        let (message, details) = (error.message().to_owned(), error.details().clone());
        Self { kind: error.kind(), message, details }
    }
}

impl From<Told> for Error {
    fn from(told: Told) -> Self {
        Error::with(told.kind, told.message, told.details, None)
    }
}

/// What tells builds apart: a plan of one is another to another.
pub(super) fn build() -> String {
    format!("indwell {}; {}", crate::VERSION, indwell_llama::build_id())
}
