//! Planning: who runs in the next step, and with how many tokens.
//!
//! Order of the budget (`batch_tokens`): decoding sequences one token each, then answers that are
//! behind by more (by tokens that were forced), then running prefills, then new requests, each in
//! order of arrival. While anything decodes, all the rest together is held to
//! `prefill_chunk_tokens`, and to less where that would take too long ([`crate::pacing`]), so that
//! neither a long prompt nor a long forced text stops the others' streams; beside answers that are
//! behind, prompts are held to the same. Where nothing but decodes is left to do, drafts are
//! verified with them ([`super::drafts`]).
//!
//! A request is admitted when a sequence is free, and cells for it and for all that runs to grow for
//! a while; nobody overtakes the first that could go on, so nobody starves. Whose reader is behind is
//! not admitted, and gives way to others that wait. When the backend lacked cells that we count,
//! nobody is admitted until a request ends, or the preempted one would take them again.

use super::Scheduler;
use super::sharing::Verdict;
use crate::sequence::Sequence;
use crate::{Goal, Plan, Reuse, SchedulerConfig, SeqId};

impl Scheduler {
    /// Fills `plan` with the next step. An empty plan means that there is nothing to do until
    /// something is submitted, resumed or ended; it needs neither `commit` nor `fail`.
    pub fn plan(&mut self, plan: &mut Plan) {
        debug_assert!(!self.step_open, "the last plan was neither committed nor failed");
        plan.clear();
        self.make_cells();
        plan.ops.append(&mut self.ops);
        let mut budget = self.config.batch_tokens as usize;
        let decodes = self.plan_decodes(plan);
        budget -= decodes;
        let mut chunk_tokens = self.config.prefill_chunk_tokens as usize;
        if decodes > 0 {
            chunk_tokens = self.pacing.tokens_beside(decodes, chunk_tokens);
            budget = budget.min(chunk_tokens);
        }
        let forced = self.plan_behind(plan, budget, Sequence::is_catching_up);
        budget -= forced;
        if forced > 0 {
            budget = budget.min(chunk_tokens.saturating_sub(forced));
        }
        budget -= self.plan_behind(plan, budget, Sequence::is_prefilling);
        self.admit(plan, budget);
        if self.config.drafts && decodes > 0 && plan.chunks.len() == decodes {
            self.plan_drafts(plan);
        }
        self.tend_cache(plan);
        self.step_open = !plan.is_empty();
        self.batches += u64::from(!plan.chunks.is_empty());
    }

    /// One token for each decoding sequence; `sequences_max ≤ batch_tokens`, so all fit.
    fn plan_decodes(&self, plan: &mut Plan) -> usize {
        for (seq, sequence) in numbered(&self.running) {
            if !sequence.is_paused() && sequence.is_decoding() {
                plan.push(seq, sequence.computed, &sequence.tokens[sequence.computed..], 1);
            }
        }
        plan.chunks.len()
    }

    /// Chunks of the sequences that are behind in one way, the earliest arrival first.
    fn plan_behind(
        &self,
        plan: &mut Plan,
        budget: usize,
        is_behind: impl Fn(&Sequence) -> bool,
    ) -> usize {
        let mut spent = 0;
        let mut last = None;
        // A scan for each chunk instead of a sorted list: nothing to allocate or to keep in step.
        while spent < budget
            && let Some((seq, sequence)) = numbered(&self.running)
                .filter(|(_, s)| !s.is_paused() && is_behind(s) && Some(s.arrival) > last)
                .min_by_key(|(_, s)| s.arrival)
        {
            spent += self.push_chunk(plan, seq, sequence, budget - spent);
            last = Some(sequence.arrival);
        }
        spent
    }

    fn admit(&mut self, plan: &mut Plan, mut budget: usize) {
        if self.cells_short && plan.chunks.is_empty() {
            self.displace_paused(plan);
        }
        let mut place = 0;
        while budget > 0
            && !self.cells_short
            && let Some(next) = self.waiting.get(place)
        {
            if next.is_paused() || self.still_holds(next) {
                place += 1;
                continue;
            }
            match self.try_admit(place, plan) {
                Verdict::Held => place += 1,
                // From the first again: who gives way may have come before those that were held.
                Verdict::NoRoom if self.displace_paused(plan) => place = 0,
                Verdict::NoRoom => return,
                Verdict::Admitted(seq) => {
                    if let Some(sequence) = &self.running[seq.index()] {
                        budget -= self.push_chunk(plan, seq, sequence, budget);
                    }
                }
            }
        }
    }

    /// Plans up to `budget` tokens of what `sequence` is behind, and says how many. Where prefixes
    /// can't be cut anywhere, a chunk ends where the prompt may be cut; where a prompt is scored, it
    /// is no longer than one step scores.
    fn push_chunk(&self, plan: &mut Plan, seq: SeqId, sequence: &Sequence, budget: usize) -> usize {
        let exact = self.config.prefix.reuse == Reuse::ExactEnds;
        let until = if exact { sequence.next_boundary() } else { sequence.tokens.len() };
        let mut length = (until - sequence.computed).min(budget);
        // A token is scored by what is computed of the one before it.
        let scoring = sequence.computed.max(sequence.scored - 1);
        if sequence.is_scoring() {
            let scores = SchedulerConfig::SCORES_MAX as usize - plan.scored.len();
            length = length.min(scoring + scores - sequence.computed);
        }
        if length > 0 {
            let end = sequence.computed + length;
            let sampled = end == sequence.tokens.len() && sequence.goal == Goal::Generate;
            let tokens = &sequence.tokens[sequence.computed..end];
            let scored = (end + 1).min(sequence.prompt_tokens);
            let scored = sequence.tokens.get(scoring + 1..scored).unwrap_or_default();
            let outputs = scored.len() + usize::from(sampled);
            let outputs = u32::try_from(outputs).expect("few tokens are scored in a step");
            plan.push_scored(seq, sequence.computed, tokens, (outputs, scored));
            plan.prompt_tokens += end.min(sequence.prompt_tokens).saturating_sub(sequence.computed);
        }
        length
    }
}

pub(super) fn numbered(running: &[Option<Sequence>]) -> impl Iterator<Item = (SeqId, &Sequence)> {
    (0..).map(SeqId).zip(running).filter_map(|(seq, s)| s.as_ref().map(|s| (seq, s)))
}
