//! What is known of each snapshot: pure decisions, no I/O, no locks.
//!
//! A snapshot may be in several places at once. What the scheduler is told is the best of them,
//! and it is told when that changes. Every change goes through [`Places::change`], which compares
//! the place before and after, so none is forgotten and none is told twice.
//!
//! Invariants: a snapshot that is nowhere is not in the table; a file belongs to one snapshot at
//! most, the last that claimed it; staged bytes are within their bound or those of one snapshot.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use indwell_kernel::{SnapshotId, SnapshotPlace, Tier};
use indwell_llama::SnapshotBytes;

use super::disk::name::FileName;

/// A snapshot's new place.
pub(super) type Change = (SnapshotId, SnapshotPlace);

/// Where the snapshots are.
#[derive(Debug)]
pub(super) struct Places {
    snapshots: HashMap<SnapshotId, Known>,
    owners: HashMap<FileName, SnapshotId>,
    staged: Staged,
}

/// Bytes from files that nobody has used yet, by age.
#[derive(Debug)]
struct Staged {
    by_age: BTreeMap<u64, SnapshotId>,
    next: u64,
    bytes: u64,
    bytes_max: u64,
}

#[derive(Debug, Default)]
struct Known {
    in_host: bool,
    file: File,
    /// Whether the background thread has been asked for the file.
    reading: bool,
    staged: Option<(u64, Arc<SnapshotBytes>)>,
}

#[derive(Debug, Default)]
enum File {
    #[default]
    None,
    /// To be written; until then the bytes are here.
    Queued(FileName, Arc<SnapshotBytes>),
    Written(FileName),
}

/// What there is of a snapshot outside the host cache.
#[derive(Debug)]
pub(super) enum Have {
    /// No bytes.
    Nothing,
    /// Bytes that wait to be written.
    Queued(Arc<SnapshotBytes>),
    /// Bytes that came from the file; they have been taken out.
    Staged {
        /// The bytes.
        bytes: Arc<SnapshotBytes>,
        /// Whether the host cache takes them now, as has been noted.
        in_host: bool,
    },
}

impl Known {
    fn place(&self) -> SnapshotPlace {
        match (&self.staged, self.in_host, &self.file) {
            (_, true, _) | (None, false, File::Queued(..)) => SnapshotPlace::Ready(Tier::Host),
            (Some(_), false, _) => SnapshotPlace::Ready(Tier::Disk),
            (None, false, File::Written(_)) => SnapshotPlace::Away,
            (None, false, File::None) => SnapshotPlace::Lost,
        }
    }
}

impl File {
    fn name(&self) -> Option<FileName> {
        match self {
            File::None => None,
            File::Queued(name, _) | File::Written(name) => Some(*name),
        }
    }
}

impl Places {
    pub(super) fn new(staging_bytes_max: u64) -> Self {
        let staged =
            Staged { by_age: BTreeMap::new(), next: 0, bytes: 0, bytes_max: staging_bytes_max };
        Self { snapshots: HashMap::new(), owners: HashMap::new(), staged }
    }

    /// Where a snapshot is.
    pub(super) fn place(&self, snapshot: SnapshotId) -> SnapshotPlace {
        self.snapshots.get(&snapshot).map_or(SnapshotPlace::Lost, Known::place)
    }

    /// The file that a snapshot has been written to.
    pub(super) fn file_of(&self, snapshot: SnapshotId) -> Option<FileName> {
        match self.snapshots.get(&snapshot)?.file {
            File::Written(name) => Some(name),
            File::None | File::Queued(..) => None,
        }
    }

    /// A new snapshot in the host cache.
    pub(super) fn put_host(&mut self, snapshot: SnapshotId) {
        self.snapshots.entry(snapshot).or_default().in_host = true;
    }

    /// A new snapshot's bytes wait to be written. The change is another snapshot's, whose file
    /// it was.
    pub(super) fn put_queued(
        &mut self,
        snapshot: SnapshotId,
        name: FileName,
        bytes: Arc<SnapshotBytes>,
    ) -> Option<Change> {
        let change = self.claim(snapshot, name);
        self.snapshots.entry(snapshot).or_default().file = File::Queued(name, bytes);
        change
    }

