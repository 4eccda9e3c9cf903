//! The tree against a naive model: what every keeper holds, as lists of tokens, and nothing more.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{Namespace, NamespaceField, PrefixConfig, SnapshotId, SnapshotPlace, Tier, Token};

/// Memory as the operations leave it.
#[derive(Debug, Default)]
struct Naive {
    /// What keepers hold, and requests that are running.
    held: BTreeMap<SeqId, (u8, Vec<Token>)>,
    saved: BTreeMap<SnapshotId, (u8, SnapshotKey)>,
}

impl Naive {
    fn run(&mut self, tenant: u8, ops: Vec<MemoryOp>) {
        for op in ops {
            match op {
                MemoryOp::Share { from, to, range } => {
                    let (owner, tokens) = self.held[&from].clone();
                    let held = self.held.entry(to).or_insert((owner, Vec::new()));
                    assert_eq!(held.1.len(), range.start as usize, "a gap in {to}");
                    held.0 = owner;
                    held.1.extend_from_slice(&tokens[range.start as usize..range.end as usize]);
                }
                MemoryOp::Replace { from, to, range } => {
                    let (start, end) = (range.start as usize, range.end as usize);
                    assert_eq!(self.held[&from].1[start..end], self.held[&to].1[start..end]);
                }
                MemoryOp::Truncate { seq, from } => {
                    let held = self.held.get_mut(&seq).expect("held");
                    held.1.truncate(from as usize);
                }
                MemoryOp::Release { seq } => {
                    self.held.remove(&seq);
                }
                MemoryOp::Save { seq, range, snapshot, key } => {
                    let (owner, tokens) = &self.held[&seq];
                    assert_eq!(tokens[..range.end as usize], key.tokens[..]);
                    self.saved.insert(snapshot, (*owner, (*key).clone()));
                }
                MemoryOp::Restore { snapshot, seq, range } => {
                    let (owner, key) = &self.saved[&snapshot];
                    assert!(key.start <= range.start && range.end as usize <= key.tokens.len());
                    assert_eq!(*owner, tenant, "restored for somebody else");
                    let held = self.held.entry(seq).or_insert((*owner, Vec::new()));
                    assert_eq!(held.1.len(), range.start as usize, "a gap in {seq}");
                    assert_eq!(held.1[..], key.tokens[..range.start as usize]);
                    let restored = &key.tokens[range.start as usize..range.end as usize];
                    held.1.extend_from_slice(restored);
                }
                MemoryOp::Open { .. } | MemoryOp::Compact { .. } => {}
            }
        }
    }

    /// The longest beginning of `tokens` that some keeper holds.
    fn resident(&self, tenant: u8, tokens: &[Token]) -> usize {
        let kept =
            self.held.iter().filter(|(seq, (owner, _))| seq.0 >= KEEPERS && *owner == tenant);
        kept.map(|(_, (_, held))| common_length(held, tokens)).max().unwrap_or(0)
    }

    /// How far snapshots reach beyond that.
    fn restorable(&self, tenant: u8, tokens: &[Token]) -> usize {
        let mut reached = self.resident(tenant, tokens);
        loop {
            let saved = self.saved.values().filter(|(owner, _)| *owner == tenant);
            let further = saved
                .filter(|(_, key)| key.start as usize <= reached)
                .map(|(_, key)| common_length(&key.tokens, tokens))
                .max()
                .unwrap_or(0);
            if further <= reached {
                return reached;
            }
            reached = further;
        }
    }

    /// Cells that keepers hold: one for each different beginning.
    fn cells(&self) -> usize {
        let kept = self.held.iter().filter(|(seq, _)| seq.0 >= KEEPERS);
        let prefixes = kept.flat_map(|(_, (owner, tokens))| {
            (1..=tokens.len()).map(move |length| (*owner, tokens[..length].to_vec()))
        });
        prefixes.collect::<BTreeSet<_>>().len()
    }
}

/// The first keeper; requests run on the sequences below.
const KEEPERS: u32 = 100;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Act {
    /// A request with this prompt is given what there is, computes the rest, is taken in, and
    /// holds it until the n-th act from now.
    Serve {
        tenant: u8,
        tokens: Vec<Token>,
        holds: usize,
    },
    Evict,
    SaveAhead,
    Lose(usize),
    /// What an earlier life has left.
    Adopt {
        tenant: u8,
        tokens: Vec<Token>,
        start: usize,
    },
    Pin {
        tenant: u8,
        tokens: Vec<Token>,
    },
    Unpin(usize),
}

