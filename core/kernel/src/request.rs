//! What the scheduler is asked, what it tells, and how a request ends.

use std::sync::Arc;

use crate::{RequestId, SamplingParams, SequenceFailure, Timestamp, Token};

/// A request that passed validation: tokens, not text.
#[derive(Clone, Debug)]
pub struct Request {
    /// The engine's name for it.
    pub id: RequestId,
    /// The prompt; not empty, and shorter than `request_tokens_max`.
    pub prompt: Vec<Token>,
    /// Tokens to generate at most; at least 1.
    pub max_tokens: u32,
    /// How tokens are drawn.
    pub sampling: SamplingParams,
    /// Whether each sample carries its log-probability.
    pub logprobs: bool,
    /// When the request ends unfinished, if it has a deadline.
    pub deadline: Option<Timestamp>,
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
    /// It has one more token.
    Token {
        /// Which request.
        request: RequestId,
        /// The token.
        token: Token,
        /// Its log-probability (natural logarithm, before any filter), if it was asked for.
        logprob: Option<f32>,
    },
    /// It is over. Nothing about it follows.
    Ended {
        /// Which request.
        request: RequestId,
        /// How.
        end: End,
    },
}
