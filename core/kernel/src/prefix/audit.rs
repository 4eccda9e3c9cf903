//! The tree's invariants as a check, for simulations and tests.

use std::collections::HashSet;

use super::nodes::Node;
use super::{NodeId, PrefixTree, Segment};

impl PrefixTree {
    /// Checks every invariant.
    pub(crate) fn audit(&self) -> Result<(), String> {
        for (id, node) in self.nodes.iter() {
            self.audit_node(id, node).map_err(|wrong| format!("{id:?}: {wrong}"))?;
        }
        self.audit_sums()?;
        self.audit_keepers()?;
        self.audit_holds()
    }

    fn audit_node(&self, id: NodeId, node: &Node) -> Result<(), String> {
        let check = |right: bool, wrong: &str| if right { Ok(()) } else { Err(wrong.to_owned()) };
        let Some(parent) = node.parent else {
            check(node.tokens.is_empty() && node.start == 0, "a root has tokens")?;
            return check(node.has_children(), "an empty root is kept");
        };
        let above = self.nodes.get(parent);
        check(!node.tokens.is_empty(), "it has no tokens")?;
        check(node.start == above.end(), "it does not start where its parent ends")?;
        check(above.children().any(|child| child == id), "its parent does not know it")?;
        check(!node.resident || above.resident, "it is resident and its parent is not")?;
        check(!node.resident || self.keeper_through(id).is_some(), "nobody keeps it")?;
        check(node.resident || node.keeper.is_none(), "it is kept and not resident")?;
        check(node.resident || !node.distrusted, "it is not trusted and not resident")?;
        let needed = node.resident
            || node.snapshot.is_some()
            || node.has_children()
            || node.locked > 0
            || node.pins > 0;
        check(needed, "it is kept for nothing")?;
        if !self.is_exact() {
            let leaf = node.resident && !self.has_resident_children(id);
            check(leaf == node.keeper.is_some(), "a keeper is not at a resident leaf")?;
            let same = above.children_with(node.tokens[0]).count();
            check(same == 1, "a sibling begins with the same token")?;
        }
        let below: u32 = node.children().map(|child| self.nodes.get(child).locked).sum();
        let own = u32::try_from(node.locks.len()).expect("few locks");
        check(node.locked == own + below, "locks are miscounted")
    }

    fn audit_sums(&self) -> Result<(), String> {
        let sum = |keep: fn(&Node) -> bool| {
            self.nodes.iter().filter(|(_, n)| n.resident && keep(n)).map(|(_, n)| n.length()).sum()
        };
        let counted = (self.resident_tokens, self.locked_tokens, self.protected_tokens);
        let summed = (
            sum(|_| true),
            sum(|node| node.locked > 0),
            sum(|node| node.segment == Segment::Protected),
        );
        if counted == summed { Ok(()) } else { Err(format!("{counted:?} counted, {summed:?} are")) }
    }

    fn audit_keepers(&self) -> Result<(), String> {
        let mut seen: HashSet<_> = self.free_keepers.iter().copied().collect();
        for &(keeper, id) in &self.keepers {
            if self.nodes.get(id).keeper != Some(keeper) || !seen.insert(keeper) {
                return Err(format!("{keeper} keeps {id:?}, which does not know it"));
            }
        }
        let all = self.free_keepers.len() + self.keepers.len();
        if seen.len() != all || all != self.config.residents_max as usize {
            return Err(format!("{all} keepers of {}", self.config.residents_max));
        }
        Ok(())
    }

    fn audit_holds(&self) -> Result<(), String> {
        for (id, lock) in self.locks.iter() {
            let node = self.nodes.get(lock.node);
            if !node.locks.contains(&id) || !(node.start..=node.end()).contains(&lock.length) {
                return Err(format!(
                    "{id:?} reaches to {} outside of {:?}",
                    lock.length, lock.node
                ));
            }
        }
        let pins: u32 = self.nodes.iter().map(|(_, node)| node.pins).sum();
        if pins as usize != self.pinned.len() {
            return Err(format!("{pins} pins are set, {} known", self.pinned.len()));
        }
        for (id, nodes) in self.snapshots.iter() {
            if nodes.iter().any(|&node| self.nodes.get(node).snapshot != Some(id)) {
                return Err(format!("{id} is of nodes that do not know it"));
            }
        }
        Ok(())
    }
}
