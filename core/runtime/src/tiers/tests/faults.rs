//! Directories and disks that fail: the tier is off, with one warning, and all else goes on.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

use super::*;

/// A disk that holds so many bytes.
#[derive(Debug)]
struct Small(AtomicU64);

struct SmallWriter<'f> {
    file: &'f mut File,
    left: &'f AtomicU64,
}

impl Volume for Small {
    fn writer<'f>(&'f self, file: &'f mut File) -> Box<dyn io::Write + 'f> {
        Box::new(SmallWriter { file, left: &self.0 })
    }
}

impl io::Write for SmallWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = self.file.write(&bytes[..bytes.len().min(left as usize)])?;
        self.left.fetch_sub(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn with_host(directory: PathBuf) -> TiersConfig {
    TiersConfig { host_bytes: 1 << 20, ..disk_only(&directory) }
}

/// The tier is off, the memory serves, and nobody was told otherwise.
fn check_off(store: &Store, directory: &Path) {
    store.until(|stats| stats.disk.off);
    assert!(store.put(900, 1000));
    assert!(store.read(900, 1000));
    store.tiers.refresh();
    let stats = store.tiers.stats();
    assert_eq!((stats.disk.tier.entries, stats.disk.tier.bytes), (0, 0));
    store.tiers.close(PATIENCE);
    assert_eq!(warnings(directory), 1);
}

#[test]
fn a_full_disk_switches_the_tier_off() {
    warnings(Path::new("none"));
    let directory = tempfile::tempdir().unwrap();
    let volume = Box::new(Small(AtomicU64::new(5000)));
    let store = Store::on(volume, with_host(directory.path().to_owned()));
    for number in 0..10 {
        assert!(store.put(number, 1000));
    }
    check_off(&store, directory.path());
    assert!((0..10).all(|number| store.read(number, 1000)));
    let names = files(directory.path());
    assert!(names.keys().all(|name| !name.starts_with('.')), "{names:?}");
}

#[test]
fn a_full_disk_loses_what_was_there_alone() {
    warnings(Path::new("none"));
    let directory = tempfile::tempdir().unwrap();
    let volume = Box::new(Small(AtomicU64::new(5000)));
    let store = Store::on(volume, disk_only(directory.path()));
    store.put_away(1, 1000);
    assert!(store.put(2, 9000));
    assert_eq!(store.next_place(1), SnapshotPlace::Lost);
    assert_eq!(store.fetch(2), SnapshotPlace::Lost);
    assert!(!store.put(3, 10));
}

#[test]
fn a_directory_that_is_removed_switches_the_tier_off() {
    warnings(Path::new("none"));
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("a").join("b");
    let store = Store::new(with_host(inside.clone()));
    assert!(store.put(1, 1000));
    store.until(|stats| stats.disk.writes == 1);
    fs::remove_dir_all(&inside).unwrap();
    assert!(store.put(2, 1000));
    check_off(&store, &inside);
    assert!(store.read(1, 1000) && store.read(2, 1000));
    assert!(!inside.exists());
}

#[test]
fn a_directory_below_a_file_switches_the_tier_off() {
    warnings(Path::new("none"));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, b"text").unwrap();
    for path in [file.clone(), file.join("below")] {
        let store = Store::new(with_host(path.clone()));
        assert!(store.put(1, 1000));
        check_off(&store, &path);
    }
    assert_eq!(fs::read(&file).unwrap(), b"text");
}

#[test]
fn a_panicking_listener_only_ends_the_tier() {
    let directory = tempfile::tempdir().unwrap();
    let tiers = Tiers::new(disk_only(directory.path()), |_| panic!("this is part of the test"));
    assert!(tiers.put(SnapshotId(1), &key(1), payload(1, 10)));
    let store = Store { tiers, events: unbounded().1, found: RefCell::default() };
    store.until(|stats| stats.disk.off);
    store.tiers.close(PATIENCE);
}

#[test]
fn bad_files_are_warned_of_once() {
    warnings(Path::new("none"));
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(disk_only(directory.path()));
    for number in 0..20 {
        store.put_away(number, 1000);
    }
    for name in files(directory.path()).keys() {
        fs::write(directory.path().join(name), b"").unwrap();
    }
    for number in 0..20 {
        assert_eq!(store.fetch(number), SnapshotPlace::Lost);
    }
    assert_eq!(store.tiers.stats().disk.corrupt, 20);
    assert_eq!(warnings(directory.path()), 1);
    assert!(files(directory.path()).is_empty());
}

/// Warnings that name this directory. The first call begins to collect; tests run on many
/// threads, so one collector serves all and the directories tell whose they are.
fn warnings(directory: &Path) -> usize {
    static COLLECTED: OnceLock<Arc<Mutex<Vec<String>>>> = OnceLock::new();
    let collected = COLLECTED.get_or_init(|| {
        let warnings = Arc::<Mutex<Vec<String>>>::default();
        let collector = Collector { warnings: warnings.clone() };
        tracing::subscriber::set_global_default(collector).expect("no other test collects logs");
        warnings
    });
    let directory = directory.display().to_string();
    collected.lock().iter().filter(|named| **named == directory).count()
}

/// Collects the `directory` field of warnings.
struct Collector {
    warnings: Arc<Mutex<Vec<String>>>,
}

struct DirectoryField(Option<String>);

impl Visit for DirectoryField {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "directory" {
            self.0 = Some(format!("{value:?}"));
        }
    }
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut directory = DirectoryField(None);
        event.record(&mut directory);
        self.warnings.lock().extend(directory.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
