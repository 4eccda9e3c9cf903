//! One running request: its tokens, and how many of them are computed.
//!
//! Uniform accounting: a sequence has `computed` of `tokens.len()` tokens in the backend's
//! memory, and everything is catching up. A new prompt starts at 0, a prefix hit starts further
//! on, a preempted request starts over, forced tokens lengthen `tokens`, and plain decoding is
//! catching up by one.

use crate::{Request, RequestId, SamplingParams, Timestamp, Token};

/// A request with its progress.
#[derive(Debug)]
pub struct Sequence {
    pub(crate) request: RequestId,
    pub(crate) tokens: Vec<Token>,
    pub(crate) prompt_tokens: usize,
    pub(crate) computed: usize,
    /// The length at which the answer ends for `Length`.
    pub(crate) tokens_max: usize,
    pub(crate) sampling: SamplingParams,
    pub(crate) logprobs: bool,
    pub(crate) deadline: Option<Timestamp>,
    /// Order of arrival; a preempted request keeps its own.
    pub(crate) arrival: u64,
    pub(crate) admitted: bool,
    /// Its reader is behind: it keeps its cells and is not computed.
    pub(crate) paused: bool,
}

impl Sequence {
    pub(crate) fn new(request: Request, arrival: u64, request_tokens_max: u32) -> Self {
        let prompt_tokens = request.prompt.len();
        let tokens_max = prompt_tokens.saturating_add(request.max_tokens as usize);
        Self {
            request: request.id,
            tokens: request.prompt,
            prompt_tokens,
            computed: 0,
            tokens_max: tokens_max.min(request_tokens_max as usize),
            sampling: request.sampling,
            logprobs: request.logprobs,
            deadline: request.deadline,
            arrival,
            admitted: false,
            paused: false,
        }
    }

    /// Leaves the queue for the first time: makes room for the whole answer, so that decoding
    /// allocates nothing, and waiting requests hold no more than their prompts.
    pub(crate) fn admit(&mut self) {
        self.admitted = true;
        self.tokens.reserve_exact(self.tokens_max.saturating_sub(self.tokens.len()));
    }

    /// Tokens that are known but not computed.
    pub(crate) fn behind(&self) -> usize {
        self.tokens.len() - self.computed
    }

    /// Whether it only needs its newest token computed, as in plain decoding.
    pub(crate) fn is_decoding(&self) -> bool {
        self.behind() == 1 && self.tokens.len() > self.prompt_tokens
    }

    /// The most cells it can ever use. The last sampled token is never computed.
    pub(crate) fn cells_needed(&self) -> u32 {
        u32::try_from(self.tokens_max.saturating_sub(1).max(self.prompt_tokens))
            .expect("a request's tokens are bounded by a u32")
    }
}
