//! The tree's nodes: runs of tokens below each other, and nothing of why they are kept.
//!
//! Invariants: a node's tokens are not empty, but for roots'; it starts where its parent ends;
//! where prefixes can be cut anywhere, no two children of a node begin with the same token; locks
//! and pins are counted on the node they end in, and `locked` counts those of the whole subtree.

use std::collections::HashMap;

use super::{LockId, NodeId};
use crate::{Namespace, SeqId, SnapshotId, Token};

/// How long a node is to be kept beside others of its age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Priority {
    /// Came with a request.
    #[default]
    Normal,
    /// Was once asked to be kept.
    High,
}

/// The two parts of a segmented LRU: what was used again leaves after what was used once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Segment {
    /// Used once.
    #[default]
    Probation,
    /// Used again.
    Protected,
}

/// A run of tokens after its parent's.
#[derive(Debug, Default)]
pub(crate) struct Node {
    /// `None` for roots.
    pub(super) parent: Option<NodeId>,
    pub(super) tokens: Vec<Token>,
    /// The position of its first token.
    pub(super) start: u32,
    /// By their first tokens, ascending.
    children: Vec<(Token, NodeId)>,
    /// Whether the backend's memory holds its tokens; then it holds its parent's too.
    pub(super) resident: bool,
    /// The sequence that keeps the path down to this node's end.
    pub(super) keeper: Option<SeqId>,
    pub(super) snapshot: Option<SnapshotId>,
    /// Its cells are not what they should be: nobody is given them any more.
    pub(super) distrusted: bool,
    /// The memory or the other tiers refused to save it.
    pub(super) unsavable: bool,
    /// It was saved since it became resident: if that snapshot is lost, for want of room or because
    /// memory was to be given back, it is not saved ahead again.
    pub(super) was_saved: bool,
    pub(super) locks: Vec<LockId>,
    /// Locks on it and below.
    pub(super) locked: u32,
    pub(super) pins: u32,
    pub(super) priority: Priority,
    pub(super) segment: Segment,
    pub(super) last_use: u64,
}

impl Node {
    pub(super) fn length(&self) -> u32 {
        u32::try_from(self.tokens.len()).expect("a prefix is shorter than a context")
    }

    /// The position after its last token.
    pub(super) fn end(&self) -> u32 {
        self.start + self.length()
    }

    pub(super) fn has_children(&self) -> bool {
        !self.children.is_empty()
    }

    pub(super) fn children(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.children.iter().map(|&(_, child)| child)
    }

    /// The children that begin with `token`: at most one where prefixes can be cut anywhere.
    pub(super) fn children_with(&self, token: Token) -> impl Iterator<Item = NodeId> + '_ {
        let from = self.children.partition_point(|(first, _)| *first < token);
        self.children[from..].iter().take_while(move |(t, _)| *t == token).map(|&(_, child)| child)
    }

    /// How many of `tokens` it begins with.
    pub(super) fn common(&self, tokens: &[Token]) -> usize {
        common_length(&self.tokens, tokens)
    }
}

/// How many tokens two runs have in common at their beginnings.
pub(crate) fn common_length(one: &[Token], other: &[Token]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// All nodes, by their ids.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    nodes: Vec<Option<Node>>,
    free: Vec<NodeId>,
    roots: HashMap<Namespace, NodeId>,
}

impl Nodes {
    pub(super) fn get(&self, id: NodeId) -> &Node {
        self.nodes[id.index()].as_ref().expect("node ids are dropped with their nodes")
    }

    pub(super) fn get_mut(&mut self, id: NodeId) -> &mut Node {
        self.nodes[id.index()].as_mut().expect("node ids are dropped with their nodes")
    }

    pub(super) fn contains(&self, id: NodeId) -> bool {
        self.nodes.get(id.index()).is_some_and(Option::is_some)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        (0..).map(NodeId).zip(&self.nodes).filter_map(|(id, node)| Some((id, node.as_ref()?)))
    }

    pub(super) fn root(&self, namespace: Namespace) -> Option<NodeId> {
        self.roots.get(&namespace).copied()
    }

