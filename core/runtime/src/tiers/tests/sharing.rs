//! Several engines on one directory, and people who delete files.

use std::fs;
use std::thread;

use super::*;

#[test]
fn engines_on_one_directory_find_each_others_files() {
    let directory = tempfile::tempdir().unwrap();
    let one = Store::new(disk_only(directory.path()));
    let other = Store::new(disk_only(directory.path()));
    one.put_away(1, 1000);
    other.put_away(2, 1000);
    for (store, theirs) in [(&one, 2), (&other, 1)] {
        store.tiers.refresh();
        let (found, file) = store.found();
        assert_eq!(found, *key(theirs));
        store.tiers.bind(file, SnapshotId(theirs));
        assert!(store.read(theirs, 1000));
    }
    assert_eq!(one.tiers.stats().disk.tier.entries, 2);
    // The same snapshot is the same file.
    one.put_away(3, 1000);
    other.put_away(3, 1000);
    assert_eq!(files(directory.path()).len(), 3);
}

#[test]
fn a_foreign_engine_shares_the_directory_and_not_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let ours = Store::new(disk_only(directory.path()));
    ours.put_away(1, 1000);
    let theirs = TiersConfig { fingerprint: THEIRS, ..disk_only(directory.path()) };
    let theirs = Store::new(theirs);
    theirs.put_away(1, 1000);
    theirs.tiers.close(PATIENCE);
    assert!(theirs.found.borrow().is_empty());
    assert!(theirs.events.try_iter().all(|event| matches!(event, TierEvent::Place(..))));
    assert_eq!(files(directory.path()).len(), 2);
    assert_eq!(theirs.tiers.stats().disk.corrupt, 0);
    assert!(ours.read(1, 1000));
}

#[test]
fn a_file_that_vanishes_is_told_at_the_next_look() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(disk_only(directory.path()));
    store.put_away(1, 1000);
    fs::remove_file(only_file(directory.path())).unwrap();
    store.tiers.refresh();
    assert_eq!(store.next_place(1), SnapshotPlace::Lost);
    assert_eq!(store.tiers.stats().disk.tier.entries, 0);
}

#[test]
fn a_found_file_may_be_gone_or_ours_when_it_is_bound() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(disk_only(directory.path()));
    store.put_away(1, 1000);
    store.put_away(2, 1000);
    drop(store);
    let store = Store::new(disk_only(directory.path()));
    let (first, file) = store.found();
    let (second, declined) = store.found();
    drop(declined);
    fs::remove_dir_all(directory.path()).unwrap();
    fs::create_dir(directory.path()).unwrap();
    store.tiers.bind(file, SnapshotId(10));
    assert_eq!(store.fetch(10), SnapshotPlace::Lost);
    assert_ne!(first, second);
    assert!(!store.tiers.stats().disk.off);
}

#[test]
fn found_files_are_told_a_few_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(TiersConfig { host_bytes: 1 << 20, ..disk_only(directory.path()) });
    for number in 0..300 {
        assert!(store.put(number, 10));
    }
    store.tiers.close(PATIENCE);
    drop(store);
    let store = Store::new(disk_only(directory.path()));
    let mut unanswered: Vec<FileRef> = (0..64).map(|_| store.found().1).collect();
    // What is put meanwhile does not wait for answers, and shows that no more are told.
    assert!(store.put(1000, 10));
    let next = store.next_event();
    assert!(matches!(next, TierEvent::Place(SnapshotId(1000), SnapshotPlace::Away)), "{next:?}");
    for _ in 64..300 {
        unanswered.pop();
        unanswered.push(store.found().1);
    }
}

#[test]
fn engines_evict_each_others_files_and_never_read_wrong_bytes() {
    const CAPACITY: u64 = 40 * 4096;
    let directory = tempfile::tempdir().unwrap();
    let config = || {
        let mut config = disk_only(directory.path());
        config.disk.as_mut().unwrap().bytes = CAPACITY;
        config
    };
    let run = |first: u64| {
        let store = Store::new(config());
        let mut read = 0;
        for round in 0..600 {
            // Half of the snapshots are both engines'.
            let number = if round % 2 == 0 { round } else { first + round };
            assert!(store.put(number, 2000));
            store.tiers.refresh();
            let back = round.saturating_sub(round % 23);
            let earlier = if back % 2 == 0 { back } else { first + back };
            read += u64::from(store.read(earlier, 2000));
        }
        assert!(!store.tiers.stats().disk.off);
        assert_eq!(store.tiers.stats().disk.corrupt, 0);
        read
    };
    thread::scope(|scope| {
        let threads = [1000, 2000].map(|first| scope.spawn(move || run(first)));
        for thread in threads {
            assert!(thread.join().unwrap() > 0);
        }
    });
    let store = Store::new(config());
    store.until(|stats| stats.disk.tier.entries > 0);
    assert!(files(directory.path()).values().sum::<u64>() <= CAPACITY);
}

#[test]
fn files_may_be_deleted_at_any_moment() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    let engine = thread::spawn(move || {
        let store = Store::new(disk_only(&path));
        for number in 0..2000 {
            assert!(store.put(number, 1000));
            if number % 3 == 0 {
                store.read(number / 2, 1000);
            }
            store.read(number, 1000);
        }
        store.tiers.stats()
    });
    let mut deleted = 0;
    while !engine.is_finished() {
        for name in files(directory.path()).keys() {
            // Finished or not.
            deleted += u64::from(fs::remove_file(directory.path().join(name)).is_ok());
            thread::yield_now();
        }
    }
    let stats = engine.join().unwrap();
    assert_eq!((stats.disk.corrupt, stats.disk.off), (0, false));
    assert!(deleted > 0);
}
