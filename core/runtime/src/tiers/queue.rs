//! What the background thread is asked: bounded, most urgent first.
//!
//! Somebody waits for reads, so they come before writes; then small things; then files to
//! announce; then looking for new ones. Bounds: bytes of writes, told files that were not
//! answered, and for the rest one entry a snapshot or file.
//!
//! Life: open, then once and for ever closing, until a deadline. From then on nothing is taken,
//! and only the writes that are queued are handed out, and those only until the deadline.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use indwell_kernel::{SnapshotId, SnapshotKey};
use indwell_llama::SnapshotBytes;
use parking_lot::{Condvar, Mutex};

use super::disk::name::FileName;

/// Files that were found and told, and that nobody answered yet: at most so many.
const ANNOUNCED_MAX: usize = 64;

/// Stands for waiting times that the clock can't express.
const LONGEST: Duration = Duration::from_secs(1 << 30);

/// The background thread's work.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    write_bytes_max: u64,
}

#[derive(Debug, Default)]
struct State {
    reads: VecDeque<(SnapshotId, FileName)>,
    writes: VecDeque<Write>,
    /// Of queued writes and of the one being made.
    write_bytes: u64,
    touches: BTreeSet<FileName>,
    confirmations: BTreeSet<FileName>,
    refresh: bool,
    announced: usize,
    closing: Option<Instant>,
}

/// A snapshot to be written.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) snapshot: SnapshotId,
    pub(super) name: FileName,
    pub(super) key: Arc<SnapshotKey>,
    pub(super) bytes: Arc<SnapshotBytes>,
}

/// The next thing to do.
#[derive(Debug)]
pub(super) enum Work {
    Read(SnapshotId, FileName),
    Write(Write),
    /// A file's snapshot was used.
    Touch(FileName),
    /// A file was bound; is it still there?
    Confirm(FileName),
    /// Tell of the next file that was found.
    Announce,
    /// Look for new files.
    Refresh,
}

/// A file that was found and is to be bound to a snapshot; dropped, it is declined.
#[derive(Debug)]
pub(crate) struct FileRef {
    name: FileName,
    queue: Arc<Queue>,
}

impl Queue {
    pub(super) fn new(write_bytes_max: u64) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), write_bytes_max }
    }

    /// Asks for a read; `false` if it will not happen.
    pub(super) fn read(&self, snapshot: SnapshotId, name: FileName) -> bool {
        self.push(|state| state.reads.push_back((snapshot, name)))
    }

    /// Asks for a write; `false` if there is no room for it, or it is too late. One snapshot
    /// always has room.
    pub(super) fn write(&self, write: Write) -> bool {
        let length = write.bytes.len() as u64;
        let mut state = self.state.lock();
        let waiting = state.write_bytes;
        let has_room = waiting == 0 || waiting.saturating_add(length) <= self.write_bytes_max;
        if state.closing.is_some() || !has_room {
            return false;
        }
        state.write_bytes += length;
        state.writes.push_back(write);
        self.changed.notify_all();
        true
    }

    /// A write that was handed out is over.
    pub(super) fn wrote(&self, length: usize) {
        let mut state = self.state.lock();
        state.write_bytes = state.write_bytes.saturating_sub(length as u64);
    }

    pub(super) fn touch(&self, name: FileName) {
        self.push(|state| state.touches.insert(name));
    }

    /// Asks whether a file is there; `false` if nobody will look.
    pub(super) fn confirm(&self, name: FileName) -> bool {
        self.push(|state| state.confirmations.insert(name))
    }

    pub(super) fn refresh(&self) {
        self.push(|state| state.refresh = true);
    }

    fn push<T>(&self, push: impl FnOnce(&mut State) -> T) -> bool {
        let mut state = self.state.lock();
        if state.closing.is_some() {
            return false;
        }
        push(&mut state);
        self.changed.notify_all();
        true
    }

    /// Waits for work; `None` when there is none any more. Looking for new files is not before
    /// `refresh_from`; `announce` says that there is something to announce.
    pub(super) fn next(&self, announce: bool, refresh_from: Instant) -> Option<Work> {
        let mut state = self.state.lock();
        loop {
            if let Some(deadline) = state.closing {
                return if Instant::now() < deadline {
                    state.writes.pop_front().map(Work::Write)
                } else {
                    None
                };
            }
            if let Some(work) = state.pop() {
                return Some(work);
            }
            if announce && state.announced < ANNOUNCED_MAX {
                return Some(Work::Announce);
            }
            if !state.refresh {
                self.changed.wait(&mut state);
            } else if Instant::now() >= refresh_from {
                state.refresh = false;
                return Some(Work::Refresh);
            } else {
                self.changed.wait_until(&mut state, refresh_from);
            }
        }
    }

    /// From now on nothing is taken; writes are handed out until `within` is over.
    pub(super) fn close(&self, within: Duration) {
        let now = Instant::now();
        let deadline = now.checked_add(within).unwrap_or(now + LONGEST);
        let mut state = self.state.lock();
        let sooner = state.closing.is_none_or(|earlier| deadline < earlier);
        if sooner {
            state.closing = Some(deadline);
        }
        self.changed.notify_all();
    }

    /// Whether it is closed and its deadline over.
    pub(super) fn is_over(&self) -> bool {
        self.state.lock().closing.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Lets go of everything that is queued.
    pub(super) fn clear(&self) {
        let mut state = self.state.lock();
        let announced = state.announced;
        *state = State { closing: state.closing, announced, ..State::default() };
    }

    /// A file to tell of, which counts until it is answered.
    pub(super) fn announce(self: &Arc<Self>, name: FileName) -> FileRef {
        self.state.lock().announced += 1;
        FileRef { name, queue: self.clone() }
    }
}

impl State {
    fn pop(&mut self) -> Option<Work> {
        if let Some((snapshot, name)) = self.reads.pop_front() {
            return Some(Work::Read(snapshot, name));
        }
        if let Some(write) = self.writes.pop_front() {
            return Some(Work::Write(write));
        }
        if let Some(name) = self.confirmations.pop_first() {
            return Some(Work::Confirm(name));
        }
        self.touches.pop_first().map(Work::Touch)
    }
}

impl FileRef {
    pub(super) fn name(&self) -> FileName {
        self.name
    }
}

impl Drop for FileRef {
    fn drop(&mut self) {
        self.queue.state.lock().announced -= 1;
        self.queue.changed.notify_all();
    }
}
