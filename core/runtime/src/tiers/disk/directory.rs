//! The directory of snapshots' files: storing, loading, finding and evicting them.
//!
//! Several processes share it without a lock. A file is written aside and renamed, so whoever sees
//! it sees all of it. It may vanish at any moment, which is a miss. Each process evicts for all:
//! the least recently used of all files goes first, whoever wrote it, by modification times, which
//! are set at each use. How much there is, is known from the last look and what this process did
//! since; a look is taken before writing when the last is a second old.
//!
//! Invariant: as far as this process knows, all files together are within the bound, before and
//! after each call.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use indwell_kernel::SnapshotKey;
use indwell_llama::SnapshotBytes;

use super::bad::{Bad, Class};
use super::file;
use super::ledger::{Ledger, weight};
use super::name::FileName;
use super::volume::Volume;
use crate::tiers::Fingerprint;

/// The directory is looked through at most once in this time.
const SCAN_INTERVAL: Duration = Duration::from_secs(1);

/// What is being written by a process that is still alive is younger than this.
const UNFINISHED_AGE_MAX: Duration = Duration::from_secs(3600);

/// A modification time that is younger may stay the same although something changes: clocks of
/// file systems are coarse, the coarsest two seconds.
const CLOCK_STEP: Duration = Duration::from_secs(2);

const UNFINISHED_PREFIX: &str = ".indwell-prefix-";

/// The directory as this process knows it.
#[derive(Debug)]
pub(super) struct Directory<'w> {
    path: &'w Path,
    volume: &'w dyn Volume,
    fingerprint: Fingerprint,
    bytes_max: u64,
    ledger: Ledger,
    /// Files that were found and not looked into.
    unseen: Vec<FileName>,
    gone: Gone,
    scanned: Instant,
    /// The directory's modification time at the last look, if it would differ after a change.
    settled: Option<SystemTime>,
}

/// Files that were there and are not.
#[derive(Debug, Default)]
pub(super) struct Gone {
    pub(super) names: Vec<FileName>,
    /// How many this process deleted for want of room.
    pub(super) evicted: u64,
}

/// What became of a snapshot that was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// It is in a new file.
    Written,
    /// The file was there.
    Present,
    /// It is too large, nothing can be deleted for it, or somebody deleted it while it was being
    /// written.
    Skipped,
}

impl<'w> Directory<'w> {
    /// Creates the directory if need be and looks through it.
    ///
    /// # Errors
    /// If it can't be created or read.
    pub(super) fn open(
        path: &'w Path,
        bytes_max: u64,
        fingerprint: Fingerprint,
        volume: &'w dyn Volume,
    ) -> io::Result<Self> {
        create(path)?;
        let mut directory = Self {
            path,
            volume,
            fingerprint,
            bytes_max,
            ledger: Ledger::default(),
            unseen: Vec::new(),
            gone: Gone::default(),
            scanned: Instant::now(),
            settled: None,
        };
        directory.scan(Instant::now())?;
        directory.make_room(0);
        Ok(directory)
    }

    pub(super) fn path(&self) -> &Path {
        self.path
    }

    /// When the directory may be looked through next.
    pub(super) fn next_scan(&self) -> Instant {
        self.scanned + SCAN_INTERVAL
    }

    pub(super) fn has_unseen(&self) -> bool {
        !self.unseen.is_empty()
    }

    pub(super) fn holds(&self, name: FileName) -> bool {
        self.ledger.contains(name)
    }

    /// Files and the bytes that they take.
    pub(super) fn holdings(&self) -> (u64, u64) {
        (self.ledger.entries(), self.ledger.bytes())
    }

    /// Which files are gone since this was last asked.
    pub(super) fn take_gone(&mut self) -> Gone {
        let mut gone = std::mem::take(&mut self.gone);
        // Some may have been written again.
        gone.names.retain(|name| !self.ledger.contains(*name));
        gone
    }

    /// Looks for what others have done, if they may have done anything.
    ///
    /// # Errors
    /// If the directory can't be read.
    pub(super) fn scan_if_changed(&mut self, now: Instant) -> io::Result<()> {
        let modified = fs::metadata(self.path)?.modified()?;
        if self.settled == Some(modified) { Ok(()) } else { self.scan(now) }
    }

    fn scan(&mut self, now: Instant) -> io::Result<()> {
        let (modified, clock) = (fs::metadata(self.path)?.modified()?, SystemTime::now());
        let mut found = Ledger::default();
        for entry in fs::read_dir(self.path)? {
            let entry = entry?;
            let file_name = entry.file_name();
            let name = FileName::parse(&file_name);
            let unfinished = file_name.to_string_lossy().starts_with(UNFINISHED_PREFIX);
            if name.is_none() && !unfinished {
                continue;
            }
            // Gone by now, or nothing to open: not ours.
            let Ok(metadata) = entry.metadata() else { continue };
            let Ok(used) = metadata.modified() else { continue };
            if !metadata.is_file() {
                continue;
            }
            match name {
                Some(name) => {
                    let usable = self.ledger.usable_length(name) == Some(metadata.len());
                    found.insert(name, metadata.len(), used, usable);
                    if !self.ledger.contains(name) {
                        self.unseen.push(name);
                    }
                }
                None if clock.duration_since(used).is_ok_and(|age| age > UNFINISHED_AGE_MAX) => {
                    let _ = fs::remove_file(entry.path());
                }
                None => found.add_fixed(metadata.len()),
            }
        }
        self.gone.names.extend(self.ledger.names().filter(|name| !found.contains(*name)));
        self.unseen.retain(|name| found.contains(*name));
        self.ledger = found;
        self.scanned = now;
        let age = clock.duration_since(modified).unwrap_or_default();
        self.settled = (age > CLOCK_STEP).then_some(modified);
        Ok(())
    }

