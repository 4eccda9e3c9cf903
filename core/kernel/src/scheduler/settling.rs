//! Settling: what a step's outcome, or its failure, means for each request.

use std::sync::Arc;

use super::Scheduler;
use crate::{
    End, FinishReason, MemoryOp, Outcome, Output, Plan, Sample, SeqId, SequenceFailure, StepError,
};

impl Scheduler {
    /// Takes the result of `plan`, which was executed: its tokens count as computed, and each
    /// sample becomes its sequence's newest token. A sequence that got neither the sample nor the
    /// failure that it was due fails, lest it wait for ever.
    pub fn commit(&mut self, plan: &Plan, outcome: &Outcome) {
        self.close_step();
        for chunk in &plan.chunks {
            if let Some(sequence) = self.running[chunk.seq.index()].as_mut() {
                sequence.computed = chunk.start as usize + chunk.tokens.len();
            }
        }
        for (seq, failure) in &outcome.failures {
            self.end_failed(*seq, failure.clone());
        }
        for sample in &outcome.samples {
            self.take_sample(sample);
        }
        for chunk in plan.chunks.iter().filter(|chunk| chunk.outputs > 0) {
            if self.running[chunk.seq.index()].as_ref().is_some_and(|s| s.behind() == 0) {
                let reason = "the backend drew no token".to_owned();
                self.end_failed(chunk.seq, SequenceFailure::Sampling(reason));
            }
        }
    }

    /// Takes the failure of `plan`'s batch: every participant goes back to its last committed
    /// length. Without cells, the latest arrival is preempted and the step tried again; an
    /// aborted step is tried again; any other failure ends the participants and nobody else.
    pub fn fail(&mut self, plan: &Plan, error: &StepError) {
        self.close_step();
        for chunk in &plan.chunks {
            self.ops.push(MemoryOp::Truncate { seq: chunk.seq, from: chunk.start });
        }
        match error {
            StepError::Aborted => {}
            StepError::NoCells => self.preempt_for_cells(plan),
            StepError::Fatal(reason) => {
                for chunk in &plan.chunks {
                    self.end_failed(chunk.seq, SequenceFailure::Compute(reason.clone()));
                }
            }
        }
    }

    fn close_step(&mut self) {
        debug_assert!(self.step_open, "no plan is out");
        self.step_open = false;
    }

    fn take_sample(&mut self, sample: &Sample) {
        let Some(sequence) = self.running[sample.seq.index()].as_mut() else { return };
        let request = sequence.request;
        if sample.end_of_generation {
            self.end(request, End::Finished(FinishReason::Stop));
            return;
        }
        sequence.tokens.push(sample.token);
        let full = sequence.tokens.len() >= sequence.tokens_max;
        self.outputs.push_back(Output::Token {
            request,
            token: sample.token,
            logprob: sample.logprob,
        });
        if full {
            self.end(request, End::Finished(FinishReason::Length));
        }
    }

    fn end_failed(&mut self, seq: SeqId, failure: SequenceFailure) {
        if let Some(sequence) = &self.running[seq.index()] {
            self.end(sequence.request, End::Failed(Arc::new(failure)));
        }
    }

    /// Reservation makes this a mismatch between our count of cells and the backend's. The
    /// latest arrival gives way, waits until another request has ended, and starts over from its
    /// tokens; alone, it can't be served.
    fn preempt_for_cells(&mut self, plan: &Plan) {
        let arrival = |seq: SeqId| self.running[seq.index()].as_ref().map(|s| s.arrival);
        let Some(latest) = plan.chunks.iter().map(|c| c.seq).max_by_key(|&seq| arrival(seq)) else {
            return;
        };
        if self.running.iter().flatten().count() == 1 {
            self.end_failed(latest, SequenceFailure::NoCells);
        } else if let Some(mut sequence) = self.release(latest) {
            sequence.computed = 0;
            let place = self.waiting.partition_point(|s| s.arrival < sequence.arrival);
            self.waiting.insert(place, sequence);
            self.cells_short = true;
        }
    }
}
