//! Counters of the tiers: written where things happen, read from anywhere without a lock.

use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::atomic::{AtomicBool, AtomicU64};

/// What the tiers hold and how they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TiersStats {
    /// The host's memory.
    pub(crate) host: TierCounters,
    /// The files.
    pub(crate) disk: DiskCounters,
}

/// One tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TierCounters {
    /// Snapshots in it now; in the directory, everybody's.
    pub(crate) entries: u64,
    /// What they take, in bytes.
    pub(crate) bytes: u64,
    /// What they may take, in bytes.
    pub(crate) capacity_bytes: u64,
    /// How often it served a snapshot's bytes.
    pub(crate) hits: u64,
    /// How often it was asked for a snapshot and did not have it.
    pub(crate) misses: u64,
    /// How many left for want of room.
    pub(crate) evictions: u64,
}

/// The disk tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DiskCounters {
    /// What each tier has.
    pub(crate) tier: TierCounters,
    /// Files written.
    pub(crate) writes: u64,
    /// Snapshots that were not written: the queue was full, or the directory too small.
    pub(crate) skipped: u64,
    /// Files that failed their checks.
    pub(crate) corrupt: u64,
    /// Whether a fault has switched the tier off.
    pub(crate) off: bool,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) host: TierCells,
    pub(super) disk: TierCells,
    pub(super) disk_writes: AtomicU64,
    pub(super) disk_skipped: AtomicU64,
    pub(super) disk_corrupt: AtomicU64,
    pub(super) disk_off: AtomicBool,
}

#[derive(Debug, Default)]
pub(super) struct TierCells {
    pub(super) entries: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) evictions: AtomicU64,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    /// All but the capacities, and what the host cache itself counts.
    pub(super) fn read(&self) -> TiersStats {
        // First: what was counted before the tier was switched off is seen with it.
        let off = self.disk_off.load(Acquire);
        TiersStats {
            host: self.host.read(),
            disk: DiskCounters {
                tier: self.disk.read(),
                writes: self.disk_writes.load(Relaxed),
                skipped: self.disk_skipped.load(Relaxed),
                corrupt: self.disk_corrupt.load(Relaxed),
                off,
            },
        }
    }
}

impl TierCells {
    fn read(&self) -> TierCounters {
        TierCounters {
            entries: self.entries.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            capacity_bytes: 0,
            hits: self.hits.load(Relaxed),
            misses: self.misses.load(Relaxed),
            evictions: self.evictions.load(Relaxed),
        }
    }
}
