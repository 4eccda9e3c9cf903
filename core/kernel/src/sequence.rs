//! One running request: its tokens, and how many of them are computed.
//!
//! Uniform accounting: a sequence has `computed` of `tokens.len()` tokens in the backend's
//! memory, and everything is catching up. A new prompt starts at 0, a prefix hit starts further
//! on, a preempted request starts over from what is
//! left of it, forced tokens lengthen `tokens`, and plain decoding is
//! catching up by one.

use std::sync::Arc;

use crate::drafting::Drafter;
use crate::prefix::LockId;
use crate::{
    CacheUse, Draws, Goal, MemoryOp, Request, RequestId, SeqId, SnapshotId, Tier, Timestamp, Token,
};

/// A request with its progress.
#[derive(Debug)]
pub struct Sequence {
    pub(crate) request: RequestId,
    pub(crate) tokens: Vec<Token>,
    pub(crate) prompt_tokens: usize,
    pub(crate) computed: usize,
    /// The length at which the answer ends for `Length`.
    pub(crate) tokens_max: usize,
    pub(crate) draws: Arc<Draws>,
    /// The first token of its prompt that is still to be scored: all before it are, or need not be.
    pub(crate) scored: usize,
    pub(crate) deadline: Option<Timestamp>,
    /// Order of arrival; a preempted request keeps its own.
    pub(crate) arrival: u64,
    pub(crate) admitted: bool,
    /// Its reader is behind, since so many batches had been planned: it is not computed.
    pub(crate) paused_at: Option<u64>,
    /// It gave way to others and has not been given a sequence again.
    pub(crate) preempted: bool,
    /// How far it has ever been computed.
    pub(crate) reached: usize,
    /// What its sampler has learnt (see [`crate::Sample::mu`]).
    pub(crate) mu: Option<f64>,
    pub(crate) goal: Goal,
    pub(crate) cache: CacheUse,
    /// Where its prompt may be cut for reuse, ascending.
    pub(crate) boundaries: Vec<u32>,
    /// Computed tokens whose cells are the prefix cache's, from the first on.
    pub(crate) shared: u32,
    /// Its hold on them.
    pub(crate) lock: Option<LockId>,
    /// What it waits for, though it could be admitted.
    pub(crate) hold: Option<Hold>,
    /// Tokens it was spared in the plan that is out, and from where.
    pub(crate) hit: Option<(u32, Tier)>,
    /// How it may be helped by what is computed already.
    pub(crate) lookup: Lookup,
    /// What its answer may go on with; `None` where no draft could be verified.
    pub(crate) drafter: Option<Drafter>,
}

/// What a request waits for while it waits for neither a sequence nor cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Another request is computing this much of the same prompt.
    Prefix {
        /// Which request.
        leader: RequestId,
        /// How many tokens.
        length: u32,
    },
    /// A snapshot that is being fetched.
    Snapshot(SnapshotId),
}

/// How a request may be helped by what is computed already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// It has not been helped yet.
    Open,
    /// It has started, and what it is given now is its own, computed before it was preempted.
    Resuming,
    /// What it was given was not there: it is computed anew.
    Refused,
}

impl Sequence {
    pub(crate) fn new(request: Request, arrival: u64, request_tokens_max: u32) -> Self {
        let prompt_tokens = request.prompt.len();
        let answer_tokens = match request.goal {
            Goal::Generate => request.max_tokens as usize,
            Goal::Cache => 0,
        };
        let tokens_max = prompt_tokens.saturating_add(answer_tokens);
        // A constraint and Mirostat's μ go on with each token, and can't be taken back.
        let is_free =
            request.draws.constraint.is_none() && request.draws.sampling.mirostat.is_none();
        let is_drafted = is_free && request.goal == Goal::Generate;
        Self {
            request: request.id,
            tokens: request.prompt,
            prompt_tokens,
            computed: 0,
            tokens_max: tokens_max.min(request_tokens_max as usize),
            draws: request.draws,
            // Nothing comes before the first token that could say how likely it is.
            scored: if request.prompt_logprobs { 1 } else { prompt_tokens },
            deadline: request.deadline,
            arrival,
            admitted: false,
            paused_at: None,
            preempted: false,
            reached: 0,
            mu: None,
            goal: request.goal,
            cache: request.cache,
            boundaries: request.boundaries,
            shared: 0,
            lock: None,
            hold: None,
            hit: None,
            lookup: Lookup::Open,
            drafter: is_drafted.then(|| Drafter::new(prompt_tokens)),
        }
    }