    /// A file that was found is this snapshot's.
    pub(super) fn bind(&mut self, snapshot: SnapshotId, name: FileName) -> Option<Change> {
        let change = self.claim(snapshot, name);
        let known = self.snapshots.entry(snapshot).or_default();
        if !matches!(known.file, File::Queued(..)) {
            known.file = File::Written(name);
        }
        change
    }

    fn claim(&mut self, snapshot: SnapshotId, name: FileName) -> Option<Change> {
        let before = self.owners.insert(name, snapshot).filter(|owner| *owner != snapshot)?;
        self.change(before, |known| known.file = File::None)
    }

    /// Whether a file is some snapshot's.
    pub(super) fn is_owned(&self, name: FileName) -> bool {
        self.owners.contains_key(&name)
    }

    /// Notes that a snapshot is being read; whether it was not yet.
    pub(super) fn begin_reading(&mut self, snapshot: SnapshotId) -> Option<FileName> {
        let known = self.snapshots.get_mut(&snapshot)?;
        if std::mem::replace(&mut known.reading, true) { None } else { known.file.name() }
    }

    /// The host cache has let go of a snapshot.
    pub(super) fn left_host(&mut self, snapshot: SnapshotId) -> Option<Change> {
        self.change(snapshot, |known| known.in_host = false)
    }

    /// The queued bytes of a snapshot are in its file.
    pub(super) fn written(&mut self, snapshot: SnapshotId, name: FileName) -> Option<Change> {
        self.change(snapshot, |known| {
            if matches!(known.file, File::Queued(queued, _) if queued == name) {
                known.file = File::Written(name);
            }
        })
    }

    /// A snapshot has no file and gets none.
    pub(super) fn no_file(&mut self, snapshot: SnapshotId) -> Option<Change> {
        self.change(snapshot, |known| {
            known.file = File::None;
            known.reading = false;
        })
    }

    /// A file is gone.
    pub(super) fn file_gone(&mut self, name: FileName) -> Option<Change> {
        let owner = *self.owners.get(&name)?;
        let queued = matches!(self.snapshots.get(&owner)?.file, File::Queued(..));
        // What is yet to be written will be there again.
        if queued { None } else { self.no_file(owner) }
    }

    /// There are no files any more.
    pub(super) fn no_files(&mut self) -> Vec<Change> {
        let all: Vec<SnapshotId> = self.snapshots.keys().copied().collect();
        all.into_iter().filter_map(|snapshot| self.no_file(snapshot)).collect()
    }

    /// A snapshot's file has been read. What is pushed out of the staging area unused is lost,
    /// although its file is there: a prefix larger than the area would be read in circles, while
    /// one that is computed again makes progress.
    pub(super) fn stage(&mut self, snapshot: SnapshotId, bytes: Arc<SnapshotBytes>) -> Vec<Change> {
        let Some(known) = self.snapshots.get_mut(&snapshot) else { return Vec::new() };
        if !known.reading {
            return Vec::new();
        }
        known.reading = false;
        if known.in_host || known.staged.is_some() {
            return Vec::new();
        }
        let length = bytes.len() as u64;
        let mut changes = Vec::new();
        while self.staged.bytes.saturating_add(length) > self.staged.bytes_max {
            let Some((_, oldest)) = self.staged.by_age.first_key_value() else { break };
            let oldest = *oldest;
            let before = self.place(oldest);
            self.unstage(oldest);
            changes.extend(self.change_from(oldest, before, |known| {
                known.file = File::None;
            }));
        }
        let age = self.staged.next;
        self.staged.next += 1;
        self.staged.by_age.insert(age, snapshot);
        self.staged.bytes += length;
        changes.extend(self.change(snapshot, |known| known.staged = Some((age, bytes))));
        changes
    }

    /// Takes what there is outside the host cache; `fits_host` says whether the cache takes bytes
    /// of a length.
    pub(super) fn take(
        &mut self,
        snapshot: SnapshotId,
        fits_host: impl Fn(usize) -> bool,
    ) -> (Have, Option<Change>) {
        let before = self.place(snapshot);
        if let Some(bytes) = self.unstage(snapshot) {
            let in_host = fits_host(bytes.len());
            let change = self.change_from(snapshot, before, |known| {
                known.in_host = in_host;
            });
            return (Have::Staged { bytes, in_host }, change);
        }
        let have = match self.snapshots.get(&snapshot).map(|known| &known.file) {
            Some(File::Queued(_, bytes)) => Have::Queued(bytes.clone()),
            _ => Have::Nothing,
        };
        (have, None)
    }

