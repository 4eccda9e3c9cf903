//! A point in time as an argument: the kernel never reads a clock.

use std::time::Duration;

/// Time since the engine started. Only differences and order mean anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub Duration);

impl Timestamp {
    /// The time from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Timestamp) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// This point moved `by` into the future; the far end of time if that overflows.
    #[must_use]
    pub fn after(self, by: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(by))
    }
}
