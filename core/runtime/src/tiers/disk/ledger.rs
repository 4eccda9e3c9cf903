//! What is known of the files in the directory: sizes and last uses. Pure, no I/O.
//!
//! Invariant: the weight is the sum of all files, of those too that can't be deleted.

use std::collections::{BTreeSet, HashMap};
use std::time::SystemTime;

use super::name::FileName;

/// File systems give out whole blocks; small files weigh one, which also bounds their number.
const BLOCK_BYTES: u64 = 4096;

/// The directory's files.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    files: HashMap<FileName, Entry>,
    /// The files that can be deleted, least recently used first.
    order: BTreeSet<(SystemTime, FileName)>,
    bytes: u64,
    /// What else lies there: files of ours that can't be deleted now.
    fixed_bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    length: u64,
    modified: SystemTime,
    /// Whether its header was looked at and is right, or it was written by this process.
    usable: bool,
}

impl Ledger {
    /// Notes a file, or what has changed with it.
    pub(super) fn insert(
        &mut self,
        name: FileName,
        length: u64,
        modified: SystemTime,
        usable: bool,
    ) {
        self.remove(name);
        self.files.insert(name, Entry { length, modified, usable });
        self.order.insert((modified, name));
        self.bytes += weight(length);
    }

    /// Whether the file was there.
    pub(super) fn remove(&mut self, name: FileName) -> bool {
        let Some(entry) = self.files.remove(&name) else { return false };
        self.order.remove(&(entry.modified, name));
        self.bytes -= weight(entry.length);
        true
    }

    /// Notes that a file was used at this time.
    pub(super) fn touch(&mut self, name: FileName, now: SystemTime) {
        if let Some(entry) = self.files.get(&name).copied() {
            self.insert(name, entry.length, now, entry.usable);
        }
    }

    /// Notes whether a file can be used.
    pub(super) fn mark_usable(&mut self, name: FileName, usable: bool) {
        if let Some(entry) = self.files.get_mut(&name) {
            entry.usable = usable;
        }
    }

    /// Whether the file is there.
    pub(super) fn contains(&self, name: FileName) -> bool {
        self.files.contains_key(&name)
    }

    /// The length of a file that can be used.
    pub(super) fn usable_length(&self, name: FileName) -> Option<u64> {
        self.files.get(&name).filter(|entry| entry.usable).map(|entry| entry.length)
    }

    /// The file that was not used for longest, and when that was.
    pub(super) fn oldest(&self) -> Option<(FileName, SystemTime)> {
        self.order.first().map(|(modified, name)| (*name, *modified))
    }

    /// A file can't be deleted: it keeps its weight and is let alone until the next look.
    pub(super) fn fix(&mut self, name: FileName) {
        if let Some(entry) = self.files.get(&name).copied() {
            self.remove(name);
            self.add_fixed(entry.length);
        }
    }

    /// Counts something that is there and can't be deleted.
    pub(super) fn add_fixed(&mut self, length: u64) {
        self.fixed_bytes += weight(length);
    }

    pub(super) fn names(&self) -> impl Iterator<Item = FileName> {
        self.files.keys().copied()
    }

    pub(super) fn entries(&self) -> u64 {
        self.files.len() as u64
    }

    /// What all take, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes + self.fixed_bytes
    }
}

/// What a file of a length takes, in bytes.
pub(super) fn weight(length: u64) -> u64 {
    length.max(1).checked_next_multiple_of(BLOCK_BYTES).unwrap_or(length)
}