/// Few different tokens, so that prompts begin alike and part anywhere.
fn tokens() -> impl Strategy<Value = Vec<Token>> {
    prop::collection::vec((0..3_i32).prop_map(Token), 1..14)
}

fn act() -> impl Strategy<Value = Act> {
    let tenant = 0..2_u8;
    prop_oneof![
        6 => (tenant.clone(), tokens(), 0..6_usize)
            .prop_map(|(tenant, tokens, holds)| Act::Serve { tenant, tokens, holds }),
        2 => Just(Act::Evict),
        1 => Just(Act::SaveAhead),
        1 => (0..9_usize).prop_map(Act::Lose),
        1 => (tenant.clone(), tokens(), 0..9_usize)
            .prop_map(|(tenant, tokens, start)| Act::Adopt { tenant, tokens, start }),
        1 => (tenant, tokens()).prop_map(|(tenant, tokens)| Act::Pin { tenant, tokens }),
        1 => (0..4_usize).prop_map(Act::Unpin),
    ]
}

/// A request that holds what it shares.
struct Running {
    seq: SeqId,
    acts_left: usize,
    lock: Option<LockId>,
    tenant: u8,
    tokens: Vec<Token>,
}

/// The tree, the naive model, and who holds what.
struct Pair {
    tree: PrefixTree,
    naive: Naive,
    running: Vec<Running>,
    pinned: Vec<NodeId>,
    served: u32,
    /// A node knows one snapshot, the naive model all: after a loss it may know of another.
    lost: bool,
}

fn namespace(tenant: u8) -> Namespace {
    Namespace::builder().field(NamespaceField::Salt, &[tenant]).finish()
}

impl Pair {
    fn new(residents_max: u32, snapshots: bool) -> Self {
        let config = PrefixConfig {
            residents_max,
            idle_tokens_max: 20,
            snapshots,
            worthwhile_tokens_min: 1,
            ..PrefixConfig::OFF
        };
        let tree = PrefixTree::new(config, KEEPERS);
        Self {
            tree,
            naive: Naive::default(),
            running: Vec::new(),
            pinned: Vec::new(),
            served: 0,
            lost: false,
        }
    }

    fn act(&mut self, act: Act) {
        let mut ops = Vec::new();
        match act {
            Act::Serve { tenant, tokens, holds } => {
                self.serve(tenant, tokens, holds);
            }
            Act::Evict => {
                self.tree.evict(Need::Cap, &mut ops);
            }
            Act::SaveAhead => {
                self.tree.save_ahead(&mut ops);
            }
            Act::Lose(nth) => {
                if let Some(&snapshot) = self.naive.saved.keys().nth(nth) {
                    self.lost = true;
                    self.naive.saved.remove(&snapshot);
                    self.tree.place(snapshot, SnapshotPlace::Lost);
                }
            }
            Act::Adopt { tenant, tokens, start } => {
                let start = u32::try_from(start % tokens.len()).expect("short");
                let key = SnapshotKey { namespace: namespace(tenant), tokens, start };
                if let Some(snapshot) = self.tree.adopt(&key) {
                    self.naive.saved.insert(snapshot, (tenant, key));
                }
            }
            Act::Pin { tenant, tokens } => {
                let length = tokens.len();
                let lock = self.serve(tenant, tokens, 0);
                let whole = lock.filter(|l| self.tree.lock_length(*l) as usize == length);
                self.pinned.extend(whole.and_then(|lock| self.tree.pin_locked(lock)));
            }
            Act::Unpin(nth) => {
                if nth < self.pinned.len() {
                    self.tree.unpin(self.pinned.swap_remove(nth));
                }
            }
        }
        self.naive.run(u8::MAX, ops);
        for at in (0..self.running.len()).rev() {
            if self.running[at].acts_left > 0 {
                self.running[at].acts_left -= 1;
                continue;
            }
            let Running { seq, lock, .. } = self.running.swap_remove(at);
            if let Some(lock) = lock {
                self.tree.unlock(lock);
            }
            self.naive.held.remove(&seq);
        }
    }

