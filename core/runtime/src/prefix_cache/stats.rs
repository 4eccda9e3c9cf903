//! What the prefix cache holds and has done: counters that the worker and the tiers write, and
//! anyone reads, without waiting.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use indwell_kernel::Tier;

/// What an engine's prefix cache holds and has done, tier by tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// In the memory that the model computes in.
    pub resident: CacheTierStats,
    /// Snapshots in the host's memory.
    pub host: CacheTierStats,
    /// Snapshots in files.
    pub disk: CacheTierStats,
    /// Tokens of prefixes that [`crate::Engine::cache_prefix`] keeps.
    pub pinned_tokens: u64,
}

/// One tier of the prefix cache. A tier that is off has a capacity of 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheTierStats {
    /// Pieces of prefixes: runs of tokens that are kept and given up as one.
    pub entries: u64,
    /// Tokens in them.
    pub tokens: u64,
    /// Bytes they take.
    pub bytes: u64,
    /// Bytes they may take. Of the resident tier, bytes that no running request uses; pinned
    /// prefixes are not counted.
    pub capacity_bytes: u64,
    /// Requests that found something here, and nothing in a slower tier. Only grows.
    pub hits: u64,
    /// Tokens that these requests did not compute. Only grows.
    pub hit_tokens: u64,
    /// Entries given up for want of room. Only grows.
    pub evictions: u64,
}

/// The counters behind [`CacheStats`].
#[derive(Debug, Default)]
pub(crate) struct SharedCaches {
    pub(crate) resident: SharedTier,
    pub(crate) host: SharedTier,
    pub(crate) disk: SharedTier,
    pub(crate) pinned_tokens: AtomicU64,
}

/// The counters behind [`CacheTierStats`].
#[derive(Debug, Default)]
pub(crate) struct SharedTier {
    pub(crate) entries: AtomicU64,
    pub(crate) tokens: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) capacity_bytes: AtomicU64,
    pub(crate) hits: AtomicU64,
    pub(crate) hit_tokens: AtomicU64,
    pub(crate) evictions: AtomicU64,
}

impl SharedCaches {
    /// A request did not compute `tokens` of its prompt, the slowest of which came from `tier`.
    pub(crate) fn hit(&self, tokens: u32, tier: Tier) {
        let tier = match tier {
            Tier::Resident => &self.resident,
            Tier::Host => &self.host,
            Tier::Disk => &self.disk,
        };
        tier.hits.fetch_add(1, Relaxed);
        tier.hit_tokens.fetch_add(tokens.into(), Relaxed);
    }

    /// The engine is over: nothing is in its memory any more. What was counted stays, and so do
    /// files.
    pub(crate) fn emptied(&self) {
        for tier in [&self.resident, &self.host] {
            for held in [&tier.entries, &tier.tokens, &tier.bytes] {
                held.store(0, Relaxed);
            }
        }
        self.pinned_tokens.store(0, Relaxed);
    }

    pub(crate) fn snapshot(&self) -> CacheStats {
        CacheStats {
            resident: self.resident.snapshot(),
            host: self.host.snapshot(),
            disk: self.disk.snapshot(),
            pinned_tokens: self.pinned_tokens.load(Relaxed),
        }
    }
}

impl SharedTier {
    fn snapshot(&self) -> CacheTierStats {
        CacheTierStats {
            entries: self.entries.load(Relaxed),
            tokens: self.tokens.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            capacity_bytes: self.capacity_bytes.load(Relaxed),
            hits: self.hits.load(Relaxed),
            hit_tokens: self.hit_tokens.load(Relaxed),
            evictions: self.evictions.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_counts_where_its_slowest_part_came_from() {
        let caches = SharedCaches::default();
        caches.hit(10, Tier::Resident);
        caches.hit(20, Tier::Host);
        caches.hit(5, Tier::Host);
        let stats = caches.snapshot();
        assert_eq!((stats.resident.hits, stats.resident.hit_tokens), (1, 10));
        assert_eq!((stats.host.hits, stats.host.hit_tokens), (2, 25));
        assert_eq!(stats.disk, CacheTierStats::default());
    }

    #[test]
    fn an_engine_that_is_over_holds_nothing_but_files() {
        let caches = SharedCaches::default();
        caches.hit(10, Tier::Resident);
        for tier in [&caches.resident, &caches.host, &caches.disk] {
            tier.bytes.store(5, Relaxed);
            tier.evictions.store(7, Relaxed);
        }
        caches.pinned_tokens.store(3, Relaxed);
        caches.emptied();
        let stats = caches.snapshot();
        assert_eq!((stats.resident.bytes, stats.host.bytes, stats.disk.bytes), (0, 0, 5));
        assert_eq!((stats.resident.hits, stats.host.evictions), (1, 7));
        assert_eq!(stats.pinned_tokens, 0);
    }
}
