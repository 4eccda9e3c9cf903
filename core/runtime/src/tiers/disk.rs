//! The background thread of the disk tier: it alone touches files.
//!
//! A file that can't be used is a miss. A directory that can't be used switches the tier off: one
//! warning, everything that was only there is lost, and the thread ends. Each class of bad file is
//! warned of once an engine, however many there are; the counters have the number.
//!
//! However the thread ends (closed, off, a panic), it first closes the queue, then says of every
//! snapshot that it has no file any more, so nobody waits for a read that nobody makes.

pub(super) mod bad;
mod directory;
mod file;
mod ledger;
pub(super) mod name;
pub(super) mod volume;

use std::collections::BTreeSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use indwell_kernel::SnapshotId;
use parking_lot::Mutex;

use self::bad::{Bad, Class};
use self::directory::{Directory, Stored};
use self::name::FileName;
use self::volume::Volume;
use super::board::Board;
use super::queue::{Queue, Work, Write};
use super::stats::Counters;
use super::{DiskConfig, Fingerprint, TierEvent};

/// How much longer than its deadline a close waits for the thread, which may be in the middle of
/// a system call. Then it is left behind.
const GRACE: Duration = Duration::from_millis(200);

/// The background thread, to be ended.
#[derive(Debug)]
pub(super) struct Thread {
    running: Mutex<Option<(JoinHandle<()>, Receiver<()>)>>,
}

impl Thread {
    /// Starts the thread. If the system refuses, the tier is off.
    pub(super) fn spawn(worker: Worker) -> Self {
        let (ended, end) = bounded(0);
        let (board, queue, counters) =
            (worker.board.clone(), worker.queue.clone(), worker.counters.clone());
        let directory = worker.directory.clone();
        let spawned = std::thread::Builder::new()
            .name("indwell-snapshots".to_owned())
            .spawn(move || worker.run_and_tell(ended));
        let running = match spawned {
            Ok(thread) => Some((thread, end)),
            Err(error) => {
                counters.disk_off.store(true, Relaxed);
                tracing::warn!(
                    directory = %directory.display(),
                    %error,
                    "no thread for snapshots' files: the disk tier is off"
                );
                end_tier(&board, &queue);
                None
            }
        };
        Self { running: Mutex::new(running) }
    }

    /// Ends the thread after the queued writes, or at the deadline.
    pub(super) fn close(&self, queue: &Queue, within: Duration) {
        queue.close(within);
        let Some((thread, end)) = self.running.lock().take() else { return };
        let allowed = within.saturating_add(GRACE);
        match end.recv_timeout(allowed) {
            // Nothing is ever sent: the other end is dropped when the thread is over.
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                let _ = thread.join();
            }
            Err(RecvTimeoutError::Timeout) => {
                tracing::warn!("a snapshot's file does not get done: its thread is left behind");
            }
        }
    }
}

fn end_tier(board: &Board, queue: &Queue) {
    queue.close(Duration::ZERO);
    board.change(|places| places.no_files());
    queue.clear();
}

/// What the thread needs to know.
#[derive(Debug)]
pub(super) struct Worker {
    directory: PathBuf,
    bytes_max: u64,
    fingerprint: Fingerprint,
    volume: Box<dyn Volume>,
    board: Arc<Board>,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    /// Dropped once every file that was there at first has been told.
    looking: Option<Sender<()>>,
}

/// The thread at work.
#[derive(Debug)]
struct Service<'w> {
    directory: Directory<'w>,
    board: &'w Board,
    queue: &'w Arc<Queue>,
    counters: &'w Counters,
    warned: BTreeSet<Class>,
}

impl Worker {
    pub(super) fn new(
        config: DiskConfig,
        fingerprint: Fingerprint,
        volume: Box<dyn Volume>,
        board: &Arc<Board>,
        queue: &Arc<Queue>,
        counters: &Arc<Counters>,
        looking: Sender<()>,
    ) -> Self {
        Self {
            directory: config.directory,
            bytes_max: config.bytes,
            fingerprint,
            volume,
            board: board.clone(),
            queue: queue.clone(),
            counters: counters.clone(),
            looking: Some(looking),
        }
    }

