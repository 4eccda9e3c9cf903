//! Letting go: which resident prefix leaves first, and what is done before its cells are freed.
//!
//! Only leaves leave, one at a time, so a path shrinks from its end. Order: what is not trusted,
//! then by pins, priority, segment (used once before used again) and last use.

use std::ops::Range;

use super::{NodeId, PrefixTree, Priority, Segment};
use crate::{MemoryOp, SeqId};

/// How far eviction may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// To stay within a cap: pinned prefixes stay.
    Cap,
    /// Because somebody could never run otherwise: pinned prefixes too.
    Starvation,
}

/// The share of idle tokens that what was used again may hold, so that new prefixes get a chance
/// to be used again (the usual 80 % of segmented LRU: Karedla, Love, Wherry 1994).
const PROTECTED_PERCENT: u64 = 80;

/// When a leaf leaves: the smallest first.
type Rank = (bool, bool, Priority, Segment, u64);

impl PrefixTree {
    /// Evicts the idle leaf whose turn it is; the number of cells that are free after `ops`.
    /// `None` if nothing may leave.
    pub(crate) fn evict(&mut self, need: Need, ops: &mut Vec<MemoryOp>) -> Option<u32> {
        let leaf = self.next_victim(need)?;
        if !self.nodes.get(leaf).distrusted {
            self.save(leaf, ops);
        }
        Some(self.drop_leaf(leaf, ops))
    }

    /// Cells that eviction could free.
    pub(crate) fn evictable_tokens(&self, need: Need) -> u32 {
        match need {
            Need::Starvation => self.idle_tokens(),
            // Pinned nodes that are locked as well are counted off twice: a little less is promised
            // than there is.
            Need::Cap => self.idle_tokens().saturating_sub(self.pinned_tokens()),
        }
    }

    /// Stops giving out the cells of `id` and below: the memory does not hold what it should. Idle
    /// leaves leave at once, the rest when it is idle.
    pub(crate) fn distrust(&mut self, id: NodeId, ops: &mut Vec<MemoryOp>) {
        let mut below = vec![id];
        while let Some(node) = below.pop() {
            let resident = self.nodes.get(node).resident;
            self.nodes.get_mut(node).distrusted = resident;
            below.extend(self.nodes.get(node).children());
        }
        self.drop_distrusted(ops);
    }

    /// Evicts what is not trusted and idle.
    pub(crate) fn drop_distrusted(&mut self, ops: &mut Vec<MemoryOp>) {
        while let Some(leaf) = self.next_victim(Need::Starvation)
            && self.nodes.get(leaf).distrusted
        {
            self.drop_leaf(leaf, ops);
        }
    }

    /// Nothing is resident any more, with no operation on the memory. Snapshots and pins stay: what
    /// is computed again of a pinned prefix is pinned.
    pub(crate) fn lose_memory(&mut self) {
        debug_assert_eq!(self.locked_tokens, 0, "nobody runs");
        for (keeper, id) in std::mem::take(&mut self.keepers) {
            self.nodes.get_mut(id).keeper = None;
            self.free_keepers.push(keeper);
        }
        let below_roots = self.nodes.iter().filter(|(_, node)| node.parent.is_some());
        let all: Vec<NodeId> = below_roots.map(|(id, _)| id).collect();
        for &id in &all {
            self.unset_resident(id);
        }
        for id in all {
            // Pruning one may have taken those above it.
            if self.nodes.contains(id) {
                self.prune(id);
            }
        }
    }

    /// Saves the node that was not used for longest ahead of its eviction, if there is one that was
    /// never saved.
    pub(crate) fn save_ahead(&mut self, ops: &mut Vec<MemoryOp>) -> bool {
        if !self.config.snapshots {
            return false;
        }
        let unsaved =
            self.nodes.iter().filter(|(id, node)| !node.was_saved && self.wants_snapshot(*id));
        let Some((id, _)) = unsaved.min_by_key(|(_, node)| node.last_use) else { return false };
        self.save(id, ops);
        true
    }

    /// Idle leaves: their keepers, and the positions that only they hold.
    pub(crate) fn idle_leaves(&self) -> impl Iterator<Item = (SeqId, Range<u32>)> + '_ {
        let leaves = self.keepers.iter().filter(|(_, id)| self.is_idle_leaf(*id));
        leaves.map(|&(keeper, id)| {
            let node = self.nodes.get(id);
            (keeper, node.start..node.end())
        })
    }

    /// A keeper that keeps nothing, if need be by letting a leaf go.
    pub(super) fn free_keeper(&mut self, ops: &mut Vec<MemoryOp>) -> Option<SeqId> {
        while self.free_keepers.is_empty() {
            self.evict(Need::Cap, ops)?;
        }
        self.free_keepers.pop()
    }

    /// While more is protected than may be, what was not used for longest is protected no more.
    pub(super) fn demote_protected(&mut self) {
        let cap = u64::from(self.config.idle_tokens_max) * PROTECTED_PERCENT / 100;
        while u64::from(self.protected_tokens) > cap {
            let protected = |node: &super::nodes::Node| {
                node.resident && node.segment == Segment::Protected && node.parent.is_some()
            };
            let all = self.nodes.iter().filter(|(_, node)| protected(node));
            let Some((id, _)) = all.min_by_key(|(_, node)| node.last_use) else { return };
            let node = self.nodes.get_mut(id);
            node.segment = Segment::Probation;
            self.protected_tokens -= node.length();
        }
    }

    fn next_victim(&self, need: Need) -> Option<NodeId> {
        let leaves = self.keepers.iter().map(|&(_, node)| node);
        let idle = leaves.filter(|&id| self.is_idle_leaf(id));
        let ranked = idle.map(|id| (self.rank(id), id));
        let allowed = ranked.filter(|((_, pinned, ..), _)| need == Need::Starvation || !pinned);
        allowed.min().map(|(_, id)| id)
    }

    fn is_idle_leaf(&self, id: NodeId) -> bool {
        self.nodes.get(id).locked == 0 && !self.has_resident_children(id)
    }

    fn rank(&self, id: NodeId) -> Rank {
        let node = self.nodes.get(id);
        (!node.distrusted, self.is_pinned(id), node.priority, node.segment, node.last_use)
    }

    /// Frees a leaf's cells. Its keeper keeps the path above, if nobody else does.
    pub(super) fn drop_leaf(&mut self, id: NodeId, ops: &mut Vec<MemoryOp>) -> u32 {
        let keeper = self.take_keeper(id).expect("a resident leaf has a keeper");
        let (length, parent) = (self.nodes.get(id).length(), self.nodes.get(id).parent);
        self.unset_resident(id);
        self.evictions += 1;
        let parent = parent.expect("roots are never evicted");
        let above = self.nodes.get(parent);
        let kept_by_others = above.parent.is_none()
            || self.is_exact()
            || above.keeper.is_some()
            || self.has_resident_children(parent);
        if kept_by_others {
            ops.push(MemoryOp::Release { seq: keeper });
            self.free_keepers.push(keeper);
        } else {
            ops.push(MemoryOp::Truncate { seq: keeper, from: above.end() });
            self.set_keeper(parent, keeper);
        }
        self.prune(id);
        length
    }
}
