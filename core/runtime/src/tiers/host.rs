//! Snapshots in the host's memory: the least recently used leaves when there is no room.
//!
//! Least recently used, and not moka's usual TinyLFU, which may refuse a newcomer in favour of
//! what was popular: a prefix that has just left the backend's memory must be taken, or it is
//! lost at the very moment it is given up elsewhere.
//!
//! Invariants: after each call the weight is at most the capacity, and the bytes of what left are
//! free. Both need care with moka. It evicts when it tends to its pending tasks, so that is done
//! in each insertion. And it frees removed entries some time later, when no thread can look at
//! them; tens of megabytes each can't wait for that, so an entry only points to a slot that is
//! emptied at once.

use std::fmt;
use std::sync::Arc;

use indwell_kernel::SnapshotId;
use indwell_llama::SnapshotBytes;
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use parking_lot::Mutex;

/// What an entry costs beyond its bytes: moka's entry, its queues' nodes, the slot, the place.
const ENTRY_OVERHEAD_BYTES: u64 = 512;

/// Weights are in KiB, rounded up: moka's have 32 bits, and a snapshot may exceed 4 GiB.
const UNIT_BYTES: u64 = 1024;

/// The host's memory for snapshots.
pub(super) struct Host {
    cache: Cache<SnapshotId, Arc<Slot>>,
    capacity_units: u64,
}

struct Slot {
    bytes: Mutex<Option<Arc<SnapshotBytes>>>,
    units: u32,
}

impl Host {
    /// `evicted` hears of each snapshot that left for want of room, on the thread that inserts.
    pub(super) fn new(bytes: u64, evicted: impl Fn(SnapshotId) + Send + Sync + 'static) -> Self {
        let capacity_units = bytes / UNIT_BYTES;
        let cache = Cache::builder()
            .max_capacity(capacity_units)
            .weigher(|_, slot: &Arc<Slot>| slot.units)
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(move |snapshot: Arc<SnapshotId>, slot: Arc<Slot>, cause| {
                slot.bytes.lock().take();
                if cause == RemovalCause::Size {
                    evicted(*snapshot);
                }
            })
            .build();
        Self { cache, capacity_units }
    }

    /// Whether so many bytes can be held at all.
    pub(super) fn fits(&self, bytes: usize) -> bool {
        units(bytes).is_some_and(|units| u64::from(units) <= self.capacity_units)
    }

    /// Takes bytes that fit; others make room.
    pub(super) fn insert(&self, snapshot: SnapshotId, bytes: Arc<SnapshotBytes>) {
        let Some(units) = units(bytes.len()) else { return };
        self.cache.insert(snapshot, Arc::new(Slot { bytes: Mutex::new(Some(bytes)), units }));
        // One call evicts a bounded number of entries, but always some.
        self.cache.run_pending_tasks();
        while self.cache.weighted_size() > self.capacity_units {
            self.cache.run_pending_tasks();
        }
    }

    /// The bytes, which are now the most recently used.
    pub(super) fn get(&self, snapshot: SnapshotId) -> Option<Arc<SnapshotBytes>> {
        self.cache.get(&snapshot)?.bytes.lock().clone()
    }

    /// Removes a snapshot; what it weighed, in bytes.
    pub(super) fn remove(&self, snapshot: SnapshotId) -> u64 {
        let Some(slot) = self.cache.remove(&snapshot) else { return 0 };
        slot.bytes.lock().take();
        self.cache.run_pending_tasks();
        u64::from(slot.units) * UNIT_BYTES
    }

    /// How many snapshots it holds.
    pub(super) fn entries(&self) -> u64 {
        self.cache.entry_count()
    }

    /// What they weigh, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.cache.weighted_size() * UNIT_BYTES
    }
}

fn units(bytes: usize) -> Option<u32> {
    let bytes = (bytes as u64).checked_add(ENTRY_OVERHEAD_BYTES)?;
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).ok()
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}
