//! What a request gives back: events as they come, or all of it as a reply.

use indwell_kernel::FinishReason;

use crate::mailbox::Terminal;
use crate::{CacheTier, Error, Result};

/// What a stream yields: any number of `Text`, then exactly one of the others, then nothing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// More of the answer.
    Text(TextDelta),
    /// The answer is complete.
    Finished(Finished),
    /// The request was cancelled.
    Cancelled,
    /// The request failed.
    Failed(Error),
}

impl Event {
    /// Whether it is the last of its stream.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        !matches!(self, Event::Text(_))
    }
}

impl Terminal for Event {
    fn is_terminal(&self) -> bool {
        Event::is_terminal(self)
    }

    fn lost() -> Self {
        Event::Failed(Error::poisoned("it went away without an answer"))
    }
}

/// More of the answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextDelta {
    /// The text, whole characters only. Empty in events that bring nothing but
    /// log-probabilities.
    pub text: String,
    /// One for each token since the last event; empty unless asked for.
    pub logprobs: Vec<TokenLogprob>,
}

/// A token of the answer with its log-probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenLogprob {
    /// The token's id in the model's vocabulary.
    pub token: i32,
    /// ln p under the model at temperature 1, before any filter.
    pub logprob: f32,
}

/// How a complete answer ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// Why it ended.
    pub reason: FinishReason,
    /// What it took in tokens.
    pub usage: Usage,
    /// What it took in time.
    pub timings: Timings,
}

/// What a request took in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Tokens of the prompt, chat template included.
    pub prompt_tokens: u32,
    /// Tokens of the answer, without the one that ended it.
    pub completion_tokens: u32,
    /// Tokens of the prompt that were cached, and not computed anew.
    pub cached_tokens: u32,
    /// Where they came from: the slowest tier that took part. `None` if there are none.
    pub cache: Option<CacheTier>,
    /// How far the question that was answered is from this one, where `cache` is
    /// [`CacheTier::Semantic`]: the cosine distance, from 0 (the same direction) to 2.
    pub semantic_distance: Option<f32>,
}

impl Usage {
    /// Prompt and answer together.
    #[must_use]
    pub fn total_tokens(&self) -> u32 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }
}

/// What a request took in time, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Timings {
    /// From the call until its prefill started.
    pub queued_ms: f64,
    /// From then until the first token.
    pub prefill_ms: f64,
    /// Time to first token: from the call until the first token.
    pub ttft_ms: f64,
    /// From the first token to the last.
    pub decode_ms: f64,
    /// From the call to the end.
    pub total_ms: f64,
}

impl Finished {
    /// Tokens per second after the first one: (completion_tokens − 1) / decode time. 0 for
    /// answers of fewer than two tokens.
    #[must_use]
    pub fn decode_tokens_per_second(&self) -> f64 {
        decode_tokens_per_second(&self.usage, &self.timings)
    }
}

impl Reply {
    /// Tokens per second after the first one: (completion_tokens − 1) / decode time. 0 for
    /// answers of fewer than two tokens.
    #[must_use]
    pub fn decode_tokens_per_second(&self) -> f64 {
        decode_tokens_per_second(&self.usage, &self.timings)
    }
}

fn decode_tokens_per_second(usage: &Usage, timings: &Timings) -> f64 {
    if usage.completion_tokens < 2 || timings.decode_ms <= 0.0 {
        return 0.0;
    }
    f64::from(usage.completion_tokens - 1) / (timings.decode_ms / 1000.0)
}

/// A complete answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The whole text.
    pub text: String,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// What it took in tokens.
    pub usage: Usage,
    /// What it took in time.
    pub timings: Timings,
    /// One for each token of the answer; empty unless asked for.
    pub logprobs: Vec<TokenLogprob>,
}

/// Folds a stream's events into its reply.
#[derive(Debug, Default)]
pub(crate) struct ReplyFold {
    text: String,
    logprobs: Vec<TokenLogprob>,
}

impl ReplyFold {
    /// Takes an event; a terminal one gives the result.
    pub(crate) fn take(&mut self, event: Event) -> Option<Result<Reply>> {
        match event {
            Event::Text(delta) => {
                self.text.push_str(&delta.text);
                self.logprobs.extend(delta.logprobs);
                None
            }
            Event::Finished(finished) => Some(Ok(Reply {
                text: std::mem::take(&mut self.text),
                finish_reason: finished.reason,
                usage: finished.usage,
                timings: finished.timings,
                logprobs: std::mem::take(&mut self.logprobs),
            })),
            Event::Cancelled => Some(Err(Error::cancelled())),
            Event::Failed(error) => Some(Err(error)),
        }
    }
}
