//! Giving a request what there is of its prompt: sharing what is resident, restoring what is not,
//! and taking it back when the memory refuses.

use super::snapshots::Place;
use super::{LockId, Match, NodeId, PrefixTree};
use crate::{MemoryOp, Namespace, SeqId, SnapshotId, Tier};

impl PrefixTree {
    /// Holds what was found, so that making room does not take it away.
    pub(crate) fn hold(&mut self, found: &Match) -> Option<LockId> {
        let node = found.away.last().copied().or(found.node)?;
        Some(self.lock(node, found.restorable))
    }

    /// Cuts the node that the resident part of `found` ends in, so that holding it holds nothing
    /// more. Whether there was anything to cut off.
    pub(crate) fn cut(&mut self, found: &mut Match) -> bool {
        let Some(node) = found.node.filter(|_| !self.is_exact()) else { return false };
        let (start, end) = (self.nodes.get(node).start, self.nodes.get(node).end());
        if found.resident == end {
            return false;
        }
        found.node = Some(self.split(node, found.resident - start));
        true
    }

    /// As [`Self::cut`], where that cuts off enough to be looked after on its own.
    pub(crate) fn cut_if_longer(&mut self, found: &mut Match) {
        let end = found.node.map_or(0, |node| self.nodes.get(node).end());
        if end >= found.resident + self.config.worthwhile_tokens_min {
            self.cut(found);
        }
    }

    /// Lets `seq`, which has nothing, share what was found and is held by `lock`; snapshots are
    /// restored first. The number of tokens it then has, and the lock that holds them.
    pub(crate) fn give(
        &mut self,
        namespace: Namespace,
        found: &Match,
        lock: LockId,
        seq: SeqId,
        ops: &mut Vec<MemoryOp>,
    ) -> (u32, Option<LockId>) {
        let restored = if found.away.is_empty() {
            None
        } else {
            let root = self.nodes.root_or_new(namespace);
            self.restore(root, found, ops)
        };
        let (node, length, lock) = match (restored, found.node) {
            (Some(tip), _) => (tip, found.restorable, Some(lock)),
            (None, Some(node)) if found.away.is_empty() => (node, found.resident, Some(lock)),
            (None, Some(node)) => {
                let shorter = self.lock(node, found.resident);
                self.unlock(lock);
                (node, found.resident, Some(shorter))
            }
            (None, None) => {
                self.unlock(lock);
                return (0, None);
            }
        };
        let keeper = self.keeper_through(node).expect("a resident node has a keeper");
        ops.push(MemoryOp::Share { from: keeper, to: seq, range: 0..length });
        self.touch(node);
        (length, lock)
    }

    /// More cells than the restored ones are needed for a moment where snapshots hold more than
    /// is wanted of them: the most at once.
    pub(crate) fn restoring_slack(&self, found: &Match) -> u32 {
        let slack = |&id: &NodeId| {
            let node = self.nodes.get(id);
            let snapshot = self.snapshots.get(node.snapshot?)?;
            let whole = snapshot.range.end - snapshot.range.start;
            Some(whole.saturating_sub(found.restorable.min(node.end()) - node.start))
        };
        found.away.iter().filter_map(slack).max().unwrap_or(0)
    }

    /// Restores the nodes that are away, below the resident part. The last one, or `None` where
    /// no keeper is left for them.
    fn restore(&mut self, root: NodeId, found: &Match, ops: &mut Vec<MemoryOp>) -> Option<NodeId> {
        let parent = found.node.unwrap_or(root);
        let (keeper, from) = self.keeper_for(root, parent, found.resident, ops)?;
        if from < found.resident {
            let other = self.keeper_through(parent).expect("a resident node has a keeper");
            ops.push(MemoryOp::Share { from: other, to: keeper, range: from..found.resident });
        }
        let mut tip = parent;
        for &id in &found.away {
            let node = self.nodes.get(id);
            let wanted = found.restorable - node.start;
            tip = if wanted < node.length() { self.split(id, wanted) } else { id };
            let node = self.nodes.get(tip);
            let snapshot = node.snapshot.expect("only nodes with snapshots are away");
            push_restore(ops, snapshot, keeper, node.start..node.end());
            // Bytes that were read from a file are given up once they are used; those in the
            // host's memory stay until something else is heard.
            if let Some(snapshot) = self.snapshots.get_mut(snapshot)
                && snapshot.place == Place::Ready(Tier::Disk)
            {
                snapshot.place = Place::Unknown;
            }
            self.set_resident(tip);
        }
        self.set_keeper(tip, keeper);
        Some(tip)
    }

    /// The memory refused to restore a snapshot: it is lost, and what was to become of it too.
    pub(crate) fn restore_refused(
        &mut self,
        snapshot: SnapshotId,
        keeper: SeqId,
        start: u32,
        ops: &mut Vec<MemoryOp>,
    ) {
        if let Some(tip) = self.tip_of(keeper) {
            let path = std::iter::once(tip).chain(self.nodes.ancestors(tip));
            let failed = path.take_while(|&id| self.nodes.get(id).start >= start).last();
            self.distrust(failed.unwrap_or(tip), ops);
        }
        self.lose(snapshot);
    }

    /// The memory refused to let `keeper` share what it should keep, or to let others share what
    /// it keeps.
    pub(crate) fn keeper_refused(&mut self, keeper: SeqId, ops: &mut Vec<MemoryOp>) {
        if let Some(tip) = self.tip_of(keeper) {
            self.distrust(tip, ops);
        }
    }

    fn tip_of(&self, keeper: SeqId) -> Option<NodeId> {
        self.keepers.iter().find(|(other, _)| *other == keeper).map(|&(_, node)| node)
    }
}

/// Parts of one snapshot that follow each other are restored at once.
fn push_restore(
    ops: &mut Vec<MemoryOp>,
    snapshot: SnapshotId,
    seq: SeqId,
    range: std::ops::Range<u32>,
) {
    if let Some(MemoryOp::Restore { snapshot: last, seq: to, range: before }) = ops.last_mut()
        && (*last, *to, before.end) == (snapshot, seq, range.start)
    {
        before.end = range.end;
        return;
    }
    ops.push(MemoryOp::Restore { snapshot, seq, range });
}
