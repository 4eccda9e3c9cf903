//! What the background thread is to write: the newest change of each key, bounded.
//!
//! Of several changes of a key only the last counts. Nothing here waits for a file.
//!
//! Bounds: the bytes of answers, those that are being written included. An answer without room is
//! not written, and what an earlier one left under its key is removed, so that nothing replaced
//! comes back. Removals always have room: when there are very many, everything is forgotten
//! instead, which is more than was asked for and takes no room at all.
//!
//! Life: open, closing until a deadline, over. After the deadline answers are not written any
//! more; removals still are.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indwell_kernel::ResponseKey;
use parking_lot::{Condvar, Mutex};

use crate::responses::answer::StoredAnswer;

/// How long an answer may wait for others to be written with. Each write ends in waiting for the
/// disk, and wears it.
const LINGER: Duration = Duration::from_millis(200);

/// So many removals are a few megabytes. Beyond them everything is forgotten.
const REMOVALS_MAX: usize = 1 << 16;

/// Stands for waiting times that the clock can't express.
const LONGEST: Duration = Duration::from_secs(1 << 30);

/// The background thread's work.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    bytes_max: u64,
}

#[derive(Debug)]
struct State {
    /// Before all changes, everything is forgotten.
    clear: bool,
    changes: BTreeMap<ResponseKey, Change>,
    removals: usize,
    /// Of queued answers.
    queued_bytes: u64,
    /// Of the answers that were handed out last.
    writing_bytes: u64,
    is_writing: bool,
    next_order: u64,
    /// When what is queued is to be written; `None` if nothing is.
    due: Option<Instant>,
    closing: Option<Instant>,
    /// Nobody will take anything any more.
    is_over: bool,
}

/// What becomes of a key.
#[derive(Debug)]
pub(super) enum Change {
    /// An answer, and its place in the order of all.
    Put { order: u64, answer: Arc<StoredAnswer> },
    /// There is no answer any more.
    Remove,
}

/// All that was queued.
#[derive(Debug)]
pub(super) struct Batch {
    /// Before all changes, everything is forgotten.
    pub(super) clear: bool,
    pub(super) changes: BTreeMap<ResponseKey, Change>,
}

impl Queue {
    /// An empty queue for `bytes_max` bytes of answers, with a place for one of any size.
    pub(super) fn new(bytes_max: u64, next_order: u64) -> Self {
        let state = State {
            clear: false,
            changes: BTreeMap::new(),
            removals: 0,
            queued_bytes: 0,
            writing_bytes: 0,
            is_writing: false,
            next_order,
            due: None,
            closing: None,
            is_over: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), bytes_max }
    }

    /// Queues an answer; `false` if it will not be written.
    pub(super) fn put(&self, key: ResponseKey, answer: Arc<StoredAnswer>) -> bool {
        let mut state = self.state.lock();
        if state.is_over || state.closing.is_some() {
            return false;
        }
        state.take_back(key);
        let bytes = answer.bytes() as u64;
        let waiting = state.queued_bytes + state.writing_bytes;
        let has_room = waiting == 0 || waiting.saturating_add(bytes) <= self.bytes_max;
        if has_room {
            let order = state.next_order;
            state.next_order += 1;
            state.queued_bytes += bytes;
            state.changes.insert(key, Change::Put { order, answer });
            state.due.get_or_insert_with(|| Instant::now() + LINGER);
        } else {
            state.remove(key);
        }
        self.changed.notify_all();
        has_room
    }

    /// Queues that a key's answer is forgotten.
    pub(super) fn remove(&self, key: ResponseKey) {
        let mut state = self.state.lock();
        if !state.is_over {
            state.take_back(key);
            state.remove(key);
            self.changed.notify_all();
        }
    }

    /// Queues that all answers so far are forgotten.
    pub(super) fn clear(&self) {
        let mut state = self.state.lock();
        if !state.is_over {
            state.changes.clear();
            state.removals = 0;
            state.queued_bytes = 0;
            state.clear = true;
            state.due = Some(Instant::now());
            self.changed.notify_all();
        }
    }

    /// Waits for something to write, and hands out all of it; `None` when there is nothing any
    /// more. Whoever asks again is done with what was handed out last.
    pub(super) fn next(&self) -> Option<Batch> {
        let mut state = self.state.lock();
        state.writing_bytes = 0;
        state.is_writing = false;
        self.changed.notify_all();
        loop {
            let Some(due) = state.due else {
                if state.closing.is_some() {
                    state.is_over = true;
                    return None;
                }
                self.changed.wait(&mut state);
                continue;
            };
            let is_half_full = state.queued_bytes >= self.bytes_max / 2;
            if state.closing.is_some() || is_half_full || Instant::now() >= due {
                return Some(state.hand_out());
            }
            self.changed.wait_until(&mut state, due);
        }
    }

    /// From now on no answers are taken; those queued are to be written until `within` is over.
    pub(super) fn close(&self, within: Duration) {
        let now = Instant::now();
        let deadline = now.checked_add(within).unwrap_or(now + LONGEST);
        let mut state = self.state.lock();
        if state.closing.is_none_or(|earlier| deadline < earlier) {
            state.closing = Some(deadline);
        }
        self.changed.notify_all();
    }

    /// Whether it is closed and the deadline has passed.
    pub(super) fn is_past_deadline(&self) -> bool {
        self.state.lock().closing.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Nothing is written any more: what is queued, or comes yet, goes nowhere.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.is_over = true;
        state.changes.clear();
        state.removals = 0;
        state.queued_bytes = 0;
        state.writing_bytes = 0;
        state.is_writing = false;
        state.due = None;
        self.changed.notify_all();
    }

    /// Waits until all that was queued is written, or never will be.
    #[cfg(test)]
    pub(super) fn settle(&self) {
        let mut state = self.state.lock();
        while state.due.is_some() || state.is_writing {
            self.changed.wait(&mut state);
        }
    }

    /// Waits until something is being written.
    #[cfg(test)]
    pub(super) fn wait_for_writing(&self) {
        let mut state = self.state.lock();
        while !state.is_writing {
            self.changed.wait(&mut state);
        }
    }

    /// Whether nothing is written any more.
    #[cfg(test)]
    pub(super) fn is_over(&self) -> bool {
        self.state.lock().is_over
    }

    /// Bytes of answers that wait or are being written.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        let state = self.state.lock();
        state.queued_bytes + state.writing_bytes
    }
}

impl State {
    /// Takes back what is queued for a key.
    fn take_back(&mut self, key: ResponseKey) {
        match self.changes.remove(&key) {
            Some(Change::Put { answer, .. }) => self.queued_bytes -= answer.bytes() as u64,
            Some(Change::Remove) => self.removals -= 1,
            None => {}
        }
    }

    /// Queues the removal of a key for which nothing is queued.
    fn remove(&mut self, key: ResponseKey) {
        self.due = Some(Instant::now());
        if self.clear {
            // Whatever was there goes with everything else.
            return;
        }
        if let Entry::Vacant(vacant) = self.changes.entry(key) {
            vacant.insert(Change::Remove);
            self.removals += 1;
        }
        if self.removals > REMOVALS_MAX {
            self.clear = true;
            self.removals = 0;
            self.changes.retain(|_, change| matches!(change, Change::Put { .. }));
        }
    }

    fn hand_out(&mut self) -> Batch {
        self.writing_bytes = std::mem::take(&mut self.queued_bytes);
        self.is_writing = true;
        self.removals = 0;
        self.due = None;
        Batch { clear: std::mem::take(&mut self.clear), changes: std::mem::take(&mut self.changes) }
    }
}
