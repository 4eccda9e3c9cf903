//! The store as a whole: both tiers, their bounds, faults, and other processes.

mod bounds;
mod faults;
mod files;
mod sharing;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, unbounded};
use indwell_kernel::{Namespace, SnapshotId, SnapshotKey, SnapshotPlace, Tier, Token};
use indwell_llama::{SnapshotBytes, SnapshotStore};

use super::disk::volume::{Plain, Volume};
use super::{DiskConfig, FileRef, Fingerprint, TierEvent, Tiers, TiersConfig};

const OURS: Fingerprint = Fingerprint([7; 32]);
const THEIRS: Fingerprint = Fingerprint([8; 32]);
/// Longer than anything takes that is not stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// A store and what it told.
struct Store {
    tiers: Arc<Tiers>,
    events: Receiver<TierEvent>,
    /// Found files that were told while something else was waited for.
    found: RefCell<VecDeque<(SnapshotKey, FileRef)>>,
}

/// The key of the `number`th snapshot.
fn key(number: u64) -> Arc<SnapshotKey> {
    let number = i32::try_from(number).expect("tests are smaller");
    let tokens = vec![Token(number), Token(-1), Token(i32::MAX), Token(4)];
    Arc::new(SnapshotKey { namespace: Namespace::builder().finish(), tokens, start: 1 })
}

/// The bytes of the `number`th snapshot, which no other has.
fn payload(number: u64, length: usize) -> SnapshotBytes {
    let seed = blake3::hash(&number.to_le_bytes());
    let bytes: Vec<u8> = seed.as_bytes().iter().copied().cycle().take(length).collect();
    SnapshotBytes::copy_of(&bytes).expect("memory")
}

fn host_only(host_bytes: u64) -> TiersConfig {
    TiersConfig { host_bytes, disk: None, fingerprint: OURS }
}

fn disk_only(directory: &Path) -> TiersConfig {
    let disk = DiskConfig::new(directory.to_owned(), 1 << 30);
    TiersConfig { host_bytes: 0, disk: Some(disk), fingerprint: OURS }
}

impl Store {
    fn new(config: TiersConfig) -> Self {
        Self::on(Box::new(Plain), config)
    }

    fn on(volume: Box<dyn Volume>, config: TiersConfig) -> Self {
        let (send, events) = unbounded();
        let tiers = Tiers::on(volume, config, move |event| {
            let _ = send.send(event);
        });
        Self { tiers, events, found: RefCell::default() }
    }

    /// Puts the `number`th snapshot under its number.
    fn put(&self, number: u64, length: usize) -> bool {
        self.tiers.put(SnapshotId(number), &key(number), payload(number, length))
    }

    /// Puts a snapshot and waits until it is in its file alone.
    fn put_away(&self, number: u64, length: usize) {
        for event in self.events.try_iter() {
            self.keep_found(event);
        }
        assert!(self.put(number, length));
        assert_eq!(self.next_place(number), SnapshotPlace::Away);
    }

    fn next_event(&self) -> TierEvent {
        self.events.recv_timeout(PATIENCE).expect("something is told")
    }

    /// The next place that is told of a snapshot; other events are passed over.
    fn next_place(&self, number: u64) -> SnapshotPlace {
        loop {
            match self.next_event() {
                TierEvent::Place(SnapshotId(told), place) if told == number => return place,
                event => self.keep_found(event),
            }
        }
    }

    fn keep_found(&self, event: TierEvent) {
        if let TierEvent::Found { key, file } = event {
            self.found.borrow_mut().push_back((key, file));
        }
    }

    /// Where a snapshot is once it has been read.
    fn fetch(&self, number: u64) -> SnapshotPlace {
        match self.tiers.fetch(SnapshotId(number)) {
            SnapshotPlace::Away => loop {
                // What was told before this call may say that it is away.
                match self.next_place(number) {
                    SnapshotPlace::Away => {}
                    place => return place,
                }
            },
            place => place,
        }
    }

    fn get(&self, number: u64) -> Option<Arc<SnapshotBytes>> {
        self.tiers.get(SnapshotId(number))
    }

    /// Fetches and takes a snapshot, which is the right one or lost.
    fn read(&self, number: u64, length: usize) -> bool {
        loop {
            match self.fetch(number) {
                SnapshotPlace::Ready(_) => {}
                SnapshotPlace::Lost => return false,
                SnapshotPlace::Away => panic!("snapshot {number} has been read and is away"),
            }
            // It may have been written, and left the memory, in this moment.
            if let Some(bytes) = self.get(number) {
                assert_eq!(*bytes, payload(number, length), "snapshot {number}");
                return true;
            }
        }
    }

    /// The next file that is found.
    fn found(&self) -> (SnapshotKey, FileRef) {
        loop {
            if let Some(found) = self.found.borrow_mut().pop_front() {
                return found;
            }
            self.keep_found(self.next_event());
        }
    }

    /// Waits until a counter has reached what it should.
    fn until(&self, reached: impl Fn(&super::TiersStats) -> bool) {
        let started = std::time::Instant::now();
        while !reached(&self.tiers.stats()) {
            assert!(started.elapsed() < PATIENCE, "stuck at {:?}", self.tiers.stats());
            std::thread::yield_now();
        }
    }
}

/// The sizes of the files in a directory, by name.
fn files(directory: &Path) -> HashMap<String, u64> {
    let entries = std::fs::read_dir(directory).expect("the directory is there");
    let sizes = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        Some((entry.file_name().into_string().ok()?, entry.metadata().ok()?.len()))
    });
    sizes.collect()
}

/// The only file in a directory.
fn only_file(directory: &Path) -> std::path::PathBuf {
    let names: Vec<String> = files(directory).into_keys().collect();
    let [name] = &names[..] else { panic!("{names:?}") };
    directory.join(name)
}

