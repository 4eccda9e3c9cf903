//! What can go wrong at llama.cpp's edge, as types; the runtime turns them into its own kinds.

use std::path::PathBuf;

use crate::gguf::GgufError;

/// No backend could be loaded, so nothing can be computed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("found no ggml backend with a CPU device in {}", list(.searched))]
pub struct BackendsError {
    /// The folders that were searched.
    pub searched: Vec<PathBuf>,
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// A model file could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Nothing is at the path, or it can't be read.
    #[error("{path}: {source}", path = .path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The path is a folder, a pipe or the like.
    #[error("{path} is not a regular file", path = .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The path can't be given to llama.cpp.
    #[error("{path:?} is not valid UTF-8 or has a NUL in it")]
    PathText {
        /// The path.
        path: PathBuf,
    },
    /// The file is no model, or not a whole one, or holds what llama.cpp would not survive.
    #[error("{path} can't be loaded: {error}", path = .path.display())]
    Invalid {
        /// The path.
        path: PathBuf,
        /// What is wrong, and where.
        #[source]
        error: GgufError,
    },
    /// The file was replaced or written to while it was loaded.
    #[error("{path} changed while it was loaded", path = .path.display())]
    Changed {
        /// The path.
        path: PathBuf,
    },
    /// llama.cpp refused the file.
    #[error("{path} can't be loaded: {reason}", path = .path.display())]
    Refused {
        /// The path.
        path: PathBuf,
        /// llama.cpp's last error lines.
        reason: String,
    },
    /// The model can't generate text.
    #[error("{path} is a {architecture} model, which does not generate text", path = .path.display())]
    NotGenerative {
        /// The path.
        path: PathBuf,
        /// `general.architecture`.
        architecture: String,
    },
    /// There is nothing to compute with.
    #[error(transparent)]
    Backends(#[from] BackendsError),
}

/// A context could not be made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ContextError {
    /// llama.cpp refused, most often for want of memory.
    #[error("no context of {context_tokens} tokens could be made: {reason}")]
    Refused {
        /// The cells asked for.
        context_tokens: u32,
        /// llama.cpp's last error lines.
        reason: String,
    },
    /// The threads that compute and sample could not be started.
    #[error("the threads that compute and sample could not be started: {0}")]
    Threads(String),
}

/// A decode call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The memory has no cells for the batch (llama.cpp's 1). Nothing was changed.
    #[error("the KV cache has no slot for the batch")]
    NoSlot,
    /// The abort handle was set (llama.cpp's 2).
    #[error("the decode was aborted")]
    Aborted,
    /// The batch was refused (llama.cpp's -1). Nothing was changed.
    #[error("llama.cpp refused the batch as invalid")]
    InvalidBatch,
    /// Anything else; -2 is a failed allocation, -3 a failed computation.
    #[error("llama.cpp's decode failed with code {0}")]
    Failed(i32),
    /// It threw an exception, most often for want of memory.
    #[error("llama.cpp's decode failed: {0}")]
    Threw(String),
}

/// No token could be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// The logits hold NaN, or nothing finite at all.
    #[error("the model's logits are not finite numbers")]
    NotFinite,
    /// A sampler left no candidate.
    #[error("the samplers left no token to choose")]
    NoCandidate,
    /// A sampler threw an exception.
    #[error("a sampler of llama.cpp's failed")]
    Threw,
    /// llama.cpp could not make a sampler.
    #[error("llama.cpp could not make a sampler")]
    NoSampler,
}

/// A grammar can't be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrammarError {
    /// Its text is too long.
    #[error("it has {bytes} bytes; at most {limit} are allowed")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// Its parts are nested too deep.
    #[error("it is nested deeper than {limit} levels")]
    TooDeep {
        /// How many levels are allowed.
        limit: usize,
    },
    /// It is not right, or not supported: the reason, and the place where there is one.
    #[error("{0}")]
    Refused(String),
    /// The model's vocabulary can't be held against grammars.
    #[error("the model's vocabulary does not serve for constraints: {0}")]
    Vocabulary(String),
    /// The thread that compiles could not be started.
    #[error("the thread that compiles grammars could not be started: {0}")]
    Thread(String),
}

/// A snapshot could not be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The bytes are no snapshot of this format and kind of memory.
    #[error("the bytes are not a snapshot of this model's memory")]
    Malformed,
    /// The sequence does not end where the range begins, or the snapshot is of other positions.
    #[error("the snapshot does not fit the sequence at these positions")]
    NotHere,
    /// Fewer cells are free.
    #[error("the KV cache has no room for {cells} more cells")]
    NoRoom {
        /// The cells needed.
        cells: u32,
    },
    /// llama.cpp refused the state.
    #[error("llama.cpp refused the snapshot: {reason}")]
    Refused {
        /// llama.cpp's last error lines.
        reason: String,
    },
    /// The sequence has not all of the range after it.
    #[error("the snapshot did not give all of the positions")]
    Incomplete,
}

/// A model file could not be written with other types of weights.
#[derive(Debug, thiserror::Error)]
pub enum QuantizeError {
    /// The input can't be read, or there is nothing to compute with.
    #[error(transparent)]
    Input(#[from] LoadError),
    /// The output can't be written.
    #[error("{path} can't be written: {source}", path = .path.display())]
    Unwritable {
        /// The output.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The output is the input.
    #[error("{path} would be written over itself", path = .path.display())]
    Itself {
        /// The output.
        path: PathBuf,
    },
    /// llama.cpp refused the input.
    #[error("{path} can't be quantized: {reason}", path = .path.display())]
    Refused {
        /// The input.
        path: PathBuf,
        /// llama.cpp's last error lines.
        reason: String,
    },
}
