//! Planning: who runs in the next step, and with how many tokens.
//!
//! Order of the budget (`batch_tokens`): decoding sequences one token each, then running
//! prefills in order of arrival, then new requests in order of arrival. While anything decodes,
//! all prefill together is held to `prefill_chunk_tokens`, so that a long prompt does not stop
//! the others' streams. A request is admitted when a sequence is free and all the cells it can
//! come to need are; nobody overtakes the first that waits, so nobody starves. After a lack of
//! cells nobody is admitted until a request ends, or the preempted one would take them again.

use super::Scheduler;
use crate::sequence::Sequence;
use crate::{MemoryOp, Output, Plan, SeqId};

impl Scheduler {
    /// Fills `plan` with the next step. An empty plan means that there is nothing to do until
    /// something is submitted, resumed or ended; it needs neither `commit` nor `fail`.
    pub fn plan(&mut self, plan: &mut Plan) {
        debug_assert!(!self.step_open, "the last plan was neither committed nor failed");
        plan.clear();
        plan.ops.append(&mut self.ops);
        let mut budget = self.config.batch_tokens as usize;
        budget -= self.plan_decodes(plan);
        if !plan.chunks.is_empty() {
            budget = budget.min(self.config.prefill_chunk_tokens as usize);
        }
        budget -= self.plan_prefills(plan, budget);
        self.admit(plan, budget);
        self.step_open = !plan.is_empty();
    }

    /// One token for each decoding sequence; `sequences_max ≤ batch_tokens`, so all fit.
    fn plan_decodes(&self, plan: &mut Plan) -> usize {
        for (seq, sequence) in numbered(&self.running) {
            if !sequence.paused && sequence.is_decoding() {
                plan.push(seq, sequence.computed, &sequence.tokens[sequence.computed..], 1);
            }
        }
        plan.chunks.len()
    }

    fn plan_prefills(&self, plan: &mut Plan, budget: usize) -> usize {
        let mut spent = 0;
        let mut last = None;
        // A scan for each chunk instead of a sorted list: nothing to allocate or to keep in step.
        while spent < budget
            && let Some((seq, sequence)) = numbered(&self.running)
                .filter(|(_, s)| !s.paused && !s.is_decoding() && Some(s.arrival) > last)
                .min_by_key(|(_, s)| s.arrival)
        {
            spent += push_prefill(plan, seq, sequence, budget - spent);
            last = Some(sequence.arrival);
        }
        spent
    }

    fn admit(&mut self, plan: &mut Plan, mut budget: usize) {
        while budget > 0
            && !self.cells_short
            && let Some(first) = self.waiting.front()
            && let Some(free) = self.running.iter().position(Option::is_none)
            && self.cells_reserved + first.cells_needed() <= self.config.context_tokens
        {
            let Some(mut sequence) = self.waiting.pop_front() else { return };
            let seq = SeqId(u32::try_from(free).expect("sequence ids are below 256"));
            self.cells_reserved += sequence.cells_needed();
            plan.ops.push(MemoryOp::Open {
                seq,
                sampling: sequence.sampling,
                logprobs: sequence.logprobs,
            });
            if !sequence.admitted {
                sequence.admit();
                self.outputs.push_back(Output::Admitted { request: sequence.request });
            }
            if !sequence.paused {
                budget -= push_prefill(plan, seq, &sequence, budget);
            }
            self.running[free] = Some(sequence);
        }
    }
}

fn numbered(running: &[Option<Sequence>]) -> impl Iterator<Item = (SeqId, &Sequence)> {
    (0..).map(SeqId).zip(running).filter_map(|(seq, s)| s.as_ref().map(|s| (seq, s)))
}

/// Plans up to `budget` tokens of what `sequence` is behind, and says how many.
fn push_prefill(plan: &mut Plan, seq: SeqId, sequence: &Sequence, budget: usize) -> usize {
    let length = sequence.behind().min(budget);
    if length > 0 {
        let end = sequence.computed + length;
        let outputs = u32::from(end == sequence.tokens.len());
        plan.push(seq, sequence.computed, &sequence.tokens[sequence.computed..end], outputs);
        plan.prompt_tokens += end.min(sequence.prompt_tokens).saturating_sub(sequence.computed);
    }
    length
}
