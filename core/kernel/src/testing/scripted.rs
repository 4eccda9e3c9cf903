//! A backend that computes nothing: it keeps the cells a real one would, checks every plan
//! against the contract, and draws tokens that depend only on the sequence's tokens so far.

use std::collections::VecDeque;

use crate::{
    Backend, Chunk, MemoryOp, Outcome, Plan, Sample, SeqId, SequenceFailure, StepError, Token,
};

/// What goes wrong in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepFault {
    /// The batch fails. Its first `partial` chunks are computed all the same, as an abort between
    /// micro-batches leaves them.
    Step {
        /// With which error.
        error: StepError,
        /// How many chunks leave their cells behind.
        partial: usize,
    },
    /// The n-th sampled sequence fails, the others succeed.
    Sequence(usize),
}

/// The scripted backend.
#[derive(Debug)]
pub struct ScriptedBackend {
    cells: u32,
    batch_tokens: u32,
    /// Tokens with cells, by sequence; `None` where no request is open.
    memory: Vec<Option<Vec<Token>>>,
    /// One entry a step; `None` and an empty script are success.
    faults: VecDeque<Option<StepFault>>,
    /// One token in so many, fixed by the tokens before it, ends the answer.
    answer_tokens_mean: u64,
    steps: u64,
}

impl ScriptedBackend {
    /// A backend with `cells` cells for `sequences` sequences, all empty.
    #[must_use]
    pub fn new(cells: u32, sequences: u32, batch_tokens: u32) -> Self {
        Self {
            cells,
            batch_tokens,
            memory: (0..sequences).map(|_| None).collect(),
            faults: VecDeque::new(),
            answer_tokens_mean: u64::MAX,
            steps: 0,
        }
    }

    /// Lets answers end by themselves, after `tokens` tokens on average.
    #[must_use]
    pub fn with_answers_of_about(mut self, tokens: u64) -> Self {
        self.answer_tokens_mean = tokens.max(1);
        self
    }

    /// Adds the fate of one more step.
    pub fn script(&mut self, fault: Option<StepFault>) {
        self.faults.push_back(fault);
    }

    /// Cells in use.
    #[must_use]
    pub fn cells_used(&self) -> usize {
        self.memory.iter().flatten().map(Vec::len).sum()
    }

    /// The tokens with cells of `seq`, if it is open.
    #[must_use]
    pub fn tokens_of(&self, seq: SeqId) -> Option<&[Token]> {
        self.memory[seq.index()].as_deref()
    }

    /// Batches executed.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The token that follows `tokens`, and whether it ends the answer: what every correct
    /// schedule must produce.
    #[must_use]
    pub fn next_token(&self, tokens: &[Token]) -> (Token, bool) {
        // FNV-1a over the tokens: cheap, and any lost, doubled or foreign token changes it.
        let hash = tokens.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, token| {
            (hash ^ u64::from(token.0.cast_unsigned())).wrapping_mul(0x0100_0000_01b3)
        });
        let token = Token(i32::try_from(hash >> 40 & 0xffff).expect("16 bits fit"));
        (token, (hash >> 16).is_multiple_of(self.answer_tokens_mean))
    }

    fn apply(&mut self, op: &MemoryOp) {
        match *op {
            MemoryOp::Open { seq, .. } => {
                let slot = &mut self.memory[seq.index()];
                assert!(slot.is_none(), "{seq} was opened twice");
                *slot = Some(Vec::new());
            }
            MemoryOp::Truncate { seq, from } => {
                let slot = self.memory[seq.index()].as_mut();
                let tokens = slot.unwrap_or_else(|| panic!("{seq} is truncated but not open"));
                tokens.truncate(from as usize);
            }
            MemoryOp::Release { seq } => {
                let slot = self.memory[seq.index()].take();
                assert!(slot.is_some(), "{seq} was released but never opened");
            }
            MemoryOp::Share { .. }
            | MemoryOp::Replace { .. }
            | MemoryOp::Save { .. }
            | MemoryOp::Restore { .. }
            | MemoryOp::Compact { .. } => panic!("nothing is shared yet"),
        }
    }

    fn compute(&mut self, plan: &Plan, chunk: &Chunk) {
        let tokens = plan.chunk_tokens(chunk);
        let memory = self.memory[chunk.seq.index()].as_mut();
        let memory = memory.unwrap_or_else(|| panic!("{} is in the batch but not open", chunk.seq));
        assert_eq!(memory.len(), chunk.start as usize, "positions of {} have a gap", chunk.seq);
        assert!(!tokens.is_empty(), "{} has an empty chunk", chunk.seq);
        assert!(chunk.outputs <= 1, "{} verifies drafts, which this backend can't", chunk.seq);
        memory.extend_from_slice(tokens);
    }

    fn check_batch(&self, plan: &Plan) {
        assert!(plan.tokens.len() <= self.batch_tokens as usize, "the batch is too large");
        for (at, chunk) in plan.chunks.iter().enumerate() {
            let twice = plan.chunks[..at].iter().any(|other| other.seq == chunk.seq);
            assert!(!twice, "{} is in the batch twice", chunk.seq);
        }
    }
}

impl Backend for ScriptedBackend {
    fn execute(&mut self, plan: &Plan, outcome: &mut Outcome) -> Result<(), StepError> {
        outcome.clear();
        for op in &plan.ops {
            self.apply(op);
        }
        self.check_batch(plan);
        if plan.chunks.is_empty() {
            return Ok(());
        }
        self.steps += 1;
        let fault = self.faults.pop_front().flatten();
        if let Some(StepFault::Step { error, partial }) = fault {
            for chunk in plan.chunks.iter().take(partial) {
                self.compute(plan, chunk);
            }
            return Err(error);
        }
        if self.cells_used() + plan.tokens.len() > self.cells as usize {
            return Err(StepError::NoCells);
        }
        for chunk in &plan.chunks {
            self.compute(plan, chunk);
        }
        for (at, chunk) in plan.chunks.iter().filter(|c| c.outputs > 0).enumerate() {
            if fault == Some(StepFault::Sequence(at)) {
                let failure = SequenceFailure::Sampling("scripted".to_owned());
                outcome.failures.push((chunk.seq, failure));
                continue;
            }
            let tokens = self.memory[chunk.seq.index()].as_ref().expect("computed above");
            let (token, end_of_generation) = self.next_token(tokens);
            outcome.samples.push(Sample {
                seq: chunk.seq,
                token,
                logprob: None,
                end_of_generation,
            });
        }
        Ok(())
    }
}
