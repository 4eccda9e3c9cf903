//! The kernel's `Backend` on llama.cpp: executes plans, one after the other, on one context.
//!
//! It knows samplers, logits and where snapshots go; what a memory operation needs and brings is
//! checked by the context. A running sequence whose share was refused takes no part in the step.
//! Which tokens a constraint allows is found out on the sampling threads while the batch is decoded.

mod seat;

use std::sync::Arc;

use indwell_kernel::{
    Backend, Ends, MemoryOp, Outcome, Plan, Sample, SeqId, SequenceFailure, StepError, Token,
};
use rayon::iter::{IntoParallelRefMutIterator, ParallelIterator};

use self::seat::{Row, Said, Seat};
use crate::error::{ContextError, DecodeError};
use crate::last_record::{self, Running};
use crate::sampler::Drawn;
use crate::spinning::Spinning;
use crate::{Batch, Cells, Context, Lexicon, SnapshotStore, threads};

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
    running: Running,
    /// Whether the machine has a core for them while a batch is decoded.
    has_spare_core: bool,
    spinning: Spinning,
}

/// From here on, sampling several sequences in parallel beats waking the threads for it
/// (a pass over 49,152 logits takes about 10 µs, waking a thread about as long).
const PARALLEL_LOGITS_MIN: usize = 1 << 18;

/// The stack that following a constraint may use.
const MATCHER_STACK_BYTES: usize = 16 << 20;

