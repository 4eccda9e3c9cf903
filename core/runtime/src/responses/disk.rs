//! Answers that outlive the process: a folder with one redb database.
//!
//! It owns the file, its format, and the thread that writes it. It does not decide what is kept:
//! the memory cache does, and tells of everything that comes and leaves, so the store holds about
//! the same bytes. A crash loses what was queued for less than a second; closing writes it.
//!
//! | module | owns |
//! |---|---|
//! | [`directory`] | the folder: one engine at a time, damaged stores set aside |
//! | [`store`] | the database: opening, checking, changing, compacting |
//! | [`record`] | an answer as bytes |
//! | [`queue`] | what is to be written, bounded |
//! | [`writer`] | the background thread, and what becomes of a store that fails |
//! | [`fault`] | what can be wrong |
//!
//! Invariants:
//! - Only answers that pass their checksums are handed out, only to the engine that wrote them,
//!   and none that is stale.
//! - What was removed or replaced does not come back, once it is written or the store is closed:
//!   a store that can't be written any more is deleted.
//! - Damage never fails an engine: the file gets another name, with one warning, and a new one is
//!   started.
//! - Nobody but the thread `indwell-responses` waits for the file once it is open. It meets the
//!   others in the queue, under a lock that is never held during I/O.

mod directory;
mod fault;
mod queue;
mod record;
mod store;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use indwell_kernel::ResponseKey;
use redb::StorageBackend;
use redb::backends::FileBackend;

use self::directory::Directory;
use self::fault::Fault;
use self::queue::Queue;
use self::store::{Found, Store, guarded};
use self::writer::Writer;
use super::answer::StoredAnswer;
use crate::{Error, ErrorDetails, ErrorKind, Result};

/// Answers that wait to be written take at most so much memory.
const QUEUE_BYTES_MAX: u64 = 8 << 20;

/// The answers of one engine in a folder.
pub(crate) struct Disk {
    queue: Arc<Queue>,
    writer: Writer,
    process: u32,
}

impl Disk {
    /// Opens the store in `directory`, which is made if missing, for the engine whose namespace
    /// has the digest `engine`. Every answer in it that is this engine's and not stale at
    /// `now_ms` (since the Unix epoch) is handed to `load`, the least recently written first.
    /// What another engine wrote is dropped.
    ///
    /// # Errors
    /// `io` if another engine uses the folder, or it can't be made or written.
    pub(crate) fn open(
        directory: &Path,
        engine: [u8; 32],
        now_ms: u64,
        load: impl FnMut(ResponseKey, StoredAnswer),
    ) -> Result<Self> {
        Self::open_on(&|file| file, directory, engine, now_ms, load)
    }

    /// The store with its file written through a `backend`.
    fn open_on<B: StorageBackend>(
        backend: &impl Fn(FileBackend) -> B,
        path: &Path,
        engine: [u8; 32],
        now_ms: u64,
        mut load: impl FnMut(ResponseKey, StoredAnswer),
    ) -> Result<Self> {
        let refused = |fault| refusal(path, fault);
        let directory = Directory::take(path).map_err(refused)?;
        let mut open = || {
            guarded(|| {
                let (store, found) = Store::open(&directory.store(), engine, now_ms, backend)?;
                store.load(&found, &mut load)?;
                Ok((store, found))
            })
        };
        let (store, found): (Store, Found) = match open() {
            Err(Fault::Damaged(damage)) => {
                let aside = directory.set_aside().map_err(Fault::Io).map_err(refused)?;
                tracing::warn!(
                    path = %directory.store().display(),
                    aside = %aside.display(),
                    %damage,
                    "the store of answers is damaged: it is set aside, and a new one started"
                );
                open()
            }
            opened => opened,
        }
        .map_err(refused)?;
        let queue = Arc::new(Queue::new(QUEUE_BYTES_MAX, found.next_order()));
        let writer = Writer::spawn(store, directory, queue.clone());
        let writer = writer.map_err(Fault::Io).map_err(refused)?;
        Ok(Self { queue, writer, process: std::process::id() })
    }

    /// Keeps an answer, if what is queued leaves room for it. Never blocks on a file.
    pub(crate) fn put(&self, key: ResponseKey, answer: Arc<StoredAnswer>) {
        if !self.queue.put(key, answer) {
            tracing::debug!("an answer is not written: too many wait, or nothing is written now");
        }
    }

    /// Forgets an answer. Never blocks on a file, and is never lost, however much is queued.
    pub(crate) fn remove(&self, key: ResponseKey) {
        self.queue.remove(key);
    }

    /// Forgets all answers. Never blocks on a file, and is never lost.
    pub(crate) fn clear(&self) {
        self.queue.clear();
    }

    /// Writes what is queued as far as `within` allows, ends the thread, and gives the folder
    /// back. What is removed and cleared is written even later. Harmless when called again, and
    /// in a forked process.
    ///
    /// # Blocking
    /// At most `within` and a moment.
    pub(crate) fn close(&self, within: Duration) {
        // In a forked process the thread is not here, and a lock may be held for ever.
        if self.process == std::process::id() {
            self.writer.close(&self.queue, within);
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").finish_non_exhaustive()
    }
}

fn refusal(directory: &Path, fault: Fault) -> Error {
    let value = directory.display().to_string();
    let (message, remedy) = match &fault {
        Fault::InUse => (
            format!("response_cache_dir {value} is in use by another engine or process"),
            "give each engine a folder of its own, or close the other engine first",
        ),
        Fault::Damaged(_) | Fault::Io(_) => (
            format!("response_cache_dir {value} can't be used: {fault}"),
            "give a folder that can be made and written, with room on its disk",
        ),
    };
    let details = ErrorDetails {
        field: Some("response_cache_dir".to_owned()),
        value: Some(value),
        remedy: Some(remedy.to_owned()),
        ..ErrorDetails::default()
    };
    Error::with(ErrorKind::Io, format!("{message}: {remedy}"), details, Some(Box::new(fault)))
}
