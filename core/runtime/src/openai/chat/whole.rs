//! A chat completion as one object.

use serde::Serialize;

use crate::openai::logprobs::{ChatLogprobs, Tokens};
use crate::openai::stamp::{Kind, Stamp, WireUsage};
use crate::openai::teller::Teller;
use crate::{Choice, Event, Reply, ReplyFold, Result, ToolCall};

/// Waits for the whole answer, and tells it.
#[derive(Debug)]
pub(in crate::openai) struct ChatWhole {
    stamp: Stamp,
    /// `None` without log-probabilities.
    tokens: Option<Tokens>,
    fold: ReplyFold,
    reply: Option<Reply>,
}

#[derive(Serialize)]
struct Body<'s> {
    #[serde(flatten)]
    stamp: &'s Stamp,
    choices: Vec<WireChoice>,
    usage: WireUsage,
}

#[derive(Serialize)]
struct WireChoice {
    index: usize,
    message: WireMessage,
    logprobs: Option<ChatLogprobs>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct WireMessage {
    role: &'static str,
    /// Null where tools are called without a word.
    content: Option<String>,
    refusal: Option<()>,
    annotations: [(); 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<WireCall>,
}

#[derive(Serialize)]
struct WireCall {
    id: String,
    r#type: &'static str,
    function: WireFunction,
}

#[derive(Serialize)]
struct WireFunction {
    name: String,
    arguments: String,
}

impl ChatWhole {
    pub(in crate::openai) fn new(model: String, tokens: Option<Tokens>) -> Self {
        let stamp = Stamp::now(Kind::Chat, model);
        Self { stamp, tokens, fold: ReplyFold::default(), reply: None }
    }

    fn choice(&self, index: usize, choice: Choice) -> Result<WireChoice> {
        let logprobs =
            self.tokens.as_ref().map(|tokens| ChatLogprobs::of(tokens, &choice.logprobs));
        Ok(WireChoice {
            index,
            logprobs: logprobs.transpose()?,
            finish_reason: choice.finish_reason.as_str(),
            message: WireMessage::of(choice),
        })
    }
}

impl Teller for ChatWhole {
    fn tell(&mut self, _request: usize, event: Event, _told: &mut Vec<String>) -> Result<()> {
        if let Some(reply) = self.fold.take(event) {
            self.reply = Some(reply?);
        }
        Ok(())
    }

    fn end(&mut self, told: &mut Vec<String>) -> Result<()> {
        let reply = self.reply.take().expect("a finished stream made a reply");
        let mut usage = WireUsage::default();
        usage.add(&reply.usage);
        let choices = reply.into_choices().into_iter().enumerate();
        let choices = choices.map(|(index, choice)| self.choice(index, choice));
        let body = Body { stamp: &self.stamp, choices: choices.collect::<Result<_>>()?, usage };
        told.push(serde_json::to_string(&body).expect("an answer is always JSON"));
        Ok(())
    }
}

impl WireMessage {
    fn of(choice: Choice) -> Self {
        let says_nothing = choice.text.is_empty() && !choice.tool_calls.is_empty();
        Self {
            role: "assistant",
            content: (!says_nothing).then_some(choice.text),
            refusal: None,
            annotations: [],
            reasoning_content: choice.reasoning,
            tool_calls: choice.tool_calls.into_iter().map(WireCall::of).collect(),
        }
    }
}

impl WireCall {
    fn of(call: ToolCall) -> Self {
        let function = WireFunction { name: call.name, arguments: call.arguments };
        Self { id: call.id, r#type: "function", function }
    }
}