    /// Takes a snapshot out of memory, but for what waits to be written; how many staged bytes
    /// it had.
    pub(super) fn release(&mut self, snapshot: SnapshotId) -> (u64, Option<Change>) {
        let before = self.place(snapshot);
        let bytes = self.unstage(snapshot).map_or(0, |bytes| bytes.len() as u64);
        (bytes, self.change_from(snapshot, before, |known| known.in_host = false))
    }

    /// Forgets a snapshot.
    pub(super) fn forget(&mut self, snapshot: SnapshotId) {
        self.unstage(snapshot);
        if let Some(known) = self.snapshots.remove(&snapshot) {
            self.disown(snapshot, known.file.name());
        }
    }

    fn unstage(&mut self, snapshot: SnapshotId) -> Option<Arc<SnapshotBytes>> {
        let (age, bytes) = self.snapshots.get_mut(&snapshot)?.staged.take()?;
        self.staged.by_age.remove(&age);
        self.staged.bytes -= bytes.len() as u64;
        Some(bytes)
    }

    /// Changes what is known of a snapshot; its new place if that is another.
    fn change(&mut self, snapshot: SnapshotId, change: impl FnOnce(&mut Known)) -> Option<Change> {
        self.change_from(snapshot, self.place(snapshot), change)
    }

    fn change_from(
        &mut self,
        snapshot: SnapshotId,
        before: SnapshotPlace,
        change: impl FnOnce(&mut Known),
    ) -> Option<Change> {
        let known = self.snapshots.get_mut(&snapshot)?;
        let file_before = known.file.name();
        change(known);
        let (place, file) = (known.place(), known.file.name());
        if file != file_before {
            self.disown(snapshot, file_before);
        }
        if place == SnapshotPlace::Lost {
            self.snapshots.remove(&snapshot);
        }
        (place != before).then_some((snapshot, place))
    }

