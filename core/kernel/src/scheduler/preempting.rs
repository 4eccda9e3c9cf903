//! Preemption: more requests run than could all come to their ends at once, so cells may run
//! short, and somebody gives way.
//!
//! A running request is due cells for its known tokens, and admission leaves each
//! `growth_tokens` more to grow into. When answers have outgrown what there is, room is made in
//! this order: prefixes that nobody uses leave; requests whose readers are behind give way; then
//! the latest arrival does. The earliest request that goes on never does, so there is always one
//! that comes to its end. Pinned prefixes leave only when it is alone.
//!
//! What gives way has its computed tokens taken into the prefix cache, from where they leave, and
//! are saved, as others do: it goes on from whatever is left of them. It waits by its arrival,
//! and comes back when its whole length and room to grow fit. Since those that made it give way
//! only grow, that takes an end, or another that gives way: nobody is thrown out and taken back
//! in turns ([decision 0047](../../../../docs/decisions/0047-cells-are-lent-and-called-back.md)).

use super::Scheduler;
use super::planning::numbered;
use crate::prefix::{Need, PrefixTree};
use crate::sequence::Sequence;
use crate::{Plan, SeqId};

/// Batches that a reader may be behind before its request gives way to one that only waits: what
/// is behind for a moment is not worth computing twice.
const PAUSED_BATCHES_MIN: u64 = 32;

/// How often requests gave way, and what it cost. Counters only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preemptions {
    /// How often a request lost its sequence and its cells to others.
    pub count: u64,
    /// How often such a request was given a sequence again.
    pub resumed: u64,
    /// Tokens that were computed once more, as they had left every tier meanwhile, or were
    /// refused.
    pub recomputed_tokens: u64,
}

impl Scheduler {
    /// Makes room for all known tokens of those that go on.
    pub(super) fn make_cells(&mut self) {
        while self.cells_due() > self.config.context_tokens {
            if self.evict_unused() {
                continue;
            }
            let Some(seq) = self.next_to_give_way() else { return };
            self.preempt(seq);
        }
    }

    /// Lets one cached prefix go; a pinned one only where a single request runs.
    pub(super) fn evict_unused(&mut self) -> bool {
        let need = if self.running_count() == 1 { Need::Starvation } else { Need::Cap };
        let Some(tree) = &mut self.tree else { return false };
        tree.evict(need, &mut self.ops).is_some()
            || (tree.cut_at_locks() && tree.evict(need, &mut self.ops).is_some())
    }

    /// The latest arrival of those whose readers are behind, or else of all. `None` where it is
    /// the only one.
    pub(super) fn next_to_give_way(&self) -> Option<SeqId> {
        if self.running_count() < 2 {
            return None;
        }
        let all = numbered(&self.running);
        let last = all.max_by_key(|(_, sequence)| (sequence.is_paused(), sequence.arrival));
        last.map(|(seq, _)| seq)
    }

    /// Has one request whose reader is behind give way to those that wait. Whether there was one:
    /// while others are computed, it has to be behind for some time.
    pub(super) fn displace_paused(&mut self, plan: &mut Plan) -> bool {
        let is_idle = plan.chunks.is_empty();
        let batches = self.batches;
        let gives_way = |sequence: &Sequence| {
            let behind = sequence.paused_at.map(|at| batches - at);
            behind.is_some_and(|behind| is_idle || behind >= PAUSED_BATCHES_MIN)
        };
        let candidates = numbered(&self.running).filter(|(_, sequence)| gives_way(sequence));
        let Some((seq, _)) = candidates.max_by_key(|(_, sequence)| sequence.arrival) else {
            return false;
        };
        self.preempt(seq);
        plan.ops.append(&mut self.ops);
        true
    }

    /// Puts a running request back into the queue, and what it has computed into the cache.
    pub(super) fn preempt(&mut self, seq: SeqId) {
        self.keep_computed(seq);
        if let Some(mut sequence) = self.release(seq) {
            self.preemptions.count += 1;
            sequence.preempted = true;
            self.requeue(sequence);
        }
    }

    /// Cells that running requests need for what they go on with, and those of cached prefixes.
    fn cells_due(&self) -> u32 {
        let cached = self.tree.as_ref().map_or(0, PrefixTree::resident_tokens);
        self.running.iter().flatten().map(Sequence::private_cells_due).sum::<u32>() + cached
    }

    fn running_count(&self) -> usize {
        self.running.iter().flatten().count()
    }
}
