//! Everything that can grow is bounded: the queue, and the file.

use std::fs;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use redb::StorageBackend;
use redb::backends::FileBackend;

use super::{
    ENGINE, LONG, NOW_MS, STORE, answer, answer_of, filled, folder, found, key, open, reopen,
};
use crate::responses::disk::queue::{Change, Queue};
use crate::responses::disk::{Disk, QUEUE_BYTES_MAX};

/// A disk that can be made to hang.
#[derive(Debug, Default)]
struct Gate {
    is_shut: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn shut(&self) {
        *self.is_shut.lock() = true;
    }

    fn open(&self) {
        *self.is_shut.lock() = false;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let mut is_shut = self.is_shut.lock();
        while *is_shut {
            self.opened.wait(&mut is_shut);
        }
    }
}

#[derive(Debug)]
struct Gated {
    file: FileBackend,
    gate: Arc<Gate>,
}

impl StorageBackend for Gated {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.gate.pass();
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }
}

fn gated(path: &std::path::Path) -> (Disk, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let backend = |file| Gated { file, gate: gate.clone() };
    let disk = Disk::open_on(&backend, path, ENGINE, NOW_MS, |_, _| {}).expect("it opens");
    (disk, gate)
}

#[test]
fn a_disk_that_hangs_blocks_nobody_and_bounds_the_queue() {
    let folder = filled(100);
    let (disk, gate) = gated(folder.path());
    gate.shut();
    disk.remove(key(0));
    disk.queue.wait_for_writing();
    // Nobody waits, or this test does not end. Some have room, all the others are not written.
    for number in 0..3000 {
        disk.put(key(number), Arc::new(answer_of(number + 1, 8192)));
        assert!(disk.queue.bytes() <= QUEUE_BYTES_MAX);
    }
    disk.remove(key(1));
    disk.remove(key(99));
    // A close does not wait for it either.
    disk.close(Duration::ZERO);
    gate.open();
    let kept = found_when_free(folder.path());
    // The deadline was over, so nothing new was written, and nothing replaced came back.
    assert_eq!(kept, []);
}

#[test]
fn what_has_room_is_written_and_what_has_none_is_removed() {
    let folder = filled(100);
    let (disk, gate) = gated(folder.path());
    gate.shut();
    disk.remove(key(0));
    disk.queue.wait_for_writing();
    for number in 1..3000 {
        disk.put(key(number), Arc::new(answer_of(number + 1, 8192)));
    }
    gate.open();
    disk.close(LONG);
    let kept = found(folder.path());
    assert!((500..1100).contains(&kept.len()), "{} have room", kept.len());
    for ((kept, stored), number) in kept.iter().zip(1..) {
        assert_eq!((*kept, stored), (key(number), &answer_of(number + 1, 8192)));
    }
}

/// Waits for the thread that was left behind.
fn found_when_free(path: &std::path::Path) -> super::Found {
    let deadline = Instant::now() + LONG;
    loop {
        let mut found = Vec::new();
        match Disk::open(path, ENGINE, NOW_MS, |key, answer| found.push((key, answer))) {
            Ok(_) => return found,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::yield_now();
    }
}

#[test]
fn one_answer_always_has_room() {
    let queue = Queue::new(10, 0);
    assert!(queue.put(key(0), Arc::new(answer_of(0, 1000))));
    assert!(!queue.put(key(1), Arc::new(answer(1))));
    let batch = queue.next().expect("something to write");
    // It still takes memory while it is written.
    assert!(!queue.put(key(2), Arc::new(answer(2))));
    assert!(matches!(batch.changes[&key(0)], Change::Put { order: 0, .. }));
    assert!(matches!(batch.changes[&key(1)], Change::Remove));
    queue.next();
    assert!(queue.put(key(3), Arc::new(answer(3))));
}

#[test]
fn very_many_removals_become_one() {
    let queue = Queue::new(u64::MAX, 0);
    queue.put(key(1_000_000), Arc::new(answer(1)));
    for number in 0..70_000 {
        queue.remove(key(number));
    }
    queue.put(key(1_000_001), Arc::new(answer(2)));
    queue.remove(key(1_000_000));
    queue.close(LONG);
    let batch = queue.next().expect("something to write");
    assert!(batch.clear);
    assert_eq!(batch.changes.len(), 1);
    assert!(matches!(batch.changes[&key(1_000_001)], Change::Put { .. }));
    assert!(queue.next().is_none());
}

#[test]
fn the_queue_forgets_the_bytes_of_what_it_gave_up() {
    let queue = Queue::new(u64::MAX, 0);
    for number in 0..10 {
        queue.put(key(number), Arc::new(answer(number)));
        queue.put(key(number), Arc::new(answer_of(number, 5000)));
    }
    queue.remove(key(3));
    let expected: usize =
        (0..10).filter(|number| *number != 3).map(|number| answer_of(number, 5000).bytes()).sum();
    assert_eq!(queue.bytes(), expected as u64);
    queue.clear();
    assert_eq!(queue.bytes(), 0);
}

#[test]
fn the_file_stays_small_while_answers_come_and_go() {
    let folder = folder();
    let disk = open(folder.path());
    let length = || fs::metadata(folder.path().join(STORE)).expect("the store").len();
    const KEPT: u64 = 200;
    // Some 800 kB at any time, 20 times over.
    for number in 0..20 * KEPT {
        disk.put(key(number), Arc::new(answer_of(number, (number as usize * 37) % 8000)));
        if number >= KEPT {
            disk.remove(key(number - KEPT));
        }
        if number.is_multiple_of(20) {
            disk.queue.settle();
        }
    }
    disk.queue.settle();
    let bytes: usize = (19 * KEPT..20 * KEPT)
        .map(|number| answer_of(number, (number as usize * 37) % 8000).text.len())
        .sum();
    let bound = 4 * bytes as u64 + (8 << 20);
    assert!(length() <= bound, "{} bytes for {bytes}", length());
    disk.close(LONG);
    assert_eq!(found(folder.path()).len() as u64, KEPT);
}

#[test]
fn a_file_shrinks_when_its_answers_are_gone() {
    let folder = folder();
    let disk = open(folder.path());
    let length = || fs::metadata(folder.path().join(STORE)).expect("the store").len();
    for number in 0..1500 {
        disk.put(key(number), Arc::new(answer_of(number, 16_000)));
        if number.is_multiple_of(100) {
            disk.queue.settle();
        }
    }
    disk.queue.settle();
    let full = length();
    assert!(full > 24_000_000, "{full} bytes");
    disk.clear();
    disk.queue.settle();
    let empty = length();
    assert!(empty < 2 << 20, "{empty} bytes of {full}");
    disk.close(LONG);
    let (disk, none) = reopen(folder.path());
    assert_eq!(none, []);
    disk.close(LONG);
}
