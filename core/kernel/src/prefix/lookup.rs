//! Looking up how much of a prompt is computed already, and where.

use super::snapshots::Place;
use super::{NodeId, PrefixTree};
use crate::{Namespace, SnapshotId, Tier, Token};

/// What there is of a prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Match {
    /// Tokens from the first that the memory holds.
    pub(crate) resident: u32,
    /// Tokens from the first that the memory would hold if the snapshots below were restored.
    pub(crate) restorable: u32,
    /// The last node of the resident part; it may reach further than the prompt does.
    pub(super) node: Option<NodeId>,
    /// The nodes after it that have snapshots.
    pub(super) away: Vec<NodeId>,
}

/// Whether a match's snapshots can be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// There are none, or all of them are at hand; with the slowest of their tiers.
    Ready(Option<Tier>),
    /// One was asked for.
    Awaited(SnapshotId),
    /// This one has to be asked for.
    Unknown(SnapshotId),
}

impl Match {
    /// Whether some of it is not resident.
    pub(crate) fn needs_restoring(&self) -> bool {
        !self.away.is_empty()
    }

    /// Without what would have to be restored.
    pub(crate) fn resident_part(self) -> Self {
        Self { restorable: self.resident, away: Vec::new(), ..self }
    }
}

impl PrefixTree {
    /// How much of `tokens` there is.
    pub(crate) fn find(&self, namespace: Namespace, tokens: &[Token]) -> Match {
        let Some(root) = self.nodes.root(namespace) else { return Match::default() };
        if self.is_exact() { self.find_exact(root, tokens) } else { self.find_any(root, tokens) }
    }

    /// The longest path, resident nodes first and then nodes with snapshots.
    fn find_any(&self, root: NodeId, tokens: &[Token]) -> Match {
        let mut found = Match::default();
        let (mut node, mut rest) = (root, tokens);
        while let Some(&first) = rest.first()
            && let Some(child) = self.nodes.get(node).children_with(first).next()
        {
            let next = self.nodes.get(child);
            let common = next.common(rest);
            let end = next.start + u32::try_from(common).expect("shorter than a context");
            if next.resident && !next.distrusted && found.away.is_empty() {
                (found.resident, found.node) = (end, Some(child));
            } else if !next.resident && next.snapshot.is_some() {
                found.away.push(child);
            } else {
                break;
            }
            found.restorable = end;
            if common < next.tokens.len() {
                break;
            }
            (node, rest) = (child, &rest[common..]);
        }
        found
    }

    /// The longest kept prefix that is a beginning of `tokens` as a whole. Prefixes that begin
    /// alike lie beside each other here, so every branch is looked into.
    pub(super) fn find_exact(&self, root: NodeId, tokens: &[Token]) -> Match {
        let mut found = Match::default();
        let mut branches = vec![(root, tokens)];
        while let Some((node, rest)) = branches.pop() {
            let Some(&first) = rest.first() else { continue };
            for child in self.nodes.get(node).children_with(first) {
                let next = self.nodes.get(child);
                if next.distrusted || !rest.starts_with(&next.tokens) {
                    continue;
                }
                if next.keeper.is_some() && next.end() > found.resident {
                    let end = next.end();
                    found = Match { resident: end, restorable: end, node: Some(child), ..found };
                }
                branches.push((child, &rest[next.tokens.len()..]));
            }
        }
        found
    }

    /// Whether what `found` would restore is at hand.
    pub(crate) fn readiness(&self, found: &Match) -> Readiness {
        let (mut slowest, mut awaited) = (None, None);
        for &node in &found.away {
            let snapshot = self.nodes.get(node).snapshot;
            let id = snapshot.expect("only nodes with snapshots are away");
            match self.snapshots.get(id).map(|snapshot| snapshot.place) {
                Some(Place::Ready(tier)) => slowest = slowest.max(Some(tier)),
                Some(Place::Awaited) => awaited = Some(id),
                Some(Place::Unknown) | None => return Readiness::Unknown(id),
            }
        }
        awaited.map_or(Readiness::Ready(slowest), Readiness::Awaited)
    }

    /// Notes that a snapshot was asked for.
    pub(crate) fn await_snapshot(&mut self, id: SnapshotId) {
        if let Some(snapshot) = self.snapshots.get_mut(id) {
            snapshot.place = Place::Awaited;
        }
    }

    /// Whether a snapshot was asked for and nothing has been heard of it.
    pub(crate) fn is_awaited(&self, id: SnapshotId) -> bool {
        self.snapshots.get(id).is_some_and(|snapshot| snapshot.place == Place::Awaited)
    }
}
