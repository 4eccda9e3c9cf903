//! A whole answer, as it crosses: folded by `indwell`, so that no language adds events up itself.

use crate::event::{
    NativeFinishReason, NativePromptLogprob, NativeTimings, NativeTokenLogprob, NativeUsage,
};
use crate::message::NativeToolCall;

/// `indwell::Reply`.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::Reply documents them")]
pub struct NativeReply {
    pub text: String,
    pub reasoning: Option<String>,
    pub tool_calls: Vec<NativeToolCall>,
    pub finish_reason: NativeFinishReason,
    pub usage: NativeUsage,
    pub timings: NativeTimings,
    pub decode_tokens_per_second: f64,
    pub logprobs: Vec<NativeTokenLogprob>,
    pub prompt_logprobs: Vec<NativePromptLogprob>,
    pub alternatives: Vec<NativeChoice>,
}

/// `indwell::Choice`.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::Choice documents them")]
pub struct NativeChoice {
    pub text: String,
    pub reasoning: Option<String>,
    pub tool_calls: Vec<NativeToolCall>,
    pub finish_reason: NativeFinishReason,
    pub logprobs: Vec<NativeTokenLogprob>,
}

impl From<indwell::Reply> for NativeReply {
    fn from(reply: indwell::Reply) -> Self {
        Self {
            decode_tokens_per_second: reply.decode_tokens_per_second(),
            text: reply.text,
            reasoning: reply.reasoning,
            tool_calls: reply.tool_calls.into_iter().map(Into::into).collect(),
            finish_reason: reply.finish_reason.into(),
            usage: reply.usage.into(),
            timings: reply.timings.into(),
            logprobs: reply.logprobs.into_iter().map(Into::into).collect(),
            prompt_logprobs: reply.prompt_logprobs.into_iter().map(Into::into).collect(),
            alternatives: reply.alternatives.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<indwell::Choice> for NativeChoice {
    fn from(choice: indwell::Choice) -> Self {
        Self {
            text: choice.text,
            reasoning: choice.reasoning,
            tool_calls: choice.tool_calls.into_iter().map(Into::into).collect(),
            finish_reason: choice.finish_reason.into(),
            logprobs: choice.logprobs.into_iter().map(Into::into).collect(),
        }
    }
}
