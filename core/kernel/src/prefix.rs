//! The prefix cache's decisions: which computed prefixes there are, where they are, who uses
//! them, and which leave first.
//!
//! A radix tree over tokens, one root for each namespace. A node is *resident* when the backend's
//! memory holds its tokens, may have a *snapshot* elsewhere, or both, or neither. Resident nodes
//! are held in memory by *keepers*: sequences above those that requests run on. A running request
//! *locks* the path that it shares, and has cells of its own after it. The tree decides and
//! writes memory operations down; it knows neither bytes nor time.
//!
//! Invariants, checked by `audit` after every simulated step:
//! - a resident node's parent is resident, and some keeper's path goes through it;
//! - a keeper keeps the path to exactly one node; where memory can be cut anywhere, exactly the
//!   resident leaves have one;
//! - nothing that is locked leaves the memory;
//! - a node leaves the tree before its cells are given to anybody else: its operation comes
//!   earlier in the same list;
//! - a node has cells, a snapshot, a lock, a pin or children; else it is not in the tree.

#[cfg(feature = "testing")]
mod audit;
mod eviction;
mod insertion;
mod locks;
mod lookup;
mod nodes;
mod restoring;
mod snapshots;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(crate) use self::eviction::Need;
pub(crate) use self::insertion::Owner;
use self::locks::Locks;
pub(crate) use self::lookup::{Match, Readiness};
use self::nodes::{Nodes, Segment};
pub(crate) use self::nodes::{Priority, common_length};
use self::snapshots::Snapshots;
use crate::{MemoryOp, PrefixConfig, Reuse, SeqId, SnapshotKey};

/// A node of the tree; reused after the node is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(u32);

impl NodeId {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// A running request's hold on a path. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LockId(u64);

/// How much the prefix cache holds and has done. Counters only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrefixLoad {
    /// Resident prefixes: ends of paths that are kept.
    pub residents: u32,
    /// Cells of the backend's memory that hold cached tokens.
    pub resident_tokens: u32,
    /// Those of them that no running request uses.
    pub idle_tokens: u32,
    /// Tokens of pinned prefixes.
    pub pinned_tokens: u32,
    /// Prefixes that left the memory.
    pub evictions: u64,
    /// Snapshots that are known.
    pub snapshots: u32,
}

/// The tree.
#[derive(Debug)]
pub(crate) struct PrefixTree {
    config: PrefixConfig,
    nodes: Nodes,
    locks: Locks,
    snapshots: Snapshots,
    /// Keepers and the nodes whose ends they keep.
    keepers: Vec<(SeqId, NodeId)>,
    /// Keepers that keep nothing.
    free_keepers: Vec<SeqId>,
    /// The ends of pinned prefixes, once for each pin.
    pinned: Vec<NodeId>,
    /// Cells of resident nodes.
    resident_tokens: u32,
    /// Cells of resident nodes that are locked.
    locked_tokens: u32,
    /// Cells of resident nodes that were used again.
    protected_tokens: u32,
    evictions: u64,
    /// Counts uses, to tell which was last.
    uses: u64,
}

impl PrefixTree {
    /// An empty tree whose keepers begin at `first_keeper`.
    pub(crate) fn new(config: PrefixConfig, first_keeper: u32) -> Self {
        let keepers = first_keeper..first_keeper.saturating_add(config.residents_max);
        Self {
            config,
            nodes: Nodes::default(),
            locks: Locks::default(),
            snapshots: Snapshots::default(),
            keepers: Vec::new(),
            free_keepers: keepers.rev().map(SeqId).collect(),
            pinned: Vec::new(),
            resident_tokens: 0,
            locked_tokens: 0,
            protected_tokens: 0,
            evictions: 0,
            uses: 0,
        }
    }

    /// Cells that cached tokens hold.
    pub(crate) fn resident_tokens(&self) -> u32 {
        self.resident_tokens
    }

