//! A plan as it crosses: the kernel's own, with what it shares by reference written out, and
//! constraints as the grammars that they were made of.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use indwell_kernel::{
    Chunk, Constraint, Draws, Logprobs, MemoryOp, Plan, RequestId, SamplingParams, SeqId,
    SnapshotId, SnapshotKey, Token,
};
use indwell_llama::Grammar;
use serde::{Deserialize, Serialize};

use super::model::Elsewhere;

/// A plan on its way to the worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WirePlan<'a> {
    ops: Vec<WireOp<'a>>,
    chunks: Cow<'a, [Chunk]>,
    tokens: Cow<'a, [Token]>,
    scored: Cow<'a, [Token]>,
    prompt_tokens: usize,
}

#[derive(Debug, Serialize, Deserialize)]
enum WireOp<'a> {
    Open(Box<Opening<'a>>),
    Truncate(SeqId, u32),
    Release(SeqId),
    Share(SeqId, SeqId, Range<u32>),
    Replace(SeqId, SeqId, Range<u32>),
    Save(SeqId, Range<u32>, SnapshotId, Cow<'a, SnapshotKey>),
    Restore(SnapshotId, SeqId, Range<u32>),
    Compact(SeqId, Range<u32>),
}

/// A request that takes a sequence.
#[derive(Debug, Serialize, Deserialize)]
struct Opening<'a> {
    seq: SeqId,
    request: RequestId,
    sampling: Cow<'a, SamplingParams>,
    logprobs: Logprobs,
    grammar: Option<Cow<'a, Grammar>>,
    prompt: Cow<'a, [Token]>,
    answer: Cow<'a, [Token]>,
    mu: Option<f64>,
}

impl<'a> From<&'a Plan> for WirePlan<'a> {
    fn from(plan: &'a Plan) -> Self {
        Self {
            ops: plan.ops.iter().map(WireOp::from).collect(),
            chunks: Cow::Borrowed(&plan.chunks),
            tokens: Cow::Borrowed(&plan.tokens),
            scored: Cow::Borrowed(&plan.scored),
            prompt_tokens: plan.prompt_tokens,
        }
    }
}

impl<'a> From<&'a MemoryOp> for WireOp<'a> {
    fn from(op: &'a MemoryOp) -> Self {
        match op {
            MemoryOp::Open { seq, request, draws, prompt, answer, mu } => {
                WireOp::Open(Box::new(Opening {
                    seq: *seq,
                    request: *request,
                    sampling: Cow::Borrowed(&draws.sampling),
                    logprobs: draws.logprobs,
                    grammar: draws.constraint.as_deref().map(Elsewhere::grammar_of),
                    prompt: Cow::Borrowed(prompt),
                    answer: Cow::Borrowed(answer),
                    mu: *mu,
                }))
            }
            MemoryOp::Truncate { seq, from } => WireOp::Truncate(*seq, *from),
            MemoryOp::Release { seq } => WireOp::Release(*seq),
            MemoryOp::Share { from, to, range } => WireOp::Share(*from, *to, range.clone()),
            MemoryOp::Replace { from, to, range } => WireOp::Replace(*from, *to, range.clone()),
            MemoryOp::Save { seq, range, snapshot, key } => {
                WireOp::Save(*seq, range.clone(), *snapshot, Cow::Borrowed(&**key))
            }
            MemoryOp::Restore { snapshot, seq, range } => {
                WireOp::Restore(*snapshot, *seq, range.clone())
            }
            MemoryOp::Compact { seq, range } => WireOp::Compact(*seq, range.clone()),
        }
    }
}

impl WirePlan<'_> {
    /// The kernel's plan, with constraints as `constrain` makes them.
    pub(super) fn into_plan(self, constrain: impl Fn(&Grammar) -> Arc<dyn Constraint>) -> Plan {
        Plan {
            ops: self.ops.into_iter().map(|op| op.into_op(&constrain)).collect(),
            chunks: self.chunks.into_owned(),
            tokens: self.tokens.into_owned(),
            scored: self.scored.into_owned(),
            prompt_tokens: self.prompt_tokens,
        }
    }
}

impl WireOp<'_> {
    fn into_op(self, constrain: &impl Fn(&Grammar) -> Arc<dyn Constraint>) -> MemoryOp {
        match self {
            WireOp::Open(opening) => {
                let Opening { seq, request, sampling, logprobs, grammar, prompt, answer, mu } =
                    *opening;
                let constraint = grammar.map(|grammar| constrain(&grammar));
                let draws = Draws { sampling: sampling.into_owned(), logprobs, constraint };
                MemoryOp::Open {
                    seq,
                    request,
                    draws: Arc::new(draws),
                    prompt: prompt.into_owned(),
                    answer: answer.into_owned(),
                    mu,
                }
            }
            WireOp::Truncate(seq, from) => MemoryOp::Truncate { seq, from },
            WireOp::Release(seq) => MemoryOp::Release { seq },
            WireOp::Share(from, to, range) => MemoryOp::Share { from, to, range },
            WireOp::Replace(from, to, range) => MemoryOp::Replace { from, to, range },
            WireOp::Save(seq, range, snapshot, key) => {
                MemoryOp::Save { seq, range, snapshot, key: Arc::new(key.into_owned()) }
            }
            WireOp::Restore(snapshot, seq, range) => MemoryOp::Restore { snapshot, seq, range },
            WireOp::Compact(seq, range) => MemoryOp::Compact { seq, range },
        }
    }
}
