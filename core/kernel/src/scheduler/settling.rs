//! Settling: what a step's outcome, or its failure, means for each request.

use std::sync::Arc;

use super::Scheduler;
use super::caching::Compaction;
use crate::sequence::Lookup;
use crate::{
    End, Ends, FinishReason, Goal, MemoryOp, Outcome, Output, Plan, Sample, SeqId, SequenceFailure,
    StepError, TokenScore,
};

impl Scheduler {
    /// Takes the result of `plan`, which was executed: its tokens count as computed, and each
    /// sample becomes its sequence's newest token. A sequence that got neither the sample nor the
    /// failure that it was due fails, lest it wait for ever.
    pub fn commit(&mut self, plan: &Plan, outcome: &Outcome) {
        self.close_step();
        self.settle_memory(plan, outcome);
        for chunk in &plan.chunks {
            if let Some(sequence) = self.running[chunk.seq.index()].as_mut() {
                let known = chunk.tokens.len() - chunk.drafts();
                let again = sequence.advance(chunk.start as usize + known);
                self.preemptions.recomputed_tokens += again as u64;
            }
        }
        for (seq, failure) in &outcome.failures {
            self.end_failed(*seq, failure.clone());
        }
        for chunk in &plan.chunks {
            self.keep_chunk(chunk.seq);
            self.end_cached(chunk.seq);
        }
        for (seq, scores) in &outcome.scores {
            self.take_scores(*seq, scores);
        }
        let mut samples = outcome.samples.as_slice();
        for chunk in &plan.chunks {
            let (own, others) =
                samples.split_at(samples.iter().take_while(|s| s.seq == chunk.seq).count());
            samples = others;
            if chunk.drafts() > 0 {
                self.take_verified(plan, chunk, own);
            } else {
                own.iter().for_each(|sample| self.take_sample(sample));
            }
        }
        for chunk in plan.chunks.iter().filter(|chunk| chunk.draws()) {
            if self.running[chunk.seq.index()].as_ref().is_some_and(|s| s.behind() == 0) {
                let reason = "the backend drew no token".to_owned();
                self.end_failed(chunk.seq, SequenceFailure::Sampling(reason));
            }
        }
    }

    /// Takes the failure of `plan`'s batch: every participant goes back to its last committed
    /// length. Without cells, an unused prefix is evicted, or else somebody gives way, and the step
    /// is tried again; an aborted step is tried again; any other failure ends the participants and
    /// nobody else, unless it is the loss of the backend, which ends all that run. `outcome` says
    /// how the memory operations went.
    pub fn fail(&mut self, plan: &Plan, outcome: &Outcome, error: &StepError) {
        self.close_step();
        if let StepError::Lost(reason) = error {
            self.never_saved(&plan.ops);
            return self.lose(reason);
        }
        self.settle_memory(plan, outcome);
        for chunk in &plan.chunks {
            if self.running[chunk.seq.index()].is_some() {
                self.ops.push(MemoryOp::Truncate { seq: chunk.seq, from: chunk.start });
            }
        }
        match error {
            StepError::Aborted => {}
            StepError::NoCells => self.preempt_for_cells(plan),
            StepError::Fatal(reason) => {
                for chunk in &plan.chunks {
                    self.end_failed(chunk.seq, SequenceFailure::Compute(reason.clone()));
                }
            }
            StepError::Lost(_) => {}
        }
    }

    /// Takes the loss of all that the backend's memory held, between steps: every request that runs
    /// ends for `reason`, and no prefix is resident any more. Who waits goes on waiting, preempted
    /// requests included, and snapshots stay what they are.
    pub fn lose(&mut self, reason: &str) {
        debug_assert!(!self.step_open, "a plan is out");
        let failure = Arc::new(SequenceFailure::Lost(reason.to_owned()));
        for mut sequence in self.running.iter_mut().filter_map(Option::take) {
            if let (Some(tree), Some(lock)) = (&mut self.tree, sequence.lock.take()) {
                tree.unlock(lock);
            }
            let end = End::Failed(Arc::clone(&failure));
            self.outputs.push_back(Output::Ended { request: sequence.request, end });
        }
        let undone = std::mem::take(&mut self.ops);
        self.never_saved(&undone);
        if let Some(tree) = &mut self.tree {
            tree.lose_memory();
        }
        self.cells_short = false;
        self.compaction = Compaction::default();
    }

    /// Forgets the snapshots that were to be saved by operations that are not done.
    fn never_saved(&mut self, ops: &[MemoryOp]) {
        let Some(tree) = &mut self.tree else { return };
        for op in ops {
            if let MemoryOp::Save { snapshot, .. } = op {
                tree.lose(*snapshot);
            }
        }
    }

    fn close_step(&mut self) {
        debug_assert!(self.step_open, "no plan is out");
        self.step_open = false;
    }

