//! Answers on their way out to JavaScript: replies whole, and streams event by event.
//!
//! Plain objects; field names become camelCase. Where something may be missing in a reply its field is
//! null; in an event it is left out.

use indwell::{
    CacheTier, Choice, ChoiceFinished, Finished, PromptLogprob, PromptLogprobs, ReasoningDelta,
    Reply, TextDelta, Timings, TokenLogprob, ToolCall, ToolCallDelta, TopLogprob, Usage,
};
use napi_derive::napi;

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct ReplyObject {
    pub text: String,
    pub reasoning: Option<String>,
    pub tool_calls: Vec<ToolCallObject>,
    pub finish_reason: &'static str,
    pub usage: UsageObject,
    pub timings: TimingsObject,
    pub decode_tokens_per_second: f64,
    pub logprobs: Vec<LogprobObject>,
    pub prompt_logprobs: Vec<PromptLogprobObject>,
    pub alternatives: Vec<ChoiceObject>,
}

impl From<Reply> for ReplyObject {
    fn from(reply: Reply) -> Self {
        Self {
            decode_tokens_per_second: reply.decode_tokens_per_second(),
            text: reply.text,
            reasoning: reply.reasoning,
            tool_calls: all(reply.tool_calls),
            finish_reason: reply.finish_reason.as_str(),
            usage: reply.usage.into(),
            timings: reply.timings.into(),
            logprobs: all(reply.logprobs),
            prompt_logprobs: all(reply.prompt_logprobs),
            alternatives: all(reply.alternatives),
        }
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct ChoiceObject {
    pub text: String,
    pub reasoning: Option<String>,
    pub tool_calls: Vec<ToolCallObject>,
    pub finish_reason: &'static str,
    pub logprobs: Vec<LogprobObject>,
}

impl From<Choice> for ChoiceObject {
    fn from(choice: Choice) -> Self {
        Self {
            text: choice.text,
            reasoning: choice.reasoning,
            tool_calls: all(choice.tool_calls),
            finish_reason: choice.finish_reason.as_str(),
            logprobs: all(choice.logprobs),
        }
    }
}

#[napi(object, object_from_js = false)]
pub struct ToolCallObject {
    pub id: String,
    pub name: String,
    pub arguments: String,
}

impl From<ToolCall> for ToolCallObject {
    fn from(call: ToolCall) -> Self {
        Self { id: call.id, name: call.name, arguments: call.arguments }
    }
}

/// More of the answer. Most are nothing but a text: those cross as that text alone, and
/// `lib/stream.cjs` makes objects of them.
#[napi(object, object_from_js = false)]
pub struct TextObject {
    #[napi(js_name = "type")]
    pub kind: &'static str,
    pub choice: u32,
    pub text: String,
    pub logprobs: Vec<LogprobObject>,
}

impl From<TextDelta> for TextObject {
    fn from(delta: TextDelta) -> Self {
        let TextDelta { choice, text, logprobs } = delta;
        Self { kind: "text", choice, text, logprobs: all(logprobs) }
    }
}

#[napi(object, object_from_js = false)]
pub struct ReasoningObject {
    #[napi(js_name = "type")]
    pub kind: &'static str,
    pub choice: u32,
    pub text: String,
}

impl From<ReasoningDelta> for ReasoningObject {
    fn from(ReasoningDelta { choice, text }: ReasoningDelta) -> Self {
        Self { kind: "reasoning", choice, text }
    }
}

#[napi(object, object_from_js = false)]
pub struct ToolCallDeltaObject {
    #[napi(js_name = "type")]
    pub kind: &'static str,
    pub choice: u32,
    pub index: u32,
    pub id: Option<String>,
    pub name: Option<String>,
    pub arguments: String,
}

impl From<ToolCallDelta> for ToolCallDeltaObject {
    fn from(delta: ToolCallDelta) -> Self {
        let ToolCallDelta { choice, index, id, name, arguments } = delta;
        Self { kind: "toolCall", choice, index, id, name, arguments }
    }
}

#[napi(object, object_from_js = false)]
pub struct PromptLogprobsObject {
    #[napi(js_name = "type")]
    pub kind: &'static str,
    pub tokens: Vec<PromptLogprobObject>,
}

impl From<PromptLogprobs> for PromptLogprobsObject {
    fn from(prompt: PromptLogprobs) -> Self {
        Self { kind: "promptLogprobs", tokens: all(prompt.tokens) }
    }
}

#[napi(object, object_from_js = false)]
pub struct ChoiceFinishedObject {
    #[napi(js_name = "type")]
    pub kind: &'static str,
    pub choice: u32,
    pub reason: &'static str,
}

impl From<ChoiceFinished> for ChoiceFinishedObject {
    fn from(ChoiceFinished { choice, reason }: ChoiceFinished) -> Self {
        Self { kind: "choiceFinished", choice, reason: reason.as_str() }
    }
}

#[napi(object, object_from_js = false)]
pub struct FinishedObject {
    #[napi(js_name = "type")]
    pub kind: &'static str,
    pub reason: &'static str,
    pub usage: UsageObject,
    pub timings: TimingsObject,
    pub decode_tokens_per_second: f64,
}

impl From<Finished> for FinishedObject {
    fn from(finished: Finished) -> Self {
        Self {
            kind: "finished",
            decode_tokens_per_second: finished.decode_tokens_per_second(),
            reason: finished.reason.as_str(),
            usage: finished.usage.into(),
            timings: finished.timings.into(),
        }
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct UsageObject {
    pub prompt_tokens: u32,
    pub completion_tokens: u32,
    pub total_tokens: u32,
    pub cached_tokens: u32,
    pub cache: Option<&'static str>,
    pub semantic_distance: Option<f64>,
}

impl From<Usage> for UsageObject {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: usage.total_tokens(),
            cached_tokens: usage.cached_tokens,
            cache: usage.cache.map(CacheTier::as_str),
            semantic_distance: usage.semantic_distance.map(Into::into),
        }
    }
}

#[napi(object, object_from_js = false)]
pub struct TimingsObject {
    pub queued_ms: f64,
    pub prefill_ms: f64,
    pub ttft_ms: f64,
    pub decode_ms: f64,
    pub total_ms: f64,
}

impl From<Timings> for TimingsObject {
    fn from(timings: Timings) -> Self {
        Self {
            queued_ms: timings.queued_ms,
            prefill_ms: timings.prefill_ms,
            ttft_ms: timings.ttft_ms,
            decode_ms: timings.decode_ms,
            total_ms: timings.total_ms,
        }
    }
}

#[napi(object, object_from_js = false)]
pub struct LogprobObject {
    pub token: i32,
    pub logprob: f64,
    pub top: Vec<TopLogprobObject>,
}

impl From<TokenLogprob> for LogprobObject {
    fn from(of: TokenLogprob) -> Self {
        Self { token: of.token, logprob: of.logprob.into(), top: all(of.top) }
    }
}

/// Of the first token nothing can be said: its `logprob` is null.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct PromptLogprobObject {
    pub token: i32,
    pub logprob: Option<f64>,
    pub top: Vec<TopLogprobObject>,
}

impl From<PromptLogprob> for PromptLogprobObject {
    fn from(of: PromptLogprob) -> Self {
        Self { token: of.token, logprob: of.logprob.map(Into::into), top: all(of.top) }
    }
}

#[napi(object, object_from_js = false)]
pub struct TopLogprobObject {
    pub token: i32,
    pub logprob: f64,
}

impl From<TopLogprob> for TopLogprobObject {
    fn from(of: TopLogprob) -> Self {
        Self { token: of.token, logprob: of.logprob.into() }
    }
}

fn all<T: Into<O>, O>(values: impl IntoIterator<Item = T>) -> Vec<O> {
    values.into_iter().map(Into::into).collect()
}
