//! What a stream says, as it crosses.

use crate::cache::NativeCacheTier;
use crate::error::NativeError;

/// `indwell::Event`. The last three end a stream; exactly one of them comes.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
#[expect(missing_docs, reason = "indwell::Event documents them")]
pub enum NativeEvent {
    PromptLogprobs {
        tokens: Vec<NativePromptLogprob>,
    },
    Reasoning {
        choice: u32,
        text: String,
    },
    Text {
        choice: u32,
        text: String,
        logprobs: Vec<NativeTokenLogprob>,
    },
    ToolCall {
        choice: u32,
        index: u32,
        id: Option<String>,
        name: Option<String>,
        arguments: String,
    },
    ChoiceFinished {
        choice: u32,
        reason: NativeFinishReason,
    },
    Finished {
        reason: NativeFinishReason,
        usage: NativeUsage,
        timings: NativeTimings,
        decode_tokens_per_second: f64,
    },
    Cancelled,
    Failed {
        error: NativeError,
    },
}

/// `indwell::TokenLogprob`.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::TokenLogprob documents them")]
pub struct NativeTokenLogprob {
    pub token: i32,
    pub logprob: f32,
    pub top: Vec<NativeTopLogprob>,
}

/// `indwell::PromptLogprob`.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::PromptLogprob documents them")]
pub struct NativePromptLogprob {
    pub token: i32,
    pub logprob: Option<f32>,
    pub top: Vec<NativeTopLogprob>,
}

/// `indwell::TopLogprob`.
#[derive(Debug, Clone, Copy, PartialEq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::TopLogprob documents them")]
pub struct NativeTopLogprob {
    pub token: i32,
    pub logprob: f32,
}

/// `indwell::FinishReason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
#[expect(missing_docs, reason = "indwell::FinishReason documents them")]
pub enum NativeFinishReason {
    Stop,
    Length,
    ToolCalls,
}

/// `indwell::Usage`.
#[derive(Debug, Clone, Copy, PartialEq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::Usage documents them")]
pub struct NativeUsage {
    pub prompt_tokens: u32,
    pub completion_tokens: u32,
    pub cached_tokens: u32,
    pub cache: Option<NativeCacheTier>,
    pub semantic_distance: Option<f32>,
}

/// `indwell::Timings`.
#[derive(Debug, Clone, Copy, PartialEq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::Timings documents them")]
pub struct NativeTimings {
    pub queued_ms: f64,
    pub prefill_ms: f64,
    pub ttft_ms: f64,
    pub decode_ms: f64,
    pub total_ms: f64,
}

impl From<indwell::Event> for NativeEvent {
    fn from(event: indwell::Event) -> Self {
        match event {
            indwell::Event::PromptLogprobs(prompt) => {
                Self::PromptLogprobs { tokens: prompt.tokens.into_iter().map(Into::into).collect() }
            }
            indwell::Event::Reasoning(indwell::ReasoningDelta { choice, text }) => {
                Self::Reasoning { choice, text }
            }
            indwell::Event::Text(indwell::TextDelta { choice, text, logprobs }) => Self::Text {
                choice,
                text,
                logprobs: logprobs.into_iter().map(Into::into).collect(),
            },
            indwell::Event::ToolCall(delta) => {
                let indwell::ToolCallDelta { choice, index, id, name, arguments } = delta;
                Self::ToolCall { choice, index, id, name, arguments }
            }
            indwell::Event::ChoiceFinished(indwell::ChoiceFinished { choice, reason }) => {
                Self::ChoiceFinished { choice, reason: reason.into() }
            }
            indwell::Event::Finished(end) => Self::Finished {
                decode_tokens_per_second: end.decode_tokens_per_second(),
                reason: end.reason.into(),
                usage: end.usage.into(),
                timings: end.timings.into(),
            },
            indwell::Event::Cancelled => Self::Cancelled,
            indwell::Event::Failed(error) => Self::Failed { error: error.into() },
            other => Self::Failed {
                error: NativeError::internal(format!(
                    "an event this binding does not know: {other:?}"
                )),
            },
        }
    }
}

impl From<indwell::TokenLogprob> for NativeTokenLogprob {
    fn from(indwell::TokenLogprob { token, logprob, top }: indwell::TokenLogprob) -> Self {
        Self { token, logprob, top: top.into_iter().map(Into::into).collect() }
    }
}

impl From<indwell::PromptLogprob> for NativePromptLogprob {
    fn from(indwell::PromptLogprob { token, logprob, top }: indwell::PromptLogprob) -> Self {
        Self { token, logprob, top: top.into_iter().map(Into::into).collect() }
    }
}

impl From<indwell::TopLogprob> for NativeTopLogprob {
    fn from(indwell::TopLogprob { token, logprob }: indwell::TopLogprob) -> Self {
        Self { token, logprob }
    }
}

impl From<indwell::FinishReason> for NativeFinishReason {
    fn from(reason: indwell::FinishReason) -> Self {
        match reason {
            indwell::FinishReason::Stop => Self::Stop,
            indwell::FinishReason::ToolCalls => Self::ToolCalls,
            _ => Self::Length,
        }
    }
}

impl From<indwell::Usage> for NativeUsage {
    fn from(usage: indwell::Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            cached_tokens: usage.cached_tokens,
            cache: usage.cache.map(Into::into),
            semantic_distance: usage.semantic_distance,
        }
    }
}

impl From<indwell::Timings> for NativeTimings {
    fn from(timings: indwell::Timings) -> Self {
        Self {
            queued_ms: timings.queued_ms,
            prefill_ms: timings.prefill_ms,
            ttft_ms: timings.ttft_ms,
            decode_ms: timings.decode_ms,
            total_ms: timings.total_ms,
        }
    }
}
