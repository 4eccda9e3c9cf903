//! The handoff of one request's events, from the worker to the reader.
//!
//! Bounded, and it never blocks the worker: when it is full, the worker is told so and stops
//! computing that sequence, and the reader's next look tells when to go on. Exactly one terminal
//! event gets through, always, even when the mailbox is full or the worker goes down. The reader
//! may block, wait for a time, or leave a waker. What events say is not known here, only which of
//! them are [`Terminal`].
//!
//! Threads: one [`Sender`], one [`Receiver`], each used by one thread at a time. Wakers are
//! called by the sender, outside the lock. This file is also compiled by `tests/shuttle`, with
//! locks that a scheduler owns, and checked under many schedules; `tests/mailbox.rs` has its
//! tests on real ones.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::Event;
use crate::sync::{Condvar, Mutex};

/// What a mailbox has to know of its events.
pub(crate) trait Terminal {
    /// Whether it is the last one.
    fn is_terminal(&self) -> bool;

    /// The terminal event of a sender that went away without one.
    fn lost() -> Self;
}

/// A mailbox whose sender is told to pause at `capacity` events.
pub(crate) fn mailbox<E: Terminal>(capacity: usize) -> (Sender<E>, Receiver<E>) {
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
    (Sender { shared: Arc::clone(&shared) }, Receiver { source: Source::Sender(shared) })
}

#[derive(Debug)]
struct Shared<E> {
    state: Mutex<State<E>>,
    arrived: Condvar,
}

#[derive(Debug)]
struct State<E> {
    queue: VecDeque<E>,
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
pub(crate) struct Sender<E: Terminal = Event> {
    shared: Arc<Shared<E>>,
}

/// What the worker is told of an event it sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// There is room for more.
    Room,
    /// Compute no more until the reader asks.
    Full,
}

impl<E: Terminal> Sender<E> {
    /// Puts an event that is not terminal into the mailbox.
    pub(crate) fn send(&self, event: E) -> Delivery {
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
    pub(crate) fn finish(&self, event: E) {
        debug_assert!(event.is_terminal(), "other events go through `send`");
        self.put(|state| {
            if state.phase == Phase::Open {
                state.queue.push_back(event);
                state.phase = Phase::Closing;
                state.paused = false;
            }
        });
    }

    fn put<T>(&self, change: impl FnOnce(&mut State<E>) -> T) -> T {
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

impl<E: Terminal> Drop for Sender<E> {
    fn drop(&mut self) {
        self.finish(E::lost());
    }
}

/// The reader's side.
#[derive(Debug)]
pub(crate) struct Receiver<E: Terminal = Event> {
    source: Source<E>,
}

/// Where a reader's events come from.
#[derive(Debug)]
enum Source<E> {
    Sender(Arc<Shared<E>>),
    /// They were all there from the start.
    Ready(std::vec::IntoIter<E>),
}

/// What the reader found.
#[derive(Debug)]
pub(crate) struct Taken<E = Event> {
    /// The event.
    pub(crate) event: E,
    /// Whether the worker waits to be told that there is room again.
    pub(crate) resume: bool,
}

/// What a look into the mailbox gives.
#[derive(Debug)]
pub(crate) enum Look<E = Event> {
    /// An event.
    Taken(Taken<E>),
    /// Nothing now.
    Empty,
    /// Nothing ever again.
    Ended,
}

impl<E: Terminal> Receiver<E> {
    /// A receiver of what is known already: no sender, no lock, one allocation. The last one of
    /// `events` is terminal, and no other.
    pub(crate) fn ready(events: impl IntoIterator<Item = E>) -> Self {
        let events: Vec<E> = events.into_iter().collect();
        debug_assert_eq!(
            events.iter().position(Terminal::is_terminal).map(|last| last + 1),
            Some(events.len()),
            "the terminal event is the last one"
        );
        Self { source: Source::Ready(events.into_iter()) }
    }

    /// Looks once.
    pub(crate) fn try_take(&mut self) -> Look<E> {
        match &mut self.source {
            Source::Sender(shared) => shared.state.lock().take(),
            Source::Ready(events) => next_ready(events),
        }
    }

    /// Looks until there is something, or `deadline` has passed; `None` waits for ever.
    pub(crate) fn take_until(&mut self, deadline: Option<Instant>) -> Look<E> {
        let shared = match &mut self.source {
            Source::Sender(shared) => shared,
            Source::Ready(events) => return next_ready(events),
        };
        let mut state = shared.state.lock();
        loop {
            match state.take() {
                Look::Empty => {}
                found => return found,
            }
            match deadline {
                None => shared.arrived.wait(&mut state),
                Some(deadline) => {
                    if shared.arrived.wait_until(&mut state, deadline).timed_out() {
                        return state.take();
                    }
                }
            }
        }
    }

    /// Looks, and leaves the task's waker if there is nothing.
    pub(crate) fn poll_take(&mut self, context: &mut Context<'_>) -> Poll<Look<E>> {
        let shared = match &mut self.source {
            Source::Sender(shared) => shared,
            Source::Ready(events) => return Poll::Ready(next_ready(events)),
        };
        let mut state = shared.state.lock();
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

impl<E: Terminal> Drop for Receiver<E> {
    fn drop(&mut self) {
        let Source::Sender(shared) = &self.source else { return };
        let mut state = shared.state.lock();
        state.reader_gone = true;
        let unread = std::mem::take(&mut state.queue);
        let waker = state.waker.take();
        // The sender is not to wait while these go: there may be many, and a waker is anybody's.
        drop(state);
        drop((unread, waker));
    }
}

fn next_ready<E>(events: &mut std::vec::IntoIter<E>) -> Look<E> {
    match events.next() {
        Some(event) => Look::Taken(Taken { event, resume: false }),
        None => Look::Ended,
    }
}

impl<E: Terminal> State<E> {
    fn take(&mut self) -> Look<E> {
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
