//! What is known of snapshots: which nodes each is of, its size, and where it is.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{NodeId, PrefixTree};
use crate::{SnapshotId, SnapshotKey, SnapshotPlace, Tier};

/// All snapshots that a node has.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    known: BTreeMap<SnapshotId, Snapshot>,
    count: u64,
}

/// One snapshot.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// The nodes whose tokens it holds: one, or the parts of one that was cut.
    nodes: Vec<NodeId>,
    pub(super) range: Range<u32>,
    pub(super) place: Place,
}

/// Whether a snapshot can be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It has to be asked for.
    Unknown,
    /// It was asked for, or is on its way.
    Awaited,
    /// It is at hand.
    Ready(Tier),
}

impl Snapshots {
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn get(&self, id: SnapshotId) -> Option<&Snapshot> {
        self.known.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: SnapshotId) -> Option<&mut Snapshot> {
        self.known.get_mut(&id)
    }

    pub(super) fn add(&mut self, node: NodeId, range: Range<u32>) -> SnapshotId {
        let id = SnapshotId(self.count);
        self.count += 1;
        let snapshot = Snapshot { nodes: vec![node], range, place: Place::Unknown };
        self.known.insert(id, snapshot);
        id
    }

    pub(super) fn add_node(&mut self, id: SnapshotId, node: NodeId) {
        if let Some(snapshot) = self.known.get_mut(&id) {
            snapshot.nodes.push(node);
        }
    }

    #[cfg(feature = "testing")]
    pub(super) fn iter(&self) -> impl Iterator<Item = (SnapshotId, &[NodeId])> {
        self.known.iter().map(|(&id, snapshot)| (id, snapshot.nodes.as_slice()))
    }
}

impl PrefixTree {
    /// Notes that a snapshot was saved. It is in the host's memory until something else is heard.
    pub(crate) fn saved(&mut self, id: SnapshotId) {
        if let Some(snapshot) = self.snapshots.get_mut(id)
            && snapshot.place == Place::Unknown
        {
            snapshot.place = Place::Ready(Tier::Host);
        }
    }

    /// Notes where a snapshot is.
    pub(crate) fn place(&mut self, id: SnapshotId, place: SnapshotPlace) {
        if place == SnapshotPlace::Lost {
            return self.lose(id);
        }
        let Some(snapshot) = self.snapshots.get_mut(id) else { return };
        snapshot.place = match (place, snapshot.place) {
            (SnapshotPlace::Ready(tier), _) => Place::Ready(tier),
            // It is being fetched, or else has left the host's memory unasked.
            (_, Place::Awaited) => Place::Awaited,
            _ => Place::Unknown,
        };
    }

    /// A snapshot was not saved, and will not be if it is tried again.
    pub(crate) fn save_refused(&mut self, id: SnapshotId) {
        let nodes = self.snapshots.get(id).map(|snapshot| snapshot.nodes.clone());
        for node in nodes.unwrap_or_default() {
            self.nodes.get_mut(node).unsavable = true;
        }
        self.lose(id);
    }

    /// Forgets a snapshot that is nowhere any more.
    pub(crate) fn lose(&mut self, id: SnapshotId) {
        let Some(snapshot) = self.snapshots.known.remove(&id) else { return };
        for &node in &snapshot.nodes {
            self.nodes.get_mut(node).snapshot = None;
        }
        for node in snapshot.nodes {
            // The parts of a node that was cut are each other's parents: one prune may take more.
            if self.nodes.contains(node) {
                self.prune(node);
            }
        }
    }

    /// Takes a snapshot in that another process, or an earlier life, has left. `None` if all of
    /// it is known already.
    pub(crate) fn adopt(&mut self, key: &SnapshotKey) -> Option<SnapshotId> {
        let end = u32::try_from(key.tokens.len()).ok()?;
        if key.start >= end || !self.config.snapshots {
            return None;
        }
        let root = self.nodes.root_or_new(key.namespace);
        // Cuts at both ends, so that whole nodes are the snapshot's.
        let above = self.reach(root, &key.tokens[..key.start as usize]);
        let mut node = self.reach(above, &key.tokens[key.start as usize..]);
        let mut nodes = Vec::new();
        while node != above {
            if self.nodes.get(node).snapshot.is_none() {
                nodes.push(node);
            }
            let Some(parent) = self.nodes.get(node).parent else { break };
            node = parent;
        }
        let Some(&first) = nodes.first() else {
            self.prune(above);
            return None;
        };
        let id = self.snapshots.add(first, key.start..end);
        for &node in &nodes {
            self.nodes.get_mut(node).snapshot = Some(id);
        }
        if let Some(snapshot) = self.snapshots.get_mut(id) {
            snapshot.nodes = nodes;
        }
        Some(id)
    }

    /// The snapshots, those that were not used for longest first.
    pub(crate) fn snapshots_coldest_first(&self) -> Vec<SnapshotId> {
        let last_use = |snapshot: &Snapshot| {
            let uses = snapshot.nodes.iter().map(|&node| self.nodes.get(node).last_use);
            uses.max().unwrap_or(0)
        };
        let known = self.snapshots.known.iter();
        let mut all: Vec<_> = known.map(|(&id, snapshot)| (last_use(snapshot), id)).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, id)| id).collect()
    }

    pub(super) fn wants_snapshot(&self, id: NodeId) -> bool {
        let node = self.nodes.get(id);
        self.config.snapshots
            && node.resident
            && !node.distrusted
            && !node.unsavable
            && node.snapshot.is_none()
            && node.parent.is_some()
            // Without it, what comes after it could never be restored.
            && (node.length() >= self.config.worthwhile_tokens_min || node.has_children())
    }

    /// The node that ends after exactly `tokens` below `from`, made if it is not there.
    fn reach(&mut self, from: NodeId, tokens: &[crate::Token]) -> NodeId {
        let (mut node, mut rest) = (from, tokens);
        while let Some(&first) = rest.first() {
            let Some(child) = self.nodes.get(node).children_with(first).next() else {
                return self.nodes.add_child(node, rest.to_vec());
            };
            let common = self.nodes.get(child).common(rest);
            node = if common < self.nodes.get(child).tokens.len() {
                let common = u32::try_from(common).expect("a prefix is shorter than a context");
                self.split(child, common)
            } else {
                child
            };
            rest = &rest[common..];
        }
        node
    }
}
