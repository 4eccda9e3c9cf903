//! Raw events to those of text, reasoning and calls, on the reader's side: the worker, those who
//! share an answer and the response cache know raw text only.
//!
//! Reasoning is taken apart first, calls out of what is left. Log-probabilities stay on text, which
//! may be empty. What is held back is told before the event that ends its answer.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::calls::{CallPiece, CallReader, Known, Piece};
use super::format::Format;
use super::reasoning::{Part, ReasoningReader, Thoughts};
use crate::reply::{ReasoningDelta, ToolCallDelta};
use crate::{Event, FinishReason, TextDelta, TokenLogprob};

/// What is looked for in a request's answers.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) reasoning: Option<ReasoningPlan>,
    /// The form of calls, and what may be called.
    pub(crate) calls: Option<(&'static Format, Arc<Known>)>,
}

/// How reasoning is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReasoningPlan {
    pub(crate) thoughts: &'static Thoughts,
    /// Whether answers begin in it.
    pub(crate) inside: bool,
    /// Whether it is told apart, or left in the text.
    pub(crate) apart: bool,
}

impl Plan {
    /// Whether there is anything to look for.
    pub(crate) fn is_any(&self) -> bool {
        self.calls.is_some() || self.reasoning.is_some_and(|reasoning| reasoning.apart)
    }
}

/// Reads the answers of one request.
#[derive(Debug)]
pub(crate) struct Reading {
    plan: Plan,
    choices: Vec<Choice>,
}

/// One answer.
#[derive(Debug)]
struct Choice {
    index: u32,
    reasoning: Option<ReasoningReader>,
    calls: Option<CallReader>,
    short_ids: bool,
}

impl Reading {
    pub(crate) fn new(plan: Plan) -> Self {
        Self { plan, choices: Vec::new() }
    }

    /// Takes a raw event, and appends what is to be told for it.
    pub(crate) fn take(&mut self, event: Event, out: &mut VecDeque<Event>) {
        match event {
            Event::Text(delta) => self.choice(delta.choice).text(delta, out),
            Event::ChoiceFinished(mut finished) => {
                finished.reason = self.choice(finished.choice).end(finished.reason, out);
                out.push_back(Event::ChoiceFinished(finished));
            }
            Event::Finished(mut finished) => {
                finished.reason = self.choice(0).end(finished.reason, out);
                out.push_back(Event::Finished(finished));
            }
            event => {
                if event.is_terminal() {
                    self.choices.iter_mut().for_each(|choice| choice.flush(out));
                }
                out.push_back(event);
            }
        }
    }

    fn choice(&mut self, index: u32) -> &mut Choice {
        let at = index as usize;
        while self.choices.len() <= at {
            let index = u32::try_from(self.choices.len()).unwrap_or(u32::MAX);
            self.choices.push(Choice::new(index, &self.plan));
        }
        &mut self.choices[at]
    }
}

impl Choice {
    fn new(index: u32, plan: &Plan) -> Self {
        let calls = plan.calls.as_ref();
        Self {
            index,
            reasoning: plan
                .reasoning
                .map(|plan| ReasoningReader::new(plan.thoughts, plan.inside, !plan.apart)),
            calls: calls.map(|(format, known)| CallReader::new(format, Arc::clone(known))),
            short_ids: calls.is_some_and(|(format, _)| format.has_short_ids()),
        }
    }

    fn text(&mut self, delta: TextDelta, out: &mut VecDeque<Event>) {
        let mut logprobs = delta.logprobs;
        let parts = match &mut self.reasoning {
            Some(reasoning) => reasoning.take(&delta.text),
            None => vec![Part::Answer(delta.text)],
        };
        self.tell(parts, &mut logprobs, out);
        if !logprobs.is_empty() {
            out.push_back(self.text_event(String::new(), logprobs));
        }
    }

    /// The answer is over: why, with what was said.
    fn end(&mut self, reason: FinishReason, out: &mut VecDeque<Event>) -> FinishReason {
        self.flush(out);
        let calls = self.calls.as_ref().is_some_and(|calls| calls.count() > 0);
        if calls && reason == FinishReason::Stop { FinishReason::ToolCalls } else { reason }
    }

    fn flush(&mut self, out: &mut VecDeque<Event>) {
        let parts = self.reasoning.as_mut().map(ReasoningReader::finish).unwrap_or_default();
        let mut none = Vec::new();
        self.tell(parts, &mut none, out);
        let pieces = self.calls.as_mut().map(CallReader::finish).unwrap_or_default();
        self.tell_pieces(pieces, &mut none, out);
    }

    fn tell(
        &mut self,
        parts: Vec<Part>,
        logprobs: &mut Vec<TokenLogprob>,
        out: &mut VecDeque<Event>,
    ) {
        for part in parts {
            match part {
                Part::Reasoning(text) => {
                    let choice = self.index;
                    out.push_back(Event::Reasoning(ReasoningDelta { choice, text }));
                }
                Part::Thought(text) => {
                    out.push_back(self.text_event(text, std::mem::take(logprobs)))
                }
                Part::Answer(text) => {
                    let pieces = match &mut self.calls {
                        Some(calls) => calls.take(&text),
                        None if text.is_empty() => Vec::new(),
                        None => vec![Piece::Text(text)],
                    };
                    self.tell_pieces(pieces, logprobs, out);
                }
            }
        }
    }

    fn tell_pieces(
        &self,
        pieces: Vec<Piece>,
        logprobs: &mut Vec<TokenLogprob>,
        out: &mut VecDeque<Event>,
    ) {
        for piece in pieces {
            out.push_back(match piece {
                Piece::Text(text) => self.text_event(text, std::mem::take(logprobs)),
                Piece::Call(call) => Event::ToolCall(self.call(call)),
            });
        }
    }

    fn text_event(&self, text: String, logprobs: Vec<TokenLogprob>) -> Event {
        Event::Text(TextDelta { choice: self.index, text, logprobs })
    }

    fn call(&self, call: CallPiece) -> ToolCallDelta {
        ToolCallDelta {
            choice: self.index,
            index: call.index,
            id: call.name.is_some().then(|| call_id(self.short_ids)),
            name: call.name,
            arguments: call.arguments,
        }
    }
}

/// An id that no other call has: 22 letters and digits, 131 bits of them random. Some templates take
/// ids of nine letters and digits only.
fn call_id(short: bool) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    // The standard library's hash keys are random and differ for each state.
    let half = |part: u8| u128::from(RandomState::new().hash_one(part));
    let mut random = half(0) << 64 | half(1);
    let count = if short { 9 } else { 22 };
    let digits = (0..count).map(|_| {
        let digit = DIGITS[(random % 62) as usize];
        random /= 62;
        char::from(digit)
    });
    let digits: String = digits.collect();
    if short { digits } else { format!("call_{digits}") }
}

#[cfg(test)]
mod tests;
