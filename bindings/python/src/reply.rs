//! Events and replies on their way to Python: each becomes the frozen dataclass of the same name in
//! `indwell.reply` or `indwell.message`, built by position, so the field order here is the field order
//! there.

use indwell::{
    CacheTier, Choice, ChoiceFinished, ErrorKind, Event, Finished, PromptLogprob, PromptLogprobs,
    ReasoningDelta, Reply, TextDelta, Timings, TokenLogprob, ToolCall, ToolCallDelta, TopLogprob,
    Usage,
};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::error;
use crate::record::{Record, class};

/// An event; the exception, if it says that the request was cancelled or failed.
pub(crate) fn event<'py>(py: Python<'py>, event: &Event) -> Record<'py> {
    match event {
        Event::Text(delta) => text_delta(py, delta),
        Event::Reasoning(delta) => reasoning_delta(py, delta),
        Event::ToolCall(delta) => tool_call_delta(py, delta),
        Event::PromptLogprobs(prompt) => prompt_logprobs_event(py, prompt),
        Event::ChoiceFinished(end) => choice_finished(py, *end),
        Event::Finished(end) => finished(py, end),
        Event::Cancelled => Err(error::cancelled(py)),
        Event::Failed(failure) => Err(error::raise(py, failure)),
        _ => Err(error::of_kind(
            py,
            ErrorKind::Internal,
            "an event that the Python package does not know",
        )),
    }
}

pub(crate) fn reply<'py>(py: Python<'py>, reply: &Reply) -> Record<'py> {
    class!(py, "indwell.reply", "Reply")?.call1((
        &reply.text,
        reply.finish_reason.as_str(),
        usage(py, &reply.usage)?,
        timings(py, &reply.timings)?,
        logprobs(py, &reply.logprobs)?,
        reply.decode_tokens_per_second(),
        reply.reasoning.as_deref(),
        tool_calls(py, &reply.tool_calls)?,
        prompt_logprobs(py, &reply.prompt_logprobs)?,
        tuple(py, reply.alternatives.iter().map(|choice| self::choice(py, choice)))?,
    ))
}

fn choice<'py>(py: Python<'py>, choice: &Choice) -> Record<'py> {
    class!(py, "indwell.reply", "Choice")?.call1((
        &choice.text,
        choice.finish_reason.as_str(),
        logprobs(py, &choice.logprobs)?,
        choice.reasoning.as_deref(),
        tool_calls(py, &choice.tool_calls)?,
    ))
}

fn text_delta<'py>(py: Python<'py>, delta: &TextDelta) -> Record<'py> {
    class!(py, "indwell.reply", "TextDelta")?.call1((
        &delta.text,
        logprobs(py, &delta.logprobs)?,
        delta.choice,
    ))
}

fn reasoning_delta<'py>(py: Python<'py>, delta: &ReasoningDelta) -> Record<'py> {
    class!(py, "indwell.reply", "ReasoningDelta")?.call1((&delta.text, delta.choice))
}

fn tool_call_delta<'py>(py: Python<'py>, delta: &ToolCallDelta) -> Record<'py> {
    class!(py, "indwell.reply", "ToolCallDelta")?.call1((
        delta.index,
        delta.id.as_deref(),
        delta.name.as_deref(),
        &delta.arguments,
        delta.choice,
    ))
}

fn prompt_logprobs_event<'py>(py: Python<'py>, prompt: &PromptLogprobs) -> Record<'py> {
    class!(py, "indwell.reply", "PromptLogprobs")?.call1((prompt_logprobs(py, &prompt.tokens)?,))
}

fn choice_finished(py: Python<'_>, end: ChoiceFinished) -> Record<'_> {
    class!(py, "indwell.reply", "ChoiceFinished")?.call1((end.choice, end.reason.as_str()))
}

fn finished<'py>(py: Python<'py>, end: &Finished) -> Record<'py> {
    class!(py, "indwell.reply", "Finished")?.call1((
        end.reason.as_str(),
        usage(py, &end.usage)?,
        timings(py, &end.timings)?,
        end.decode_tokens_per_second(),
    ))
}

fn usage<'py>(py: Python<'py>, usage: &Usage) -> Record<'py> {
    class!(py, "indwell.reply", "Usage")?.call1((
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.cached_tokens,
        usage.cache.map(CacheTier::as_str),
        usage.semantic_distance,
    ))
}

fn timings<'py>(py: Python<'py>, timings: &Timings) -> Record<'py> {
    class!(py, "indwell.reply", "Timings")?.call1((
        timings.queued_ms,
        timings.prefill_ms,
        timings.ttft_ms,
        timings.decode_ms,
        timings.total_ms,
    ))
}

fn tool_calls<'py>(py: Python<'py>, calls: &[ToolCall]) -> PyResult<Bound<'py, PyTuple>> {
    let class = class!(py, "indwell.message", "ToolCall")?;
    tuple(py, calls.iter().map(|call| class.call1((&call.id, &call.name, &call.arguments))))
}

fn logprobs<'py>(py: Python<'py>, logprobs: &[TokenLogprob]) -> PyResult<Bound<'py, PyTuple>> {
    let class = class!(py, "indwell.reply", "TokenLogprob")?;
    let entries = logprobs
        .iter()
        .map(|entry| class.call1((entry.token, entry.logprob, top_logprobs(py, &entry.top)?)));
    tuple(py, entries)
}

fn prompt_logprobs<'py>(
    py: Python<'py>,
    logprobs: &[PromptLogprob],
) -> PyResult<Bound<'py, PyTuple>> {
    let class = class!(py, "indwell.reply", "PromptLogprob")?;
    let entries = logprobs
        .iter()
        .map(|entry| class.call1((entry.token, entry.logprob, top_logprobs(py, &entry.top)?)));
    tuple(py, entries)
}

fn top_logprobs<'py>(py: Python<'py>, top: &[TopLogprob]) -> PyResult<Bound<'py, PyTuple>> {
    let class = class!(py, "indwell.reply", "TopLogprob")?;
    tuple(py, top.iter().map(|entry| class.call1((entry.token, entry.logprob))))
}

fn tuple<'py>(
    py: Python<'py>,
    entries: impl Iterator<Item = Record<'py>>,
) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, entries.collect::<PyResult<Vec<_>>>()?)
}
