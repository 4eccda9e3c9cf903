//! A clock that moves when it is told to.

use std::time::Duration;

use crate::Timestamp;

/// Virtual time, starting at zero.
#[derive(Clone, Copy, Debug, Default)]
pub struct VirtualClock {
    now: Timestamp,
}

impl VirtualClock {
    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Lets `by` pass.
    pub fn advance(&mut self, by: Duration) {
        self.now = self.now.after(by);
    }
}
