//! The handoff of one request's events, from the worker to the reader.
//!
//! Bounded, and it never blocks the worker: when it is full, the worker is told so and stops
//! computing that sequence, and the reader's next look tells when to go on. Exactly one terminal
//! event gets through, always, even when the mailbox is full or the worker goes down. The reader
//! may block, wait for a time, or leave a waker.
//!
//! Threads: one [`Sender`], one [`Receiver`], each used by one thread at a time. Wakers are
//! called by the sender, outside the lock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::{Error, Event};

/// A mailbox whose sender is told to pause at `capacity` events.
pub(crate) fn mailbox(capacity: usize) -> (Sender, Receiver) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            queue: VecDeque::new(),
            capacity: capacity.max(1),
            phase: Phase::Open,
            paused: false,
            reader_gone: false,
            waker: None,
        }),
        arrived: Condvar::new(),
    });
    (Sender { shared: Arc::clone(&shared) }, Receiver { shared })
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Event>,
    capacity: usize,
    phase: Phase,
    /// The sender was told to pause and not yet to go on.
    paused: bool,
    reader_gone: bool,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// More events will come.
    Open,
    /// The terminal event is in the queue.
    Closing,
    /// The terminal event was taken.
    Ended,
}

/// The worker's side.
#[derive(Debug)]
pub(crate) struct Sender {
    shared: Arc<Shared>,
}

/// What the worker is told of an event it sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// There is room for more.
    Room,
    /// Compute no more until the reader asks.
    Full,
}

impl Sender {
    /// Puts an event that is not terminal into the mailbox.
    pub(crate) fn send(&self, event: Event) -> Delivery {
        debug_assert!(!event.is_terminal(), "terminal events go through `finish`");
        self.put(|state| {
            if state.phase != Phase::Open || state.reader_gone {
                return Delivery::Room;
            }
            state.queue.push_back(event);
            if state.queue.len() >= state.capacity {
                state.paused = true;
                Delivery::Full
            } else {
                Delivery::Room
            }
        })
    }

    /// Puts the terminal event into the mailbox. Only the first one counts.
    pub(crate) fn finish(&self, event: Event) {
        debug_assert!(event.is_terminal(), "other events go through `send`");
        self.put(|state| {
            if state.phase == Phase::Open {
                state.queue.push_back(event);
                state.phase = Phase::Closing;
                state.paused = false;
            }
        });
    }

    fn put<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.shared.state.lock();
        let result = change(&mut state);
        let waker = state.waker.take();
        drop(state);
        self.shared.arrived.notify_one();
        if let Some(waker) = waker {
            waker.wake();
        }
        result
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.finish(Event::Failed(Error::poisoned("it went away without an answer")));
    }
}

/// The reader's side.
#[derive(Debug)]
pub(crate) struct Receiver {
    shared: Arc<Shared>,
}

/// What the reader found.
#[derive(Debug)]
pub(crate) struct Taken {
    /// The event.
    pub(crate) event: Event,
    /// Whether the worker waits to be told that there is room again.
    pub(crate) resume: bool,
}

/// What a look into the mailbox gives.
#[derive(Debug)]
pub(crate) enum Look {
    /// An event.
    Taken(Taken),
    /// Nothing now.
    Empty,
    /// Nothing ever again.
    Ended,
}

impl Receiver {
    /// Looks once.
    pub(crate) fn try_take(&self) -> Look {
        self.shared.state.lock().take()
    }

    /// Looks until there is something, or `deadline` has passed; `None` waits for ever.
    pub(crate) fn take_until(&self, deadline: Option<Instant>) -> Look {
        let mut state = self.shared.state.lock();
        loop {
            match state.take() {
                Look::Empty => {}
                found => return found,
            }
            match deadline {
                None => self.shared.arrived.wait(&mut state),
                Some(deadline) => {
                    if self.shared.arrived.wait_until(&mut state, deadline).timed_out() {
                        return state.take();
                    }
                }
            }
        }
    }

