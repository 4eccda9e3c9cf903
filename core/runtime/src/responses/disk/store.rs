//! The file of answers: a redb database of one engine, in one format.
//!
//! It knows neither queues nor threads. The file's folder is held while it is used, and its caller
//! catches panics ([`guarded`]).
//!
//! On opening, redb checks every page, then every answer's checksum is checked, before the first
//! one is handed out. What another engine or an earlier format wrote is dropped, for nobody can
//! ask for it any more. Anything that is neither is damage.
//!
//! Pages that a transaction frees are used again by later ones, so transactions are kept small,
//! and a file that is much larger than its answers is compacted after the next change.

use std::fs::{self, Metadata};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use indwell_kernel::ResponseKey;
use redb::backends::FileBackend;
use redb::{
    Builder, Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition,
    TableError, WriteTransaction,
};

use super::fault::Fault;
use super::queue::{Batch, Change};
use super::{directory, record};
use crate::responses::answer::StoredAnswer;

/// The version of what is in the tables.
pub(super) const FORMAT: u32 = 2;

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const ANSWERS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("answers");

const META_FORMAT: &str = "format";
const META_ENGINE: &str = "engine";

/// redb's own cache of pages. Answers are in memory already.
const PAGE_CACHE_BYTES: usize = 1 << 20;

/// A transaction has at most so many changes, and one more answer than so many bytes.
const TRANSACTION_CHANGES: usize = 1024;
const TRANSACTION_BYTES: usize = 4 << 20;

/// What a file may be larger than its answers before it is compacted. Page sizes are powers of two
/// and files grow by doubling, so up to four times is normal while it grows; twice is usual.
const FILE_FACTOR_MAX: u64 = 4;
const FILE_SLACK_BYTES: u64 = 8 << 20;

/// The open file.
pub(super) struct Store {
    database: Database,
    path: PathBuf,
    identity: Identity,
    /// Of all answers, with their keys.
    answer_bytes: u64,
    /// A compaction that left so much had no more to gain.
    compacted_bytes: u64,
}

/// Answers that may be loaded, the least recently written first.
pub(super) struct Found {
    keys: Vec<(u64, ResponseKey)>,
}

/// Runs what redb may panic in, as it may when a file changes under it.
pub(super) fn guarded<T>(run: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(Fault::of_panic(&*panic)))
}

impl Store {
    /// Opens the file, or makes it. What is stale at `now_ms` is removed, as is everything if it is
    /// not of `engine`. `backend` is what the file is written through.
    pub(super) fn open<B: StorageBackend>(
        path: &Path,
        engine: [u8; 32],
        now_ms: u64,
        backend: impl FnOnce(FileBackend) -> B,
    ) -> Result<(Self, Found), Fault> {
        match fs::metadata(path) {
            // Opening what is no file may wait for ever.
            Ok(found) if !found.is_file() => {
                return Err(Fault::Damaged("it is not a regular file".to_owned()));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Fault::Io(error)),
        }
        let file = directory::writable().open(path)?;
        let identity = Identity::of(&file.metadata()?);
        let database = Builder::new()
            .set_cache_size(PAGE_CACHE_BYTES)
            .set_check_integrity_on_open(true)
            .create_with_backend(backend(FileBackend::new(file).map_err(Fault::of)?))
            .map_err(Fault::of)?;
        let path = path.to_owned();
        let mut store = Self { database, path, identity, answer_bytes: 0, compacted_bytes: 0 };
        if store.owner()? != Some((FORMAT, engine)) {
            store.start_anew(engine)?;
        }
        let found = store.look_through(now_ms)?;
        Ok((store, found))
    }

    /// Format and engine of what is in the file; `None` if it is new.
    fn owner(&self) -> Result<Option<(u32, [u8; 32])>, Fault> {
        let reading = self.database.begin_read().map_err(Fault::of)?;
        let meta = match reading.open_table(META) {
            Err(TableError::TableDoesNotExist(_)) => {
                let is_new = reading.list_tables().map_err(Fault::of)?.next().is_none();
                let lost = || Fault::Damaged("it does not say whose it is".to_owned());
                return if is_new { Ok(None) } else { Err(lost()) };
            }
            meta => meta.map_err(Fault::of)?,
        };
        let read = |name| -> Result<_, Fault> {
            let value = meta.get(name).map_err(Fault::of)?;
            Ok(value.map(|value| value.value().to_vec()))
        };
        let format = read(META_FORMAT)?.and_then(|bytes| bytes.try_into().ok());
        let engine = read(META_ENGINE)?.and_then(|bytes| bytes.try_into().ok());
        match (format.map(u32::from_le_bytes), engine) {
            (Some(format), Some(engine)) => Ok(Some((format, engine))),
            // Another format need not say it as this one does, but always says which it is.
            (Some(format), None) if format != FORMAT => Ok(Some((format, [0; 32]))),
            _ => Err(Fault::Damaged("it does not say whose it is".to_owned())),
        }
    }

