//! Where a stream's events come from: the mailbox of one computation, or of each of several.
//!
//! It knows what the worker says, and not what the text means. Several computations are the answers
//! to one request, its choices: their events are told as they come, each with its choice, in turn so
//! that none waits behind another. Each choice's end is told, and the request's once all have ended.
//! One that fails fails the request.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

use indwell_kernel::RequestId;

use crate::mailbox::{Look, Receiver, Taken};
use crate::reply::ChoiceFinished;
use crate::{Event, Finished, TextDelta};

/// The events of one request's computations.
#[derive(Debug, Default)]
pub(super) struct Source {
    parts: Vec<Part>,
    /// Where the next look begins.
    next: usize,
    /// What is told next, whatever comes.
    waiting: Option<Event>,
    ended: bool,
}

/// One computation.
#[derive(Debug)]
struct Part {
    request: RequestId,
    receiver: Receiver,
    /// How it ended, if it has.
    finished: Option<Finished>,
}

/// What a look gave.
#[derive(Debug)]
pub(super) enum Found {
    /// An event, and who waits to be told that there is room again.
    Event(Event, Option<RequestId>),
    /// Nothing now.
    Nothing,
    /// Nothing ever again.
    End,
}

impl Source {
    /// The events of one computation.
    pub(super) fn new(request: RequestId, receiver: Receiver) -> Self {
        Self { parts: vec![Part { request, receiver, finished: None }], ..Self::default() }
    }

    /// The requests of all computations, to be cancelled by.
    pub(super) fn requests(&self) -> impl Iterator<Item = RequestId> + '_ {
        self.parts.iter().map(|part| part.request)
    }

    /// Looks once.
    pub(super) fn try_take(&mut self) -> Found {
        self.look(|receiver| receiver.try_take())
    }

    /// Looks until there is something, or `deadline` has passed; `None` waits for ever.
    pub(super) fn take_until(&mut self, deadline: Option<Instant>) -> Found {
        if let [part] = &mut self.parts[..] {
            return match part.receiver.take_until(deadline) {
                Look::Taken(taken) => {
                    Found::Event(taken.event, taken.resume.then_some(part.request))
                }
                Look::Empty => Found::Nothing,
                Look::Ended => Found::End,
            };
        }
        let waker = Waker::from(Arc::new(Unparker(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match self.poll_take(&mut context) {
                Poll::Ready(found) => return found,
                Poll::Pending => {}
            }
            match deadline {
                None => std::thread::park(),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Found::Nothing;
                    }
                    std::thread::park_timeout(left);
                }
            }
        }
    }

    /// Looks, and leaves the task's waker if there is nothing.
    pub(super) fn poll_take(&mut self, context: &mut Context<'_>) -> Poll<Found> {
        let found = self.look(|receiver| match receiver.poll_take(context) {
            Poll::Ready(look) => look,
            Poll::Pending => Look::Empty,
        });
        match found {
            Found::Nothing => Poll::Pending,
            found => Poll::Ready(found),
        }
    }

    fn look(&mut self, mut take: impl FnMut(&mut Receiver) -> Look) -> Found {
        if let Some(event) = self.waiting.take() {
            return Found::Event(event, None);
        }
        if self.ended {
            return Found::End;
        }
        let count = self.parts.len();
        for turn in 0..count {
            let at = (self.next + turn) % count;
            let part = &mut self.parts[at];
            if part.finished.is_some() {
                continue;
            }
            match take(&mut part.receiver) {
                Look::Taken(Taken { event, resume }) => {
                    let resume = resume.then_some(part.request);
                    self.next = (at + 1) % count;
                    return Found::Event(self.of_choice(at, event), resume);
                }
                Look::Empty => {}
                Look::Ended => {}
            }
        }
        Found::Nothing
    }

    /// What is told of an event of the computation `at`.
    fn of_choice(&mut self, at: usize, event: Event) -> Event {
        let choice = u32::try_from(at).unwrap_or(u32::MAX);
        match event {
            Event::Finished(finished) if self.parts.len() > 1 => {
                let reason = finished.reason;
                self.parts[at].finished = Some(finished);
                self.waiting = self.all_finished().map(Event::Finished);
                self.ended = self.waiting.is_some();
                Event::ChoiceFinished(ChoiceFinished { choice, reason })
            }
            Event::Text(delta) => Event::Text(TextDelta { choice, ..delta }),
            event => {
                self.ended = event.is_terminal();
                event
            }
        }
    }

    /// How the request ended, once all of its choices have: the prompt counts once, as the first
    /// choice found it, and the times are from the first that began to the last that ended.
    fn all_finished(&self) -> Option<Finished> {
        let mut all = self.parts.iter().map(|part| part.finished.as_ref());
        let mut whole = all.next()??.clone();
        for finished in all {
            let Finished { usage, timings, .. } = finished?;
            let ended_ms = whole.timings.ttft_ms + whole.timings.decode_ms;
            let ended_ms = ended_ms.max(timings.ttft_ms + timings.decode_ms);
            whole.usage.completion_tokens += usage.completion_tokens;
            whole.timings.queued_ms = whole.timings.queued_ms.min(timings.queued_ms);
            whole.timings.prefill_ms = whole.timings.prefill_ms.min(timings.prefill_ms);
            whole.timings.ttft_ms = whole.timings.ttft_ms.min(timings.ttft_ms);
            whole.timings.decode_ms = ended_ms - whole.timings.ttft_ms;
            whole.timings.total_ms = whole.timings.total_ms.max(timings.total_ms);
        }
        Some(whole)
    }
}