#[test]
fn a_snapshot_in_memory_is_served_until_it_is_forgotten() {
    let store = Store::new(host_only(1 << 20));
    assert!(store.put(1, 1000));
    assert_eq!(store.fetch(1), SnapshotPlace::Ready(Tier::Host));
    assert!(store.read(1, 1000));
    store.tiers.forget(SnapshotId(1));
    assert_eq!(store.fetch(1), SnapshotPlace::Lost);
    assert!(store.get(1).is_none());
    let stats = store.tiers.stats();
    assert_eq!((stats.host.entries, stats.host.bytes), (0, 0));
    assert_eq!((stats.host.hits, stats.host.misses), (1, 2));
    assert!(store.events.is_empty());
}

#[test]
fn a_snapshot_in_a_file_is_read_back_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(disk_only(directory.path()));
    for (number, length) in [0, 1, 4096, (3 << 20) + 5].into_iter().enumerate() {
        let number = number as u64;
        store.put_away(number, length);
        assert_eq!(store.fetch(number), SnapshotPlace::Ready(Tier::Disk));
        assert_eq!(*store.get(number).unwrap(), payload(number, length));
        // There is no memory to keep it in.
        assert_eq!(store.next_place(number), SnapshotPlace::Away);
        assert!(store.get(number).is_none());
    }
    let stats = store.tiers.stats().disk;
    assert_eq!((stats.writes, stats.tier.entries, stats.tier.hits), (4, 4, 4));
    assert_eq!((stats.skipped, stats.corrupt, stats.off), (0, 0, false));
}

#[test]
fn what_leaves_the_memory_comes_back_from_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let config = TiersConfig { host_bytes: 20 << 10, ..disk_only(directory.path()) };
    let store = Store::new(config);
    assert!(store.put(1, 12 << 10));
    store.until(|stats| stats.disk.writes == 1);
    assert!(store.put(2, 12 << 10));
    assert_eq!(store.next_place(1), SnapshotPlace::Away);
    assert_eq!(store.fetch(1), SnapshotPlace::Ready(Tier::Disk));
    assert_eq!(*store.get(1).unwrap(), payload(1, 12 << 10));
    assert_eq!(store.next_place(1), SnapshotPlace::Ready(Tier::Host));
    store.until(|stats| stats.disk.writes == 2);
    assert_eq!(store.tiers.stats().host.evictions, 2);
    assert!(store.read(1, 12 << 10), "it is in memory now");
    assert!(store.read(2, 12 << 10));
}

#[test]
fn memory_is_given_back_when_asked() {
    let directory = tempfile::tempdir().unwrap();
    let config = TiersConfig { host_bytes: 1 << 20, ..disk_only(directory.path()) };
    let store = Store::new(config);
    assert!(store.put(1, 5000));
    store.until(|stats| stats.disk.writes == 1);
    let held = Arc::downgrade(&store.get(1).unwrap());
    // As it is counted: with what an entry costs, in whole KiB.
    assert_eq!(store.tiers.remove_host(SnapshotId(1)), 6 << 10);
    assert_eq!(store.next_place(1), SnapshotPlace::Away);
    assert!(held.upgrade().is_none());
    assert_eq!(store.tiers.remove_host(SnapshotId(1)), 0);
    // What was read and waits to be used is memory, too.
    assert_eq!(store.fetch(1), SnapshotPlace::Ready(Tier::Disk));
    assert_eq!(store.tiers.remove_host(SnapshotId(1)), 5000);
    assert_eq!(store.next_place(1), SnapshotPlace::Away);
    assert!(store.read(1, 5000));
}

#[test]
fn a_restart_finds_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(TiersConfig { host_bytes: 1 << 20, ..disk_only(directory.path()) });
    for number in 0..200 {
        assert!(store.put(number, 100));
    }
    store.tiers.close(PATIENCE);
    assert_eq!(store.tiers.stats().disk.writes, 200);
    assert!(store.read(3, 100), "the memory serves on");
    drop(store);

    let store = Store::new(disk_only(directory.path()));
    let mut bound = HashMap::new();
    for id in 1000..1200 {
        let (key, file) = store.found();
        let Token(number) = key.tokens[0];
        bound.insert(u64::try_from(number).unwrap(), SnapshotId(id));
        store.tiers.bind(file, SnapshotId(id));
    }
    for number in 0..200 {
        let id = bound[&number];
        assert_eq!(store.fetch(id.0), SnapshotPlace::Ready(Tier::Disk));
        assert_eq!(*store.get(id.0).unwrap(), payload(number, 100));
    }
}

#[test]
fn a_forgotten_snapshot_keeps_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(disk_only(directory.path()));
    store.put_away(1, 100);
    store.tiers.forget(SnapshotId(1));
    assert_eq!(store.fetch(1), SnapshotPlace::Lost);
    // The same tokens are computed and put once more: the file is there.
    assert!(store.tiers.put(SnapshotId(2), &key(1), payload(1, 100)));
    assert_eq!(store.next_place(2), SnapshotPlace::Away);
    assert_eq!(store.tiers.stats().disk.writes, 1);
    assert_eq!(store.fetch(2), SnapshotPlace::Ready(Tier::Disk));
    assert_eq!(*store.get(2).unwrap(), payload(1, 100));
}

#[test]
fn closing_is_for_ever_and_harmless_twice() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(disk_only(directory.path()));
    store.put_away(1, 100);
    store.tiers.close(PATIENCE);
    store.tiers.close(Duration::ZERO);
    assert_eq!(store.fetch(1), SnapshotPlace::Lost);
    assert!(!store.put(2, 100));
    assert!(!store.tiers.stats().disk.off, "closed is no fault");
    assert_eq!(files(directory.path()).len(), 1);
}