    /// Looks, and leaves the task's waker if there is nothing.
    pub(crate) fn poll_take(&self, context: &mut Context<'_>) -> Poll<Look> {
        let mut state = self.shared.state.lock();
        match state.take() {
            Look::Empty => {
                match &mut state.waker {
                    Some(waker) => waker.clone_from(context.waker()),
                    none => *none = Some(context.waker().clone()),
                }
                Poll::Pending
            }
            found => Poll::Ready(found),
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.reader_gone = true;
        state.queue.clear();
        state.waker = None;
    }
}

impl State {
    fn take(&mut self) -> Look {
        let Some(event) = self.queue.pop_front() else {
            return if self.phase == Phase::Ended { Look::Ended } else { Look::Empty };
        };
        if event.is_terminal() {
            self.phase = Phase::Ended;
        }
        // Half empty before going on, so that a slow reader does not stop and start each token.
        let resume = self.paused && self.queue.len() <= self.capacity / 2;
        if resume {
            self.paused = false;
        }
        Look::Taken(Taken { event, resume })
    }
}

/// How long "for ever" is where an API wants an end.
pub(crate) fn deadline_after(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TextDelta;

    fn text(text: &str) -> Event {
        Event::Text(TextDelta { text: text.to_owned(), logprobs: Vec::new() })
    }

    fn taken(look: Look) -> (String, bool) {
        let Look::Taken(taken) = look else { panic!("{look:?}") };
        let name = match taken.event {
            Event::Text(delta) => delta.text,
            Event::Cancelled => "cancelled".to_owned(),
            Event::Failed(error) => error.kind().to_string(),
            Event::Finished(_) => "finished".to_owned(),
        };
        (name, taken.resume)
    }

    #[test]
    fn a_full_mailbox_pauses_its_sender_and_a_half_empty_one_resumes_it() {
        let (sender, receiver) = mailbox(4);
        for _ in 0..3 {
            assert_eq!(sender.send(text("a")), Delivery::Room);
        }
        assert_eq!(sender.send(text("a")), Delivery::Full);
        assert!(!taken(receiver.try_take()).1);
        assert!(taken(receiver.try_take()).1, "half empty");
        assert!(!taken(receiver.try_take()).1, "told once");
    }

    #[test]
    fn the_terminal_event_fits_into_a_full_mailbox_and_comes_once() {
        let (sender, receiver) = mailbox(1);
        assert_eq!(sender.send(text("a")), Delivery::Full);
        sender.finish(Event::Cancelled);
        sender.finish(Event::Failed(Error::closed()));
        drop(sender);
        assert_eq!(taken(receiver.try_take()).0, "a");
        assert_eq!(taken(receiver.try_take()).0, "cancelled");
        assert!(matches!(receiver.try_take(), Look::Ended));
        assert!(matches!(receiver.take_until(None), Look::Ended));
    }

    #[test]
    fn a_sender_that_goes_down_is_a_terminal_event() {
        let (sender, receiver) = mailbox(4);
        let reader = std::thread::spawn(move || taken(receiver.take_until(None)).0);
        drop(sender);
        assert_eq!(reader.join().expect("no panic"), "engine_poisoned");
    }

    #[test]
    fn a_reader_that_waits_for_a_time_gets_nothing_or_the_event() {
        let (sender, receiver) = mailbox(4);
        let soon = deadline_after(Duration::from_millis(5));
        assert!(matches!(receiver.take_until(soon), Look::Empty));
        sender.send(text("a"));
        assert_eq!(taken(receiver.take_until(soon)).0, "a");
    }

    #[test]
    fn a_waker_is_called_once_an_event_arrives() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        struct Count(AtomicUsize);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let (sender, receiver) = mailbox(4);
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        let mut context = Context::from_waker(&waker);
        assert!(receiver.poll_take(&mut context).is_pending());
        assert!(receiver.poll_take(&mut context).is_pending());
        sender.send(text("a"));
        sender.send(text("b"));
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert!(receiver.poll_take(&mut context).is_ready());
    }
}
