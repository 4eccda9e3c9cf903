//! What one step does: memory operations, then one batch of tokens.
//!
//! A plan is data. Its buffers are reused from step to step, so that a steady decode loop
//! allocates nothing.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Draws, RequestId, SeqId, SnapshotId, SnapshotKey, Token};

/// A change of the backend's sequence memory. A step's operations run once each, in order,
/// before its batch, and hold even if the batch then fails.
///
/// `Share`, `Replace`, `Save`, `Restore` and `Compact` may be refused by the backend, which then
/// has done nothing of it and lists it in [`crate::Outcome::refused`]. A request's sequence whose
/// `Share` was refused takes no part in the batch.
#[derive(Clone, Debug)]
pub enum MemoryOp {
    /// A new request takes the sequence, which is empty.
    Open {
        /// Which sequence.
        seq: SeqId,
        /// Which request, for whoever tells what was running.
        request: RequestId,
        /// How its tokens are drawn.
        draws: Arc<Draws>,
        /// The end of its prompt, as far as drawing looks back.
        prompt: Vec<Token>,
        /// What is said of its answer already: it was preempted, and goes on.
        answer: Vec<Token>,
        /// What its sampler had learnt by then (see [`crate::Sample::mu`]).
        mu: Option<f64>,
    },
    /// Removes the cells at positions `from` and above.
    Truncate {
        /// Which sequence.
        seq: SeqId,
        /// The first position to remove.
        from: u32,
    },
    /// The sequence's request or prefix is over: removes all its cells and its sampler.
    Release {
        /// Which sequence.
        seq: SeqId,
    },
    /// Lets `to` have `from`'s cells at the positions `range` too; nothing is copied. `to` has no
    /// cells at or after the range's start, and all before it. Memory that can be shared only
    /// whole is asked for no more than all that `from` has, from position 0.
    Share {
        /// Who has the cells.
        from: SeqId,
        /// Who gets them as well.
        to: SeqId,
        /// Which positions.
        range: Range<u32>,
    },
    /// As `Share`, in place of cells of the same tokens that `to` has at these positions.
    Replace {
        /// Who has the cells that stay.
        from: SeqId,
        /// Whose own cells are freed.
        to: SeqId,
        /// Which positions.
        range: Range<u32>,
    },
    /// Copies the state of the positions `range` of `seq` out of the memory.
    Save {
        /// Which sequence.
        seq: SeqId,
        /// Which positions.
        range: Range<u32>,
        /// The name it is to be known by.
        snapshot: SnapshotId,
        /// What it is of.
        key: Arc<SnapshotKey>,
    },
    /// Gives `seq` cells at the positions `range` with the state of a snapshot, which holds at
    /// least these. `seq` has all positions before the range and none after.
    Restore {
        /// Which snapshot.
        snapshot: SnapshotId,
        /// Which sequence.
        seq: SeqId,
        /// Which positions.
        range: Range<u32>,
    },
    /// Moves the cells at the positions `range` of `seq`, which nobody shares, to where fewer
    /// cells lie idle before them.
    Compact {
        /// Which sequence.
        seq: SeqId,
        /// Which positions.
        range: Range<u32>,
    },
}

impl MemoryOp {
    /// Its name, for logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            MemoryOp::Open { .. } => "open",
            MemoryOp::Truncate { .. } => "truncate",
            MemoryOp::Release { .. } => "release",
            MemoryOp::Share { .. } => "share",
            MemoryOp::Replace { .. } => "replace",
            MemoryOp::Save { .. } => "save",
            MemoryOp::Restore { .. } => "restore",
            MemoryOp::Compact { .. } => "compact",
        }
    }
}

/// Consecutive tokens of one sequence, to be computed in this step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Which sequence.
    pub seq: SeqId,
    /// The first token's position in the sequence.
    pub start: u32,
    /// Where the tokens stand in [`Plan::tokens`].
    pub tokens: Range<usize>,
    /// How many of the last tokens want logits: 0 inside a prompt, 1 at its end and in decoding,
    /// more where drafts are verified or a prompt's tokens are scored.
    pub outputs: u32,
    /// The tokens that follow the first of the outputs, whose log-probabilities are wanted: where
    /// they stand in [`Plan::scored`]. The outputs after those want a sample each.
    pub scores: Range<usize>,
}

impl Chunk {
    /// How many of its last tokens are drafts, which are not known to be the answer's: each is
    /// verified by what is drawn from the output before it.
    #[must_use]
    pub fn drafts(&self) -> usize {
        (self.outputs as usize - self.scores.len()).saturating_sub(1)
    }

    /// Whether a token is drawn from its last output.
    #[must_use]
    pub fn draws(&self) -> bool {
        self.outputs as usize > self.scores.len()
    }
}

/// What one step does.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Memory operations, before the batch.
    pub ops: Vec<MemoryOp>,
    /// The batch: decoding sequences first, contiguously, then prefills.
    pub chunks: Vec<Chunk>,
    /// The chunks' tokens.
    pub tokens: Vec<Token>,
    /// Tokens whose log-probabilities the chunks ask for.
    pub scored: Vec<Token>,
    /// How many of the tokens are of prompts, the others being of answers.
    pub prompt_tokens: usize,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty() && self.chunks.is_empty()
    }

    /// The tokens of `chunk`.
    #[must_use]
    pub fn chunk_tokens(&self, chunk: &Chunk) -> &[Token] {
        &self.tokens[chunk.tokens.clone()]
    }

    /// The drafts of `chunk`, its last tokens.
    #[must_use]
    pub fn drafts_of(&self, chunk: &Chunk) -> &[Token] {
        &self.tokens[chunk.tokens.end - chunk.drafts()..chunk.tokens.end]
    }

    /// The tokens that `chunk` wants scored.
    #[must_use]
    pub fn scored_tokens(&self, chunk: &Chunk) -> &[Token] {
        &self.scored[chunk.scores.clone()]
    }

    pub(crate) fn clear(&mut self) {
        self.ops.clear();
        self.clear_batch();
    }

    /// Takes all tokens out of the batch.
    pub(crate) fn clear_batch(&mut self) {
        self.chunks.clear();
        self.tokens.clear();
        self.scored.clear();
        self.prompt_tokens = 0;
    }

    /// Adds a draft to the last chunk.
    pub(crate) fn push_draft(&mut self, token: Token) {
        let chunk = self.chunks.last_mut().expect("a chunk was pushed");
        self.tokens.push(token);
        chunk.tokens.end += 1;
        chunk.outputs += 1;
    }

    pub(crate) fn push(&mut self, seq: SeqId, start: usize, tokens: &[Token], outputs: u32) {
        self.push_scored(seq, start, tokens, (outputs, &[]));
    }

    /// A chunk with `outputs`, from the first of which `scored` are scored.
    pub(crate) fn push_scored(
        &mut self,
        seq: SeqId,
        start: usize,
        tokens: &[Token],
        (outputs, scored): (u32, &[Token]),
    ) {
        let (from, scored_from) = (self.tokens.len(), self.scored.len());
        self.tokens.extend_from_slice(tokens);
        self.scored.extend_from_slice(scored);
        let start = u32::try_from(start).expect("positions are bounded by a u32");
        let (tokens, scores) = (from..self.tokens.len(), scored_from..self.scored.len());
        self.chunks.push(Chunk { seq, start, tokens, outputs, scores });
    }
}
