//! The end of an engine that is drained: when it has come.

use crossbeam_channel::Sender;
use indwell_kernel::{Backend, Timestamp};

use super::Worker;
use crate::drain::Drain;

/// Who waits for the end, and until when it has to come.
#[derive(Debug, Default)]
pub(super) struct Draining {
    /// Not empty once the engine is drained.
    served: Vec<Sender<()>>,
    /// The earliest of those that were given.
    deadline: Option<Timestamp>,
}

impl Draining {
    pub(super) fn begin(&mut self, drain: Drain) {
        let Drain { deadline, served } = drain;
        self.served.push(served);
        self.deadline = self.deadline.into_iter().chain(deadline).min();
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    pub(super) fn is_overdue(&self, now: Timestamp) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

impl<B: Backend + Send + 'static> Worker<B> {
    /// Whether the engine is drained and everybody has been served, which is told then. To be asked
    /// where nothing is left to do at once.
    pub(super) fn is_drained(&mut self) -> bool {
        let is_idle = self.answers.is_empty() && !self.sharing.holds_any();
        if self.draining.served.is_empty() || !is_idle {
            return false;
        }
        for served in self.draining.served.drain(..) {
            // Who asked may be gone.
            let _ = served.send(());
        }
        true
    }
}
