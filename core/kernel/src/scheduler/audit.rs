//! The scheduler's invariants as a check, for simulations and tests.

use crate::sequence::Sequence;
use crate::{RequestId, Scheduler, SeqId};

impl Scheduler {
    /// Checks every invariant between steps.
    ///
    /// # Errors
    /// What does not hold.
    pub fn audit(&self) -> Result<(), String> {
        let needed: u32 = self.running.iter().flatten().map(Sequence::cells_needed).sum();
        if needed != self.cells_reserved {
            return Err(format!("{needed} cells are needed but {} reserved", self.cells_reserved));
        }
        if self.cells_reserved > self.config.context_tokens {
            return Err(format!(
                "{} cells are reserved of {}",
                self.cells_reserved, self.config.context_tokens
            ));
        }
        let mut ids: Vec<_> = self.live_requests().collect();
        ids.sort_unstable();
        if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("{} is held twice", pair[0]));
        }
        for sequence in self.sequences() {
            if sequence.computed >= sequence.tokens.len() {
                return Err(format!("{} has nothing to go on with", sequence.request));
            }
            if sequence.tokens.len() >= sequence.tokens_max {
                return Err(format!("{} is full and goes on", sequence.request));
            }
        }
        if let Some(sequence) = self.waiting.iter().find(|s| s.computed > 0) {
            return Err(format!("{} waits with computed tokens", sequence.request));
        }
        if !self.waiting.iter().is_sorted_by_key(|s| s.arrival) {
            return Err("the queue is not in order of arrival".to_owned());
        }
        if self.cells_short && self.running.iter().all(Option::is_none) {
            return Err("admission waits for an end, and nothing runs".to_owned());
        }
        Ok(())
    }

    /// The computed length of each running sequence, to compare with a backend's cells.
    pub fn computed_lengths(&self) -> impl Iterator<Item = (SeqId, usize)> + '_ {
        (0..)
            .map(SeqId)
            .zip(&self.running)
            .filter_map(|(seq, s)| s.as_ref().map(|s| (seq, s.computed)))
    }

    /// The request that runs on `seq`.
    #[must_use]
    pub fn request_on(&self, seq: SeqId) -> Option<RequestId> {
        self.running.get(seq.index())?.as_ref().map(|s| s.request)
    }
}