    pub(super) fn root_or_new(&mut self, namespace: Namespace) -> NodeId {
        if let Some(root) = self.root(namespace) {
            return root;
        }
        let root = self.add(Node { resident: true, ..Node::default() });
        self.roots.insert(namespace, root);
        root
    }

    /// The namespace that `id` is in.
    pub(super) fn namespace_of(&self, id: NodeId) -> Namespace {
        let root = self.ancestors(id).last().unwrap_or(id);
        let found = self.roots.iter().find(|(_, node)| **node == root);
        *found.expect("every path ends in a namespace's root").0
    }

    /// A new child of `parent`, with nothing but tokens.
    pub(super) fn add_child(&mut self, parent: NodeId, tokens: Vec<Token>) -> NodeId {
        let start = self.get(parent).end();
        let first = tokens[0];
        let child = self.add(Node { parent: Some(parent), tokens, start, ..Node::default() });
        self.link(parent, first, child);
        child
    }

    /// Parents, from the nearest to the root.
    pub(super) fn ancestors(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::successors(self.get(id).parent, |&node| self.get(node).parent)
    }

    /// All tokens from the first to `id`'s last.
    pub(super) fn path_tokens(&self, id: NodeId) -> Vec<Token> {
        let mut path: Vec<NodeId> = self.ancestors(id).collect();
        path.reverse();
        path.push(id);
        path.into_iter().flat_map(|node| &self.get(node).tokens).copied().collect()
    }

    /// Cuts `id` after its first `length` tokens. The upper part is a new node, which is
    /// returned; the lower part stays `id`, with its keeper, pins and children. Locks stay with
    /// `id` too: the caller, who knows how far each reaches, moves those that end above the cut.
    pub(super) fn split(&mut self, id: NodeId, length: usize) -> NodeId {
        let lower = self.get_mut(id);
        debug_assert!(0 < length && length < lower.tokens.len(), "both parts have tokens");
        let rest = lower.tokens.split_off(length);
        let tokens = std::mem::replace(&mut lower.tokens, rest);
        let (parent, start) = (lower.parent, lower.start);
        lower.start += u32::try_from(length).expect("a prefix is shorter than a context");
        let second = lower.tokens[0];
        let upper = Node {
            parent,
            start,
            resident: lower.resident,
            snapshot: lower.snapshot,
            distrusted: lower.distrusted,
            unsavable: lower.unsavable,
            was_saved: lower.was_saved,
            locked: lower.locked,
            priority: lower.priority,
            segment: lower.segment,
            last_use: lower.last_use,
            tokens,
            ..Node::default()
        };
        let first = upper.tokens[0];
        let upper = self.add(upper);
        self.get_mut(upper).children.push((second, id));
        self.get_mut(id).parent = Some(upper);
        let parent = parent.expect("roots have no tokens to cut");
        let entry = self.get_mut(parent).children.iter_mut().find(|(_, child)| *child == id);
        *entry.expect("a node is among its parent's children") = (first, upper);
        upper
    }

    /// Removes a node without children; its parent, if it has one.
    pub(super) fn remove(&mut self, id: NodeId) -> Option<NodeId> {
        let node = self.nodes[id.index()].take().expect("node ids are dropped with their nodes");
        debug_assert!(!node.has_children() && node.locked == 0, "{id:?} is in use");
        self.free.push(id);
        match node.parent {
            Some(parent) => self.get_mut(parent).children.retain(|(_, child)| *child != id),
            None => self.roots.retain(|_, root| *root != id),
        }
        node.parent
    }

    fn add(&mut self, node: Node) -> NodeId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(None);
            NodeId(u32::try_from(self.nodes.len() - 1).expect("fewer nodes than tokens"))
        });
        self.nodes[id.index()] = Some(node);
        id
    }

    fn link(&mut self, parent: NodeId, first: Token, child: NodeId) {
        let children = &mut self.get_mut(parent).children;
        let at = children.partition_point(|(token, _)| *token <= first);
        children.insert(at, (first, child));
    }
}
