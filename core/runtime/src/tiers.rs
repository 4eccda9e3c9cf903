//! The store of snapshots: computed tokens in the host's memory and, if asked, in files.
//!
//! It owns where snapshots are kept and for how long. It knows neither prefixes nor requests: the
//! scheduler decides what is saved and restored, and hears of every snapshot that moved. A
//! snapshot that can't be had is [`SnapshotPlace::Lost`], never an error: tokens can be computed
//! again.
//!
//! | module | owns |
//! |---|---|
//! | [`config`] | bounds, and whose snapshots they are |
//! | [`host`] | bytes in memory, the least recently used leave first |
//! | [`places`] | what is known of each snapshot; pure decisions |
//! | [`board`] | the places that threads share, and telling the changes in order |
//! | [`queue`] | what the background thread is asked, bounded |
//! | [`disk`] | the background thread and its files |
//! | [`stats`] | counters |
//!
//! Threads: the engine's thread calls everything and never waits for a file. The thread
//! `indwell-snapshots` alone touches files. They meet in the board and in the queue, each under a
//! lock that is never held during I/O. The order of locks is host, board, queue.

mod board;
mod config;
mod disk;
mod host;
mod places;
mod queue;
mod stats;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;
use indwell_kernel::{SnapshotId, SnapshotKey, SnapshotPlace};
use indwell_llama::{SnapshotBytes, SnapshotStore};

use self::board::Board;
pub(crate) use self::config::{DiskConfig, Fingerprint, TiersConfig};
use self::disk::Thread;
use self::disk::name::FileName;
use self::disk::volume::{Plain, Volume};
use self::host::Host;
use self::places::Have;
pub(crate) use self::queue::FileRef;
use self::queue::{Queue, Write};
use self::stats::Counters;
pub(crate) use self::stats::{TierCounters, TiersStats};

/// What the store tells of itself.
#[derive(Debug)]
pub(crate) enum TierEvent {
    /// A snapshot is now elsewhere.
    Place(SnapshotId, SnapshotPlace),
    /// A file that an earlier or another process wrote can be used. Answer with [`Tiers::bind`],
    /// or drop `file`; few are told before the answers to the ones before.
    Found {
        /// What the file holds.
        key: SnapshotKey,
        /// The file.
        file: FileRef,
    },
}

/// The snapshots of one engine, in the host's memory and in files.
#[derive(Debug)]
pub(crate) struct Tiers {
    host: Option<Host>,
    disk: Option<Disk>,
    board: Arc<Board>,
    counters: Arc<Counters>,
    host_capacity_bytes: u64,
}

/// The engine's side of the disk tier.
#[derive(Debug)]
struct Disk {
    queue: Arc<Queue>,
    thread: Thread,
    /// Closed once every file that was there at first has been told.
    looked: Receiver<()>,
    fingerprint: Fingerprint,
    capacity_bytes: u64,
}

impl Tiers {
    /// Starts the store. Files are looked for in the background; a directory that can't be used
    /// only switches the disk tier off.
    ///
    /// `events` is called on the engine's thread and on the background thread, with a lock held:
    /// it hands the event on and neither blocks nor calls the store.
    pub(crate) fn new(
        config: TiersConfig,
        events: impl Fn(TierEvent) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::on(Box::new(Plain), config, events)
    }

    /// The store with its files written through `volume`.
    fn on(
        volume: Box<dyn Volume>,
        config: TiersConfig,
        events: impl Fn(TierEvent) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let TiersConfig { host_bytes, disk, fingerprint } = config;
        let counters = Arc::new(Counters::default());
        let staging_bytes = disk.as_ref().map_or(0, |disk| disk.staging_bytes);
        let board = Arc::new(Board::new(staging_bytes, Box::new(events)));
        let host = (host_bytes > 0).then(|| {
            let (board, counters) = (board.clone(), counters.clone());
            Host::new(host_bytes, move |snapshot| {
                Counters::add(&counters.host.evictions);
                board.left_host(snapshot);
            })
        });
        let disk = disk.map(|config| {
            let capacity_bytes = config.bytes;
            let queue = Arc::new(Queue::new(config.queue_bytes));
            let (looking, looked) = crossbeam_channel::bounded(0);
            let worker =
                disk::Worker::new(config, fingerprint, volume, &board, &queue, &counters, looking);
            Disk { queue, thread: Thread::spawn(worker), looked, fingerprint, capacity_bytes }
        });
        Arc::new(Self { host, disk, board, counters, host_capacity_bytes: host_bytes })
    }

    /// Waits until the files that were there at first have been told, so that the first request finds
    /// them; whoever is told must be at work.
    ///
    /// # Blocking
    /// At most `within`.
    pub(crate) fn wait_for_files(&self, within: Duration) {
        if let Some(disk) = &self.disk {
            // Nothing is ever sent.
            let _ = disk.looked.recv_timeout(within);
        }
    }

