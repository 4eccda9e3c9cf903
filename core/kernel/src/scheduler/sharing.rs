//! Admission with the prefix cache: how much of a prompt is there already, whether to wait for
//! more of it, and how room is made.
//!
//! Nobody who could go on is overtaken. Who waits for a prefix that another request is computing,
//! or for a snapshot that is being fetched, is overtaken meanwhile, and is next when it is there.

use std::cmp::Reverse;

use super::Scheduler;
use crate::prefix::{Match, Need, PrefixTree, Readiness, common_length};
use crate::sequence::{Hold, Lookup, Sequence};
use crate::{Output, Plan, RequestId, Reuse, SeqId, Tier, Token};

/// What admission says of a waiting request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has this sequence now.
    Admitted(SeqId),
    /// It waits for something that comes by itself; others may be admitted before it.
    Held,
    /// There is no sequence or no room for it, and nobody is admitted before it.
    NoRoom,
}

impl Scheduler {
    /// Admits the waiting request at `place`, if it need not wait.
    pub(super) fn try_admit(&mut self, place: usize, plan: &mut Plan) -> Verdict {
        let Some(free) = self.running.iter().position(Option::is_none) else {
            return Verdict::NoRoom;
        };
        let seq = SeqId(u32::try_from(free).expect("sequence ids are below 256"));
        let mut found = match self.look_up(place) {
            Ok(found) => found,
            Err(hold) => {
                self.waiting[place].hold = Some(hold);
                return Verdict::Held;
            }
        };
        self.waiting[place].hold = None;
        if !self.make_room(place, &mut found, plan) {
            return Verdict::NoRoom;
        }
        let Some(sequence) = self.waiting.remove(place) else { return Verdict::NoRoom };
        self.start(sequence, found, seq, plan);
        Verdict::Admitted(seq)
    }

    /// What there is of a request's prompt, or what it should wait for.
    fn look_up(&mut self, place: usize) -> Result<Match, Hold> {
        let sequence = &self.waiting[place];
        let (Some(tree), Some(namespace)) = (&mut self.tree, sequence.cache.namespace()) else {
            return Ok(Match::default());
        };
        // Scores come of computing.
        if sequence.lookup == Lookup::Refused || sequence.is_scoring() {
            return Ok(Match::default());
        }
        // At least one token is computed, since logits come of computing.
        let wanted = &sequence.tokens[..sequence.tokens.len() - 1];
        let found = tree.find(namespace, wanted);
        let worthwhile = self.config.prefix.worthwhile_tokens_min;
        let found = if found.restorable - found.resident < worthwhile {
            found.resident_part()
        } else {
            found
        };
        // All at once, so that they are fetched beside each other.
        while let Readiness::Unknown(snapshot) = tree.readiness(&found) {
            tree.await_snapshot(snapshot);
            self.outputs.push_back(Output::Fetch { snapshot });
        }
        if let Readiness::Awaited(snapshot) = tree.readiness(&found) {
            return Err(Hold::Snapshot(snapshot));
        }
        let exact = self.config.prefix.reuse == Reuse::ExactEnds;
        match leader(&self.running, sequence, wanted, exact) {
            Some((leader, length)) if length >= found.restorable + worthwhile => {
                Err(Hold::Prefix { leader, length })
            }
            _ => Ok(found),
        }
    }

    /// Whether the cells that a request needs to begin are there beside what is found, or beside
    /// less of it, with room for all that runs to grow; idle prefixes give way.
    fn make_room(&mut self, place: usize, found: &mut Match, plan: &mut Plan) -> bool {
        if self.make_room_beside(place, found, plan) {
            return true;
        }
        if let Some(tree) = &mut self.tree
            && tree.cut(found)
            && self.make_room_beside(place, found, plan)
        {
            return true;
        }
        if found.needs_restoring() && self.is_idle() {
            *found = std::mem::take(found).resident_part();
            return self.make_room_beside(place, found, plan);
        }
        false
    }

