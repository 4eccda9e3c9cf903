//! What can go wrong in a step of the scripted backend.

use crate::StepError;

/// What goes wrong in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepFault {
    /// The batch fails. Its first `partial` chunks are computed all the same, as an abort between
    /// micro-batches leaves them.
    Step {
        /// With which error.
        error: StepError,
        /// How many chunks leave their cells behind.
        partial: usize,
    },
    /// The n-th sampled sequence fails, the others succeed.
    Sequence(usize),
    /// It panics, with so many of the plan's operations and then of its chunks done.
    Panic {
        /// Operations, and chunks after them.
        done: usize,
    },
}

/// What a panic that was scripted carries.
pub const SCRIPTED_PANIC: &str = "scripted";

/// Panics without a word on standard error.
pub(super) fn panic_quietly() -> ! {
    std::panic::resume_unwind(Box::new(SCRIPTED_PANIC))
}
