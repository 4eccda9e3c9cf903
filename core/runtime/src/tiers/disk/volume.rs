//! What a file's bytes go through on their way to the disk.
//!
//! Plain in production. Tests put a full disk or a slow one here.

use std::fmt;
use std::fs::File;
use std::io;

/// Where files are written to.
pub(in crate::tiers) trait Volume: Send + fmt::Debug {
    /// Writes to `file`.
    fn writer<'f>(&'f self, file: &'f mut File) -> Box<dyn io::Write + 'f>;
}

/// The file itself.
#[derive(Clone, Copy, Debug)]
pub(in crate::tiers) struct Plain;

impl Volume for Plain {
    fn writer<'f>(&'f self, file: &'f mut File) -> Box<dyn io::Write + 'f> {
        Box::new(file)
    }
}
