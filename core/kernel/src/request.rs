//! What the scheduler is asked, what it tells, and how a request ends.

use std::sync::Arc;

use crate::{
    Draws, Namespace, RequestId, SequenceFailure, SnapshotId, Tier, Timestamp, Token, TokenLogprob,
    TokenScore,
};

/// A request that passed validation: tokens, not text.
#[derive(Clone, Debug)]
pub struct Request {
    /// The engine's name for it.
    pub id: RequestId,
    /// The prompt; not empty, and shorter than `request_tokens_max`.
    pub prompt: Vec<Token>,
    /// Lengths at which the prompt could be cut for reuse, ascending: the ends of its messages.
    /// Only memory that can't be cut anywhere asks for them.
    pub boundaries: Vec<u32>,
    /// What is wanted.
    pub goal: Goal,
    /// Whether it takes part in the prefix cache.
    pub cache: CacheUse,
    /// Tokens to generate at most; at least 1. Without meaning for [`Goal::Cache`].
    pub max_tokens: u32,
    /// How tokens are drawn.
    pub draws: Arc<Draws>,
    /// Whether the log-probabilities of the prompt's own tokens are wanted. Then no prefix of it is
    /// shared, since they come of computing.
    pub prompt_logprobs: bool,
    /// When the request ends unfinished, if it has a deadline.
    pub deadline: Option<Timestamp>,
}

/// What a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Goal {
    /// An answer.
    Generate,
    /// Its prompt computed, and kept resident until it is unpinned.
    Cache,
}

/// Whether a request takes part in the prefix cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheUse {
    /// It shares prefixes with the requests of the same namespace.
    Use(Namespace),
    /// It is computed anew, and leaves nothing behind.
    Bypass,
}

impl CacheUse {
    /// The namespace it shares prefixes in.
    #[must_use]
    pub fn namespace(self) -> Option<Namespace> {
        match self {
            CacheUse::Use(namespace) => Some(namespace),
            CacheUse::Bypass => None,
        }
    }
}

/// Why a finished answer is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FinishReason {
    /// The model ended it, or a stop string was reached.
    Stop,
    /// `max_tokens` or the context's end was reached.
    Length,
}

impl FinishReason {
    /// The OpenAI API's name for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            FinishReason::Stop => "stop",
            FinishReason::Length => "length",
        }
    }
}

/// How a request ended. Each request ends exactly once.
#[derive(Clone, Debug)]
pub enum End {
    /// The answer is complete.
    Finished(FinishReason),
    /// The prompt is computed and pinned, as [`Goal::Cache`] wants.
    Cached,
    /// The caller cancelled it.
    Cancelled,
    /// Its deadline passed.
    DeadlineExceeded,
    /// The backend failed it.
    Failed(Arc<SequenceFailure>),
}

/// What the scheduler tells about a request, in the order it happened.
#[derive(Clone, Debug)]
pub enum Output {
    /// It left the queue: its prefill is about to start. Once for each request that runs; a
    /// preempted request is not admitted anew.
    Admitted {
        /// Which request.
        request: RequestId,
    },
    /// Some of its prompt need not be computed. At most once, after `Admitted`.
    CacheHit {
        /// Which request.
        request: RequestId,
        /// How many tokens.
        tokens: u32,
        /// The slowest tier that some of them came from.
        tier: Tier,
    },
    /// A waiting request could use this snapshot, whose place is asked for:
    /// [`crate::Scheduler::place_snapshot`] answers.
    Fetch {
        /// Which snapshot.
        snapshot: SnapshotId,
    },
    /// Nothing knows this snapshot any more: it may be deleted.
    Forget {
        /// Which snapshot.
        snapshot: SnapshotId,
    },
    /// It has one more token.
    Token {
        /// Which request.
        request: RequestId,
        /// The token.
        token: Token,
        /// Its log-probability (natural logarithm, before any filter), if it was asked for.
        logprob: Option<f32>,
        /// The likeliest tokens in its place, likeliest first, if they were asked for.
        top: Vec<TokenLogprob>,
    },
    /// The log-probabilities of some of its prompt's tokens, in their order, one call after the
    /// other until all but the first have theirs; before its first token.
    PromptLogprobs {
        /// Which request.
        request: RequestId,
        /// The tokens' own.
        scores: Vec<TokenScore>,
    },
    /// It is over. Nothing about it follows.
    Ended {
        /// Which request.
        request: RequestId,
        /// How.
        end: End,
    },
}
