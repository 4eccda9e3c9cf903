//! A completion as one object.

use serde::Serialize;

use crate::openai::completion::Asked;
use crate::openai::logprobs::{CompletionLogprobs, Tokens};
use crate::openai::stamp::{Kind, Stamp, WireUsage};
use crate::openai::teller::Teller;
use crate::{Choice, Event, PromptLogprob, ReplyFold, Result};

/// Waits for all answers, and tells them.
#[derive(Debug)]
pub(in crate::openai) struct CompletionWhole {
    stamp: Stamp,
    asked: Asked,
    /// `None` without log-probabilities.
    tokens: Option<Tokens>,
    fold: ReplyFold,
    choices: Vec<WireChoice>,
    usage: WireUsage,
}

#[derive(Serialize)]
struct Body<'s> {
    #[serde(flatten)]
    stamp: &'s Stamp,
    choices: &'s [WireChoice],
    usage: WireUsage,
}

#[derive(Debug, Serialize)]
struct WireChoice {
    text: String,
    index: usize,
    logprobs: Option<CompletionLogprobs>,
    finish_reason: &'static str,
}

impl CompletionWhole {
    pub(in crate::openai) fn new(model: String, asked: Asked, tokens: Option<Tokens>) -> Self {
        Self {
            stamp: Stamp::now(Kind::Completion, model),
            asked,
            tokens,
            fold: ReplyFold::default(),
            choices: Vec::new(),
            usage: WireUsage::default(),
        }
    }

    fn add(&mut self, request: usize, choice: Choice, prompt: &[PromptLogprob]) -> Result<()> {
        let Asked { prompts, echo, prompt_alone } = &self.asked;
        let answer = if *prompt_alone { &[][..] } else { &choice.logprobs };
        let logprobs = self.tokens.as_ref();
        let logprobs =
            logprobs.map(|tokens| CompletionLogprobs::of(tokens, prompt, answer, &mut 0));
        let mut text = if *echo { prompts[request].clone() } else { String::new() };
        if !*prompt_alone {
            text.push_str(&choice.text);
        }
        self.choices.push(WireChoice {
            text,
            index: self.choices.len(),
            logprobs: logprobs.transpose()?,
            finish_reason: if *prompt_alone { "length" } else { choice.finish_reason.as_str() },
        });
        Ok(())
    }
}

impl Teller for CompletionWhole {
    fn tell(&mut self, request: usize, event: Event, _told: &mut Vec<String>) -> Result<()> {
        let Some(reply) = self.fold.take(event) else { return Ok(()) };
        let mut reply = reply?;
        self.fold = ReplyFold::default();
        self.usage.add(&reply.usage);
        let prompt = std::mem::take(&mut reply.prompt_logprobs);
        for choice in reply.into_choices() {
            self.add(request, choice, &prompt)?;
        }
        Ok(())
    }

    fn end(&mut self, told: &mut Vec<String>) -> Result<()> {
        let usage = self.usage;
        let usage = if self.asked.prompt_alone { usage.of_prompts_alone() } else { usage };
        let body = Body { stamp: &self.stamp, choices: &self.choices, usage };
        told.push(serde_json::to_string(&body).expect("an answer is always JSON"));
        Ok(())
    }
}