    /// Drops whatever is in the file, and makes it `engine`'s.
    fn start_anew(&mut self, engine: [u8; 32]) -> Result<(), Fault> {
        let writing = self.database.begin_write().map_err(Fault::of)?;
        let tables: Vec<_> = writing.list_tables().map_err(Fault::of)?.collect();
        for table in tables {
            writing.delete_table(table).map_err(Fault::of)?;
        }
        let multimaps: Vec<_> = writing.list_multimap_tables().map_err(Fault::of)?.collect();
        for table in multimaps {
            writing.delete_multimap_table(table).map_err(Fault::of)?;
        }
        {
            let mut meta = writing.open_table(META).map_err(Fault::of)?;
            meta.insert(META_FORMAT, &FORMAT.to_le_bytes()[..]).map_err(Fault::of)?;
            meta.insert(META_ENGINE, &engine[..]).map_err(Fault::of)?;
            writing.open_table(ANSWERS).map_err(Fault::of)?;
        }
        writing.commit().map_err(Fault::of)
    }

    /// Checks every answer, and removes the stale ones.
    fn look_through(&mut self, now_ms: u64) -> Result<Found, Fault> {
        let (mut keys, mut stale) = (Vec::new(), Vec::new());
        {
            let reading = self.database.begin_read().map_err(Fault::of)?;
            let answers = reading.open_table(ANSWERS).map_err(Fault::of)?;
            for entry in answers.iter().map_err(Fault::of)? {
                let (key, value) = entry.map_err(Fault::of)?;
                let key = ResponseKey::from_bytes(*key.value());
                let head = record::check(key, value.value()).ok_or_else(bad_answer)?;
                self.answer_bytes += stored_bytes(value.value());
                if head.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms) {
                    stale.push(key);
                } else {
                    keys.push((head.order, key));
                }
            }
        }
        for some in stale.chunks(TRANSACTION_CHANGES) {
            self.remove(some)?;
        }
        keys.sort_unstable();
        Ok(Found { keys })
    }

    /// Hands out the answers that were found.
    pub(super) fn load(
        &self,
        found: &Found,
        load: &mut impl FnMut(ResponseKey, StoredAnswer),
    ) -> Result<(), Fault> {
        let reading = self.database.begin_read().map_err(Fault::of)?;
        let answers = reading.open_table(ANSWERS).map_err(Fault::of)?;
        for (_, key) in &found.keys {
            let value = answers.get(key.as_bytes()).map_err(Fault::of)?.ok_or_else(bad_answer)?;
            load(*key, record::decode(*key, value.value()).ok_or_else(bad_answer)?);
        }
        Ok(())
    }

    /// Makes the changes, and keeps the file small. When `is_late` says so, answers are not
    /// written any more, and what they would have replaced is removed.
    pub(super) fn apply(&mut self, batch: &Batch, is_late: &dyn Fn() -> bool) -> Result<(), Fault> {
        if !self.is_in_place() {
            return Err(Fault::Io(io::Error::new(
                io::ErrorKind::NotFound,
                "somebody moved or deleted it",
            )));
        }
        if batch.clear {
            self.clear()?;
        }
        let (mut removals, mut puts) = (Vec::new(), Vec::new());
        for (key, change) in &batch.changes {
            match change {
                Change::Remove => removals.push(*key),
                Change::Put { order, answer } => puts.push((*key, *order, &**answer)),
            }
        }
        for some in removals.chunks(TRANSACTION_CHANGES) {
            self.remove(some)?;
        }
        let mut puts = puts.as_slice();
        while !puts.is_empty() && !is_late() {
            let written = self.put(puts)?;
            puts = &puts[written..];
        }
        let unwritten: Vec<ResponseKey> = puts.iter().map(|(key, ..)| *key).collect();
        for some in unwritten.chunks(TRANSACTION_CHANGES) {
            self.remove(some)?;
        }
        if is_late() { Ok(()) } else { self.compact_if_large() }
    }

    fn clear(&mut self) -> Result<(), Fault> {
        let writing = self.database.begin_write().map_err(Fault::of)?;
        writing.delete_table(ANSWERS).map_err(Fault::of)?;
        writing.open_table(ANSWERS).map_err(Fault::of)?;
        writing.commit().map_err(Fault::of)?;
        self.answer_bytes = 0;
        Ok(())
    }

    fn remove(&mut self, keys: &[ResponseKey]) -> Result<(), Fault> {
        let mut removed = 0;
        self.transact(|writing| {
            let mut answers = writing.open_table(ANSWERS).map_err(Fault::of)?;
            for key in keys {
                let old = answers.remove(key.as_bytes()).map_err(Fault::of)?;
                removed += old.map_or(0, |old| stored_bytes(old.value()));
            }
            Ok(())
        })?;
        self.answer_bytes = self.answer_bytes.saturating_sub(removed);
        Ok(())
    }

    /// Writes as many as a transaction takes, but at least one; how many.
    fn put(&mut self, puts: &[(ResponseKey, u64, &StoredAnswer)]) -> Result<usize, Fault> {
        let (mut count, mut written, mut replaced) = (0, 0, 0);
        self.transact(|writing| {
            let mut answers = writing.open_table(ANSWERS).map_err(Fault::of)?;
            for (key, order, answer) in puts.iter().take(TRANSACTION_CHANGES) {
                let bytes = record::encode(*key, *order, answer);
                let old = answers.insert(key.as_bytes(), &*bytes).map_err(Fault::of)?;
                replaced += old.map_or(0, |old| stored_bytes(old.value()));
                written += stored_bytes(&bytes);
                count += 1;
                if written >= TRANSACTION_BYTES as u64 {
                    break;
                }
            }
            Ok(())
        })?;
        self.answer_bytes = (self.answer_bytes + written).saturating_sub(replaced);
        Ok(count)
    }

    fn transact(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let writing = self.database.begin_write().map_err(Fault::of)?;
        change(&writing)?;
        writing.commit().map_err(Fault::of)
    }

    /// Gives pages back to the system, if there are very many that hold nothing. May take seconds.
    pub(super) fn compact_if_large(&mut self) -> Result<(), Fault> {
        let wanted = self.answer_bytes.saturating_mul(FILE_FACTOR_MAX) + FILE_SLACK_BYTES;
        // What one compaction could not give back, the next one can't either.
        let worth_it = wanted.max(self.compacted_bytes.saturating_mul(2));
        if fs::metadata(&self.path)?.len() > worth_it {
            self.database.compact().map_err(Fault::of)?;
            self.compacted_bytes = fs::metadata(&self.path)?.len();
        }
        Ok(())
    }

    /// Whether the path still leads to this file.
    fn is_in_place(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|found| Identity::of(&found) == self.identity)
    }

    /// Closes the file and deletes it, if it is still where it was; whether it is gone.
    pub(super) fn delete(self) -> bool {
        let (path, is_in_place) = (self.path.clone(), self.is_in_place());
        // redb may panic over what it could not write.
        let _ = guarded(|| {
            drop(self);
            Ok(())
        });
        !is_in_place || fs::remove_file(path).is_ok()
    }

    /// Closes the file. What was written is safe whatever this says.
    pub(super) fn close(self) -> Result<(), Fault> {
        guarded(|| self.database.close().map_err(Fault::of))
    }
}

impl Found {
    /// What the next answer's order may be.
    pub(super) fn next_order(&self) -> u64 {
        self.keys.last().map_or(0, |(order, _)| order.saturating_add(1))
    }
}

fn bad_answer() -> Fault {
    Fault::Damaged("an answer in it is not what was written".to_owned())
}

fn stored_bytes(value: &[u8]) -> u64 {
    (value.len() + size_of::<ResponseKey>()) as u64
}

/// Which file it is, as far as the system says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    #[cfg(unix)]
    device: u64,
    #[cfg(unix)]
    inode: u64,
}

impl Identity {
    #[cfg(unix)]
    fn of(file: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { device: file.dev(), inode: file.ino() }
    }

    /// An open file can't be deleted or replaced there.
    #[cfg(not(unix))]
    fn of(_: &Metadata) -> Self {
        Self {}
    }
}
