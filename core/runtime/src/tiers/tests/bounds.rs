//! What is full: memory, the directory, the queue, the staging area.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;

use super::*;

/// What the host counts for an entry besides its bytes, rounded up to whole KiB.
const HOST_ENTRY: u64 = 1024;
const BLOCK: u64 = 4096;

#[test]
fn memory_holds_the_most_recently_used_of_ten_thousand() {
    let store = Store::new(host_only(1000 * HOST_ENTRY));
    let mut lost = BTreeSet::new();
    for number in 0..10_000 {
        assert!(store.put(number, 300));
        let stats = store.tiers.stats().host;
        assert!(stats.bytes <= stats.capacity_bytes, "after {number}: {stats:?}");
        // The first stays because it is used all the time.
        assert!(store.read(0, 300));
        for event in store.events.try_iter() {
            let TierEvent::Place(id, SnapshotPlace::Lost) = event else { panic!("{event:?}") };
            lost.insert(id.0);
        }
    }
    assert_eq!(lost, (1..9001).collect());
    assert_eq!(store.tiers.stats().host.evictions, 9000);
    assert!((9001..10_000).all(|number| store.read(number, 300)));
}

#[test]
fn a_large_snapshot_pushes_out_many_small_ones_and_their_memory_is_free() {
    let store = Store::new(host_only(4000 * HOST_ENTRY));
    let mut held = Vec::new();
    for number in 0..4000 {
        assert!(store.put(number, 500));
        held.push(Arc::downgrade(&store.get(number).unwrap()));
    }
    assert!(held.iter().all(|bytes| bytes.upgrade().is_some()));
    assert!(store.put(9999, 3999 << 10));
    assert_eq!(store.tiers.stats().host.entries, 1);
    assert!(held.iter().all(|bytes| bytes.upgrade().is_none()));
}

#[test]
fn what_exceeds_the_memory_is_refused_or_goes_to_a_file() {
    let store = Store::new(host_only(64 << 10));
    assert!(!store.put(1, 64 << 10));
    assert_eq!(store.fetch(1), SnapshotPlace::Lost);
    let directory = tempfile::tempdir().unwrap();
    let config = TiersConfig { host_bytes: 64 << 10, ..disk_only(directory.path()) };
    let store = Store::new(config);
    store.put_away(1, 64 << 10);
    assert!(store.read(1, 64 << 10));
    assert_eq!(store.tiers.stats().host.entries, 0);
}

#[test]
fn the_directory_holds_the_most_recently_used_of_ten_thousand() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = disk_only(directory.path());
    config.disk.as_mut().unwrap().bytes = 1000 * BLOCK;
    let store = Store::new(config);
    let mut lost = BTreeSet::new();
    for number in 0..10_000 {
        assert!(store.put(number, 300));
        if number % 500 == 499 {
            // The first stays because it is used now and then.
            while store.tiers.stats().disk.writes != number + 1 {
                std::thread::yield_now();
            }
            assert!(store.read(0, 300));
            assert!(files(directory.path()).len() <= 1000);
        }
    }
    store.until(|stats| stats.disk.writes == 10_000 && stats.disk.tier.evictions == 9000);
    let stats = store.tiers.stats().disk;
    assert_eq!((stats.tier.entries, stats.tier.bytes), (1000, 1000 * BLOCK));
    assert_eq!(stats.skipped, 0);
    for number in 0..10_000 {
        let read = store.read(number, 300);
        if !read {
            lost.insert(number);
        }
    }
    assert_eq!(lost, (1..9001).collect());
    assert_eq!(files(directory.path()).len(), 1000);
}

#[test]
fn a_directory_that_is_too_full_is_cut_down_when_it_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(disk_only(directory.path()));
    for number in 0..20 {
        store.put_away(number, 300);
    }
    drop(store);
    // Another model's engine, with less room: it evicts for all.
    let mut config = TiersConfig { fingerprint: THEIRS, ..disk_only(directory.path()) };
    config.disk.as_mut().unwrap().bytes = 5 * BLOCK;
    let store = Store::new(config);
    store.until(|stats| stats.disk.tier.evictions == 15);
    store.put_away(1, 300);
    assert_eq!(files(directory.path()).len(), 5);
    drop(store);
    let store = Store::new(disk_only(directory.path()));
    let found: BTreeSet<i32> = (0..4).map(|_| store.found().0.tokens[0].0).collect();
    assert_eq!(found, (16..20).collect());
}

