//! Files that are not what they should be: each is a miss.

use std::fs;

use super::*;

/// A snapshot's file, its bytes, and a store that will look for it.
struct Written {
    store: Store,
    directory: tempfile::TempDir,
    bytes: Vec<u8>,
}

const LENGTH: usize = 500;

fn written() -> Written {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(disk_only(directory.path()));
    store.put_away(1, LENGTH);
    let bytes = fs::read(only_file(directory.path())).unwrap();
    Written { store, directory, bytes }
}

impl Written {
    /// Puts other bytes in the file's place; the snapshot must be lost. Whether the file stays.
    fn stays_as(&self, bytes: &[u8]) -> bool {
        let path = only_file(self.directory.path());
        fs::write(&path, bytes).unwrap();
        assert_eq!(self.store.fetch(1), SnapshotPlace::Lost);
        assert!(self.store.get(1).is_none());
        let stays = path.exists();
        // The store recovers: the snapshot can be put again.
        self.store.put_away(1, LENGTH);
        assert!(self.store.read(1, LENGTH));
        assert_eq!(fs::read(&path).unwrap(), self.bytes);
        stays
    }
}

#[test]
fn truncated_files_are_misses_and_deleted() {
    let written = written();
    let length = written.bytes.len();
    let boundaries = [0, 1, 8, 12, 16, 48, 80, 88, 96, 100, 112, 113, length - 32, length - 1];
    for boundary in boundaries {
        assert!(!written.stays_as(&written.bytes[..boundary]), "cut at {boundary}");
    }
    let longer = [&written.bytes[..], b"x"].concat();
    assert!(!written.stays_as(&longer));
    assert_eq!(written.store.tiers.stats().disk.corrupt, boundaries.len() as u64 + 1);
}

#[test]
fn a_foreign_file_is_not_used_and_stays() {
    let written = written();
    let mut bytes = written.bytes.clone();
    bytes[16..48].copy_from_slice(&THEIRS.0);
    assert!(written.stays_as(&bytes));
    assert_eq!(written.store.tiers.stats().disk.corrupt, 0);
}

#[test]
fn a_file_of_a_newer_format_is_not_used_and_stays() {
    let written = written();
    let mut bytes = written.bytes.clone();
    bytes[8..12].copy_from_slice(&2_u32.to_le_bytes());
    assert!(written.stays_as(&bytes));
    // Whatever else it holds.
    assert!(written.stays_as(&bytes[..40]));
    assert_eq!(written.store.tiers.stats().disk.corrupt, 0);
}

#[test]
fn files_that_are_no_snapshots_are_neither_found_nor_touched() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(disk_only(directory.path()));
    store.put_away(1, LENGTH);
    drop(store);
    let path = only_file(directory.path());
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let others = ["notes.txt", "a.indwell-prefix", &format!("x{name}"), &name.to_uppercase()];
    for other in others {
        fs::write(directory.path().join(other), b"text").unwrap();
    }
    let other_directory = directory.path().join(format!("{}.indwell-prefix", "0".repeat(64)));
    fs::create_dir(&other_directory).unwrap();
    let mut config = disk_only(directory.path());
    config.disk.as_mut().unwrap().bytes = 4096;
    let store = Store::new(config);
    let (found, file) = store.found();
    assert_eq!(found, *key(1));
    store.tiers.bind(file, SnapshotId(1));
    // Evicts what it may.
    store.put_away(2, LENGTH);
    assert_eq!(store.fetch(1), SnapshotPlace::Lost);
    assert!(!path.exists() && other_directory.exists());
    for other in others {
        assert_eq!(fs::read(directory.path().join(other)).unwrap(), b"text");
    }
}

#[test]
fn a_file_under_another_files_name_is_not_used() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(disk_only(directory.path()));
    store.put_away(1, LENGTH);
    let first = only_file(directory.path());
    let bytes = fs::read(&first).unwrap();
    store.put_away(2, LENGTH);
    for name in files(directory.path()).keys() {
        fs::write(directory.path().join(name), &bytes).unwrap();
    }
    assert_eq!(store.fetch(2), SnapshotPlace::Lost);
    assert!(store.read(1, LENGTH));
}

#[test]
fn what_dead_processes_left_is_removed_after_an_hour() {
    let directory = tempfile::tempdir().unwrap();
    let age = |name: &str, age: Duration| {
        let path = directory.path().join(name);
        fs::write(&path, b"half").unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::now() - age).unwrap();
        path
    };
    let old = age(".indwell-prefix-1-abcdef", Duration::from_secs(3700));
    let young = age(".indwell-prefix-2-abcdef", Duration::from_secs(3500));
    let store = Store::new(disk_only(directory.path()));
    store.put_away(1, LENGTH);
    assert!(!old.exists() && young.exists());
    // The young one counts.
    assert_eq!(store.tiers.stats().disk.tier.bytes, 2 * 4096);
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_prompts() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("snapshots");
    let store = Store::new(disk_only(&inside));
    store.put_away(1, LENGTH);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&inside), mode(&only_file(&inside))), (0o700, 0o600));
}
