//! The kernel's `Backend` on llama.cpp: executes plans, one after the other, on one context.
//!
//! It knows samplers, logits and where snapshots go; what a memory operation needs and brings is
//! checked by the context. A running sequence whose share was refused takes no part in the step.

use std::sync::Arc;

use indwell_kernel::{
    Backend, Ends, MemoryOp, Outcome, Plan, Sample, SeqId, SequenceFailure, StepError,
};
use rayon::iter::{IntoParallelRefMutIterator, ParallelIterator};

use crate::error::{ContextError, DecodeError, SampleError};
use crate::sampler::Drawn;
use crate::{Batch, Cells, Context, Sampler, SnapshotStore};

/// Runs plans on a context it owns. One thread at a time.
#[derive(Debug)]
pub struct Executor {
    context: Context,
    batch: Batch,
    /// By sequence id. Residents have none.
    seats: Vec<Seat>,
    /// Without one, saving and restoring is refused.
    store: Option<Arc<dyn SnapshotStore>>,
    sampling_threads: rayon::ThreadPool,
}

/// A sequence's place in the executor.
#[derive(Debug, Default)]
struct Seat {
    sampler: Option<Sampler>,
    /// Where its logits are in this step.
    row: Option<Row>,
    drawn: Option<Result<Drawn, SampleError>>,
    /// Why it takes no part in this step's batch though it was planned.
    failure: Option<SequenceFailure>,
    /// Whether a share with it was refused in this step.
    is_skipped: bool,
}

/// A row of the context's logits, valid until its next decode.
#[derive(Clone, Copy, Debug)]
struct Row {
    logits: *const f32,
    length: usize,
}

// SAFETY: points to floats that nobody writes between a decode and the next.
unsafe impl Send for Row {}

/// From here on, sampling several sequences in parallel beats waking the threads for it
/// (a pass over 49,152 logits takes about 10 µs, waking a thread about as long).
const PARALLEL_LOGITS_MIN: usize = 1 << 18;

impl Executor {
    /// An executor on `context`, with a place for snapshots if there are to be any.
    ///
    /// # Errors
    /// [`ContextError::Threads`] when the sampling threads can't be started.
    pub fn new(
        context: Context,
        store: Option<Arc<dyn SnapshotStore>>,
    ) -> Result<Self, ContextError> {
        let params = *context.params();
        let sampling_threads = rayon::ThreadPoolBuilder::new()
            .num_threads(params.threads.min(params.sequences_max) as usize)
            .thread_name(|index| format!("indwell-sample-{index}"))
            .build()
            .map_err(|error| ContextError::Threads(error.to_string()))?;
        Ok(Self {
            context,
            batch: Batch::new(params.batch_tokens as usize),
            seats: (0..params.sequences_max).map(|_| Seat::default()).collect(),
            store,
            sampling_threads,
        })
    }

    /// The context it runs on.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Whether the operation was done; `false` if it was refused.
    fn apply(&mut self, op: &MemoryOp, outcome: &mut Outcome) -> bool {
        match op {
            MemoryOp::Open { seq, draws, .. } => {
                let size = self.context.model().vocabulary().size() as usize;
                let seat = &mut self.seats[seq.index()];
                match Sampler::new(&draws.sampling, draws.logprobs.is_any(), size) {
                    Ok(sampler) => seat.sampler = Some(sampler),
                    Err(error) => {
                        seat.failure = Some(SequenceFailure::Sampling(error.to_string()));
                    }
                }
                true
            }
            MemoryOp::Truncate { seq, from } => {
                self.truncate(*seq, *from);
                true
            }
            MemoryOp::Release { seq } => {
                self.context.release(*seq);
                if let Some(seat) = self.seats.get_mut(seq.index()) {
                    *seat = Seat::default();
                }
                true
            }
            MemoryOp::Share { from, to, range } => {
                let shared = self.context.share(*from, *to, range.clone());
                if let Some(seat) = self.seats.get_mut(to.index()) {
                    seat.is_skipped |= !shared;
                }
                shared
            }
            MemoryOp::Replace { from, to, range } => {
                self.context.replace(*from, *to, range.clone())
            }
            MemoryOp::Save { seq, range, snapshot, key } => {
                let Some(store) = &self.store else { return false };
                let Some(bytes) = self.context.save(*seq, range.clone()) else { return false };
                let taken = store.put(*snapshot, key, bytes);
                if taken {
                    outcome.saved.push(*snapshot);
                }
                taken
            }
            MemoryOp::Restore { snapshot, seq, range } => {
                let bytes = self.store.as_ref().and_then(|store| store.get(*snapshot));
                let Some(bytes) = bytes else { return false };
                let restored = self.context.restore(*seq, range.clone(), &bytes);
                if let Err(error) = &restored {
                    tracing::debug!(%snapshot, %seq, ?range, %error, "a snapshot was refused");
                }
                restored.is_ok()
            }
            MemoryOp::Compact { seq, range } => self.context.compact(*seq, range.clone()),
        }
    }

