//! The worker's side of the prefix cache's other tiers: what the scheduler asks of them, and
//! what they tell it.

use std::sync::Arc;
use std::time::Duration;

use indwell_kernel::{Scheduler, SnapshotId};

use crate::tiers::{TierEvent, Tiers};

/// How long closing waits for files to be written.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// The tiers beside the backend's memory.
#[derive(Debug, Default)]
pub(crate) struct Caching {
    /// `None` where nothing is kept outside the backend's memory.
    pub(crate) tiers: Option<Arc<Tiers>>,
    /// The longest prefix that a request can have.
    pub(crate) request_tokens_max: u32,
}

impl Caching {
    /// A snapshot is wanted.
    pub(super) fn fetch(&self, snapshot: SnapshotId, scheduler: &mut Scheduler) {
        if let Some(tiers) = &self.tiers {
            scheduler.place_snapshot(snapshot, tiers.fetch(snapshot));
        }
    }

    /// A snapshot is not known to the scheduler any more.
    pub(super) fn forget(&self, snapshot: SnapshotId) {
        if let Some(tiers) = &self.tiers {
            tiers.forget(snapshot);
        }
    }

    /// A prompt was looked up: others may have written what it lacks.
    pub(super) fn refresh(&self) {
        if let Some(tiers) = &self.tiers {
            tiers.refresh();
        }
    }

    /// The tiers have something to tell.
    pub(super) fn take(&self, event: TierEvent, scheduler: &mut Scheduler) {
        match event {
            TierEvent::Place(snapshot, place) => scheduler.place_snapshot(snapshot, place),
            TierEvent::Found { key, file } => {
                let fits = key.tokens.len() <= self.request_tokens_max as usize;
                if fits
                    && let Some(tiers) = &self.tiers
                    && let Some(snapshot) = scheduler.adopt_snapshot(&key)
                {
                    tiers.bind(file, snapshot);
                }
            }
        }
    }

    /// Gives at least `bytes` of the host's memory back, if there are as many; how many it were.
    pub(super) fn trim(&self, bytes: u64, scheduler: &Scheduler) -> u64 {
        let Some(tiers) = &self.tiers else { return 0 };
        let mut freed = 0;
        for snapshot in scheduler.snapshots_coldest_first() {
            if freed >= bytes {
                break;
            }
            freed += tiers.remove_host(snapshot);
        }
        freed
    }

    /// Whether anything outlives the engine.
    pub(super) fn has_files(&self) -> bool {
        self.tiers.as_ref().is_some_and(|tiers| tiers.stats().disk.tier.capacity_bytes > 0)
    }

    /// Writes what is to be written, and ends the files' thread.
    pub(super) fn close(&self) {
        if let Some(tiers) = &self.tiers {
            tiers.close(CLOSE_WITHIN);
        }
    }
}
