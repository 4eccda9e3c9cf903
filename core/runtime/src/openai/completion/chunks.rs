//! A completion as chunks: for each choice its text piece by piece, its prompt first where that is
//! asked for, then one with the reason of its end; last of all the usage, if asked for.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::openai::chunk::Chunks;
use crate::openai::completion::Asked;
use crate::openai::logprobs::{CompletionLogprobs, Tokens};
use crate::openai::stamp::{Kind, WireUsage};
use crate::openai::teller::Teller;
use crate::{Event, FinishReason, PromptLogprob, Result, TextDelta};

/// Tells each event as it comes.
#[derive(Debug)]
pub(in crate::openai) struct CompletionChunks {
    chunks: Chunks,
    asked: Asked,
    /// Answers to each prompt.
    choices_each: u32,
    /// `None` without log-probabilities.
    tokens: Option<Tokens>,
    usage: WireUsage,
    /// Of the prompt that is being continued.
    prompt_logprobs: Vec<PromptLogprob>,
    /// By index, those that have begun.
    choices: BTreeMap<u32, Progress>,
}

/// How far a choice is.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Characters of its tokens so far.
    offset: usize,
    ended: bool,
}

#[derive(Serialize)]
struct ChunkChoice {
    text: String,
    index: u32,
    logprobs: Option<CompletionLogprobs>,
    finish_reason: Option<&'static str>,
}

impl CompletionChunks {
    pub(in crate::openai) fn new(
        model: String,
        asked: Asked,
        choices_each: u32,
        tokens: Option<Tokens>,
        include_usage: bool,
    ) -> Self {
        Self {
            chunks: Chunks::now(Kind::Completion, model, include_usage),
            asked,
            choices_each,
            tokens,
            usage: WireUsage::default(),
            prompt_logprobs: Vec::new(),
            choices: BTreeMap::new(),
        }
    }

    fn index(&self, request: usize, choice: u32) -> u32 {
        let request = u32::try_from(request).expect("prompts are few");
        request * self.choices_each + choice
    }

    fn text(&mut self, request: usize, delta: TextDelta, told: &mut Vec<String>) -> Result<()> {
        let index = self.index(request, delta.choice);
        self.begin(request, index, told)?;
        if self.asked.prompt_alone || (delta.text.is_empty() && delta.logprobs.is_empty()) {
            return Ok(());
        }
        let progress = self.choices.entry(index).or_default();
        let logprobs = self.tokens.as_ref().map(|tokens| {
            CompletionLogprobs::of(tokens, &[], &delta.logprobs, &mut progress.offset)
        });
        let logprobs = logprobs.transpose()?;
        self.chunk(ChunkChoice { text: delta.text, index, logprobs, finish_reason: None }, told);
        Ok(())
    }

    /// The prompt, before anything else of a choice.
    fn begin(&mut self, request: usize, index: u32, told: &mut Vec<String>) -> Result<()> {
        if self.choices.contains_key(&index) {
            return Ok(());
        }
        let progress = self.choices.entry(index).or_default();
        if !self.asked.echo {
            return Ok(());
        }
        let logprobs = self.tokens.as_ref().map(|tokens| {
            CompletionLogprobs::of(tokens, &self.prompt_logprobs, &[], &mut progress.offset)
        });
        let logprobs = logprobs.transpose()?;
        let text = self.asked.prompts[request].clone();
        self.chunk(ChunkChoice { text, index, logprobs, finish_reason: None }, told);
        Ok(())
    }

    fn end_choice(
        &mut self,
        request: usize,
        choice: u32,
        reason: FinishReason,
        told: &mut Vec<String>,
    ) -> Result<()> {
        let index = self.index(request, choice);
        self.begin(request, index, told)?;
        let progress = self.choices.entry(index).or_default();
        if std::mem::replace(&mut progress.ended, true) {
            return Ok(());
        }
        let reason = if self.asked.prompt_alone { "length" } else { reason.as_str() };
        let text = String::new();
        self.chunk(ChunkChoice { text, index, logprobs: None, finish_reason: Some(reason) }, told);
        Ok(())
    }

    fn chunk(&self, choice: ChunkChoice, told: &mut Vec<String>) {
        told.push(self.chunks.of(&[choice]));
    }
}

impl Teller for CompletionChunks {
    fn tell(&mut self, request: usize, event: Event, told: &mut Vec<String>) -> Result<()> {
        match event {
            Event::Text(delta) => self.text(request, delta, told),
            Event::PromptLogprobs(prompt) => {
                self.prompt_logprobs = prompt.tokens;
                Ok(())
            }
            Event::ChoiceFinished(finished) => {
                self.end_choice(request, finished.choice, finished.reason, told)
            }
            Event::Finished(finished) => {
                self.usage.add(&finished.usage);
                self.end_choice(request, 0, finished.reason, told)?;
                self.prompt_logprobs.clear();
                Ok(())
            }
            Event::Reasoning(_) | Event::ToolCall(_) | Event::Cancelled | Event::Failed(_) => {
                Ok(())
            }
        }
    }

    fn end(&mut self, told: &mut Vec<String>) -> Result<()> {
        let usage = self.usage;
        let usage = if self.asked.prompt_alone { usage.of_prompts_alone() } else { usage };
        told.extend(self.chunks.last(usage));
        Ok(())
    }
}
