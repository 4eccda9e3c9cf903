//! What the store of answers does, seen from outside: what survives, and what does not.

mod bounds;
mod damage;
mod failing;
mod locking;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use indwell_kernel::{FinishReason, Namespace, ResponseKey, SemanticSpace};
use redb::{Database, TableDefinition};
use tempfile::TempDir;

use super::Disk;
use super::directory::STORE;
use crate::responses::answer::{SemanticNote, StoredAnswer};
use crate::{PromptLogprob, TokenLogprob, TopLogprob};

const ENGINE: [u8; 32] = [7; 32];
const NOW_MS: u64 = 1_800_000_000_000;
/// For hangs only.
const LONG: Duration = Duration::from_secs(60);

fn key(number: u64) -> ResponseKey {
    ResponseKey::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

/// An answer of about `length` bytes, with everything that an answer can have.
fn answer_of(number: u64, length: usize) -> StoredAnswer {
    let logprob = |token: i32| TokenLogprob {
        token,
        logprob: -0.25 * token as f32,
        top: (0..token % 3)
            .map(|other| TopLogprob { token: other, logprob: -0.5 * other as f32 })
            .collect(),
    };
    StoredAnswer {
        text: format!("{number}: {}", "ä".repeat(length / 2)).into(),
        logprobs: (0..(number % 4) as i32).map(logprob).collect(),
        prompt_logprobs: (0..(number % 3) as i32)
            .map(|token| PromptLogprob {
                token,
                logprob: (token > 0).then_some(-0.5),
                top: logprob(token).top,
            })
            .collect(),
        reason: if number.is_multiple_of(2) { FinishReason::Stop } else { FinishReason::Length },
        completion_tokens: number as u32 + 1,
        namespace: Namespace::from_bytes([number as u8; 32]),
        expires_ms: None,
        semantic: number.is_multiple_of(3).then(|| {
            Box::new(SemanticNote {
                space: SemanticSpace::from_bytes([number as u8; 32]),
                text: format!("question {number}").into(),
                vector: [0.5, -1.0, number as f32].into(),
            })
        }),
    }
}

fn answer(number: u64) -> StoredAnswer {
    answer_of(number, 100)
}

fn stale_at(number: u64, expires_ms: u64) -> StoredAnswer {
    StoredAnswer { expires_ms: Some(expires_ms), ..answer(number) }
}

type Found = Vec<(ResponseKey, StoredAnswer)>;

fn reopen_as(path: &Path, engine: [u8; 32], now_ms: u64) -> (Disk, Found) {
    let mut found = Vec::new();
    let disk = Disk::open(path, engine, now_ms, |key, answer| found.push((key, answer)));
    (disk.expect("the store opens"), found)
}

fn reopen(path: &Path) -> (Disk, Found) {
    reopen_as(path, ENGINE, NOW_MS)
}

fn open(path: &Path) -> Disk {
    let (disk, found) = reopen(path);
    assert_eq!(found, []);
    disk
}

/// What a new engine would find.
fn found(path: &Path) -> Found {
    let (disk, found) = reopen(path);
    disk.close(LONG);
    found
}

fn put(disk: &Disk, number: u64) {
    disk.put(key(number), Arc::new(answer(number)));
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A folder whose store has the answers 0 to `count`, written one by one.
fn filled(count: u64) -> TempDir {
    let folder = folder();
    let disk = open(folder.path());
    for number in 0..count {
        put(&disk, number);
    }
    disk.close(LONG);
    folder
}

fn numbered(numbers: impl IntoIterator<Item = u64>) -> Found {
    numbers.into_iter().map(|number| (key(number), answer(number))).collect()
}

/// Changes what is in the file behind the store's back, with all of redb's checksums right.
fn tamper(path: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::open(path.join(STORE)).expect("a database");
    let writing = database.begin_write().expect("a transaction");
    change(&writing);
    writing.commit().expect("a commit");
}

#[test]
fn answers_survive_a_reopen_in_the_order_they_were_written() {
    let folder = filled(30);
    let (disk, all) = reopen(folder.path());
    assert_eq!(all, numbered(0..30));
    // Written again, it is the latest; the order goes on where it was.
    put(&disk, 3);
    put(&disk, 30);
    disk.close(LONG);
    let order = (0..30).filter(|number| *number != 3).chain([3, 30]);
    assert_eq!(found(folder.path()), numbered(order));
}

#[test]
fn the_latest_answer_of_a_key_counts() {
    let folder = filled(3);
    let (disk, _) = reopen(folder.path());
    disk.put(key(1), Arc::new(answer(100)));
    disk.queue.settle();
    disk.put(key(1), Arc::new(answer(101)));
    disk.put(key(1), Arc::new(answer(102)));
    disk.close(LONG);
    let expected = [(key(0), answer(0)), (key(2), answer(2)), (key(1), answer(102))];
    assert_eq!(found(folder.path()), expected);
}

#[test]
fn what_another_engine_wrote_is_dropped() {
    let folder = filled(5);
    let (disk, theirs) = reopen_as(folder.path(), [8; 32], NOW_MS);
    assert_eq!(theirs, []);
    put(&disk, 70);
    disk.close(LONG);
    let (disk, ours) = reopen_as(folder.path(), [8; 32], NOW_MS);
    assert_eq!(ours, numbered([70]));
    drop(disk);
    // They do not come back for the first engine.
    assert_eq!(found(folder.path()), []);
    assert_eq!(asides(folder.path()), 0);
}

#[test]
fn another_format_is_dropped() {
    let meta: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
    for engine_is_written in [true, false] {
        let folder = filled(5);
        tamper(folder.path(), |writing| {
            let mut meta = writing.open_table(meta).expect("meta");
            meta.insert("format", &u32::MAX.to_le_bytes()[..]).expect("written");
            if !engine_is_written {
                meta.remove("engine").expect("removed");
            }
        });
        let (disk, none) = reopen(folder.path());
        assert_eq!(none, []);
        put(&disk, 9);
        disk.close(LONG);
        assert_eq!(found(folder.path()), numbered([9]));
        assert_eq!(asides(folder.path()), 0);
    }
}

#[test]
fn stale_answers_are_dropped_at_opening() {
    let folder = folder();
    let disk = open(folder.path());
    for (number, expires_ms) in [(0, NOW_MS - 1), (1, NOW_MS), (2, NOW_MS + 1)] {
        disk.put(key(number), Arc::new(stale_at(number, expires_ms)));
    }
    put(&disk, 3);
    disk.close(LONG);
    let expected = [(key(2), stale_at(2, NOW_MS + 1)), (key(3), answer(3))];
    assert_eq!(found(folder.path()), expected);
    // They are gone, even if the clock goes back.
    let (_disk, earlier) = reopen_as(folder.path(), ENGINE, 0);
    assert_eq!(earlier, expected);
}

#[test]
fn removals_outlive_the_process() {
    let folder = filled(6);
    let (disk, _) = reopen(folder.path());
    disk.remove(key(2));
    disk.remove(key(77));
    put(&disk, 6);
    disk.remove(key(6));
    put(&disk, 7);
    disk.remove(key(4));
    disk.put(key(4), Arc::new(answer(40)));
    disk.close(LONG);
    let mut expected = numbered([0, 1, 3, 5, 7]);
    expected.push((key(4), answer(40)));
    assert_eq!(found(folder.path()), expected);
}

#[test]
fn clearing_forgets_what_was_and_keeps_what_comes() {
    let folder = filled(6);
    let (disk, _) = reopen(folder.path());
    put(&disk, 6);
    disk.clear();
    put(&disk, 7);
    put(&disk, 8);
    disk.remove(key(8));
    disk.close(LONG);
    assert_eq!(found(folder.path()), numbered([7]));
}

#[test]
fn a_store_that_is_dropped_has_its_removals() {
    for clear in [false, true] {
        let folder = filled(4);
        let (disk, _) = reopen(folder.path());
        if clear {
            disk.clear();
        } else {
            disk.remove(key(1));
            // Replaced, but too late to be written: the old one must not come back either.
            disk.put(key(2), Arc::new(answer(20)));
        }
        drop(disk);
        let kept = found(folder.path());
        assert!(!kept.contains(&(key(1), answer(1))), "a removed answer came back");
        assert!(!kept.contains(&(key(2), answer(2))), "a replaced answer came back");
        assert_eq!(kept.is_empty(), clear);
    }
}

#[test]
fn closing_twice_and_using_a_closed_store_is_harmless() {
    let folder = filled(2);
    let (disk, _) = reopen(folder.path());
    disk.close(LONG);
    put(&disk, 5);
    disk.remove(key(0));
    disk.clear();
    disk.close(LONG);
    drop(disk);
    assert_eq!(found(folder.path()), numbered(0..2));
}

/// How many stores were set aside.
fn asides(path: &Path) -> usize {
    let names = std::fs::read_dir(path)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    names.filter(|name| name.contains(".damaged-")).count()
}
