//! Where the executor puts the bytes of snapshots, and gets them from.

use std::sync::Arc;

use indwell_kernel::{SnapshotId, SnapshotKey};

/// A place for the bytes of snapshots. Called on the engine's thread, in a step: it never waits
/// for a file or a network.
pub trait SnapshotStore: Send + Sync + std::fmt::Debug {
    /// Takes a snapshot's bytes. `false` refuses them (too large, closed).
    fn put(&self, snapshot: SnapshotId, key: &Arc<SnapshotKey>, bytes: Vec<u8>) -> bool;

    /// The bytes, if they are in memory. They are those that were put: whoever reads them from
    /// a file checks that first.
    fn get(&self, snapshot: SnapshotId) -> Option<Arc<Vec<u8>>>;
}
