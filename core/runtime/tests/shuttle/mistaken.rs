//! A copy of the mailbox in which one thing is wrong: what the checker is to find.
//!
//! It keeps to the real one's form; each place that a mistake can be made in says so. Without a
//! mistake it has to pass as the real one does, so that what is found is the mistake.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::event::Event;
use crate::handoff::{Handoff, Reader, Writer};
use crate::mailbox::{Delivery, Look, Taken, Terminal};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// What may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// Waiting readers are told before there is something for them.
    NotifiesFirst,
    /// The waker is taken before there is something for it.
    WakesFirst,
    /// A reader looks, lets go of the lock, and then waits.
    WaitsUnlocked,
    /// A reader looks, lets go of the lock, and then leaves its waker.
    LeavesWakerUnlocked,
    /// A task that moved is not found: the first waker stays.
    KeepsFirstWaker,
    /// A wait that ends by its deadline ends the stream.
    TimeoutEnds,
    /// The writer is told to pause before that is written down.
    PausesUnlocked,
    /// The word to go on is given again with each event.
    ResumesAgain,
    /// The word to go on comes when more than half is left, and never later.
    ResumesOnce,
    /// The terminal event is refused by a mailbox that is full.
    BoundsTheEnd,
    /// A writer that goes away says nothing.
    GoesSilently,
    /// A second terminal event counts, too.
    EndsTwice,
    /// A mailbox without a reader fills up.
    FillsForNobody,
}

impl Mistake {
    pub(crate) const ALL: [Self; 13] = [
        Self::NotifiesFirst,
        Self::WakesFirst,
        Self::WaitsUnlocked,
        Self::LeavesWakerUnlocked,
        Self::KeepsFirstWaker,
        Self::TimeoutEnds,
        Self::PausesUnlocked,
        Self::ResumesAgain,
        Self::ResumesOnce,
        Self::BoundsTheEnd,
        Self::GoesSilently,
        Self::EndsTwice,
        Self::FillsForNobody,
    ];
}

/// The mailbox with this mistake, or with none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mistaken(pub(crate) Option<Mistake>);

pub(crate) struct MistakenWriter(Arc<Shared>);

pub(crate) struct MistakenReader(Arc<Shared>);

struct Shared {
    mistake: Mistaken,
    state: Mutex<State>,
    arrived: Condvar,
}

struct State {
    queue: VecDeque<Event>,
    capacity: usize,
    is_ending: bool,
    has_ended: bool,
    paused: bool,
    reader_gone: bool,
    waker: Option<Waker>,
}

impl Mistaken {
    fn makes(self, mistake: Mistake) -> bool {
        self.0 == Some(mistake)
    }
}

impl Handoff for Mistaken {
    type Writer = MistakenWriter;
    type Reader = MistakenReader;

    fn pair(self, capacity: usize) -> (Self::Writer, Self::Reader) {
        let state = State {
            queue: VecDeque::new(),
            capacity,
            is_ending: false,
            has_ended: false,
            paused: false,
            reader_gone: false,
            waker: None,
        };
        let shared =
            Arc::new(Shared { mistake: self, state: Mutex::new(state), arrived: Condvar::new() });
        (MistakenWriter(Arc::clone(&shared)), MistakenReader(shared))
    }
}

impl Shared {
    fn put<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        if self.mistake.makes(Mistake::NotifiesFirst) {
            self.arrived.notify_one();
        }
        let mut early = None;
        if self.mistake.makes(Mistake::WakesFirst) {
            early = self.state.lock().waker.take();
        }
        let mut state = self.state.lock();
        let result = change(&mut state);
        let waker = match self.mistake.makes(Mistake::WakesFirst) {
            true => early,
            false => state.waker.take(),
        };
        drop(state);
        if !self.mistake.makes(Mistake::NotifiesFirst) {
            self.arrived.notify_one();
        }
        if let Some(waker) = waker {
            waker.wake();
        }
        result
    }

    fn take(&self, state: &mut State) -> Look {
        let Some(event) = state.queue.pop_front() else {
            return if state.has_ended { Look::Ended } else { Look::Empty };
        };
        state.has_ended |= event.is_terminal();
        let left = state.queue.len();
        let resume = match self.mistake.0 {
            Some(Mistake::ResumesOnce) => state.paused && left == state.capacity - 1 && left > 0,
            _ => state.paused && left <= state.capacity / 2,
        };
        if resume && !self.mistake.makes(Mistake::ResumesAgain) {
            state.paused = false;
        }
        Look::Taken(Taken { event, resume })
    }
}

impl Writer for MistakenWriter {
    fn send(&self, event: Event) -> Delivery {
        let mistake = self.0.mistake;
        let delivery = self.0.put(|state| {
            let is_for_nobody = state.reader_gone && !mistake.makes(Mistake::FillsForNobody);
            if state.is_ending || is_for_nobody {
                return Delivery::Room;
            }
            state.queue.push_back(event);
            if state.queue.len() < state.capacity {
                return Delivery::Room;
            }
            state.paused = !mistake.makes(Mistake::PausesUnlocked);
            Delivery::Full
        });
        if delivery == Delivery::Full && mistake.makes(Mistake::PausesUnlocked) {
            self.0.state.lock().paused = true;
        }
        delivery
    }

    fn finish(&self, event: Event) {
        let mistake = self.0.mistake;
        self.0.put(|state| {
            let is_full = state.queue.len() >= state.capacity;
            let is_refused = is_full && mistake.makes(Mistake::BoundsTheEnd);
            if is_refused || (state.is_ending && !mistake.makes(Mistake::EndsTwice)) {
                return;
            }
            state.queue.push_back(event);
            state.is_ending = true;
            state.paused = false;
        });
    }
}

impl Drop for MistakenWriter {
    fn drop(&mut self) {
        if !self.0.mistake.makes(Mistake::GoesSilently) {
            self.finish(Event::lost());
        }
    }
}

impl MistakenReader {
    fn wait(&self, state: &mut MutexGuard<'_, State>) {
        self.0.arrived.wait(state);
    }
}

impl Reader for MistakenReader {
    fn try_take(&mut self) -> Look {
        self.0.take(&mut self.0.state.lock())
    }

    fn take_until(&mut self, deadline: Option<Instant>) -> Look {
        let mistake = self.0.mistake;
        let mut state = self.0.state.lock();
        loop {
            match self.0.take(&mut state) {
                Look::Empty => {}
                found => return found,
            }
            if mistake.makes(Mistake::WaitsUnlocked) {
                drop(state);
                state = self.0.state.lock();
            }
            match deadline {
                None => self.wait(&mut state),
                Some(deadline) => {
                    if self.0.arrived.wait_until(&mut state, deadline).timed_out() {
                        return match self.0.take(&mut state) {
                            Look::Empty if mistake.makes(Mistake::TimeoutEnds) => Look::Ended,
                            found => found,
                        };
                    }
                }
            }
        }
    }

    fn poll_take(&mut self, context: &mut Context<'_>) -> Poll<Look> {
        let mistake = self.0.mistake;
        let mut state = self.0.state.lock();
        match self.0.take(&mut state) {
            Look::Empty => {}
            found => return Poll::Ready(found),
        }
        if mistake.makes(Mistake::LeavesWakerUnlocked) {
            drop(state);
            state = self.0.state.lock();
        }
        if state.waker.is_none() || !mistake.makes(Mistake::KeepsFirstWaker) {
            state.waker = Some(context.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for MistakenReader {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.reader_gone = true;
        state.queue.clear();
        state.waker = None;
    }
}