    fn disown(&mut self, snapshot: SnapshotId, file: Option<FileName>) {
        if let Some(name) = file
            && self.owners.get(&name) == Some(&snapshot)
        {
            self.owners.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use indwell_kernel::{Namespace, SnapshotKey, Token};
    use proptest::prelude::*;

    use super::*;
    use crate::tiers::Fingerprint;

    const SNAPSHOTS: u64 = 6;
    const STAGING_BYTES: u64 = 250;

    #[derive(Clone, Debug)]
    enum Step {
        PutHost(u64),
        /// In the host cache, too, or not.
        PutQueued(u64, i32, bool),
        Bind(u64, i32),
        Fetch(u64),
        Staged(u64, usize),
        LeftHost(u64),
        Written(u64, i32),
        NoFile(u64),
        FileGone(i32),
        NoFiles,
        Take(u64, bool),
        Release(u64),
        Forget(u64),
    }

    fn steps() -> impl Strategy<Value = Step> {
        let id = || 0..SNAPSHOTS;
        let file = || 0..4;
        prop_oneof![
            2 => id().prop_map(Step::PutHost),
            4 => (id(), file(), any::<bool>())
                .prop_map(|(id, file, host)| Step::PutQueued(id, file, host)),
            2 => (id(), file()).prop_map(|(id, file)| Step::Bind(id, file)),
            6 => id().prop_map(Step::Fetch),
            6 => (id(), 0..300_usize).prop_map(|(id, length)| Step::Staged(id, length)),
            2 => id().prop_map(Step::LeftHost),
            6 => (id(), file()).prop_map(|(id, file)| Step::Written(id, file)),
            1 => id().prop_map(Step::NoFile),
            1 => file().prop_map(Step::FileGone),
            1 => Just(Step::NoFiles),
            3 => (id(), any::<bool>()).prop_map(|(id, fits)| Step::Take(id, fits)),
            1 => id().prop_map(Step::Release),
            1 => id().prop_map(Step::Forget),
        ]
    }

    fn name(number: i32) -> FileName {
        let namespace = Namespace::from_bytes([0; 32]);
        let key = SnapshotKey { namespace, tokens: vec![Token(number)], start: 0 };
        FileName::of(&Fingerprint([0; 32]), &key)
    }

    fn zeroes(length: usize) -> Arc<SnapshotBytes> {
        Arc::new(SnapshotBytes::zeroed(length).expect("memory"))
    }

    /// What a listener believes of each snapshot.
    type Told = HashMap<SnapshotId, SnapshotPlace>;

    fn apply(places: &mut Places, step: Step, told: &mut Told) -> Vec<Change> {
        match step {
            Step::PutHost(id) => {
                let id = SnapshotId(id);
                // A snapshot is put once, before it is anywhere.
                if places.place(id) != SnapshotPlace::Lost {
                    return Vec::new();
                }
                places.put_host(id);
                // Whoever puts knows.
                told.insert(id, SnapshotPlace::Ready(Tier::Host));
                Vec::new()
            }
            Step::PutQueued(id, file, in_host) => {
                let id = SnapshotId(id);
                if places.place(id) != SnapshotPlace::Lost {
                    return Vec::new();
                }
                told.insert(id, SnapshotPlace::Ready(Tier::Host));
                if in_host {
                    places.put_host(id);
                }
                let change = places.put_queued(id, name(file), zeroes(10));
                change.into_iter().collect()
            }
            Step::Bind(id, file) => {
                let id = SnapshotId(id);
                if places.place(id) != SnapshotPlace::Lost {
                    return Vec::new();
                }
                told.insert(id, SnapshotPlace::Away);
                places.bind(id, name(file)).into_iter().collect()
            }
            Step::Fetch(id) => {
                let id = SnapshotId(id);
                if places.place(id) == SnapshotPlace::Away {
                    places.begin_reading(id);
                }
                Vec::new()
            }
            Step::Staged(id, length) => places.stage(SnapshotId(id), zeroes(length)),
            Step::LeftHost(id) => places.left_host(SnapshotId(id)).into_iter().collect(),
            Step::Written(id, file) => {
                places.written(SnapshotId(id), name(file)).into_iter().collect()
            }
            Step::NoFile(id) => places.no_file(SnapshotId(id)).into_iter().collect(),
            Step::FileGone(file) => places.file_gone(name(file)).into_iter().collect(),
            Step::NoFiles => places.no_files(),
            Step::Take(id, fits) => places.take(SnapshotId(id), |_| fits).1.into_iter().collect(),
            Step::Release(id) => places.release(SnapshotId(id)).1.into_iter().collect(),
            Step::Forget(id) => {
                places.forget(SnapshotId(id));
                told.remove(&SnapshotId(id));
                Vec::new()
            }
        }
    }

    fn check(places: &Places, told: &Told) {
        for id in (0..SNAPSHOTS).map(SnapshotId) {
            let believed = told.get(&id).copied().unwrap_or(SnapshotPlace::Lost);
            assert_eq!(believed, places.place(id), "{id}");
        }
        for (id, known) in &places.snapshots {
            assert_ne!(known.place(), SnapshotPlace::Lost, "{id} is nowhere");
            if let Some(name) = known.file.name() {
                assert_eq!(places.owners.get(&name), Some(id), "the file of {id}");
            }
        }
        let files = places.snapshots.values().filter_map(|known| known.file.name());
        assert_eq!(files.count(), places.owners.len());
        let staged: Vec<u64> = places
            .snapshots
            .values()
            .filter_map(|known| Some(known.staged.as_ref()?.1.len() as u64))
            .collect();
        assert_eq!(staged.len(), places.staged.by_age.len());
        let bytes: u64 = staged.iter().sum();
        assert_eq!(bytes, places.staged.bytes);
        assert!(bytes <= STAGING_BYTES || staged.len() == 1);
    }

    proptest! {
        #[test]
        fn what_is_told_is_what_is_so(steps in prop::collection::vec(steps(), 1..200)) {
            let (mut places, mut told) = (Places::new(STAGING_BYTES), Told::new());
            for step in steps {
                for (id, place) in apply(&mut places, step, &mut told) {
                    prop_assert_ne!(told.insert(id, place), Some(place), "told twice");
                }
                check(&places, &told);
            }
        }
    }
}
