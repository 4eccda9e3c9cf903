//! What the prefix cache holds and has done: counters that the worker and the tiers write, and
//! anyone reads, without waiting.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Weak};

use indwell_kernel::{PrefixLoad, Tier};

use crate::responses::ResponseCacheStats;
use crate::tiers::{TierCounters, Tiers, TiersStats};

/// What an engine's caches hold and have done: the prefix cache tier by tier, and the response
/// cache.
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
    /// Complete answers.
    pub response: ResponseCacheStats,
}

/// One tier of the prefix cache. A tier that is off has a capacity of 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheTierStats {
    /// Pieces of prefixes: runs of tokens that are kept and given up as one.
    pub entries: u64,
    /// Tokens in them; outside the model's memory reckoned from the bytes.
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
    /// The other tiers, which count for themselves; not kept alive by who reads the counters.
    tiers: Weak<Tiers>,
    kv_bytes_per_token: u64,
    /// The engine is over: nothing is in the host's memory any more.
    is_emptied: AtomicBool,
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
    /// Counters of a cache with these tiers, whose idle residents have room for `idle_tokens_max`.
    pub(crate) fn of(
        tiers: Option<&Arc<Tiers>>,
        idle_tokens_max: u32,
        kv_bytes_per_token: u64,
    ) -> Self {
        let caches = Self {
            tiers: tiers.map(Arc::downgrade).unwrap_or_default(),
            kv_bytes_per_token,
            ..Self::default()
        };
        let capacity_bytes = u64::from(idle_tokens_max) * kv_bytes_per_token;
        caches.resident.capacity_bytes.store(capacity_bytes, Relaxed);
        caches
    }

    /// What the scheduler says is resident.
    pub(crate) fn resident(&self, load: &PrefixLoad) {
        let resident = &self.resident;
        resident.entries.store(load.residents.into(), Relaxed);
        resident.tokens.store(load.resident_tokens.into(), Relaxed);
        let bytes = u64::from(load.resident_tokens) * self.kv_bytes_per_token;
        resident.bytes.store(bytes, Relaxed);
        resident.evictions.store(load.evictions, Relaxed);
        self.pinned_tokens.store(load.pinned_tokens.into(), Relaxed);
    }

    /// What the other tiers count: tokens from bytes, as snapshots are little more than keys and
    /// values.
    fn take_in(&self, stats: &TiersStats) {
        if !self.is_emptied.load(Relaxed) {
            self.host.take_in(&stats.host, self.kv_bytes_per_token);
        }
        self.disk.take_in(&stats.disk.tier, self.kv_bytes_per_token);
    }

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
        self.is_emptied.store(true, Relaxed);
        for tier in [&self.resident, &self.host] {
            for held in [&tier.entries, &tier.tokens, &tier.bytes] {
                held.store(0, Relaxed);
            }
        }
        self.pinned_tokens.store(0, Relaxed);
    }

    pub(crate) fn snapshot(&self) -> CacheStats {
        if let Some(tiers) = self.tiers.upgrade() {
            self.take_in(&tiers.stats());
        }
        CacheStats {
            resident: self.resident.snapshot(),
            host: self.host.snapshot(),
            disk: self.disk.snapshot(),
            pinned_tokens: self.pinned_tokens.load(Relaxed),
            response: ResponseCacheStats::default(),
        }
    }
}

impl SharedTier {
    fn take_in(&self, counters: &TierCounters, kv_bytes_per_token: u64) {
        self.entries.store(counters.entries, Relaxed);
        self.bytes.store(counters.bytes, Relaxed);
        self.tokens.store(counters.bytes / kv_bytes_per_token.max(1), Relaxed);
        self.capacity_bytes.store(counters.capacity_bytes, Relaxed);
        self.evictions.store(counters.evictions, Relaxed);
    }

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
