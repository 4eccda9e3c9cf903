//! Taking computed tokens in: a running request gives its own cells to the tree and goes on
//! sharing them.

use super::{LockId, NodeId, PrefixTree, Priority};
use crate::{MemoryOp, Namespace, SeqId, Token};

/// The request whose tokens are taken in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) namespace: Namespace,
    pub(crate) seq: SeqId,
    /// How many of its tokens it shares with the tree, from the first.
    pub(crate) shared: u32,
    /// Its hold on them.
    pub(crate) lock: Option<LockId>,
    pub(crate) priority: Priority,
}

impl PrefixTree {
    /// Takes `tokens` in, all of which `owner`'s sequence has computed. Afterwards the owner
    /// shares as many as its new lock reaches to: all, or fewer when no keeper is left.
    pub(crate) fn insert(
        &mut self,
        owner: &Owner,
        tokens: &[Token],
        ops: &mut Vec<MemoryOp>,
    ) -> Option<LockId> {
        let end = u32::try_from(tokens.len()).expect("a prefix is shorter than a context");
        if end <= owner.shared {
            return owner.lock;
        }
        let root = self.nodes.root_or_new(owner.namespace);
        let lock = if self.is_exact() {
            self.insert_exact(root, owner, tokens, ops)
        } else {
            self.insert_any(root, owner, tokens, ops)
        };
        self.prune(root);
        lock
    }

    fn insert_any(
        &mut self,
        root: NodeId,
        owner: &Owner,
        tokens: &[Token],
        ops: &mut Vec<MemoryOp>,
    ) -> Option<LockId> {
        let end = u32::try_from(tokens.len()).expect("a prefix is shorter than a context");
        let (top, resident) = self.resident_path(root, tokens);
        if resident < owner.shared {
            // What it shares is not trusted any more, and ends with it.
            return owner.lock;
        }
        let mut lock = owner.lock;
        if resident > owner.shared {
            let keeper = self.keeper_through(top).expect("a resident node has a keeper");
            let range = owner.shared..resident;
            ops.push(MemoryOp::Replace { from: keeper, to: owner.seq, range });
            lock = Some(self.relock(lock, top, resident));
        }
        if resident == end || self.is_blocked(top, &tokens[resident as usize..]) {
            return lock;
        }
        let Some((keeper, from)) = self.keeper_for(root, top, resident, ops) else { return lock };
        let parent = if resident == self.nodes.get(top).end() {
            top
        } else {
            self.split(top, resident - self.nodes.get(top).start)
        };
        ops.push(MemoryOp::Share { from: owner.seq, to: keeper, range: from..end });
        let tip = self.descend(parent, &tokens[resident as usize..], lock);
        self.settle(tip, keeper, owner.priority);
        Some(self.relock(lock, tip, end))
    }

    /// Where memory can only be shared whole, each kept length has a keeper of its own, and
    /// prefixes that begin alike hold cells of their own after what they share.
    fn insert_exact(
        &mut self,
        root: NodeId,
        owner: &Owner,
        tokens: &[Token],
        ops: &mut Vec<MemoryOp>,
    ) -> Option<LockId> {
        let end = u32::try_from(tokens.len()).expect("a prefix is shorter than a context");
        if self.find_exact(root, tokens).resident == end {
            return owner.lock;
        }
        let parent = owner.lock.and_then(|lock| self.locks.node(lock)).unwrap_or(root);
        let Some(keeper) = self.free_keeper_beside(parent, owner.shared, ops) else {
            return owner.lock;
        };
        ops.push(MemoryOp::Share { from: owner.seq, to: keeper, range: 0..end });
        let tip = self.nodes.add_child(parent, tokens[owner.shared as usize..].to_vec());
        self.settle(tip, keeper, owner.priority);
        Some(self.relock(owner.lock, tip, end))
    }

    /// The last node that is resident on the path of `tokens`, and how far the path goes in it.
    fn resident_path(&self, root: NodeId, tokens: &[Token]) -> (NodeId, u32) {
        let (mut node, mut end, mut rest) = (root, 0, tokens);
        while let Some(&first) = rest.first()
            && let Some(child) = self.nodes.get(node).children_with(first).next()
            && let next = self.nodes.get(child)
            && next.resident
            && !next.distrusted
        {
            let common = next.common(rest);
            end = next.start + u32::try_from(common).expect("shorter than a context");
            node = child;
            if common < next.tokens.len() {
                break;
            }
            rest = &rest[common..];
        }
        (node, end)
    }

