//! The folder of a store: made if missing, held by one engine, with room for what is damaged.
//!
//! One file is the store, one is the lock. The lock is held from before the store is opened until
//! after it is closed, so renaming a damaged store never meets another engine that opens it. The
//! system gives the lock back when a process ends, however it ends. The lock's file stays:
//! deleting it would let two engines hold two files of the same name.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::fault::Fault;

/// The store's name in its folder.
pub(super) const STORE: &str = "responses.redb";

const LOCK: &str = "responses.lock";

/// Stores that were set aside: at most so many are kept, the latest.
const ASIDE_MAX: usize = 3;

/// A folder that this engine alone uses, until it is dropped.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    lock: File,
}

impl Directory {
    /// Makes the folder, if it is missing, and takes it.
    ///
    /// # Errors
    /// [`Fault::InUse`], or [`Fault::Io`] if it can't be made or written.
    pub(super) fn take(path: &Path) -> Result<Self, Fault> {
        create(path)?;
        let lock = writable().open(path.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), lock }),
            Err(TryLockError::WouldBlock) => Err(Fault::InUse),
            // Some network file systems have no locks. There a second engine is not noticed.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                Ok(Self { path: path.to_owned(), lock })
            }
            Err(TryLockError::Error(error)) => Err(Fault::Io(error)),
        }
    }

    /// Where the store is.
    pub(super) fn store(&self) -> PathBuf {
        self.path.join(STORE)
    }

    /// Gives a damaged store another name, and deletes the oldest of those before it if there are
    /// many. The new path.
    ///
    /// # Errors
    /// If it can't be renamed.
    pub(super) fn set_aside(&self) -> io::Result<PathBuf> {
        let mut earlier = self.aside()?;
        earlier.sort_unstable();
        let number = earlier.last().map_or(1, |last| last.saturating_add(1));
        let path = self.aside_path(number);
        fs::rename(self.store(), &path)?;
        let surplus = (earlier.len() + 1).saturating_sub(ASIDE_MAX);
        for number in &earlier[..surplus] {
            // Folders stay: none was made here.
            let _ = fs::remove_file(self.aside_path(*number));
        }
        Ok(path)
    }

    fn aside(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(STORE));
            let number = number.and_then(|rest| rest.strip_prefix(".damaged-"));
            numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        Ok(numbers)
    }

    fn aside_path(&self, number: u64) -> PathBuf {
        self.path.join(format!("{STORE}.damaged-{number}"))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Closing it would not do: a forked child may hold the same open file.
        let _ = self.lock.unlock();
    }
}

/// How files of the store are opened: made if missing, for nobody else to read.
pub(super) fn writable() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
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
