//! Keeping the prefix cache: what is taken in, pinned, saved ahead and moved together, and what
//! the other tiers are told.

use std::collections::HashSet;

use super::Scheduler;
use crate::prefix::{Need, Owner, PrefixTree, Priority};
use crate::{
    Goal, MemoryOp, Plan, RequestId, Reuse, SeqId, SnapshotId, SnapshotKey, SnapshotPlace,
};

/// Tokens that are evicted beside a batch to keep within the cap, at most: saving them takes time
/// (about 20 µs a token of SmolLM2-135M) that those in the batch wait for.
const EVICTED_BESIDE_BATCH_MAX: u32 = 512;

/// Batches between two moves.
const COMPACTION_INTERVAL: u32 = 32;

/// How far the memory's used cells have drifted apart.
#[derive(Debug, Default)]
pub(super) struct Compaction {
    /// The highest used cell and all below it, as the backend said last.
    extent: Option<u32>,
    /// What has been moved, or could not be, since the extent last grew.
    tried: HashSet<SeqId>,
    /// Batches since the last move.
    batches: u32,
}

impl Compaction {
    /// Notes the extent after a step.
    pub(super) fn observe(&mut self, extent: Option<u32>) {
        if extent > self.extent {
            self.tried.clear();
        }
        self.extent = extent;
        self.batches = self.batches.saturating_add(1);
    }

    fn is_due(&self, used: u32, drift_min: u32, beside_batch: bool) -> bool {
        // Attention passes over all cells below the extent.
        let drifted = self.extent.is_some_and(|extent| extent > used + used / 2 + drift_min);
        drifted && (!beside_batch || self.batches >= COMPACTION_INTERVAL)
    }
}

impl Scheduler {
    /// Lets go of a pinned prefix, which stays cached as others do. Unknown ids are nothing to do.
    pub fn unpin(&mut self, request: RequestId) {
        if let (Some(tree), Some(node)) = (&mut self.tree, self.pins.remove(&request)) {
            tree.unpin(node);
        }
    }

    /// Says where a snapshot is, as [`crate::Output::Fetch`] asks.
    pub fn place_snapshot(&mut self, snapshot: SnapshotId, place: SnapshotPlace) {
        if let Some(tree) = &mut self.tree {
            tree.place(snapshot, place);
        }
    }

    /// Takes in a snapshot that another process or an earlier life has left. `None` if all that
    /// it holds is known already, or nothing is cached.
    pub fn adopt_snapshot(&mut self, key: &SnapshotKey) -> Option<SnapshotId> {
        self.tree.as_mut()?.adopt(key)
    }

    /// All snapshots, those that were not used for longest first: the order in which to give memory
    /// back.
    #[must_use]
    pub fn snapshots_coldest_first(&self) -> Vec<SnapshotId> {
        self.tree.as_ref().map(PrefixTree::snapshots_coldest_first).unwrap_or_default()
    }

    /// Fills `plan` with what is left to be done to the memory, and with saving every resident
    /// prefix that is not saved. For the end of an engine: no plan may follow.
    pub fn plan_saves(&mut self, plan: &mut Plan) {
        plan.clear();
        plan.ops.append(&mut self.ops);
        if let Some(tree) = &mut self.tree {
            while tree.save_ahead(&mut plan.ops) {}
        }
    }

    /// Takes in what a request's sequence has computed, as a chunk of its prompt ends.
    pub(super) fn keep_chunk(&mut self, seq: SeqId) {
        let exact = self.config.prefix.reuse == Reuse::ExactEnds;
        let Some(sequence) = &self.running[seq.index()] else { return };
        if sequence.computed <= sequence.prompt_tokens && (!exact || sequence.is_at_boundary()) {
            self.keep_computed(seq);
        }
    }

    /// Takes in all that a request's sequence has computed. The sequence shares it from now on.
    pub(super) fn keep_computed(&mut self, seq: SeqId) {
        let Some(tree) = &mut self.tree else { return };
        let Some(sequence) = &mut self.running[seq.index()] else { return };
        let Some(namespace) = sequence.cache.namespace() else { return };
        let owner = Owner {
            namespace,
            seq,
            shared: sequence.shared,
            lock: sequence.lock,
            priority: match sequence.goal {
                Goal::Generate => Priority::Normal,
                Goal::Cache => Priority::High,
            },
        };
        let tokens = &sequence.tokens[..sequence.computed];
        sequence.lock = tree.insert(&owner, tokens, &mut self.ops);
        sequence.shared = sequence.lock.map_or(0, |lock| tree.lock_length(lock));
    }

    /// Pins the prefix that a request has computed. `false` if it is not in the cache whole.
    pub(super) fn pin(&mut self, seq: SeqId) -> bool {
        let Some(tree) = &mut self.tree else { return false };
        let Some(sequence) = &self.running[seq.index()] else { return false };
        let Some(lock) =
            sequence.lock.filter(|_| sequence.shared as usize == sequence.tokens.len())
        else {
            return false;
        };
        if let Some(node) = tree.pin_locked(lock) {
            self.pins.insert(sequence.request, node);
        }
        true
    }

    /// What is done for the cache's own sake, beside a batch or without one.
    pub(super) fn tend_cache(&mut self, plan: &mut Plan) {
        let Some(tree) = &mut self.tree else { return };
        let beside_batch = !plan.chunks.is_empty();
        let prefix = &self.config.prefix;
        let idle_max =
            if beside_batch { prefix.idle_tokens_beside_batch_max } else { prefix.idle_tokens_max };
        let mut evicted = 0;
        while tree.idle_tokens() > idle_max
            && !(beside_batch && evicted >= EVICTED_BESIDE_BATCH_MAX)
            && let Some(freed) = tree.evict(Need::Cap, &mut plan.ops)
        {
            evicted += freed;
        }
        if !beside_batch && plan.ops.is_empty() && self.waiting.is_empty() {
            tree.save_ahead(&mut plan.ops);
        }
        self.compact(plan);
    }

    /// Moves one idle prefix down when the used cells have drifted apart. What running requests
    /// hold is not moved: it is in use in this very plan, and its cells go when it ends.
    fn compact(&mut self, plan: &mut Plan) {
        let used = self.load().cells_used;
        let Some(tree) = &self.tree else { return };
        let beside_batch = !plan.chunks.is_empty();
        if !self.compaction.is_due(used, self.config.prefix.drift_cells_min, beside_batch)
            || !(beside_batch || plan.ops.is_empty())
        {
            return;
        }
        let mut idle = tree.idle_leaves();
        if let Some((seq, range)) = idle.find(|(seq, _)| !self.compaction.tried.contains(seq)) {
            self.compaction.tried.insert(seq);
            self.compaction.batches = 0;
            plan.ops.push(MemoryOp::Compact { seq, range });
        }
    }
}