    /// Takes what became of the plan's memory operations, which hold whatever the batch did. A
    /// request that was refused what it should share starts over and computes it.
    fn settle_memory(&mut self, plan: &Plan, outcome: &Outcome) {
        let refused = || outcome.refused.iter().filter_map(|&at| plan.ops.get(at));
        for op in refused() {
            if let MemoryOp::Share { to, .. } = op
                && let Some(mut sequence) = self.release_running(*to)
            {
                sequence.lookup = Lookup::Refused;
                self.requeue(sequence);
            }
        }
        for sequence in self.running.iter_mut().flatten() {
            let hit = sequence.hit.take();
            if let (Some((tokens, tier)), Lookup::Open) = (hit, sequence.lookup) {
                let request = sequence.request;
                sequence.lookup = Lookup::Resuming;
                self.outputs.push_back(Output::CacheHit { request, tokens, tier });
            }
        }
        self.compaction.observe(outcome.extent);
        let Some(tree) = &mut self.tree else { return };
        for &snapshot in &outcome.saved {
            tree.saved(snapshot);
        }
        for op in refused() {
            match op {
                MemoryOp::Share { from, to, .. } | MemoryOp::Replace { from, to, .. } => {
                    tree.keeper_refused(*from, &mut self.ops);
                    tree.keeper_refused(*to, &mut self.ops);
                }
                MemoryOp::Save { snapshot, .. } => tree.save_refused(*snapshot),
                MemoryOp::Restore { snapshot, seq, range } => {
                    tree.restore_refused(*snapshot, *seq, range.start, &mut self.ops);
                    self.outputs.push_back(Output::Forget { snapshot: *snapshot });
                }
                MemoryOp::Open { .. }
                | MemoryOp::Truncate { .. }
                | MemoryOp::Release { .. }
                | MemoryOp::Compact { .. } => {}
            }
        }
    }

    fn release_running(&mut self, seq: SeqId) -> Option<crate::sequence::Sequence> {
        if seq.index() < self.running.len() { self.release(seq) } else { None }
    }

    /// Ends a request that wanted no more than its prompt computed, once it is.
    fn end_cached(&mut self, seq: SeqId) {
        let Some(sequence) = &self.running[seq.index()] else { return };
        if sequence.goal != Goal::Cache || sequence.behind() > 0 {
            return;
        }
        let request = sequence.request;
        if self.pin(seq) {
            self.end(request, End::Cached);
        } else {
            self.end_failed(seq, SequenceFailure::NotCached);
        }
    }

    /// A sample and the tokens forced after it are the sequence's newest; what is beyond the
    /// answer's room is not.
    pub(super) fn take_sample(&mut self, sample: &Sample) {
        let Some(sequence) = self.running[sample.seq.index()].as_mut() else { return };
        let request = sequence.request;
        if sample.ends == Ends::Before {
            self.end(request, End::Finished(FinishReason::Stop));
            return;
        }
        sequence.tokens.push(sample.token);
        sequence.mu = sample.mu;
        self.outputs.push_back(Output::Token {
            request,
            token: sample.token,
            logprob: sample.logprob,
            top: sample.top.clone(),
        });
        let room = sequence.tokens_max - sequence.tokens.len();
        let forced = &sample.forced[..sample.forced.len().min(room)];
        for &token in forced {
            sequence.tokens.push(token);
            let (logprob, top) = (None, Vec::new());
            self.outputs.push_back(Output::Token { request, token, logprob, top });
        }
        if sample.ends == Ends::After && forced.len() == sample.forced.len() {
            self.end(request, End::Finished(FinishReason::Stop));
        } else if sequence.tokens.len() >= sequence.tokens_max {
            self.end(request, End::Finished(FinishReason::Length));
        }
    }

    fn take_scores(&mut self, seq: SeqId, scores: &[TokenScore]) {
        let Some(sequence) = self.running[seq.index()].as_mut() else { return };
        let request = sequence.request;
        sequence.scored += scores.len();
        self.outputs.push_back(Output::PromptLogprobs { request, scores: scores.to_vec() });
    }

    fn end_failed(&mut self, seq: SeqId, failure: SequenceFailure) {
        if let Some(sequence) = &self.running[seq.index()] {
            self.end(sequence.request, End::Failed(Arc::new(failure)));
        }
    }

    /// Since plans keep within `context_tokens`, this is a mismatch between our count of cells and the
    /// backend's. As when cells run short, an unused prefix leaves or somebody gives way; who does
    /// comes back when another request has ended. A request that is alone can't be served.
    fn preempt_for_cells(&mut self, plan: &Plan) {
        if self.evict_unused() {
            return;
        }
        if let Some(seq) = self.next_to_give_way() {
            self.preempt(seq);
            self.cells_short = true;
            return;
        }
        for chunk in &plan.chunks {
            self.end_failed(chunk.seq, SequenceFailure::NoCells);
        }
    }
}
