//! The scheduler's invariants as a check, for simulations and tests.

use crate::prefix::PrefixTree;
use crate::sequence::{Hold, Sequence};
use crate::{CacheUse, Goal, RequestId, Scheduler, SeqId, Token};

impl Scheduler {
    /// How many tokens may go beside so many decodes in the next step.
    #[must_use]
    pub fn tokens_beside(&self, decodes: usize) -> usize {
        self.pacing.tokens_beside(decodes, self.config.prefill_chunk_tokens as usize)
    }

    /// Checks every invariant between steps.
    ///
    /// # Errors
    /// What does not hold.
    pub fn audit(&self) -> Result<(), String> {
        let cached = self.tree.as_ref().map_or(0, PrefixTree::resident_tokens);
        let private: u32 = self.running.iter().flatten().map(Sequence::private_cells).sum();
        let total = self.config.context_tokens;
        if private + cached > total {
            return Err(format!("{private} cells are in use and {cached} cached of {total}"));
        }
        if let Some(tree) = &self.tree {
            tree.audit()?;
            for sequence in self.sequences() {
                let held = sequence.lock.map_or(0, |lock| tree.lock_length(lock));
                if held != sequence.shared || held > sequence.computed_length() {
                    return Err(format!(
                        "{} shares {} of {} computed tokens and holds {held}",
                        sequence.request, sequence.shared, sequence.computed
                    ));
                }
            }
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
            let full = sequence.tokens.len() >= sequence.tokens_max;
            if full && sequence.goal == Goal::Generate {
                return Err(format!("{} is full and goes on", sequence.request));
            }
        }
        if let Some(sequence) = self.running.iter().flatten().find(|s| s.preempted) {
            return Err(format!("{} runs and is said to have given way", sequence.request));
        }
        if let Some(sequence) = self.waiting.iter().find(|s| s.computed > 0 || s.lock.is_some()) {
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

    /// Whether a waiting request is overtaken: it waits for something that comes by itself, or for
    /// its reader.
    #[must_use]
    pub fn is_held(&self, request: RequestId) -> bool {
        let held = |s: &Sequence| s.hold.is_some() || s.is_paused();
        self.waiting.iter().any(|s| s.request == request && held(s))
    }

    /// Whether a waiting request gave way to others.
    #[must_use]
    pub fn is_preempted(&self, request: RequestId) -> bool {
        self.waiting.iter().any(|s| s.request == request && s.preempted)
    }

    /// How many of `tokens`, from the first, are resident for requests with this use of the cache.
    #[must_use]
    pub fn resident_tokens_of(&self, cache: CacheUse, tokens: &[Token]) -> u32 {
        let found = self.tree.as_ref().zip(cache.namespace());
        found.map_or(0, |(tree, namespace)| tree.find(namespace, tokens).resident)
    }

    /// Requests that wait for a prefix which another is computing.
    #[must_use]
    pub fn waiting_for_prefix(&self) -> u64 {
        let waits = |s: &&Sequence| matches!(s.hold, Some(Hold::Prefix { .. }));
        self.waiting.iter().filter(waits).count() as u64
    }

    /// The request that runs on `seq`.
    #[must_use]
    pub fn request_on(&self, seq: SeqId) -> Option<RequestId> {
        self.running.get(seq.index())?.as_ref().map(|s| s.request)
    }
}