    /// Where a snapshot is; one that is in a file alone begins to be read, and an event follows
    /// with its new place. Does not block.
    pub(crate) fn fetch(&self, snapshot: SnapshotId) -> SnapshotPlace {
        let queue = self.disk.as_ref().map(|disk| &*disk.queue);
        let place = self.board.fetch(snapshot, queue);
        if !matches!(place, SnapshotPlace::Ready(_)) {
            Counters::add(&self.counters.host.misses);
        }
        place
    }

    /// Names the file that was found: from now on it is `snapshot`'s.
    pub(crate) fn bind(&self, file: FileRef, snapshot: SnapshotId) {
        if let Some(disk) = &self.disk {
            self.board.bind(snapshot, file.name(), &disk.queue);
        }
    }

    /// Asks to look for files that other processes wrote since; at most once a second it is done.
    /// Does not block.
    pub(crate) fn refresh(&self) {
        if let Some(disk) = &self.disk {
            disk.queue.refresh();
        }
    }

    /// Forgets a snapshot that nobody will ask for again. Its bytes in memory go. Its file stays,
    /// because it can serve after a restart, or another process: what is not used any more is
    /// what leaves a full directory first. No event follows.
    pub(crate) fn forget(&self, snapshot: SnapshotId) {
        self.board.forget(snapshot);
        if let Some(host) = &self.host {
            host.remove(snapshot);
        }
    }

    /// Gives back the memory that a snapshot takes, in bytes: 0 if it takes none. What waits to
    /// be written stays in memory until it is.
    pub(crate) fn remove_host(&self, snapshot: SnapshotId) -> u64 {
        let freed = self.host.as_ref().map_or(0, |host| host.remove(snapshot));
        freed + self.board.release(snapshot)
    }

    /// The counters. Cheap, from any thread.
    pub(crate) fn stats(&self) -> TiersStats {
        let capacity_bytes = self.disk.as_ref().map_or(0, |disk| disk.capacity_bytes);
        let mut stats = self.counters.read();
        stats.disk.tier.capacity_bytes = capacity_bytes;
        stats.host.capacity_bytes = self.host_capacity_bytes;
        if let Some(host) = &self.host {
            stats.host.entries = host.entries();
            stats.host.bytes = host.bytes();
        }
        stats
    }

    /// Ends the disk tier: what is queued is written as far as `within` allows. The host tier
    /// serves on. Harmless when called again.
    ///
    /// # Blocking
    /// At most `within` and a moment.
    pub(crate) fn close(&self, within: Duration) {
        if let Some(disk) = &self.disk {
            disk.thread.close(&disk.queue, within);
        }
    }

    fn insert_host(&self, snapshot: SnapshotId, bytes: Arc<SnapshotBytes>) {
        if let Some(host) = &self.host {
            host.insert(snapshot, bytes);
        }
    }

    fn fits_host(&self, bytes: usize) -> bool {
        self.host.as_ref().is_some_and(|host| host.fits(bytes))
    }
}

impl SnapshotStore for Tiers {
    fn put(&self, snapshot: SnapshotId, key: &Arc<SnapshotKey>, bytes: SnapshotBytes) -> bool {
        let bytes = Arc::new(bytes);
        let in_host = self.fits_host(bytes.len());
        let queued = match &self.disk {
            None => self.board.put(snapshot, in_host, None),
            Some(disk) => {
                let name = FileName::of(&disk.fingerprint, key);
                let write = Write { snapshot, name, key: key.clone(), bytes: bytes.clone() };
                let queued = self.board.put(snapshot, in_host, Some((&disk.queue, write)));
                if !queued {
                    Counters::add(&self.counters.disk_skipped);
                }
                queued
            }
        };
        if in_host {
            self.insert_host(snapshot, bytes);
        }
        in_host || queued
    }

    fn get(&self, snapshot: SnapshotId) -> Option<Arc<SnapshotBytes>> {
        let hosted = self.host.as_ref().and_then(|host| host.get(snapshot));
        if let Some(bytes) = hosted {
            Counters::add(&self.counters.host.hits);
            if let (Some(disk), Some(name)) = (&self.disk, self.board.file_of(snapshot)) {
                disk.queue.touch(name);
            }
            return Some(bytes);
        }
        match self.board.take(snapshot, |bytes| self.fits_host(bytes)) {
            Have::Nothing => {
                Counters::add(&self.counters.host.misses);
                None
            }
            Have::Queued(bytes) => {
                Counters::add(&self.counters.host.hits);
                Some(bytes)
            }
            Have::Staged { bytes, in_host } => {
                Counters::add(&self.counters.disk.hits);
                if in_host {
                    self.insert_host(snapshot, bytes.clone());
                }
                Some(bytes)
            }
        }
    }
}

impl Drop for Tiers {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}
