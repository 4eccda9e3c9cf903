//! Answers in memory, weighed in bytes.
//!
//! Invariant: after each call the weight is at most the capacity. moka evicts when it tends to its
//! pending tasks, so that is done in each insertion. When there is no room, moka's TinyLFU decides
//! who stays: a question that was asked once does not push out one that is asked every minute.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indwell_kernel::ResponseKey;
use moka::Expiry;
use moka::notification::RemovalCause;
use moka::sync::Cache;

use super::answer::StoredAnswer;

/// What an entry costs beyond its answer: moka's entry with its key, its places in moka's queues and
/// in the hash table, and the counts of the shared answer. This and the other two are what the
/// allocator gave out for 100,000 entries, `tests/response_bytes`: 264 to 270 bytes each, as full as
/// the hash table happens to be, and up to 283 where moka counts how often each one is asked for.
const ENTRY_OVERHEAD_BYTES: usize = 274;

/// What moka's timer costs for an answer that will be stale some time.
const TIMER_BYTES: usize = 40;

/// What a question in the index costs beyond its text and vector.
const QUESTION_BYTES: usize = 216;

/// The store of answers.
pub(super) struct Store {
    cache: Cache<ResponseKey, Arc<StoredAnswer>>,
    capacity_bytes: u64,
}

/// Why an answer left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Others needed the room.
    Evicted,
    /// Its time is over, or it was invalidated.
    Removed,
}

impl Store {
    /// `left` hears of each answer that left and was not replaced, on a thread that uses the store.
    pub(super) fn new(
        capacity_bytes: u64,
        left: impl Fn(ResponseKey, Left) + Send + Sync + 'static,
    ) -> Self {
        let cache = Cache::builder()
            .max_capacity(capacity_bytes)
            .weigher(|_, answer: &Arc<StoredAnswer>| {
                // What is heavier than 4 GiB never gets here: `insert`.
                u32::try_from(weight(answer)).unwrap_or(u32::MAX)
            })
            .expire_after(Staleness)
            .eviction_listener(move |key: Arc<ResponseKey>, _, cause| match cause {
                RemovalCause::Size => left(*key, Left::Evicted),
                RemovalCause::Expired | RemovalCause::Explicit => left(*key, Left::Removed),
                RemovalCause::Replaced => {}
            })
            .build();
        Self { cache, capacity_bytes }
    }

    /// Whether an answer can be held at all.
    pub(super) fn fits(&self, answer: &StoredAnswer) -> bool {
        let weight = weight(answer);
        weight <= self.capacity_bytes && u32::try_from(weight).is_ok()
    }

    /// Takes an answer that fits. It may be the one that leaves when there is no room.
    pub(super) fn insert(&self, key: ResponseKey, answer: Arc<StoredAnswer>) {
        self.cache.insert(key, answer);
        // One call evicts a bounded number of entries, but always some.
        self.cache.run_pending_tasks();
        while self.cache.weighted_size() > self.capacity_bytes {
            self.cache.run_pending_tasks();
        }
    }

    /// The answer, unless its time is over.
    pub(super) fn get(&self, key: ResponseKey) -> Option<Arc<StoredAnswer>> {
        self.cache.get(&key).filter(|answer| answer.is_fresh(now_ms))
    }

    /// Removes every answer that is not to be kept; how many.
    pub(super) fn retain(&self, keep: impl Fn(&StoredAnswer) -> bool) -> u64 {
        let doomed = self.cache.iter().filter(|(_, answer)| !keep(answer));
        let doomed: Vec<Arc<ResponseKey>> = doomed.map(|(key, _)| key).collect();
        let removed = doomed.iter().filter(|key| self.cache.remove(&***key).is_some()).count();
        self.cache.run_pending_tasks();
        removed as u64
    }

    /// How many answers it holds.
    pub(super) fn entries(&self) -> u64 {
        self.cache.entry_count()
    }

    /// What they weigh, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.cache.weighted_size()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

fn weight(answer: &StoredAnswer) -> u64 {
    let timer = answer.expires_ms.map_or(0, |_| TIMER_BYTES);
    let question = answer.semantic.as_ref().map_or(0, |_| QUESTION_BYTES);
    (answer.bytes() + ENTRY_OVERHEAD_BYTES + timer + question) as u64
}

/// The present, in milliseconds since the Unix epoch: answers on disk outlive every other clock.
pub(super) fn now_ms() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// When moka lets go of an answer.
struct Staleness;

impl Staleness {
    fn left_of(answer: &StoredAnswer) -> Option<Duration> {
        answer.expires_ms.map(|at| Duration::from_millis(at.saturating_sub(now_ms())))
    }
}

impl Expiry<ResponseKey, Arc<StoredAnswer>> for Staleness {
    fn expire_after_create(
        &self,
        _: &ResponseKey,
        answer: &Arc<StoredAnswer>,
        _: Instant,
    ) -> Option<Duration> {
        Self::left_of(answer)
    }

    fn expire_after_update(
        &self,
        _: &ResponseKey,
        answer: &Arc<StoredAnswer>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Self::left_of(answer)
    }
}
