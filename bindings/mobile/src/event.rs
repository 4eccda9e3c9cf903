//! What a stream says, as it crosses.

use crate::cache::NativeCacheTier;
use crate::error::NativeError;

/// `indwell::Event`. The last three end a stream; exactly one of them comes.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
#[expect(missing_docs, reason = "indwell::Event documents them")]
pub enum NativeEvent {
    Text {
        text: String,
        logprobs: Vec<NativeTokenLogprob>,
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
#[derive(Debug, Clone, Copy, PartialEq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::TokenLogprob documents them")]
pub struct NativeTokenLogprob {
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
            indwell::Event::Text(delta) => Self::Text {
                text: delta.text,
                logprobs: delta.logprobs.into_iter().map(Into::into).collect(),
            },
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
    fn from(indwell::TokenLogprob { token, logprob, .. }: indwell::TokenLogprob) -> Self {
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
