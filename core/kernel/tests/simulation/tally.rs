//! What schedules came to, in numbers: a simulation that never gets anywhere proves nothing.

use std::ops::AddAssign;

use crate::ledger::Ends;

/// What a schedule, or many, came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) schedules: u64,
    pub(crate) steps: u64,
    pub(crate) requests: u64,
    pub(crate) refused: u64,
    pub(crate) chunked_prefills: u64,
    pub(crate) paced: u64,
    pub(crate) preemptions: u64,
    /// Of them: for want of cells that the backend should have had.
    pub(crate) mismatches: u64,
    pub(crate) resumed: u64,
    pub(crate) computed_tokens: u64,
    pub(crate) recomputed_tokens: u64,
    pub(crate) panics: u64,
    pub(crate) failed_steps: u64,
    /// Times that the backend was lost with all its memory.
    pub(crate) losses: u64,
    pub(crate) forced_tokens: u64,
    pub(crate) drafted_tokens: u64,
    pub(crate) accepted_tokens: u64,
    /// Requests that were spared some of their prompt, and how much of it, by tier.
    pub(crate) hits: u64,
    pub(crate) resident_tokens: u64,
    pub(crate) restored_tokens: u64,
    /// Requests that waited for a prefix that another was computing.
    pub(crate) shared_in_flight: u64,
    pub(crate) evictions: u64,
    pub(crate) saves: u64,
    pub(crate) refused_operations: u64,
    pub(crate) compactions: u64,
    pub(crate) ends: Ends,
    /// A hash over all outputs, in order.
    pub(crate) history: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.steps += other.steps;
        self.requests += other.requests;
        self.refused += other.refused;
        self.chunked_prefills += other.chunked_prefills;
        self.paced += other.paced;
        self.preemptions += other.preemptions;
        self.mismatches += other.mismatches;
        self.resumed += other.resumed;
        self.computed_tokens += other.computed_tokens;
        self.recomputed_tokens += other.recomputed_tokens;
        self.panics += other.panics;
        self.failed_steps += other.failed_steps;
        self.losses += other.losses;
        self.forced_tokens += other.forced_tokens;
        self.drafted_tokens += other.drafted_tokens;
        self.accepted_tokens += other.accepted_tokens;
        self.hits += other.hits;
        self.resident_tokens += other.resident_tokens;
        self.restored_tokens += other.restored_tokens;
        self.shared_in_flight += other.shared_in_flight;
        self.evictions += other.evictions;
        self.saves += other.saves;
        self.refused_operations += other.refused_operations;
        self.compactions += other.compactions;
        self.ends += other.ends;
        self.history ^= other.history;
    }
}
