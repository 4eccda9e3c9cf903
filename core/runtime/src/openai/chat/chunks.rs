//! A chat completion as chunks: for each choice one with the role, then what it says piece by piece,
//! then one with the reason of its end; last of all the usage, if asked for.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::openai::chunk::Chunks;
use crate::openai::logprobs::{ChatLogprobs, Tokens};
use crate::openai::stamp::{Kind, WireUsage};
use crate::openai::teller::Teller;
use crate::{Event, FinishReason, Result, TokenLogprob, ToolCallDelta};

/// Tells each event as it comes.
#[derive(Debug)]
pub(in crate::openai) struct ChatChunks {
    chunks: Chunks,
    /// `None` without log-probabilities.
    tokens: Option<Tokens>,
    usage: WireUsage,
    /// By choice, those that have begun.
    choices: BTreeMap<u32, Progress>,
}

/// How far a choice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Begun,
    Ended,
}

#[derive(Serialize)]
struct ChunkChoice {
    index: u32,
    delta: Delta,
    logprobs: Option<ChatLogprobs>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    /// Null only beside the role, where tools are called without a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Option<()>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[CallDelta; 1]>,
}

#[derive(Serialize)]
struct CallDelta {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    function: FunctionDelta,
}

#[derive(Serialize)]
struct FunctionDelta {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    arguments: String,
}

impl ChatChunks {
    pub(in crate::openai) fn new(
        model: String,
        tokens: Option<Tokens>,
        include_usage: bool,
    ) -> Self {
        Self {
            chunks: Chunks::now(Kind::ChatChunk, model, include_usage),
            tokens,
            usage: WireUsage::default(),
            choices: BTreeMap::new(),
        }
    }

    /// The first chunk of a choice says who speaks.
    fn begin(&mut self, choice: u32, content: Option<String>, told: &mut Vec<String>) {
        if self.choices.contains_key(&choice) {
            return;
        }
        self.choices.insert(choice, Progress::Begun);
        let role = Some("assistant");
        self.delta(
            choice,
            Delta { role, content: Some(content), refusal: Some(None), ..Delta::default() },
            told,
        );
    }

    fn end_choice(&mut self, choice: u32, reason: FinishReason, told: &mut Vec<String>) {
        self.begin(choice, Some(String::new()), told);
        if self.choices.insert(choice, Progress::Ended) == Some(Progress::Ended) {
            return;
        }
        let finish_reason = Some(reason.as_str());
        let end =
            ChunkChoice { index: choice, delta: Delta::default(), logprobs: None, finish_reason };
        told.push(self.chunks.of(&[end]));
    }

    fn delta(&self, index: u32, delta: Delta, told: &mut Vec<String>) {
        let choice = ChunkChoice { index, delta, logprobs: None, finish_reason: None };
        told.push(self.chunks.of(&[choice]));
    }

    fn logprobs(&self, logprobs: &[TokenLogprob]) -> Result<Option<ChatLogprobs>> {
        let tokens = self.tokens.as_ref().filter(|_| !logprobs.is_empty());
        tokens.map(|tokens| ChatLogprobs::of(tokens, logprobs)).transpose()
    }
}

impl Teller for ChatChunks {
    fn tell(&mut self, _request: usize, event: Event, told: &mut Vec<String>) -> Result<()> {
        match event {
            Event::Text(text) => {
                let logprobs = self.logprobs(&text.logprobs)?;
                if text.text.is_empty() && logprobs.is_none() {
                    return Ok(());
                }
                self.begin(text.choice, Some(String::new()), told);
                let content = (!text.text.is_empty()).then_some(Some(text.text));
                let delta = Delta { content, ..Delta::default() };
                let index = text.choice;
                let choice = ChunkChoice { index, delta, logprobs, finish_reason: None };
                told.push(self.chunks.of(&[choice]));
            }
            Event::Reasoning(reasoning) => {
                self.begin(reasoning.choice, Some(String::new()), told);
                let reasoning_content = Some(reasoning.text);
                let delta = Delta { reasoning_content, ..Delta::default() };
                self.delta(reasoning.choice, delta, told);
            }
            Event::ToolCall(call) => {
                self.begin(call.choice, None, told);
                let choice = call.choice;
                let tool_calls = Some([CallDelta::of(call)]);
                self.delta(choice, Delta { tool_calls, ..Delta::default() }, told);
            }
            Event::ChoiceFinished(finished) => {
                self.end_choice(finished.choice, finished.reason, told)
            }
            Event::Finished(finished) => {
                self.usage.add(&finished.usage);
                self.end_choice(0, finished.reason, told);
            }
            Event::PromptLogprobs(_) | Event::Cancelled | Event::Failed(_) => {}
        }
        Ok(())
    }

    fn end(&mut self, told: &mut Vec<String>) -> Result<()> {
        told.extend(self.chunks.last(self.usage));
        Ok(())
    }
}

impl CallDelta {
    fn of(call: ToolCallDelta) -> Self {
        let r#type = call.id.is_some().then_some("function");
        let function = FunctionDelta { name: call.name, arguments: call.arguments };
        Self { index: call.index, id: call.id, r#type, function }
    }
}