impl Executor {
    /// An executor on `context`, with a place for snapshots if there are to be any.
    ///
    /// # Errors
    /// [`ContextError::Threads`] when the threads that compute and sample can't be started.
    pub fn new(
        context: Context,
        store: Option<Arc<dyn SnapshotStore>>,
    ) -> Result<Self, ContextError> {
        let params = *context.params();
        let sampling_threads = rayon::ThreadPoolBuilder::new()
            .num_threads(params.threads.min(params.sequences_max) as usize)
            .thread_name(|index| format!("indwell-sample-{index}"))
            .stack_size(MATCHER_STACK_BYTES)
            .build()
            .map_err(|error| ContextError::Threads(error.to_string()))?;
        threads::try_threads(params.threads)
            .map_err(|error| ContextError::Threads(error.to_string()))?;
        Ok(Self {
            context,
            batch: Batch::new(params.batch_tokens as usize),
            seats: (0..params.sequences_max).map(|_| Seat::default()).collect(),
            store,
            sampling_threads,
            running: Running::new(),
            has_spare_core: params.threads < threads::cores(),
            spinning: Spinning::new(params.threads),
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
            MemoryOp::Open { seq, request, draws, prompt, answer, mu } => {
                let lexicon = Lexicon::of(self.context.model(), &draws.sampling);
                let seat = &mut self.seats[seq.index()];
                seat.open(draws, lexicon, prompt, answer);
                seat.set_mu(*mu);
                seat.request = Some(*request);
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

    /// What a step computes, for the last record.
    fn say_step(&self, when: &str, plan: &Plan) {
        let request = |seq: SeqId| self.seats.get(seq.index()).and_then(|seat| seat.request);
        self.running.say(|text| last_record::write_step(text, when, plan, request));
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
            let seat = &mut self.seats[chunk.seq.index()];
            if !seat.takes_part() {
                continue;
            }
            seat.draws = chunk.draws();
            let tokens = plan.chunk_tokens(chunk);
            let first_output = tokens.len() - (chunk.outputs as usize).min(tokens.len());
            for (position, (at, &token)) in (chunk.start..).zip(tokens.iter().enumerate()) {
                let pushed = self.batch.push(chunk.seq, position, token, at >= first_output);
                assert!(pushed.is_some(), "a plan has at most batch_tokens tokens");
            }
        }
    }

    /// Notes where each output's logits are. A chunk's sample is drawn from its last known token, and
    /// further ones from drafts, up to one that would end the answer.
    fn locate_logits(&mut self, plan: &Plan) {
        let mut end = 0;
        for chunk in &plan.chunks {
            let seat = &mut self.seats[chunk.seq.index()];
            if !seat.takes_part() {
                continue;
            }
            end += chunk.tokens.len();
            for (at, &token) in (end - chunk.outputs as usize..).zip(plan.scored_tokens(chunk)) {
                match Row::of(&mut self.context, &self.batch, at) {
                    Some(row) => seat.scoring.push((row, token)),
                    None => seat.failure = Some(no_logits()),
                }
            }
            if !chunk.draws() {
                continue;
            }
            let drafts = plan.drafts_of(chunk);
            let vocabulary = self.context.model().clone();
            let vocabulary = vocabulary.vocabulary();
            for (place, at) in (end - 1 - drafts.len()..end).enumerate() {
                let ends = |token: Token| {
                    seat.is_stop_token(token) || vocabulary.is_end_of_generation(token)
                };
                let draft = drafts.get(place).copied().filter(|&token| !ends(token));
                let Some(row) = Row::of(&mut self.context, &self.batch, at) else { break };
                seat.rows.push((row, draft));
                if draft.is_none() {
                    break;
                }
            }
        }
    }

    /// Decodes the batch, and finds out which tokens constraints allow next: meanwhile, if a core is
    /// left for that. Else it is done before: a thread that takes a core from one of those that
    /// decode holds all of them up at their next barrier, for longer than masks take.
    fn decode(&mut self) -> Result<(), DecodeError> {
        let Self { context, batch, seats, sampling_threads, spinning, .. } = self;
        let mut constrained = seats.iter_mut().filter(|seat| seat.needs_mask()).peekable();
        if constrained.peek().is_none() {
            return spinning.around(|| context.decode(batch));
        }
        if !self.has_spare_core {
            let mut constrained: Vec<_> = constrained.collect();
            sampling_threads
                .install(|| constrained.par_iter_mut().for_each(|seat| seat.prepare_mask()));
            return spinning.around(|| context.decode(batch));
        }
        sampling_threads.in_place_scope(|threads| {
            constrained.for_each(|seat| threads.spawn(|_| seat.prepare_mask()));
            spinning.around(|| context.decode(batch))
        })
    }

    fn sample(&mut self) {
        let costs = self.seats.iter().map(Seat::cost).filter(|&cost| cost > 0);
        let (waiting, cost) = costs.fold((0, 0), |(n, sum), cost| (n + 1, sum + cost));
        if waiting > 1 && cost >= PARALLEL_LOGITS_MIN {
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
            match seat.scored.take() {
                Some(Ok(scores)) => outcome.scores.push((chunk.seq, scores)),
                Some(Err(failure)) => seat.failure = Some(failure),
                None => {}
            }
            if let Some(failure) = seat.failure.take() {
                outcome.failures.push((chunk.seq, failure));
            } else if chunk.draws() {
                if seat.said.is_empty() {
                    outcome.failures.push((chunk.seq, no_logits()));
                }
                // The list's room goes back to the seat.
                let mut said = std::mem::take(&mut seat.said);
                for said in said.drain(..) {
                    outcome.samples.push(self.as_sample(chunk.seq, said));
                }
                self.seats[chunk.seq.index()].said = said;
            }
        }
    }

    /// A token that ends the answer, forced ones included, is no part of it.
    fn as_sample(&self, seq: SeqId, said: Said) -> Sample {
        let Said { drawn, mut forced, is_complete, mu } = said;
        let Drawn { token, logprob, top } = drawn;
        let mut ends = if is_complete { Ends::After } else { Ends::No };
        if let Some(end) = forced.iter().position(|&token| self.ends(seq, token)) {
            forced.truncate(end);
            ends = Ends::After;
        }
        if self.ends(seq, token) {
            ends = Ends::Before;
        }
        Sample { seq, token, logprob, top, mu, forced, ends }
    }

    /// Whether the token says that the answer is over.
    fn ends(&self, seq: SeqId, token: Token) -> bool {
        self.seats[seq.index()].is_stop_token(token)
            || self.context.model().vocabulary().is_end_of_generation(token)
    }
}

impl Backend for Executor {
    fn execute(&mut self, plan: &Plan, outcome: &mut Outcome) -> Result<(), StepError> {
        outcome.clear();
        self.say_step("", plan);
        self.seats.iter_mut().for_each(Seat::begin_step);
        for (at, op) in plan.ops.iter().enumerate() {
            if !self.apply(op, outcome) {
                outcome.refused.push(at);
            }
        }
        self.fill(plan);
        let decoded = match self.batch.is_empty() {
            true => Ok(()),
            false => self.decode().map_err(step_error),
        };
        outcome.extent = self.context.cells().map(Cells::extent);
        decoded?;
        if !self.batch.is_empty() {
            self.locate_logits(plan);
            self.sample();
        }
        self.report(plan, outcome);
        self.say_step("after ", plan);
        Ok(())
    }
}

fn no_logits() -> SequenceFailure {
    SequenceFailure::Sampling("the step gave no logits".to_owned())
}

fn step_error(error: DecodeError) -> StepError {
    match error {
        DecodeError::NoSlot => StepError::NoCells,
        DecodeError::Aborted => StepError::Aborted,
        DecodeError::InvalidBatch | DecodeError::Failed(_) | DecodeError::Threw(_) => {
            StepError::Fatal(error.to_string())
        }
    }
}
