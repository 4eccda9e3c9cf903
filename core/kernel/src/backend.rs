//! Who executes a plan: llama.cpp in production, a script in simulation.

use serde::{Deserialize, Serialize};

use crate::{ConstraintFailure, Plan, SeqId, SnapshotId, Token};

/// Executes plans. One call is one step; nothing runs between calls.
pub trait Backend {
    /// Runs `plan`'s memory operations and its batch, and draws a token for each output.
    /// `outcome` is cleared first; its buffers are reused.
    ///
    /// # Errors
    /// [`StepError`] if the batch as a whole failed. Then nothing was sampled; each chunk's
    /// sequence may hold some of the chunk's cells, which the scheduler removes with a
    /// `Truncate` in the next plan. What `outcome` says of memory operations holds even so.
    fn execute(&mut self, plan: &Plan, outcome: &mut Outcome) -> Result<(), StepError>;

    /// Whether it can execute a plan now. Asked before each; a backend that can't be lost always
    /// can.
    fn condition(&mut self) -> Condition {
        Condition::Ready
    }
}

/// Whether a backend can execute plans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It can.
    Ready,
    /// All that its memory held is gone since it was asked last, and not by a step: the reason.
    /// Told once.
    Lost(String),
    /// It can't for now. Whoever drives it is woken when it can.
    Away,
    /// It never will again: the reason.
    Over(String),
}

/// What a step brought.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// One for each chunk of the plan that samples and whose sequence did not fail, in the chunks'
    /// order. Where drafts are verified, more of them one after the other: each that is the draft
    /// in its place, and ends nothing and forces nothing, is followed by one drawn after it.
    pub samples: Vec<Sample>,
    /// The log-probabilities of prompts' tokens that the plan asked for, by sequence.
    pub scores: Vec<(SeqId, Vec<TokenScore>)>,
    /// Sequences whose own part failed, while the others' succeeded.
    pub failures: Vec<(SeqId, SequenceFailure)>,
    /// Memory operations that were refused, as indices into [`Plan::ops`], ascending.
    pub refused: Vec<usize>,
    /// Snapshots that were saved.
    pub saved: Vec<SnapshotId>,
    /// The memory's extent: its highest used cell and all below it, which attention passes over.
    /// `None` where the backend does not count cells.
    pub extent: Option<u32>,
}

impl Outcome {
    /// Empties all lists and keeps their room.
    pub fn clear(&mut self) {
        self.samples.clear();
        self.scores.clear();
        self.failures.clear();
        self.refused.clear();
        self.saved.clear();
        self.extent = None;
    }
}

/// A token drawn for a sequence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Whose.
    pub seq: SeqId,
    /// The token.
    pub token: Token,
    /// Its log-probability, if the sequence was opened with them.
    pub logprob: Option<f32>,
    /// The likeliest tokens in its place, likeliest first, if the sequence was opened with them.
    pub top: Vec<TokenLogprob>,
    /// Mirostat's μ after it, which is learnt from the logits of all draws so far: a sampler that
    /// is opened anew is told it. `None` for other samplers.
    pub mu: Option<f64>,
    /// Tokens that must follow it, by the sequence's constraint: they are the answer's too, and are
    /// computed without drawing.
    pub forced: Vec<Token>,
    /// Whether the answer ends here.
    pub ends: Ends,
}

/// Whether an answer ends with a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Ends {
    /// It goes on.
    No,
    /// The token says that it is over (end of text, end of turn), and is no part of it.
    Before,
    /// The token, and those forced after it, are its last.
    After,
}

/// A token with its log-probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// The token.
    pub token: Token,
    /// ln p(token), before any filter.
    pub logprob: f32,
}

/// A prompt's token with its log-probability, and what was likelier in its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenScore {
    /// The token and its own.
    pub chosen: TokenLogprob,
    /// The likeliest tokens in its place, likeliest first, if they were asked for.
    pub top: Vec<TokenLogprob>,
}

/// Why one sequence failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum SequenceFailure {
    /// The step it took part in failed.
    #[error("the model could not compute a step: {0}")]
    Compute(String),
    /// Its logits could not be sampled.
    #[error("no token could be sampled: {0}")]
    Sampling(String),
    /// Its constraint can't be followed any further.
    #[error(transparent)]
    Constraint(#[from] ConstraintFailure),
    /// The memory had no cells for it, alone.
    #[error("the KV cache has no room for this request, though nothing else is running")]
    NoCells,
    /// All that was computed for it is gone, with the backend's memory.
    #[error("what computes was lost while the request ran: {0}")]
    Lost(String),
    /// Its prompt was to be kept, and everything that could make room is in use.
    #[error("the prefix cache has no room for this prefix: all that it keeps is in use")]
    NotCached,
}

/// Why a step as a whole failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum StepError {
    /// The memory found no cells for the batch. Nothing was computed.
    #[error("the KV cache found no cells for the batch")]
    NoCells,
    /// The step was asked to stop. Some of it may have been computed.
    #[error("the step was aborted")]
    Aborted,
    /// The backend failed.
    #[error("{0}")]
    Fatal(String),
    /// The backend is gone, and all that its memory held. Nothing of the plan was done; the next
    /// one finds an empty memory.
    #[error("what computes was lost: {0}")]
    Lost(String),
}