    /// A running sequence that can't be cut fails. A resident that can't be is emptied: what is
    /// asked of it later is then refused.
    fn truncate(&mut self, seq: SeqId, from: u32) {
        if self.context.truncate(seq, from) {
            return;
        }
        match self.seats.get_mut(seq.index()) {
            Some(seat) => {
                seat.failure = Some(SequenceFailure::Compute(
                    "a failed step can't be undone on this model's memory".to_owned(),
                ));
            }
            None => self.context.release(seq),
        }
    }

    /// Fills the batch with the plan's chunks, but for sequences that take no part.
    fn fill(&mut self, plan: &Plan) {
        self.batch.clear();
        for chunk in &plan.chunks {
            if !self.seats[chunk.seq.index()].takes_part() {
                continue;
            }
            let tokens = plan.chunk_tokens(chunk);
            let first_output = tokens.len() - (chunk.outputs as usize).min(tokens.len());
            for (position, (at, &token)) in (chunk.start..).zip(tokens.iter().enumerate()) {
                let pushed = self.batch.push(chunk.seq, position, token, at >= first_output);
                assert!(pushed.is_some(), "a plan has at most batch_tokens tokens");
            }
        }
    }

    /// Notes where each output's logits are. A chunk's sample is drawn from its last token.
    fn locate_logits(&mut self, plan: &Plan) {
        let mut end = 0;
        for chunk in &plan.chunks {
            if !self.seats[chunk.seq.index()].takes_part() {
                continue;
            }
            end += chunk.tokens.len();
            if chunk.outputs > 0 {
                let row = self.context.logits(&self.batch, end - 1);
                let row = row.map(|row| Row { logits: row.as_ptr(), length: row.len() });
                self.seats[chunk.seq.index()].row = row;
            }
        }
    }

    fn sample(&mut self) {
        let costly = self.seats.iter().filter_map(|seat| match (&seat.sampler, seat.row) {
            // A chain builds and sorts candidates: reckoned as 32 passes over the logits.
            (Some(sampler), Some(row)) if sampler.is_cheap() => Some(row.length),
            (_, row) => row.map(|row| row.length * 32),
        });
        let waiting = self.seats.iter().filter(|seat| seat.row.is_some()).count();
        if waiting > 1 && costly.sum::<usize>() >= PARALLEL_LOGITS_MIN {
            let seats = &mut self.seats;
            self.sampling_threads.install(|| seats.par_iter_mut().for_each(Seat::sample));
        } else {
            self.seats.iter_mut().for_each(Seat::sample);
        }
    }

    fn report(&mut self, plan: &Plan, outcome: &mut Outcome) {
        for chunk in &plan.chunks {
            let seat = &mut self.seats[chunk.seq.index()];
            if seat.is_skipped {
                continue;
            }
            if let Some(failure) = seat.failure.take() {
                outcome.failures.push((chunk.seq, failure));
            } else if chunk.outputs > 0 {
                match seat.drawn.take() {
                    Some(Ok(drawn)) => outcome.samples.push(self.as_sample(chunk.seq, drawn)),
                    Some(Err(error)) => outcome
                        .failures
                        .push((chunk.seq, SequenceFailure::Sampling(error.to_string()))),
                    None => outcome.failures.push((
                        chunk.seq,
                        SequenceFailure::Sampling("the step gave no logits".to_owned()),
                    )),
                }
            }
        }
    }

    fn as_sample(&self, seq: SeqId, drawn: Drawn) -> Sample {
        let ends = self.context.model().vocabulary().is_end_of_generation(drawn.token);
        Sample {
            seq,
            token: drawn.token,
            logprob: drawn.logprob,
            top: Vec::new(),
            forced: Vec::new(),
            ends: if ends { Ends::Before } else { Ends::No },
        }
    }
}

impl Seat {
    fn takes_part(&self) -> bool {
        self.failure.is_none() && !self.is_skipped
    }

    fn sample(&mut self) {
        let (Some(row), Some(sampler)) = (self.row.take(), &mut self.sampler) else { return };
        // SAFETY: `locate_logits` pointed the row at this step's logits, and no decode can run
        // while the executor is borrowed for sampling.
        let logits = unsafe { std::slice::from_raw_parts(row.logits, row.length) };
        self.drawn = Some(sampler.draw(logits));
    }
}

impl Backend for Executor {
    fn execute(&mut self, plan: &Plan, outcome: &mut Outcome) -> Result<(), StepError> {
        outcome.clear();
        self.seats.iter_mut().for_each(|seat| seat.is_skipped = false);
        for (at, op) in plan.ops.iter().enumerate() {
            if !self.apply(op, outcome) {
                outcome.refused.push(at);
            }
        }
        self.fill(plan);
        let decoded = match self.batch.is_empty() {
            true => Ok(()),
            false => self.context.decode(&mut self.batch).map_err(step_error),
        };
        outcome.extent = self.context.cells().map(Cells::extent);
        decoded?;
        if !self.batch.is_empty() {
            self.locate_logits(plan);
            self.sample();
        }
        self.report(plan, outcome);
        Ok(())
    }
}

fn step_error(error: DecodeError) -> StepError {
    match error {
        DecodeError::NoSlot => StepError::NoCells,
        DecodeError::Aborted => StepError::Aborted,
        DecodeError::InvalidBatch | DecodeError::Failed(_) => StepError::Fatal(error.to_string()),
    }
}
