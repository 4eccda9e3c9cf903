//! Stores that fail while they are used: the engine serves on, and nothing stale comes back.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::SeqCst;

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::{
    ENGINE, LONG, NOW_MS, STORE, asides, filled, folder, found, key, numbered, open, put, reopen,
};
use crate::ErrorKind;
use crate::responses::disk::Disk;

/// What writing does.
const WORKS: u8 = 0;
const FULL: u8 = 1;
const PANICS: u8 = 2;

/// A file on a disk that can be full.
#[derive(Debug)]
struct Faulty {
    file: FileBackend,
    fault: Arc<AtomicU8>,
}

impl Faulty {
    fn check(&self) -> io::Result<()> {
        match self.fault.load(SeqCst) {
            FULL => Err(io::ErrorKind::StorageFull.into()),
            PANICS => panic!("the backend panics, as this test wants"),
            _ => Ok(()),
        }
    }
}

impl StorageBackend for Faulty {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.check()?;
        self.file.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.check()?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check()?;
        self.file.write(offset, data)
    }
}

fn faulty(path: &Path) -> (Disk, Arc<AtomicU8>) {
    let fault = Arc::new(AtomicU8::new(WORKS));
    let backend = |file| Faulty { file, fault: fault.clone() };
    let disk = Disk::open_on(&backend, path, ENGINE, NOW_MS, |_, _| {}).expect("it opens");
    (disk, fault)
}

#[test]
fn a_full_disk_switches_persistence_off_and_nothing_stale_comes_back() {
    let folder = filled(10);
    let (disk, fault) = faulty(folder.path());
    fault.store(FULL, SeqCst);
    put(&disk, 10);
    disk.queue.settle();
    assert!(disk.queue.is_over());
    // Invalidated when nothing can be written any more.
    disk.remove(key(3));
    put(&disk, 11);
    disk.clear();
    disk.close(LONG);
    assert_eq!(found(folder.path()), []);
    assert_eq!(asides(folder.path()), 0);
}

#[test]
fn a_panic_while_writing_switches_persistence_off() {
    let folder = filled(10);
    let (disk, fault) = faulty(folder.path());
    fault.store(PANICS, SeqCst);
    put(&disk, 10);
    disk.queue.settle();
    assert!(disk.queue.is_over());
    put(&disk, 11);
    disk.remove(key(3));
    disk.close(LONG);
    fault.store(WORKS, SeqCst);
    assert_eq!(found(folder.path()), []);
    assert_eq!(asides(folder.path()), 1);
}

#[test]
fn a_disk_that_is_full_at_opening_is_an_error() {
    let folder = filled(10);
    let full = Arc::new(AtomicU8::new(FULL));
    let backend = |file| Faulty { file, fault: full.clone() };
    let refused = Disk::open_on(&backend, folder.path(), ENGINE, NOW_MS, |_, _| {});
    assert_eq!(refused.expect_err("refused").kind(), ErrorKind::Io);
    // Nothing is lost by it.
    assert_eq!(found(folder.path()), numbered(0..10));
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "").expect("written");
    for path in [file.join("below"), file] {
        let error = Disk::open(&path, ENGINE, NOW_MS, |_, _| {}).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.message().contains(&path.display().to_string()), "{error}");
        assert!(error.details().remedy.is_some());
    }
}

#[test]
fn folders_are_made_with_those_above() {
    let folder = folder();
    let path = folder.path().join("a").join("b");
    let disk = open(&path);
    put(&disk, 1);
    disk.close(LONG);
    assert_eq!(found(&path), numbered([1]));
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_the_answers() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let path = folder.path().join("answers");
    open(&path).close(LONG);
    for path in [path.join(STORE), path] {
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    }
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_deleted_switches_persistence_off() {
    let above = folder();
    let path = above.path().join("answers");
    let disk = open(&path);
    put(&disk, 1);
    disk.queue.settle();
    fs::remove_dir_all(&path).expect("deleted");
    put(&disk, 2);
    disk.queue.settle();
    assert!(disk.queue.is_over(), "it writes on, into a file that nobody will find");
    assert!(!path.exists());
    // Another engine begins there, before this one is closed.
    let other = open(&path);
    put(&other, 3);
    put(&disk, 4);
    disk.clear();
    disk.close(LONG);
    other.close(LONG);
    assert_eq!(found(&path), numbered([3]));
}

#[cfg(unix)]
#[test]
fn another_engines_store_in_the_old_place_is_not_touched() {
    let above = folder();
    let path = above.path().join("answers");
    let disk = open(&path);
    put(&disk, 1);
    disk.queue.settle();
    fs::rename(&path, above.path().join("elsewhere")).expect("moved");
    let other = open(&path);
    put(&other, 3);
    other.queue.settle();
    // Only now does the first one see it.
    put(&disk, 2);
    disk.clear();
    disk.queue.settle();
    assert!(disk.queue.is_over(), "it writes on, where nobody will look");
    disk.close(LONG);
    put(&other, 4);
    other.close(LONG);
    assert_eq!(found(&path), numbered([3, 4]));
    let (moved, _) = reopen(&above.path().join("elsewhere"));
    drop(moved);
}