    /// Cells that cached tokens hold and nobody uses.
    pub(crate) fn idle_tokens(&self) -> u32 {
        self.resident_tokens - self.locked_tokens
    }

    pub(crate) fn load(&self) -> PrefixLoad {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        PrefixLoad {
            residents: count(self.keepers.len()),
            resident_tokens: self.resident_tokens,
            idle_tokens: self.idle_tokens(),
            pinned_tokens: self.pinned_tokens(),
            evictions: self.evictions,
            snapshots: count(self.snapshots.len()),
        }
    }

    fn is_exact(&self) -> bool {
        self.config.reuse == Reuse::ExactEnds
    }

    /// Counts one more use.
    fn tick(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }

    /// The node becomes resident, if it is not.
    fn set_resident(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(id);
        if std::mem::replace(&mut node.resident, true) {
            return;
        }
        let (length, locked, segment) = (node.length(), node.locked, node.segment);
        self.resident_tokens += length;
        self.locked_tokens += if locked > 0 { length } else { 0 };
        self.protected_tokens += if segment == Segment::Protected { length } else { 0 };
    }

    /// The node's cells go.
    fn unset_resident(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(id);
        if !std::mem::replace(&mut node.resident, false) {
            return;
        }
        node.distrusted = false;
        node.unsavable = false;
        node.was_saved = false;
        let (length, locked, segment) = (node.length(), node.locked, node.segment);
        node.segment = Segment::Probation;
        self.resident_tokens -= length;
        self.locked_tokens -= if locked > 0 { length } else { 0 };
        self.protected_tokens -= if segment == Segment::Protected { length } else { 0 };
    }

    fn set_keeper(&mut self, id: NodeId, keeper: SeqId) {
        debug_assert!(self.nodes.get(id).keeper.is_none(), "{id:?} has a keeper");
        self.nodes.get_mut(id).keeper = Some(keeper);
        self.keepers.push((keeper, id));
    }

    fn take_keeper(&mut self, id: NodeId) -> Option<SeqId> {
        let keeper = self.nodes.get_mut(id).keeper.take()?;
        self.keepers.retain(|(other, _)| *other != keeper);
        Some(keeper)
    }

    /// A keeper whose path goes through `id`, if `id` is resident.
    fn keeper_through(&self, id: NodeId) -> Option<SeqId> {
        let node = self.nodes.get(id);
        if !node.resident {
            return None;
        }
        node.keeper.or_else(|| node.children().find_map(|child| self.keeper_through(child)))
    }

    fn has_resident_children(&self, id: NodeId) -> bool {
        self.nodes.get(id).children().any(|child| self.nodes.get(child).resident)
    }

    /// Removes `id` and those above it that are kept for no reason any more.
    fn prune(&mut self, id: NodeId) {
        let mut next = Some(id);
        while let Some(id) = next {
            let node = self.nodes.get(id);
            let is_root = node.parent.is_none();
            let needed = (node.resident && !is_root)
                || node.snapshot.is_some()
                || node.has_children()
                || node.locked > 0
                || node.pins > 0;
            next = if needed { None } else { self.nodes.remove(id) };
        }
    }

    /// Saves `id`'s own tokens, if snapshots are kept, it has none, and it is long enough.
    fn save(&mut self, id: NodeId, ops: &mut Vec<MemoryOp>) {
        if !self.wants_snapshot(id) {
            return;
        }
        let Some(seq) = self.keeper_through(id) else { return };
        let node = self.nodes.get(id);
        let range = node.start..node.end();
        let key = Arc::new(SnapshotKey {
            namespace: self.nodes.namespace_of(id),
            tokens: self.nodes.path_tokens(id),
            start: range.start,
        });
        let snapshot = self.snapshots.add(id, range.clone());
        let node = self.nodes.get_mut(id);
        node.snapshot = Some(snapshot);
        node.was_saved = true;
        ops.push(MemoryOp::Save { seq, range, snapshot, key });
    }
}