    /// As the scheduler does it: looked up, given, computed, taken in.
    fn serve(&mut self, tenant: u8, tokens: Vec<Token>, acts_left: usize) -> Option<LockId> {
        let seq = SeqId(self.served % KEEPERS);
        self.served += 1;
        assert!(!self.naive.held.contains_key(&seq), "few run at once");
        let mut ops = Vec::new();
        let found = self.tree.find(namespace(tenant), &tokens);
        for &node in &found.away {
            let snapshot = self.tree.nodes.get(node).snapshot.expect("away");
            self.tree.place(snapshot, SnapshotPlace::Ready(Tier::Host));
        }
        let (shared, lock) = match self.tree.hold(&found) {
            Some(lock) => self.tree.give(namespace(tenant), &found, lock, seq, &mut ops),
            None => (0, None),
        };
        self.naive.run(tenant, ops);
        let given = self.naive.held.entry(seq).or_insert((tenant, Vec::new()));
        assert_eq!(given.1, tokens[..shared as usize], "given other tokens than asked for");
        given.1.clone_from(&tokens);
        let priority = Priority::Normal;
        let owner = Owner { namespace: namespace(tenant), seq, shared, lock, priority };
        let mut ops = Vec::new();
        let lock = self.tree.insert(&owner, &tokens, &mut ops);
        self.naive.run(tenant, ops);
        self.running.push(Running { seq, acts_left, lock, tenant, tokens });
        lock
    }

    fn check(&self, tenant: u8, tokens: &[Token]) {
        self.tree.audit().expect("the tree's invariants");
        let found = self.tree.find(namespace(tenant), tokens);
        assert_eq!(found.resident as usize, self.naive.resident(tenant, tokens), "resident");
        let (restorable, due) = (found.restorable as usize, self.naive.restorable(tenant, tokens));
        assert!(restorable == due || (self.lost && restorable < due), "{restorable} of {due}");
        assert_eq!(self.tree.resident_tokens() as usize, self.naive.cells(), "cells");
        for Running { lock, tenant, tokens, .. } in &self.running {
            let length = lock.map_or(0, |lock| self.tree.lock_length(lock)) as usize;
            let kept = self.naive.resident(*tenant, &tokens[..length]);
            assert_eq!(kept, length, "something that is locked has left");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn the_tree_finds_what_a_naive_model_finds(
        acts in prop::collection::vec(act(), 1..60),
        queries in prop::collection::vec((0..2_u8, tokens()), 4),
        residents_max in 1..6_u32,
        snapshots in any::<bool>(),
    ) {
        let mut pair = Pair::new(residents_max, snapshots);
        for act in acts {
            pair.act(act);
            for (tenant, tokens) in &queries {
                pair.check(*tenant, tokens);
            }
        }
    }
}

fn run(length: i32) -> Vec<Token> {
    (0..length).map(Token).collect()
}

#[test]
fn what_was_used_again_outlives_what_was_used_once() {
    let mut pair = Pair::new(6, false);
    let popular = run(8);
    for _ in 0..2 {
        pair.act(Act::Serve { tenant: 0, tokens: popular.clone(), holds: 0 });
    }
    for other in 1..4 {
        let tokens = run(8).into_iter().map(|Token(t)| Token(t + 100 * other)).collect();
        pair.act(Act::Serve { tenant: 0, tokens, holds: 0 });
    }
    for _ in 0..3 {
        pair.act(Act::Evict);
    }
    assert_eq!(pair.tree.find(namespace(0), &popular).resident, 8);
    assert_eq!(pair.tree.resident_tokens(), 8);
}

#[test]
fn a_pinned_prefix_leaves_last_and_only_where_somebody_would_starve() {
    let mut pair = Pair::new(6, false);
    pair.act(Act::Pin { tenant: 0, tokens: run(5) });
    pair.act(Act::Serve { tenant: 1, tokens: run(7), holds: 0 });
    for _ in 0..5 {
        pair.act(Act::Evict);
    }
    assert_eq!(pair.tree.find(namespace(0), &run(5)).resident, 5);
    assert_eq!(pair.tree.load().pinned_tokens, 5);
    assert_eq!(pair.tree.find(namespace(1), &run(7)).resident, 0);
    assert!(pair.tree.evict(Need::Starvation, &mut Vec::new()).is_some());
    assert_eq!(pair.tree.resident_tokens(), 0);
}

#[test]
fn tenants_never_find_each_others_prefixes() {
    let mut pair = Pair::new(6, true);
    pair.act(Act::Serve { tenant: 0, tokens: run(12), holds: 9 });
    pair.act(Act::SaveAhead);
    assert_eq!(pair.tree.find(namespace(1), &run(12)), Match::default());
    assert_eq!(pair.tree.find(namespace(0), &run(12)).resident, 12);
}