#[test]
fn a_snapshot_that_exceeds_the_directory_is_skipped() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = disk_only(directory.path());
    config.disk.as_mut().unwrap().bytes = 4 * BLOCK;
    let store = Store::new(config);
    store.put_away(1, 100);
    assert!(store.put(2, 5 * 4096));
    assert_eq!(store.next_place(2), SnapshotPlace::Lost);
    assert_eq!(store.tiers.stats().disk.skipped, 1);
    assert!(store.read(1, 100), "nothing was evicted for it");
}

/// A disk that writes when it is let.
#[derive(Debug)]
struct Gate(Receiver<()>);

impl Volume for Gate {
    fn writer<'f>(&'f self, file: &'f mut File) -> Box<dyn io::Write + 'f> {
        // An end of the channel that is gone lets everything pass.
        let _ = self.0.recv();
        Box::new(file)
    }
}

#[test]
fn what_the_queue_has_no_room_for_is_skipped() {
    let directory = tempfile::tempdir().unwrap();
    let (open, gate) = unbounded();
    let mut config = disk_only(directory.path());
    config.disk.as_mut().unwrap().queue_bytes = 2500;
    let store = Store::on(Box::new(Gate(gate)), config);
    assert!(store.put(1, 1000));
    assert!(store.put(2, 1000));
    assert!(!store.put(3, 1000), "there is no room, and no memory tier");
    assert_eq!(store.tiers.stats().disk.skipped, 1);
    // What waits to be written is in memory.
    assert_eq!(store.fetch(2), SnapshotPlace::Ready(Tier::Host));
    assert!(store.read(2, 1000));
    drop(open);
    assert_eq!(store.next_place(1), SnapshotPlace::Away);
    assert_eq!(store.next_place(2), SnapshotPlace::Away);
    store.put_away(4, 10_000);
    assert_eq!(store.fetch(3), SnapshotPlace::Lost);
    assert!(store.read(1, 1000) && store.read(2, 1000) && store.read(4, 10_000));
}

#[test]
fn closing_waits_no_longer_than_it_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let (open, gate) = unbounded();
    let store = Store::on(Box::new(Gate(gate)), disk_only(directory.path()));
    for number in 0..10 {
        assert!(store.put(number, 1000));
    }
    open.send(()).unwrap();
    assert_eq!(store.next_place(0), SnapshotPlace::Away);
    let started = std::time::Instant::now();
    store.tiers.close(Duration::from_millis(1));
    assert!(started.elapsed() < PATIENCE / 2);
    assert_eq!(store.tiers.stats().disk.writes, 1);
    drop(open);
    // The thread was left behind; it goes on to its end, and nothing is half written.
    let lost: BTreeSet<u64> = (1..10)
        .filter(|_| matches!(store.next_event(), TierEvent::Place(_, SnapshotPlace::Lost)))
        .collect();
    assert_eq!(lost.len(), 9);
    drop(store);
    assert!(files(directory.path()).keys().all(|name| !name.starts_with('.')));
}

#[test]
fn what_is_pushed_out_of_the_staging_area_unused_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = disk_only(directory.path());
    config.disk.as_mut().unwrap().staging_bytes = 2500;
    let store = Store::new(config);
    for number in 0..3 {
        store.put_away(number, 1000);
    }
    store.put_away(3, 9000);
    assert_eq!(store.fetch(0), SnapshotPlace::Ready(Tier::Disk));
    assert_eq!(store.fetch(1), SnapshotPlace::Ready(Tier::Disk));
    assert_eq!(store.tiers.fetch(SnapshotId(2)), SnapshotPlace::Away);
    assert_eq!(store.next_place(0), SnapshotPlace::Lost);
    assert_eq!(store.next_place(2), SnapshotPlace::Ready(Tier::Disk));
    assert!(store.get(0).is_none());
    assert!(store.read(1, 1000) && store.read(2, 1000));
    assert!(store.read(3, 9000), "one snapshot always fits");
}
