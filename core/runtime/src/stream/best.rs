//! The best of several answers, by their log-probabilities.
//!
//! All of a request's choices are read to their ends before any is told. They are ranked by the mean
//! log-probability of their tokens, as OpenAI's `best_of` is ("the one with the highest log probability
//! per token"), and the best ones are told, best first.

use std::collections::VecDeque;

use crate::reply::{ChoiceFinished, FinishReason};
use crate::{Event, TextDelta};

/// Collects choices and tells the best.
#[derive(Debug)]
pub(crate) struct Best {
    /// How many are told.
    keep: usize,
    /// Whether their log-probabilities are told too; they are needed in any case.
    logprobs: bool,
    drafts: Vec<Draft>,
    prompt: Option<Event>,
}

#[derive(Debug, Default)]
struct Draft {
    said: TextDelta,
    reason: Option<FinishReason>,
}

impl Best {
    /// Of all choices the best `keep`; with their log-probabilities if these were asked for.
    pub(crate) fn new(keep: usize, logprobs: bool) -> Self {
        Self { keep, logprobs, drafts: Vec::new(), prompt: None }
    }

    /// Takes an event; a terminal one puts what is to be told into `out`.
    pub(super) fn take(&mut self, event: Event, out: &mut VecDeque<Event>) {
        match event {
            Event::Text(delta) => {
                let draft = self.draft(delta.choice);
                draft.said.text.push_str(&delta.text);
                draft.said.logprobs.extend(delta.logprobs);
            }
            Event::ChoiceFinished(end) => self.draft(end.choice).reason = Some(end.reason),
            Event::Finished(mut finished) => {
                let ranked = self.ranked();
                if let Some(first) = ranked.first().and_then(|draft| draft.reason) {
                    finished.reason = first;
                }
                out.extend(self.prompt.take());
                self.tell(ranked, finished.reason, out);
                out.push_back(Event::Finished(finished));
            }
            event if event.is_terminal() => out.push_back(event),
            Event::PromptLogprobs(_) => self.prompt = Some(event),
            // Only text is raw.
            _ => {}
        }
    }

    fn draft(&mut self, choice: u32) -> &mut Draft {
        let index = choice as usize;
        if self.drafts.len() <= index {
            self.drafts.resize_with(index + 1, Draft::default);
        }
        &mut self.drafts[index]
    }

    /// The best, best first; of equals, the earlier choice first.
    fn ranked(&mut self) -> Vec<Draft> {
        let mut drafts = std::mem::take(&mut self.drafts);
        drafts.sort_by(|one, other| other.mean_logprob().total_cmp(&one.mean_logprob()));
        drafts.truncate(self.keep);
        drafts
    }

    fn tell(&self, ranked: Vec<Draft>, reason: FinishReason, out: &mut VecDeque<Event>) {
        let several = ranked.len() > 1;
        for (choice, draft) in (0..).zip(ranked) {
            let logprobs = if self.logprobs { draft.said.logprobs } else { Vec::new() };
            out.push_back(Event::Text(TextDelta { choice, text: draft.said.text, logprobs }));
            if several {
                let reason = draft.reason.unwrap_or(reason);
                out.push_back(Event::ChoiceFinished(ChoiceFinished { choice, reason }));
            }
        }
    }
}

impl Draft {
    /// An answer of no tokens is certain.
    fn mean_logprob(&self) -> f64 {
        let tokens = &self.said.logprobs;
        if tokens.is_empty() {
            return 0.0;
        }
        let sum: f64 = tokens.iter().map(|token| f64::from(token.logprob)).sum();
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 tokens")]
        let count = tokens.len() as f64;
        sum / count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, Finished, Timings, TokenLogprob, Usage};

    fn said(choice: u32, text: &str, logprobs: &[f32]) -> Event {
        let logprob = |&logprob: &f32| TokenLogprob { logprob, ..TokenLogprob::default() };
        let logprobs = logprobs.iter().map(logprob).collect();
        Event::Text(TextDelta { choice, text: text.to_owned(), logprobs })
    }

    fn ended(choice: u32, reason: FinishReason) -> Event {
        Event::ChoiceFinished(ChoiceFinished { choice, reason })
    }

    fn finished() -> Event {
        let (usage, timings) = (Usage::default(), Timings::default());
        Event::Finished(Finished { reason: FinishReason::Stop, usage, timings })
    }

    fn told(best: &mut Best, events: impl IntoIterator<Item = Event>) -> Vec<Event> {
        let mut out = VecDeque::new();
        for event in events {
            assert!(out.is_empty(), "nothing is told before the end");
            best.take(event, &mut out);
        }
        out.into()
    }

    #[test]
    fn the_likeliest_a_token_is_told_first_whatever_its_length() {
        let mut best = Best::new(2, false);
        let events = [
            said(0, "long ", &[-0.5, -0.5]),
            said(1, "unlikely", &[-2.0]),
            said(2, "short", &[-0.7]),
            said(0, "one", &[-0.5, -0.5]),
            ended(1, FinishReason::Stop),
            ended(2, FinishReason::Stop),
            ended(0, FinishReason::Length),
            finished(),
        ];
        let told = told(&mut best, events);
        let [Event::Text(first), Event::ChoiceFinished(end), Event::Text(second), _, last] =
            &told[..]
        else {
            panic!("two choices and the end: {told:?}")
        };
        assert_eq!((first.text.as_str(), second.text.as_str()), ("long one", "short"));
        assert_eq!((end.choice, end.reason), (0, FinishReason::Length));
        assert!(first.logprobs.is_empty(), "nobody asked for them");
        assert!(matches!(last, Event::Finished(end) if end.reason == FinishReason::Length));
    }

    #[test]
    fn a_failure_is_told_alone() {
        let mut best = Best::new(1, true);
        let told = told(&mut best, [said(0, "x", &[-1.0]), Event::Failed(Error::closed())]);
        assert!(matches!(told[..], [Event::Failed(_)]));
    }
}
