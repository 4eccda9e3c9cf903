//! What the response cache holds and has done.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// What an engine's response cache holds and has done. One that is off has a capacity of 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseCacheStats {
    /// Answers that are kept.
    pub entries: u64,
    /// Bytes they take, with their questions' tokens and all bookkeeping.
    pub bytes: u64,
    /// Bytes they may take.
    pub capacity_bytes: u64,
    /// Requests that a stored answer to the same question served. Only grows.
    pub hits: u64,
    /// Requests that shared a computation in flight. Only grows.
    pub shared: u64,
    /// Requests that the answer to a question that means the same served. Only grows.
    pub semantic_hits: u64,
    /// Requests that could have been served so, but were computed or refused. Only grows.
    pub misses: u64,
    /// Answers given up for want of room. Only grows.
    pub evictions: u64,
}

impl ResponseCacheStats {
    /// Requests that a stored answer could have served.
    pub(crate) fn queries(&self) -> u64 {
        self.answered() + self.misses
    }

    /// Those of them that were not computed.
    pub(crate) fn answered(&self) -> u64 {
        self.hits + self.shared + self.semantic_hits
    }
}

/// The counters behind [`ResponseCacheStats`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    hits: AtomicU64,
    shared: AtomicU64,
    semantic_hits: AtomicU64,
    misses: AtomicU64,
    pub(super) evictions: AtomicU64,
}

/// How a request was served that a stored answer could have served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// By a stored answer.
    Hit,
    /// By a computation in flight.
    Shared,
    /// By the answer to a question that means the same.
    Semantic,
    /// By computing, or not at all.
    Missed,
}

impl Counters {
    pub(super) fn count(&self, served: Served) {
        let counter = match served {
            Served::Hit => &self.hits,
            Served::Shared => &self.shared,
            Served::Semantic => &self.semantic_hits,
            Served::Missed => &self.misses,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// The counters, beside what is held.
    pub(super) fn read(&self) -> ResponseCacheStats {
        ResponseCacheStats {
            hits: self.hits.load(Relaxed),
            shared: self.shared.load(Relaxed),
            semantic_hits: self.semantic_hits.load(Relaxed),
            misses: self.misses.load(Relaxed),
            evictions: self.evictions.load(Relaxed),
            ..ResponseCacheStats::default()
        }
    }
}
