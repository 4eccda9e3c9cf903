//! What a request gives back: events as they come, or all of it as a reply.

use crate::mailbox::Terminal;
use crate::{CacheTier, Error, ToolCall};

/// What a stream yields: any number of the first kinds, then exactly one of `Finished`, `Cancelled`
/// and `Failed`, then nothing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The prompt's tokens with their log-probabilities; once, before all else, where asked for.
    PromptLogprobs(PromptLogprobs),
    /// More of what the model thinks before it answers.
    Reasoning(ReasoningDelta),
    /// More of the answer.
    Text(TextDelta),
    /// More of a tool call.
    ToolCall(ToolCallDelta),
    /// One of several answers is complete: once for each, where there are several.
    ChoiceFinished(ChoiceFinished),
    /// The answer is complete, or all of them are.
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
        matches!(self, Event::Finished(_) | Event::Cancelled | Event::Failed(_))
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

/// The prompt's tokens with their log-probabilities.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PromptLogprobs {
    /// One for each token of the prompt.
    pub tokens: Vec<PromptLogprob>,
}

/// A token of the prompt with its log-probability.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PromptLogprob {
    /// The token's id in the model's vocabulary.
    pub token: i32,
    /// ln p of it after those before it, under the model at temperature 1. `None` for the first token:
    /// nothing precedes it.
    pub logprob: Option<f32>,
    /// The likeliest tokens in its place, likeliest first; empty unless asked for.
    pub top: Box<[TopLogprob]>,
}

/// More of what the model thinks before it answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReasoningDelta {
    /// Which of several answers; 0 where there is one.
    pub choice: u32,
    /// The text, whole characters only.
    pub text: String,
}

/// More of a tool call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolCallDelta {
    /// Which of several answers; 0 where there is one.
    pub choice: u32,
    /// Which of the answer's calls, from 0.
    pub index: u32,
    /// The call's id; in its first event.
    pub id: Option<String>,
    /// The tool's name; in its first event.
    pub name: Option<String>,
    /// More of the arguments, which are JSON once the call is whole.
    pub arguments: String,
}

/// One of several answers is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChoiceFinished {
    /// Which one.
    pub choice: u32,
    /// Why it ended.
    pub reason: FinishReason,
}

/// Why a finished answer is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FinishReason {
    /// The model ended it, or a stop string was reached.
    Stop,
    /// `max_tokens` or the context's end was reached.
    Length,
    /// The model ended it, and calls tools.
    ToolCalls,
}

impl FinishReason {
    /// The OpenAI API's name for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            FinishReason::Stop => "stop",
            FinishReason::Length => "length",
            FinishReason::ToolCalls => "tool_calls",
        }
    }
}

impl From<indwell_kernel::FinishReason> for FinishReason {
    fn from(reason: indwell_kernel::FinishReason) -> Self {
        match reason {
            indwell_kernel::FinishReason::Stop => FinishReason::Stop,
            indwell_kernel::FinishReason::Length => FinishReason::Length,
        }
    }
}

/// More of the answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextDelta {
    /// Which of several answers; 0 where there is one.
    pub choice: u32,
    /// The text, whole characters only. Empty in events that bring nothing but
    /// log-probabilities.
    pub text: String,
    /// One for each token since the last event, those of reasoning and of tool calls included; empty
    /// unless asked for.
    pub logprobs: Vec<TokenLogprob>,
}

/// A token of the answer with its log-probability.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TokenLogprob {
    /// The token's id in the model's vocabulary.
    pub token: i32,
    /// ln p under the model at temperature 1, before any filter.
    pub logprob: f32,
    /// The likeliest tokens in its place, likeliest first; empty unless asked for.
    pub top: Box<[TopLogprob]>,
}

/// A token that could have come, with its log-probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TopLogprob {
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
    /// Each of its answers, in the order of their numbers.
    pub(crate) fn into_choices(self) -> Vec<Choice> {
        let first = Choice {
            text: self.text,
            reasoning: self.reasoning,
            tool_calls: self.tool_calls,
            finish_reason: self.finish_reason,
            logprobs: self.logprobs,
        };
        std::iter::once(first).chain(self.alternatives).collect()
    }

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
#[non_exhaustive]
pub struct Reply {
    /// The whole text, without reasoning and tool calls.
    pub text: String,
    /// What the model thought before it answered, if it did.
    pub reasoning: Option<String>,
    /// The tools that it calls.
    pub tool_calls: Vec<ToolCall>,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// What it took in tokens.
    pub usage: Usage,
    /// What it took in time.
    pub timings: Timings,
    /// One for each token of the answer; empty unless asked for.
    pub logprobs: Vec<TokenLogprob>,
    /// One for each token of the prompt; empty unless asked for.
    pub prompt_logprobs: Vec<PromptLogprob>,
    /// The other answers, where several were asked for: this one is choice 0, the first of these
    /// choice 1.
    pub alternatives: Vec<Choice>,
}

/// One of several complete answers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Choice {
    /// The whole text, without reasoning and tool calls.
    pub text: String,
    /// What the model thought before it answered, if it did.
    pub reasoning: Option<String>,
    /// The tools that it calls.
    pub tool_calls: Vec<ToolCall>,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// One for each token of the answer; empty unless asked for.
    pub logprobs: Vec<TokenLogprob>,
}
