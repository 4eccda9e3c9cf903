//! The bytes of snapshots, and where the executor puts them and gets them from.

use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use indwell_kernel::{SnapshotId, SnapshotKey};
use memmap2::MmapMut;

/// A snapshot's bytes: megabytes, in pages of their own.
///
/// An allocator would put them into what others of other lengths have left, keep the gaps, and hold
/// more than a cache's bound says. Pages are the system's again as soon as this is dropped, and take
/// memory only once they are written.
pub struct SnapshotBytes {
    pages: MmapMut,
    length: usize,
}

impl SnapshotBytes {
    /// So many bytes, all of them 0.
    ///
    /// # Errors
    /// [`io::ErrorKind::OutOfMemory`] or what else the system says if it has no room.
    pub fn zeroed(length: usize) -> io::Result<Self> {
        Ok(Self { pages: MmapMut::map_anon(length.max(1))?, length })
    }

    /// The same bytes once more.
    ///
    /// # Errors
    /// As [`Self::zeroed`].
    pub fn copy_of(bytes: &[u8]) -> io::Result<Self> {
        let mut copy = Self::zeroed(bytes.len())?;
        copy.copy_from_slice(bytes);
        Ok(copy)
    }

    /// Leaves what comes after the first `length` bytes out.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }
}

impl Deref for SnapshotBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.pages[..self.length]
    }
}

impl DerefMut for SnapshotBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.pages[..self.length]
    }
}

impl PartialEq for SnapshotBytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for SnapshotBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotBytes").field("length", &self.length).finish_non_exhaustive()
    }
}

/// A place for the bytes of snapshots. Called on the engine's thread, in a step: it never waits
/// for a file or a network.
pub trait SnapshotStore: Send + Sync + fmt::Debug {
    /// Takes a snapshot's bytes. `false` refuses them (too large, closed).
    fn put(&self, snapshot: SnapshotId, key: &Arc<SnapshotKey>, bytes: SnapshotBytes) -> bool;

    /// The bytes, if they are in memory. They are those that were put: whoever reads them from
    /// a file checks that first.
    fn get(&self, snapshot: SnapshotId) -> Option<Arc<SnapshotBytes>>;
}