    /// Whether what comes after `top` is in the memory already, and not trusted.
    fn is_blocked(&self, top: NodeId, rest: &[Token]) -> bool {
        let top = self.nodes.get(top);
        rest.first().is_some_and(|&first| {
            top.children_with(first).any(|child| self.nodes.get(child).resident)
        })
    }

    /// A keeper for a path that leaves the resident one in `top` at `at`, and the position from
    /// which on it lacks cells. The keeper of a leaf moves on with its path; else a new one comes.
    pub(super) fn keeper_for(
        &mut self,
        root: NodeId,
        top: NodeId,
        at: u32,
        ops: &mut Vec<MemoryOp>,
    ) -> Option<(SeqId, u32)> {
        let is_end = at == self.nodes.get(top).end();
        if top != root && is_end && self.nodes.get(top).keeper.is_some() {
            return self.take_keeper(top).map(|keeper| (keeper, at));
        }
        // Room for a keeper may be made by letting a leaf go, but not the one this path comes from.
        let keeper = self.free_keeper_beside(top, at, ops)?;
        if top != root && is_end && self.nodes.get(top).keeper.is_some() {
            // Its last resident child has just left, and it has become a leaf.
            self.free_keepers.push(keeper);
            return self.take_keeper(top).map(|keeper| (keeper, at));
        }
        Some((keeper, 0))
    }

    /// A free keeper, for which the path to `length` in `node` is not let go.
    fn free_keeper_beside(
        &mut self,
        node: NodeId,
        length: u32,
        ops: &mut Vec<MemoryOp>,
    ) -> Option<SeqId> {
        let held = self.lock(node, length);
        let keeper = self.free_keeper(ops);
        self.release_lock(held);
        keeper
    }

    /// Follows `tokens` down from `parent` through nodes that are not resident, and adds what is
    /// missing. All of them become resident. The last one is returned. `lock` is the owner's.
    fn descend(&mut self, parent: NodeId, tokens: &[Token], lock: Option<LockId>) -> NodeId {
        let (mut node, mut rest) = (parent, tokens);
        while let Some(&first) = rest.first() {
            let child = self.nodes.get(node).children_with(first).next();
            let Some(child) = child else {
                return if self.can_grow(node, lock) {
                    self.grow(node, rest);
                    node
                } else {
                    let child = self.nodes.add_child(node, rest.to_vec());
                    self.set_resident(child);
                    child
                };
            };
            let common = self.nodes.get(child).common(rest);
            node = if common < self.nodes.get(child).tokens.len() {
                let common = u32::try_from(common).expect("shorter than a context");
                self.split(child, common)
            } else {
                child
            };
            self.set_resident(node);
            rest = &rest[common..];
        }
        node
    }

    /// Whether a node may become longer instead of getting a child: nothing else ends in it, so that
    /// nobody but the owner holds what is added.
    fn can_grow(&self, id: NodeId, lock: Option<LockId>) -> bool {
        let node = self.nodes.get(id);
        node.parent.is_some()
            && node.resident
            && !node.has_children()
            && node.snapshot.is_none()
            && node.pins == 0
            && node.locks.iter().all(|&other| Some(other) == lock)
    }

    fn grow(&mut self, id: NodeId, tokens: &[Token]) {
        // Not resident for a moment, so that the tree's sums follow.
        let segment = self.nodes.get(id).segment;
        self.unset_resident(id);
        let node = self.nodes.get_mut(id);
        node.segment = segment;
        node.tokens.extend_from_slice(tokens);
        self.set_resident(id);
    }

    /// The new end of a kept path.
    fn settle(&mut self, tip: NodeId, keeper: SeqId, priority: Priority) {
        self.set_resident(tip);
        self.set_keeper(tip, keeper);
        let now = self.tick();
        let node = self.nodes.get_mut(tip);
        node.last_use = now;
        node.priority = node.priority.max(priority);
    }

    /// Moves a lock to a longer path.
    fn relock(&mut self, old: Option<LockId>, node: NodeId, length: u32) -> LockId {
        let lock = self.lock(node, length);
        if let Some(old) = old {
            self.unlock(old);
        }
        lock
    }
}