    fn run_and_tell(mut self, ended: Sender<()>) {
        let ran = catch_unwind(AssertUnwindSafe(|| self.run()));
        let directory = self.directory.display();
        let is_off = !matches!(ran, Ok(Ok(())));
        match ran {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(
                %directory,
                %error,
                "the snapshots' directory can't be used: the disk tier is off"
            ),
            Err(_) => {
                tracing::error!(%directory, "the snapshots' thread panicked: the disk tier is off");
            }
        }
        // The listener may be what panicked.
        let _ = catch_unwind(AssertUnwindSafe(|| end_tier(&self.board, &self.queue)));
        self.counters.disk.entries.store(0, Relaxed);
        self.counters.disk.bytes.store(0, Relaxed);
        // Last, so that whoever sees it sees the rest.
        self.counters.disk_off.store(is_off, Release);
        drop(ended);
    }

    fn run(&mut self) -> io::Result<()> {
        let mut looking = self.looking.take();
        let directory =
            Directory::open(&self.directory, self.bytes_max, self.fingerprint, &*self.volume)?;
        let mut service = Service {
            directory,
            board: &self.board,
            queue: &self.queue,
            counters: &self.counters,
            warned: BTreeSet::new(),
        };
        loop {
            service.publish();
            let directory = &service.directory;
            if !directory.has_unseen() {
                drop(looking.take());
            }
            let next = self.queue.next(directory.has_unseen(), directory.next_scan());
            let Some(work) = next else { return Ok(()) };
            service.serve(work)?;
        }
    }
}

impl Service<'_> {
    fn serve(&mut self, work: Work) -> io::Result<()> {
        match work {
            Work::Read(snapshot, name) => self.read(snapshot, name),
            Work::Write(write) => {
                let length = write.bytes.len();
                let written = self.write(write);
                self.queue.wrote(length);
                return written;
            }
            Work::Touch(name) => self.directory.touch(name),
            Work::Confirm(name) => {
                if !self.directory.holds(name) {
                    self.board.change(|places| places.file_gone(name));
                }
            }
            Work::Announce => self.announce(),
            Work::Refresh => self.directory.scan_if_changed(Instant::now())?,
        }
        Ok(())
    }

    fn read(&mut self, snapshot: SnapshotId, name: FileName) {
        match self.directory.load(name) {
            Ok(bytes) => self.board.stage(snapshot, bytes),
            Err(bad) => {
                Counters::add(&self.counters.disk.misses);
                self.tell_bad(name, &bad);
                self.publish();
                self.board.change(|places| places.no_file(snapshot));
            }
        }
    }

    fn write(&mut self, write: Write) -> io::Result<()> {
        let Write { snapshot, name, key, bytes } = write;
        let is_over = || self.queue.is_over();
        match self.directory.store(name, &key, &bytes, &is_over) {
            Ok(stored) => {
                let counter = match stored {
                    Stored::Written => Some(&self.counters.disk_writes),
                    Stored::Present => None,
                    Stored::Skipped => Some(&self.counters.disk_skipped),
                };
                counter.into_iter().for_each(Counters::add);
                self.publish();
                self.board.change(|places| match stored {
                    Stored::Written | Stored::Present => places.written(snapshot, name),
                    Stored::Skipped => places.no_file(snapshot),
                });
                Ok(())
            }
            // Given up because time is over, which is no fault of the directory.
            Err(_) if self.queue.is_over() => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn announce(&mut self) {
        match self.directory.inspect_next() {
            Some((name, Ok(key))) if !self.board.is_owned(name) => {
                let file = self.queue.announce(name);
                self.board.tell(TierEvent::Found { key, file });
            }
            Some((_, Ok(_))) | None => {}
            Some((name, Err(bad))) => self.tell_bad(name, &bad),
        }
    }

    fn tell_bad(&mut self, name: FileName, bad: &Bad) {
        let class = bad.class();
        if class == Class::Corrupt {
            Counters::add(&self.counters.disk_corrupt);
        }
        if class.is_worth_a_warning() && self.warned.insert(class) {
            tracing::warn!(
                directory = %self.directory.path().display(),
                file = %name,
                reason = %bad,
                "a snapshot's file can't be used, so its tokens are computed again; \
                 more files like it are only counted"
            );
        }
    }

    /// Says how much there is, and what is gone; in this order, and before anything else is told,
    /// because whoever is told may look at the counters next.
    fn publish(&mut self) {
        let (entries, bytes) = self.directory.holdings();
        self.counters.disk.entries.store(entries, Relaxed);
        self.counters.disk.bytes.store(bytes, Relaxed);
        let gone = self.directory.take_gone();
        self.counters.disk.evictions.fetch_add(gone.evicted, Relaxed);
        if !gone.names.is_empty() {
            self.board.change(|places| {
                let changes = gone.names.into_iter().filter_map(|name| places.file_gone(name));
                changes.collect::<Vec<_>>()
            });
        }
    }
}
