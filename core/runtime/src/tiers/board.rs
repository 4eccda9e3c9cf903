//! The places that the engine's thread and the background thread share, and telling of changes.
//!
//! Invariant: changes are told under the lock that they are made under, so in the same order. A
//! listener that was told "lost" after "away" never believes the reverse.

use std::fmt;
use std::sync::Arc;

use indwell_kernel::{SnapshotId, SnapshotPlace};
use indwell_llama::SnapshotBytes;
use parking_lot::Mutex;

use super::TierEvent;
use super::disk::name::FileName;
use super::places::{Change, Have, Places};
use super::queue::{Queue, Write};

/// The shared places.
pub(super) struct Board {
    places: Mutex<Places>,
    events: Box<dyn Fn(TierEvent) + Send + Sync>,
}

impl Board {
    pub(super) fn new(staging_bytes: u64, events: Box<dyn Fn(TierEvent) + Send + Sync>) -> Self {
        Self { places: Mutex::new(Places::new(staging_bytes)), events }
    }

    /// Makes changes and tells them.
    pub(super) fn change<C: IntoIterator<Item = Change>>(
        &self,
        change: impl FnOnce(&mut Places) -> C,
    ) {
        let mut places = self.places.lock();
        self.tell_places(change(&mut places));
    }

    /// Tells something that is no change of a place.
    pub(super) fn tell(&self, event: TierEvent) {
        (self.events)(event);
    }

    fn tell_places(&self, changes: impl IntoIterator<Item = Change>) {
        for (snapshot, place) in changes {
            (self.events)(TierEvent::Place(snapshot, place));
        }
    }

    /// A new snapshot, in the host cache, in the queue, or in both; whether it is queued.
    pub(super) fn put(
        &self,
        snapshot: SnapshotId,
        in_host: bool,
        file: Option<(&Queue, Write)>,
    ) -> bool {
        let mut places = self.places.lock();
        if in_host {
            places.put_host(snapshot);
        }
        let Some((queue, write)) = file else { return false };
        let (name, bytes) = (write.name, write.bytes.clone());
        // Under the lock: the background thread finds the place when it has written.
        let queued = queue.write(write);
        if queued {
            self.tell_places(places.put_queued(snapshot, name, bytes));
        }
        queued
    }

    /// Where a snapshot is; if it has to be read, that begins.
    pub(super) fn fetch(&self, snapshot: SnapshotId, queue: Option<&Queue>) -> SnapshotPlace {
        let mut places = self.places.lock();
        if places.place(snapshot) == SnapshotPlace::Away
            && let Some(name) = places.begin_reading(snapshot)
            && !queue.is_some_and(|queue| queue.read(snapshot, name))
        {
            // The answer tells it.
            let _ = places.no_file(snapshot);
        }
        places.place(snapshot)
    }

    pub(super) fn bind(&self, snapshot: SnapshotId, name: FileName, queue: &Queue) {
        let mut places = self.places.lock();
        self.tell_places(places.bind(snapshot, name));
        // The file may have gone since it was found.
        if !queue.confirm(name) {
            self.tell_places(places.no_file(snapshot));
        }
    }

    pub(super) fn take(&self, snapshot: SnapshotId, fits_host: impl Fn(usize) -> bool) -> Have {
        let mut places = self.places.lock();
        let (have, change) = places.take(snapshot, fits_host);
        self.tell_places(change);
        have
    }

    pub(super) fn left_host(&self, snapshot: SnapshotId) {
        self.change(|places| places.left_host(snapshot));
    }

    pub(super) fn release(&self, snapshot: SnapshotId) -> u64 {
        let mut places = self.places.lock();
        let (bytes, change) = places.release(snapshot);
        self.tell_places(change);
        bytes
    }

    pub(super) fn forget(&self, snapshot: SnapshotId) {
        self.places.lock().forget(snapshot);
    }

    pub(super) fn file_of(&self, snapshot: SnapshotId) -> Option<FileName> {
        self.places.lock().file_of(snapshot)
    }

    pub(super) fn is_owned(&self, name: FileName) -> bool {
        self.places.lock().is_owned(name)
    }

    pub(super) fn stage(&self, snapshot: SnapshotId, bytes: SnapshotBytes) {
        self.change(|places| places.stage(snapshot, Arc::new(bytes)));
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").field("places", &self.places).finish_non_exhaustive()
    }
}