    fn make_room_beside(&mut self, place: usize, found: &Match, plan: &mut Plan) -> bool {
        let needed = self.waiting[place].cells_wanted(self.config.growth_tokens);
        let needed = needed.saturating_sub(found.resident);
        let running = self.cells_wanted();
        let total = self.config.context_tokens;
        let need = if self.is_idle() { Need::Starvation } else { Need::Cap };
        let Some(tree) = &mut self.tree else { return running + needed <= total };
        let needed = needed + tree.restoring_slack(found);
        let held = tree.hold(found);
        let taken = |tree: &PrefixTree| running + needed + tree.resident_tokens();
        if taken(tree) <= total.saturating_add(tree.evictable_tokens(need)) {
            while taken(tree) > total && tree.evict(need, &mut plan.ops).is_some() {}
        }
        let fits = taken(tree) <= total;
        if let Some(held) = held {
            tree.unlock(held);
        }
        fits
    }

    /// Whether nothing runs, so that no end of a request could make room.
    fn is_idle(&self) -> bool {
        self.running.iter().all(Option::is_none)
    }

    fn start(&mut self, mut sequence: Sequence, mut found: Match, seq: SeqId, plan: &mut Plan) {
        plan.ops.push(sequence.open(seq));
        if !sequence.admitted {
            sequence.admit();
            self.outputs.push_back(Output::Admitted { request: sequence.request });
        }
        self.preemptions.resumed += u64::from(std::mem::take(&mut sequence.preempted));
        if let Some(tree) = &mut self.tree {
            // What it does not share is neither held nor used again because of it.
            tree.cut_if_longer(&mut found);
        }
        if let (Some(tree), Some(namespace)) = (&mut self.tree, sequence.cache.namespace())
            && let Some(lock) = tree.hold(&found)
        {
            let tier = match tree.readiness(&found) {
                Readiness::Ready(Some(tier)) => tier,
                _ => Tier::Resident,
            };
            let (length, lock) = tree.give(namespace, &found, lock, seq, &mut plan.ops);
            (sequence.shared, sequence.lock) = (length, lock);
            sequence.computed = length as usize;
            sequence.hit = (length > 0).then_some((length, tier));
        }
        if sequence.hit.is_none() && sequence.lookup == Lookup::Open {
            sequence.lookup = Lookup::Resuming;
        }
        self.running[seq.index()] = Some(sequence);
    }

    /// Whether what a request waits for is still to come.
    pub(super) fn still_holds(&self, sequence: &Sequence) -> bool {
        match sequence.hold {
            None => false,
            Some(Hold::Snapshot(snapshot)) => {
                self.tree.as_ref().is_some_and(|tree| tree.is_awaited(snapshot))
            }
            Some(Hold::Prefix { leader, length }) => {
                let mut running = self.running.iter().flatten();
                running.any(|s| s.request == leader && is_leading(s) && s.shared < length)
            }
        }
    }
}

/// The request that is computing most of `wanted`, and how much of it that will be.
fn leader(
    running: &[Option<Sequence>],
    waiting: &Sequence,
    wanted: &[Token],
    exact: bool,
) -> Option<(RequestId, u32)> {
    let candidates = running.iter().flatten().filter(|s| is_leading(s) && s.cache == waiting.cache);
    let common = candidates.map(|s| {
        let length = common_length(&s.tokens[..s.prompt_tokens], wanted);
        let length = u32::try_from(length).expect("a prompt is shorter than the context");
        let length = if exact { s.boundary_within(length) } else { length };
        (length, Reverse(s.arrival), s.request)
    });
    let (length, _, leader) = common.max()?;
    Some((leader, length))
}

/// Whether more of its prompt will be in the cache soon.
fn is_leading(sequence: &Sequence) -> bool {
    sequence.is_prefilling() && !sequence.is_paused() && sequence.cache.namespace().is_some()
}
