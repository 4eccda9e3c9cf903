//! Folds a stream's events into its reply.

use crate::reply::{
    Choice, ChoiceFinished, Event, FinishReason, Finished, PromptLogprob, ReasoningDelta, Reply,
    TextDelta, TokenLogprob, ToolCallDelta,
};
use crate::{Error, Result, ToolCall};

/// Takes a stream's events, one after the other, and gives the reply that they add up to.
#[derive(Debug, Default)]
pub struct ReplyFold {
    choices: Vec<Draft>,
    prompt_logprobs: Vec<PromptLogprob>,
}

/// A choice in the making.
#[derive(Debug, Default)]
struct Draft {
    text: String,
    reasoning: Option<String>,
    tool_calls: Vec<ToolCall>,
    logprobs: Vec<TokenLogprob>,
    reason: Option<FinishReason>,
}

impl ReplyFold {
    /// Takes an event; a terminal one gives the result. An event after it begins a new reply.
    pub fn take(&mut self, event: Event) -> Option<Result<Reply>> {
        match event {
            Event::PromptLogprobs(prompt) => self.prompt_logprobs.extend(prompt.tokens),
            Event::Reasoning(ReasoningDelta { choice, text }) => {
                self.choice(choice).reasoning.get_or_insert_default().push_str(&text);
            }
            Event::Text(TextDelta { choice, text, logprobs }) => {
                let draft = self.choice(choice);
                // Most answers come in one event from the cache: nothing is copied then.
                if draft.text.is_empty() {
                    draft.text = text
                } else {
                    draft.text.push_str(&text)
                }
                draft.logprobs.extend(logprobs);
            }
            Event::ToolCall(delta) => self.choice(delta.choice).call(delta),
            Event::ChoiceFinished(ChoiceFinished { choice, reason }) => {
                self.choice(choice).reason = Some(reason);
            }
            Event::Finished(finished) => return Some(Ok(self.finish(finished))),
            Event::Cancelled => return Some(Err(Error::cancelled())),
            Event::Failed(error) => return Some(Err(error)),
        }
        None
    }

    fn choice(&mut self, choice: u32) -> &mut Draft {
        let index = choice as usize;
        if self.choices.len() <= index {
            self.choices.resize_with(index + 1, Draft::default);
        }
        &mut self.choices[index]
    }

    fn finish(&mut self, finished: Finished) -> Reply {
        let Finished { reason, usage, timings } = finished;
        let Self { choices, prompt_logprobs } = std::mem::take(self);
        let mut choices = choices.into_iter();
        // The first choice ends as the whole does; an answer of nothing has had no event of its own.
        let first = choices.next().unwrap_or_default();
        Reply {
            text: first.text,
            reasoning: first.reasoning,
            tool_calls: first.tool_calls,
            finish_reason: reason,
            usage,
            timings,
            logprobs: first.logprobs,
            prompt_logprobs,
            alternatives: choices.map(|draft| draft.finish(reason)).collect(),
        }
    }
}

impl Draft {
    fn call(&mut self, delta: ToolCallDelta) {
        let index = delta.index as usize;
        if self.tool_calls.len() <= index {
            self.tool_calls.resize_with(index + 1, ToolCall::default);
        }
        let call = &mut self.tool_calls[index];
        if let Some(id) = delta.id {
            call.id = id;
        }
        if let Some(name) = delta.name {
            call.name = name;
        }
        call.arguments.push_str(&delta.arguments);
    }

    /// The choice; `reason` if it was not told its own.
    fn finish(self, reason: FinishReason) -> Choice {
        Choice {
            text: self.text,
            reasoning: self.reasoning,
            tool_calls: self.tool_calls,
            finish_reason: self.reason.unwrap_or(reason),
            logprobs: self.logprobs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::{Timings, Usage};

    fn text(choice: u32, text: &str) -> Event {
        Event::Text(TextDelta { choice, text: text.to_owned(), logprobs: Vec::new() })
    }

    fn call(index: u32, id: Option<&str>, arguments: &str) -> Event {
        Event::ToolCall(ToolCallDelta {
            choice: 0,
            index,
            id: id.map(str::to_owned),
            name: id.map(|_| "look_up".to_owned()),
            arguments: arguments.to_owned(),
        })
    }

    fn fold(events: impl IntoIterator<Item = Event>, reason: FinishReason) -> Reply {
        let finished = Finished { reason, usage: Usage::default(), timings: Timings::default() };
        let mut fold = ReplyFold::default();
        let events = events.into_iter().chain([Event::Finished(finished)]);
        let mut results = events.filter_map(|event| fold.take(event));
        results.next().expect("a terminal event").expect("finished")
    }

    #[test]
    fn pieces_add_up_by_choice() {
        let events = [text(1, "x"), text(0, "a"), text(1, "y"), text(0, "b")];
        let ended = [1, 0].map(|choice| {
            let reason = if choice == 0 { FinishReason::Stop } else { FinishReason::Length };
            Event::ChoiceFinished(ChoiceFinished { choice, reason })
        });
        let reply = fold(events.into_iter().chain(ended), FinishReason::Stop);
        assert_eq!((reply.text.as_str(), reply.finish_reason), ("ab", FinishReason::Stop));
        let [other] = &reply.alternatives[..] else { panic!("two choices") };
        assert_eq!((other.text.as_str(), other.finish_reason), ("xy", FinishReason::Length));
    }

    #[test]
    fn calls_add_up_by_index() {
        let events = [call(0, Some("a"), "{"), call(0, None, "}"), call(1, Some("b"), "{\"x\":1}")];
        let reply = fold(events, FinishReason::ToolCalls);
        let calls: Vec<_> =
            reply.tool_calls.iter().map(|c| (c.id.as_str(), c.arguments.as_str())).collect();
        assert_eq!(calls, [("a", "{}"), ("b", "{\"x\":1}")]);
        assert_eq!(reply.reasoning, None);
    }

    #[test]
    fn an_answer_of_nothing_is_a_reply() {
        let reply = fold([], FinishReason::Length);
        assert_eq!((reply.text.as_str(), reply.alternatives.len()), ("", 0));
    }
}
