//! Locks and pins: what must not leave the memory, and what should not.
//!
//! A lock is a running request's. It reaches to a length, at or before the end of the node it is
//! counted on, so that a node which is cut knows on which side each of its locks ends.

use std::collections::HashMap;

use super::{LockId, NodeId, PrefixTree, Segment};

/// All locks.
#[derive(Debug, Default)]
pub(super) struct Locks {
    held: HashMap<LockId, Lock>,
    count: u64,
}

/// One lock: where it is counted, and how far it reaches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lock {
    pub(super) node: NodeId,
    pub(super) length: u32,
}

impl Locks {
    /// Where a lock is counted.
    pub(super) fn node(&self, id: LockId) -> Option<NodeId> {
        self.held.get(&id).map(|lock| lock.node)
    }

    #[cfg(feature = "testing")]
    pub(super) fn iter(&self) -> impl Iterator<Item = (LockId, Lock)> + '_ {
        self.held.iter().map(|(&id, &lock)| (id, lock))
    }
}

impl PrefixTree {
    /// Holds the path to `length`, which is in `node` or at its end.
    pub(super) fn lock(&mut self, node: NodeId, length: u32) -> LockId {
        let id = LockId(self.locks.count);
        self.locks.count += 1;
        self.locks.held.insert(id, Lock { node, length });
        self.nodes.get_mut(node).locks.push(id);
        self.count_lock(node, true);
        id
    }

    /// Lets go of a path. What nobody holds any more may leave.
    pub(crate) fn unlock(&mut self, id: LockId) {
        if let Some(node) = self.release_lock(id) {
            self.prune(node);
        }
    }

    /// Lets go of a path that is not empty or about to be used; the node it was counted on.
    pub(super) fn release_lock(&mut self, id: LockId) -> Option<NodeId> {
        let lock = self.locks.held.remove(&id)?;
        self.nodes.get_mut(lock.node).locks.retain(|other| *other != id);
        self.count_lock(lock.node, false);
        Some(lock.node)
    }

    /// How far a lock reaches.
    pub(crate) fn lock_length(&self, id: LockId) -> u32 {
        self.locks.held.get(&id).map_or(0, |lock| lock.length)
    }

    /// Cuts `id` after its first `length` tokens and returns the upper part; locks that end there
    /// move to it.
    pub(super) fn split(&mut self, id: NodeId, length: u32) -> NodeId {
        let upper = self.nodes.split(id, length as usize);
        let cut = self.nodes.get(upper).end();
        let lower = self.nodes.get_mut(id);
        let held = &mut self.locks.held;
        let reaches_below = |lock: &LockId| held.get(lock).is_some_and(|lock| lock.length > cut);
        let (stay, moved): (Vec<_>, Vec<_>) = lower.locks.drain(..).partition(reaches_below);
        lower.locks = stay;
        lower.locked -= u32::try_from(moved.len()).expect("a lock for each running request");
        if lower.locked == 0 && !moved.is_empty() && lower.resident {
            self.locked_tokens -= lower.length();
        }
        for lock in &moved {
            if let Some(lock) = held.get_mut(lock) {
                lock.node = upper;
            }
        }
        self.nodes.get_mut(upper).locks = moved;
        if let Some(snapshot) = self.nodes.get(id).snapshot {
            self.snapshots.add_node(snapshot, upper);
        }
        upper
    }

    /// Cuts leaves off where the last of their locks ends, so that what nobody holds of them may leave.
    /// Whether there were any to cut.
    pub(crate) fn cut_at_locks(&mut self) -> bool {
        let held_in_part = |&(_, id): &(_, NodeId)| {
            let node = self.nodes.get(id);
            let ends = node.locks.iter().map(|&lock| self.lock_length(lock));
            let length = ends.max()?.saturating_sub(node.start);
            let is_leaf = !self.has_resident_children(id);
            (is_leaf && 0 < length && length < node.length()).then_some((id, length))
        };
        let cuts: Vec<(NodeId, u32)> = self.keepers.iter().filter_map(held_in_part).collect();
        for &(id, length) in &cuts {
            self.split(id, length);
        }
        !cuts.is_empty()
    }

    /// Keeps the path to `node`'s end resident as long as anything else can make room.
    fn pin(&mut self, node: NodeId) {
        self.nodes.get_mut(node).pins += 1;
        self.pinned.push(node);
    }

    /// Pins what a lock holds; the node it ends in.
    pub(crate) fn pin_locked(&mut self, lock: LockId) -> Option<NodeId> {
        let Lock { node, length } = self.locks.held.get(&lock).copied()?;
        let (start, end) = (self.nodes.get(node).start, self.nodes.get(node).end());
        let node = if length < end { self.split(node, length - start) } else { node };
        self.pin(node);
        Some(node)
    }

    /// Takes one pin back.
    pub(crate) fn unpin(&mut self, node: NodeId) {
        let Some(at) = self.pinned.iter().position(|&pinned| pinned == node) else { return };
        self.pinned.swap_remove(at);
        self.nodes.get_mut(node).pins -= 1;
        self.prune(node);
    }

    pub(super) fn pinned_tokens(&self) -> u32 {
        let mut nodes: Vec<NodeId> = self.pinned.iter().flat_map(|&id| self.path(id)).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let resident = nodes.into_iter().map(|id| self.nodes.get(id)).filter(|node| node.resident);
        resident.map(super::nodes::Node::length).sum()
    }

    /// Whether a pin ends at `id` or below it.
    pub(super) fn is_pinned(&self, id: NodeId) -> bool {
        self.pinned.iter().any(|&pinned| self.path(pinned).any(|node| node == id))
    }

    /// `id` and those above it.
    fn path(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::once(id).chain(self.nodes.ancestors(id))
    }

    /// Notes a use of the path to `node`: its nodes are the last used, and protected.
    pub(super) fn touch(&mut self, node: NodeId) {
        let now = self.tick();
        let path: Vec<NodeId> = self.path(node).collect();
        for id in path {
            let node = self.nodes.get_mut(id);
            node.last_use = now;
            if std::mem::replace(&mut node.segment, Segment::Protected) == Segment::Probation
                && node.resident
            {
                self.protected_tokens += node.length();
            }
        }
        self.demote_protected();
    }

    fn count_lock(&mut self, node: NodeId, locked: bool) {
        let mut next = Some(node);
        while let Some(id) = next {
            let node = self.nodes.get_mut(id);
            let length = if node.resident { node.length() } else { 0 };
            if locked {
                self.locked_tokens += if node.locked == 0 { length } else { 0 };
                node.locked += 1;
            } else {
                node.locked -= 1;
                self.locked_tokens -= if node.locked == 0 { length } else { 0 };
            }
            next = node.parent;
        }
    }
}