    /// How many drafts it has room for: after them comes at least one token more.
    pub(crate) fn drafts_max(&self) -> usize {
        self.tokens_max.saturating_sub(self.tokens.len() + 1)
    }

    /// Leaves the queue for the first time: makes room for the whole answer, so that decoding
    /// allocates nothing, and waiting requests hold no more than their prompts.
    pub(crate) fn admit(&mut self) {
        self.admitted = true;
        self.tokens.reserve_exact(self.tokens_max.saturating_sub(self.tokens.len()));
    }

    /// The operation that gives it `seq`: for a preempted request with what it has said so far.
    pub(crate) fn open(&self, seq: SeqId) -> MemoryOp {
        let (prompt, answer) = self.tokens.split_at(self.prompt_tokens);
        let tail = prompt.len().saturating_sub(self.draws.sampling.looks_back());
        MemoryOp::Open {
            seq,
            request: self.request,
            draws: Arc::clone(&self.draws),
            prompt: prompt[tail..].to_vec(),
            answer: answer.to_vec(),
            mu: self.mu,
        }
    }

    /// It is computed to `end` now. How many of these tokens had been computed before.
    pub(crate) fn advance(&mut self, end: usize) -> usize {
        let again = end.min(self.reached).saturating_sub(self.computed);
        self.computed = end;
        self.reached = self.reached.max(end);
        again
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused_at.is_some()
    }

    /// Whether tokens of its prompt are still to be scored.
    pub(crate) fn is_scoring(&self) -> bool {
        self.scored < self.prompt_tokens
    }

    /// Tokens that are known but not computed.
    pub(crate) fn behind(&self) -> usize {
        self.tokens.len() - self.computed
    }

    /// Whether it only needs its newest token computed, as in plain decoding.
    pub(crate) fn is_decoding(&self) -> bool {
        self.behind() == 1 && self.tokens.len() > self.prompt_tokens
    }

    /// Whether more of its answer than its newest token is known and not computed.
    pub(crate) fn is_catching_up(&self) -> bool {
        !self.is_prefilling() && self.behind() > 1
    }

    /// The most cells it can ever use. The last sampled token is never computed.
    pub(crate) fn cells_needed(&self) -> u32 {
        u32::try_from(self.tokens_max.saturating_sub(1).max(self.prompt_tokens))
            .expect("a request's tokens are bounded by a u32")
    }

    /// The cells it needs to begin, or to go on for a while: for its known tokens, and for
    /// `growth` more if it can come to need them.
    pub(crate) fn cells_wanted(&self, growth: u32) -> u32 {
        self.known_length().saturating_add(growth).min(self.cells_needed())
    }

    /// The cells it needs beside those that it shares, for the tokens that are known; not for
    /// those that it does not go on with.
    pub(crate) fn private_cells_due(&self) -> u32 {
        let length = if self.is_paused() { self.computed_length() } else { self.known_length() };
        length.saturating_sub(self.shared)
    }

    /// The cells it uses beside those that it shares.
    pub(crate) fn private_cells(&self) -> u32 {
        self.computed_length().saturating_sub(self.shared)
    }

    pub(crate) fn computed_length(&self) -> u32 {
        u32::try_from(self.computed).expect("a request's tokens are bounded by a u32")
    }

    fn known_length(&self) -> u32 {
        u32::try_from(self.tokens.len()).expect("a request's tokens are bounded by a u32")
    }

    /// Whether its prompt is not computed to the end.
    pub(crate) fn is_prefilling(&self) -> bool {
        self.computed < self.prompt_tokens
    }

    /// The first position after `computed` where a chunk of its prompt has to end: a boundary.
    pub(crate) fn next_boundary(&self) -> usize {
        let next = self.boundaries.iter().map(|&at| at as usize).find(|&at| at > self.computed);
        next.filter(|&at| at < self.prompt_tokens).unwrap_or(self.tokens.len())
    }

    /// The last boundary within the first `length` tokens of its prompt, or its end.
    pub(crate) fn boundary_within(&self, length: u32) -> u32 {
        let ends = self.boundaries.iter().copied().chain(u32::try_from(self.prompt_tokens).ok());
        ends.filter(|&at| at <= length).max().unwrap_or(0)
    }

    /// Whether prefixes of its prompt may be cut where it is computed to.
    pub(crate) fn is_at_boundary(&self) -> bool {
        self.computed == self.prompt_tokens
            || self.boundaries.iter().any(|&at| at as usize == self.computed)
    }
}
