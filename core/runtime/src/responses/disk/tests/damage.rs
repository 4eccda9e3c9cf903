//! Damaged stores: none fails an engine, none gives a wrong answer, and each is set aside.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use redb::{ReadableTable, TableDefinition};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::{
    ENGINE, LONG, NOW_MS, STORE, asides, filled, folder, found, key, numbered, put, reopen, tamper,
};
use crate::responses::disk::Disk;
use crate::responses::disk::store::Store;

const ANSWERS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("answers");

/// Opens what may be damaged, checks that nothing wrong comes out of it, and that it works.
fn assert_serves(path: &Path, what: &str) {
    let (disk, kept) = reopen(path);
    let all = numbered(0..40);
    assert!(kept.iter().all(|one| all.contains(one)), "{what}: a wrong answer");
    put(&disk, 1000);
    disk.close(LONG);
    let (disk, again) = reopen(path);
    assert!(again.iter().any(|(found, _)| *found == key(1000)), "{what}: nothing is written");
    assert_eq!(again.len(), kept.len() + 1, "{what}: something was lost");
    disk.close(LONG);
}

/// A store as a crash leaves it: copied while it is open.
fn crashed(count: u64) -> Vec<u8> {
    let folder = folder();
    let (disk, _) = reopen(folder.path());
    for number in 0..count {
        put(&disk, number);
        if number.is_multiple_of(10) {
            disk.queue.settle();
        }
    }
    disk.queue.settle();
    fs::read(folder.path().join(STORE)).expect("the store")
}

fn intact() -> Vec<u8> {
    fs::read(filled(40).path().join(STORE)).expect("the store")
}

struct Dice(TestRng);

impl Dice {
    fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
    }

    fn below(&mut self, end: usize) -> usize {
        (self.0.next_u64() % end as u64) as usize
    }
}

/// Does one of many bad things to a file.
fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) -> String {
    let length = bytes.len();
    // Most of redb's own bookkeeping is at the beginning.
    let reach = if dice.below(3) == 0 { 4096 } else { length };
    match dice.below(6) {
        0 => {
            let at = dice.below(reach);
            bytes[at] ^= 1 << dice.below(8);
            format!("a bit flipped in byte {at}")
        }
        1 => {
            for _ in 0..=dice.below(64) {
                let at = dice.below(reach);
                bytes[at] = dice.below(256) as u8;
            }
            "random bytes".to_owned()
        }
        2 => {
            bytes.truncate(dice.below(reach));
            format!("cut off after {}", bytes.len())
        }
        3 => {
            let start = dice.below(reach);
            let end = (start + dice.below(10_000)).min(length);
            bytes[start..end].fill(0);
            format!("zeros in {start}..{end}")
        }
        4 => {
            let pages = length / 4096;
            let (from, to) = (dice.below(pages), dice.below(pages));
            bytes.copy_within(from * 4096..(from + 1) * 4096, to * 4096);
            format!("page {from} in the place of {to}")
        }
        _ => {
            bytes.resize(length + dice.below(100_000), 0xa5);
            "something appended".to_owned()
        }
    }
}

#[test]
fn damage_anywhere_never_fails_and_never_gives_a_wrong_answer() {
    let images = [intact(), crashed(40)];
    let folder = folder();
    for seed in 0..100 {
        let mut dice = Dice::new(seed);
        let mut bytes = images[dice.below(images.len())].clone();
        let what = format!("seed {seed}, {}", damage(&mut bytes, &mut dice));
        let path = folder.path().join(STORE);
        fs::write(&path, &bytes).expect("written");
        // Nothing catches a panic here: with every page checked, none is to come.
        println!("{what}");
        let opened = Store::open(&path, ENGINE, NOW_MS, |file| file);
        drop(opened.and_then(|(store, found)| store.load(&found, &mut |_, _| {})));
        fs::write(&path, &bytes).expect("written");
        assert_serves(folder.path(), &what);
    }
    assert_eq!(asides(folder.path()), 3, "the latest three are kept");
}

#[test]
fn a_crash_loses_nothing_that_was_written() {
    let folder = folder();
    fs::write(folder.path().join(STORE), crashed(40)).expect("written");
    assert_eq!(found(folder.path()), numbered(0..40));
    assert_eq!(asides(folder.path()), 0);
}

#[test]
fn files_that_never_were_a_store_are_set_aside() {
    let contents: [(&[u8], usize); 4] =
        [(b"", 0), (b"x", 1), (b"This is not a database.", 1), (&[0; 100_000], 1)];
    for (bytes, set_aside) in contents {
        let folder = folder();
        fs::write(folder.path().join(STORE), bytes).expect("written");
        assert_serves(folder.path(), &format!("{} bytes", bytes.len()));
        assert_eq!(asides(folder.path()), set_aside);
    }
}

