//! The store's bounds, and whose snapshots it keeps.

use std::path::PathBuf;

/// A digest of everything that a snapshot's bytes depend on besides its key: the model, the types
/// of cached keys and values, the build. A file of another fingerprint is never used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint(pub(crate) [u8; 32]);

/// How much is kept, and where.
#[derive(Clone, Debug)]
pub(crate) struct TiersConfig {
    /// Memory for snapshots, in bytes; 0 keeps none there.
    pub(crate) host_bytes: u64,
    /// Where files are kept; `None` keeps none.
    pub(crate) disk: Option<DiskConfig>,
    /// Whose snapshots they are.
    pub(crate) fingerprint: Fingerprint,
}

/// The disk tier's directory and bounds.
#[derive(Clone, Debug)]
pub(crate) struct DiskConfig {
    /// Created if it is not there. Several engines and processes may share it. It holds prompts:
    /// a directory that is created, and every file, is readable by its owner alone.
    pub(crate) directory: PathBuf,
    /// All snapshot files in the directory together, in bytes, those of other models included.
    pub(crate) bytes: u64,
    /// What waits to be written, in bytes; what exceeds it is not written. One snapshot always
    /// fits.
    pub(crate) queue_bytes: u64,
    /// What has been read and not yet used, in bytes; the oldest leaves. One snapshot always fits.
    pub(crate) staging_bytes: u64,
}

impl DiskConfig {
    const QUEUE_BYTES: u64 = 512 << 20;
    const STAGING_BYTES: u64 = 1 << 30;

    /// At most `bytes` of files in `directory`, and the usual bounds of what is on its way.
    pub(crate) fn new(directory: PathBuf, bytes: u64) -> Self {
        Self {
            directory,
            bytes,
            queue_bytes: Self::QUEUE_BYTES,
            staging_bytes: Self::STAGING_BYTES,
        }
    }
}
