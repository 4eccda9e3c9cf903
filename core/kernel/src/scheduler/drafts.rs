//! Drafts: tokens that an answer is expected to go on with, verified beside its newest one.
//!
//! Only beside decodes alone, in free cells, and only while each is expected to bring more than it
//! costs ([`Weighing`]). What is drawn decides: tokens are drawn one place after the other, and the
//! first that is not the draft ends it, so that the answer is the one without drafts. What was computed
//! beyond it is removed with the next plan, and was never known to anybody.

use super::Scheduler;
use crate::drafting::Weighing;
use crate::{Chunk, MemoryOp, Plan, Sample, SchedulerConfig, SeqId};

/// What drafts came to. Counters only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drafts {
    /// Draft tokens that were verified.
    pub drafted: u64,
    /// Those of them that were right: tokens without a step of their own.
    pub accepted: u64,
}

/// A sequence's part of a batch's drafts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    seq: SeqId,
    count: usize,
    count_max: usize,
    /// How likely the next draft is to count: it and all before it are right.
    likelihood: f32,
}

impl Scheduler {
    /// Adds drafts to a plan of decodes alone, the likeliest first.
    pub(super) fn plan_drafts(&mut self, plan: &mut Plan) {
        let mut weighing = Weighing::of(plan.chunks.len());
        if !weighing.is_worth(1.0) {
            return;
        }
        let mut room = self.draft_room(plan);
        self.share_out(plan);
        while room > 0
            && let Some(next) = self.shares.iter_mut().max_by(|one, other| {
                one.likelihood.total_cmp(&other.likelihood).then(other.seq.cmp(&one.seq))
            })
            && weighing.is_worth(next.likelihood)
        {
            weighing.add(next.likelihood);
            room -= 1;
            next.count += 1;
            let drafter = self.running[next.seq.index()].as_ref().and_then(|s| s.drafter.as_ref());
            let further = drafter.filter(|_| next.count < next.count_max);
            next.likelihood *= further.map_or(0.0, |drafter| drafter.likelihood(next.count));
        }
        if self.shares.iter().any(|share| share.count > 0) {
            self.push_drafts(plan);
        }
    }

    /// How many tokens more the batch may have, and the memory.
    fn draft_room(&self, plan: &Plan) -> usize {
        let planned = plan.tokens.len();
        let used = self.load().cells_used as usize + planned;
        let cells = (self.config.context_tokens as usize).saturating_sub(used);
        let tokens = self.config.batch_tokens as usize - planned;
        cells.min(tokens).min(SchedulerConfig::SCORES_MAX as usize)
    }

    /// Begins a share for each sequence of the batch that has something to expect.
    fn share_out(&mut self, plan: &Plan) {
        self.shares.clear();
        for chunk in &plan.chunks {
            let Some(sequence) = &mut self.running[chunk.seq.index()] else { continue };
            let count_max = sequence.drafts_max().min(SchedulerConfig::DRAFTS_MAX as usize);
            let Some(drafter) = &mut sequence.drafter else { continue };
            drafter.follow(&sequence.tokens, sequence.tokens_max);
            let likelihood = drafter.likelihood(0);
            if count_max > 0 && likelihood > 0.0 {
                self.shares.push(Share { seq: chunk.seq, count: 0, count_max, likelihood });
            }
        }
    }

    /// Plans the decodes anew, each with its drafts after it.
    fn push_drafts(&self, plan: &mut Plan) {
        plan.clear_batch();
        for (seq, sequence) in super::planning::numbered(&self.running) {
            if sequence.is_paused() || !sequence.is_decoding() {
                continue;
            }
            plan.push(seq, sequence.computed, &sequence.tokens[sequence.computed..], 1);
            let share = self.shares.iter().find(|share| share.seq == seq);
            if let (Some(share), Some(drafter)) = (share, &sequence.drafter) {
                let draft = drafter.draft(&sequence.tokens);
                draft.take(share.count).for_each(|token| plan.push_draft(token));
            }
        }
    }

    /// Takes the samples of a chunk with drafts: each but the first was drawn after a draft that was
    /// right, which is computed. What comes after one that is not the draft is not taken, and cells
    /// beyond it are removed.
    pub(super) fn take_verified(&mut self, plan: &Plan, chunk: &Chunk, samples: &[Sample]) {
        let drafts = plan.drafts_of(chunk);
        self.drafts.drafted += drafts.len() as u64;
        for (at, sample) in samples.iter().enumerate() {
            if at > 0 {
                let Some(sequence) = self.running[chunk.seq.index()].as_mut() else { return };
                let computed = sequence.computed + 1;
                self.preemptions.recomputed_tokens += sequence.advance(computed) as u64;
                self.drafts.accepted += 1;
            }
            self.take_sample(sample);
            if drafts.get(at) != Some(&sample.token) || !sample.forced.is_empty() {
                break;
            }
        }
        let end = chunk.start + u32::try_from(chunk.tokens.len()).expect("a batch's tokens");
        if let Some(sequence) = &self.running[chunk.seq.index()]
            && sequence.computed_length() < end
        {
            let from = sequence.computed_length();
            self.ops.push(MemoryOp::Truncate { seq: chunk.seq, from });
        }
    }
}