#[test]
fn a_folder_in_the_place_of_the_store_is_set_aside_whole() {
    let folder = folder();
    fs::create_dir(folder.path().join(STORE)).expect("a folder");
    fs::write(folder.path().join(STORE).join("precious"), "kept").expect("a file in it");
    assert_serves(folder.path(), "a folder");
    let aside = folder.path().join(format!("{STORE}.damaged-1"));
    // However many are set aside after it, what is in it is nobody's to delete.
    for _ in 0..5 {
        fs::write(folder.path().join(STORE), "garbage").expect("written");
        assert_serves(folder.path(), "garbage");
    }
    assert_eq!(fs::read(aside.join("precious")).expect("still there"), b"kept");
}

#[test]
fn an_answer_that_is_not_what_was_written_is_damage() {
    type Change = fn(&mut redb::Table<'_, &[u8; 32], &[u8]>);
    let changes: [(&str, Change); 4] = [
        ("a changed byte", |answers| {
            let mut bytes = answers.get(key(5).as_bytes()).unwrap().unwrap().value().to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            answers.insert(key(5).as_bytes(), &*bytes).unwrap();
        }),
        ("another question's answer", |answers| {
            let bytes = answers.get(key(5).as_bytes()).unwrap().unwrap().value().to_vec();
            answers.insert(key(6).as_bytes(), &*bytes).unwrap();
        }),
        ("no bytes", |answers| {
            answers.insert(key(5).as_bytes(), &[][..]).unwrap();
        }),
        ("a cut answer", |answers| {
            let bytes = answers.get(key(5).as_bytes()).unwrap().unwrap().value().to_vec();
            answers.insert(key(5).as_bytes(), &bytes[..bytes.len() - 1]).unwrap();
        }),
    ];
    for (what, change) in changes {
        let folder = filled(40);
        tamper(folder.path(), |writing| change(&mut writing.open_table(ANSWERS).unwrap()));
        assert_serves(folder.path(), what);
        assert_eq!(asides(folder.path()), 1, "{what}");
    }
}

#[test]
fn tables_that_are_not_what_they_should_be_are_damage() {
    let folder = filled(40);
    tamper(folder.path(), |writing| {
        writing.delete_table(ANSWERS).unwrap();
        writing.open_table(TableDefinition::<u64, u64>::new("answers")).unwrap();
    });
    assert_serves(folder.path(), "answers of another type");
    tamper(folder.path(), |writing| {
        writing.delete_table(TableDefinition::<&str, &[u8]>::new("meta")).unwrap();
    });
    assert_serves(folder.path(), "no meta");
    tamper(folder.path(), |writing| {
        let mut meta = writing.open_table(TableDefinition::<&str, &[u8]>::new("meta")).unwrap();
        meta.insert("format", &[1_u8][..]).unwrap();
    });
    assert_serves(folder.path(), "a short format");
    assert_eq!(asides(folder.path()), 3);
}

#[test]
fn damage_under_an_open_store_is_survived() {
    for seed in 0..20 {
        let folder = filled(40);
        let path = folder.path().join(STORE);
        let (disk, _) = reopen(folder.path());
        let mut dice = Dice::new(seed);
        // In place: the store has this very file open.
        let mut bytes = fs::read(&path).expect("the store");
        let length = bytes.len();
        damage(&mut bytes, &mut dice);
        bytes.resize(length, 0);
        let file = fs::OpenOptions::new().write(true).open(&path).expect("the store");
        write_at_start(&file, &bytes);
        for number in 0..40 {
            disk.remove(key(number));
        }
        for number in 0..40 {
            put(&disk, number);
        }
        disk.close(LONG);
        drop(disk);
        assert_serves(folder.path(), &format!("seed {seed}"));
    }
}

fn write_at_start(mut file: &fs::File, bytes: &[u8]) {
    std::io::Write::write_all(&mut file, bytes).expect("written");
}

#[test]
fn one_warning_names_both_paths() {
    let folder = folder();
    fs::write(folder.path().join(STORE), "garbage").expect("written");
    let warnings = Warnings::default();
    tracing::subscriber::with_default(warnings.clone(), || {
        let disk = Disk::open(folder.path(), [1; 32], 0, |_, _| {}).expect("it opens");
        disk.close(LONG);
    });
    let warnings = warnings.0.lock().expect("not poisoned").clone();
    let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
    let path = folder.path().join(STORE).display().to_string();
    assert!(warning.contains(&format!("path={path} ")), "{warning}");
    assert!(warning.contains(&format!("aside={path}.damaged-1 ")), "{warning}");
}

/// Collects warnings of the thread that it is the default of.
#[derive(Clone, Debug, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                self.0.push_str(&format!("{}={value:?} ", field.name()));
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().expect("not poisoned").push(text.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