/// Of several requests' computations one request's, which are its choices in this order.
impl FromIterator<Source> for Source {
    fn from_iter<T: IntoIterator<Item = Source>>(sources: T) -> Self {
        let parts = sources.into_iter().flat_map(|source| source.parts).collect();
        Self { parts, ..Self::default() }
    }
}

/// Wakes the thread that waits.
struct Unparker(Thread);

impl Wake for Unparker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use indwell_kernel::FinishReason;

    use super::*;
    use crate::mailbox::{Sender, mailbox};
    use crate::{Error, Timings, Usage};

    fn source(choices: u64) -> (Vec<Sender<Event>>, Source) {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..choices).map(|_| mailbox(2)).unzip();
        let sources = (0..).map(RequestId).zip(receivers);
        (senders, sources.map(|(request, receiver)| Source::new(request, receiver)).collect())
    }

    fn text(text: &str) -> Event {
        Event::Text(TextDelta { text: text.to_owned(), ..TextDelta::default() })
    }

    fn finished(completion_tokens: u32, ttft_ms: f64) -> Event {
        let usage = Usage { prompt_tokens: 5, completion_tokens, ..Usage::default() };
        let timings =
            Timings { ttft_ms, decode_ms: 10.0, total_ms: ttft_ms + 10.0, ..Timings::default() };
        Event::Finished(Finished { reason: FinishReason::Stop.into(), usage, timings })
    }

    fn event(found: Found) -> Event {
        match found {
            Found::Event(event, _) => event,
            found => panic!("an event is due: {found:?}"),
        }
    }

    #[test]
    fn choices_take_turns_and_end_one_by_one_and_then_all() {
        let (senders, mut source) = source(2);
        senders[0].send(text("a"));
        senders[0].send(text("b"));
        senders[1].send(text("x"));
        let told: Vec<(u32, String)> = std::iter::from_fn(|| match source.try_take() {
            Found::Event(Event::Text(delta), _) => Some((delta.choice, delta.text)),
            _ => None,
        })
        .collect();
        assert_eq!(told, [(0, "a".to_owned()), (1, "x".to_owned()), (0, "b".to_owned())]);
        senders[1].finish(finished(3, 20.0));
        assert!(matches!(event(source.try_take()), Event::ChoiceFinished(c) if c.choice == 1));
        assert!(matches!(source.try_take(), Found::Nothing));
        senders[0].finish(finished(4, 30.0));
        assert!(matches!(event(source.try_take()), Event::ChoiceFinished(c) if c.choice == 0));
        let Event::Finished(whole) = event(source.try_take()) else { panic!("all have ended") };
        assert_eq!((whole.usage.prompt_tokens, whole.usage.completion_tokens), (5, 7));
        assert_eq!((whole.timings.ttft_ms, whole.timings.decode_ms), (20.0, 20.0));
        assert!(matches!(source.try_take(), Found::End));
    }

    #[test]
    fn one_that_fails_ends_the_request() {
        let (senders, mut source) = source(3);
        senders[1].finish(Event::Failed(Error::closed()));
        assert!(matches!(event(source.try_take()), Event::Failed(_)));
        senders[0].send(text("late"));
        assert!(matches!(source.try_take(), Found::End));
    }

    #[test]
    fn waiting_for_several_ends_with_the_first_event_or_the_time() {
        let (senders, mut source) = source(2);
        let soon = Instant::now() + Duration::from_millis(2);
        assert!(matches!(source.take_until(Some(soon)), Found::Nothing));
        let sender = std::thread::spawn(move || {
            senders[1].send(text("x"));
            senders
        });
        assert!(matches!(event(source.take_until(None)), Event::Text(delta) if delta.choice == 1));
        drop(sender.join());
    }

    #[test]
    fn a_reader_that_has_caught_up_names_the_choice_that_may_go_on() {
        let (senders, mut source) = source(2);
        for _ in 0..2 {
            senders[1].send(text("x"));
        }
        assert!(matches!(source.try_take(), Found::Event(_, Some(RequestId(1)))));
    }
}
