//! The events of the models: numbered pieces of an answer, and the ends that it can have.

use crate::mailbox::Terminal;

/// What a reader is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// More of the answer, which is 0, 1, 2, ...
    Text(Vec<u32>),
    /// It is complete.
    Finished,
    /// The reader cancelled.
    Cancelled,
    /// The reader's deadline has passed.
    Late,
    /// It could not be computed.
    Failed,
    /// The writer went away.
    Lost,
}

impl Terminal for Event {
    fn is_terminal(&self) -> bool {
        !matches!(self, Self::Text(_))
    }

    fn lost() -> Self {
        Self::Lost
    }
}