    /// Looks into the next file that was found. `None` if it is gone, or there is none.
    pub(super) fn inspect_next(&mut self) -> Option<(FileName, Result<SnapshotKey, Bad>)> {
        let name = self.unseen.pop().filter(|name| self.ledger.contains(*name))?;
        if self.ledger.usable_length(name).is_some() {
            // This process has written it meanwhile.
            return None;
        }
        let header = self.open_file(name).map(|(_, header)| header.key);
        match &header {
            Ok(_) => self.ledger.mark_usable(name, true),
            Err(bad) => self.discard(name, bad),
        }
        Some((name, header))
    }

    /// A file's bytes, checked. A file that fails its checks and is of no use to anybody is
    /// deleted.
    pub(super) fn load(&mut self, name: FileName) -> Result<SnapshotBytes, Bad> {
        let loaded = self
            .open_file(name)
            .and_then(|(mut file, header)| file::read_payload(&mut file, header));
        match &loaded {
            Ok(_) => self.touch(name),
            Err(bad) => self.discard(name, bad),
        }
        loaded
    }

    fn open_file(&self, name: FileName) -> Result<(File, file::Header), Bad> {
        let path = self.path_of(name);
        // Opening what is no file may wait for ever.
        let metadata = fs::symlink_metadata(&path)?;
        if !metadata.is_file() {
            return Err(Bad::Unreadable(io::Error::other("it is not a regular file")));
        }
        let mut file = File::open(&path)?;
        let length = file.metadata()?.len();
        let header = file::read_header(&mut file, length, name, &self.fingerprint)?;
        Ok((file, header))
    }

    fn discard(&mut self, name: FileName, bad: &Bad) {
        match bad.class() {
            Class::Corrupt => {
                let _ = fs::remove_file(self.path_of(name));
                self.forget(name);
            }
            Class::Vanished => self.forget(name),
            Class::Foreign | Class::Newer | Class::Unreadable => {
                self.ledger.mark_usable(name, false);
            }
        }
    }

    fn forget(&mut self, name: FileName) {
        if self.ledger.remove(name) {
            self.gone.names.push(name);
        }
    }

    /// Notes that a file was used, for every process to see.
    pub(super) fn touch(&mut self, name: FileName) {
        let now = SystemTime::now();
        // Failing to note it only makes the file leave sooner.
        let touched = File::options()
            .write(true)
            .open(self.path_of(name))
            .and_then(|file| file.set_modified(now));
        if touched.is_ok() {
            self.ledger.touch(name, now);
        }
    }

    /// Writes a snapshot's file, after making room for it; gives up when `is_over` says so.
    ///
    /// # Errors
    /// If nothing can be written.
    pub(super) fn store(
        &mut self,
        name: FileName,
        key: &SnapshotKey,
        payload: &[u8],
        is_over: &dyn Fn() -> bool,
    ) -> io::Result<Stored> {
        let length = file::length(key, payload);
        let now = Instant::now();
        if now >= self.next_scan() {
            self.scan_if_changed(now)?;
        }
        let path = self.path_of(name);
        if self.ledger.usable_length(name) == Some(length)
            && fs::symlink_metadata(&path).is_ok_and(|found| found.len() == length)
        {
            self.touch(name);
            return Ok(Stored::Present);
        }
        if !self.make_room(weight(length)) {
            return Ok(Stored::Skipped);
        }
        let prefix = format!("{UNFINISHED_PREFIX}{}-", std::process::id());
        let mut aside = tempfile::Builder::new().prefix(&prefix).tempfile_in(self.path)?;
        file::write(
            &mut *self.volume.writer(aside.as_file_mut()),
            &self.fingerprint,
            key,
            payload,
            is_over,
        )?;
        let used = SystemTime::now();
        aside.as_file().set_modified(used)?;
        match aside.persist(&path) {
            Ok(_) => {}
            Err(failed) if failed.error.kind() == io::ErrorKind::NotFound && self.path.is_dir() => {
                return Ok(Stored::Skipped);
            }
            Err(failed) => return Err(failed.error),
        }
        self.ledger.insert(name, length, used, true);
        Ok(Stored::Written)
    }

    /// Deletes the least recently used files until `bytes` more are within the bound; whether
    /// they are.
    fn make_room(&mut self, bytes: u64) -> bool {
        if bytes > self.bytes_max {
            return false;
        }
        // Each file is spared once at most: what is used all the time can't keep this going.
        let mut spared = self.ledger.entries();
        while self.ledger.bytes().saturating_add(bytes) > self.bytes_max {
            let Some((name, modified)) = self.ledger.oldest() else { return false };
            let path = self.path_of(name);
            let used = fs::symlink_metadata(&path).and_then(|found| found.modified()).ok();
            if let Some(used) = used.filter(|used| *used > modified && spared > 0) {
                // Another process has used it.
                self.ledger.touch(name, used);
                spared -= 1;
                continue;
            }
            match fs::remove_file(&path) {
                Ok(()) => {
                    self.gone.evicted += 1;
                    self.forget(name);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.forget(name),
                Err(_) => self.ledger.fix(name),
            }
        }
        true
    }

    fn path_of(&self, name: FileName) -> PathBuf {
        self.path.join(name.to_string())
    }
}

#[cfg(unix)]
fn create(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn create(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}
