//! The caches as they cross: who takes part, where tokens came from, and what is held.

use indwell::{CacheMode, CacheStats, CacheTier, CacheTierStats, ResponseCacheStats};

/// `indwell::CacheMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
#[expect(missing_docs, reason = "indwell::CacheMode documents them")]
pub enum NativeCacheMode {
    Use,
    Bypass,
    Refresh,
    OnlyIfCached,
}

/// `indwell::CacheTier`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
#[expect(missing_docs, reason = "indwell::CacheTier documents them")]
pub enum NativeCacheTier {
    Response,
    Semantic,
    Resident,
    Host,
    Disk,
}

/// `indwell::CacheStats`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::CacheStats documents them")]
pub struct NativeCacheStats {
    pub resident: NativeCacheTierStats,
    pub host: NativeCacheTierStats,
    pub disk: NativeCacheTierStats,
    pub pinned_tokens: u64,
    pub response: NativeResponseCacheStats,
}

/// `indwell::CacheTierStats`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::CacheTierStats documents them")]
pub struct NativeCacheTierStats {
    pub entries: u64,
    pub tokens: u64,
    pub bytes: u64,
    pub capacity_bytes: u64,
    pub hits: u64,
    pub hit_tokens: u64,
    pub evictions: u64,
}

/// `indwell::ResponseCacheStats`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::ResponseCacheStats documents them")]
pub struct NativeResponseCacheStats {
    pub entries: u64,
    pub bytes: u64,
    pub capacity_bytes: u64,
    pub hits: u64,
    pub shared: u64,
    pub semantic_hits: u64,
    pub misses: u64,
    pub evictions: u64,
}

impl From<NativeCacheMode> for CacheMode {
    fn from(mode: NativeCacheMode) -> Self {
        match mode {
            NativeCacheMode::Use => Self::Use,
            NativeCacheMode::Bypass => Self::Bypass,
            NativeCacheMode::Refresh => Self::Refresh,
            NativeCacheMode::OnlyIfCached => Self::OnlyIfCached,
        }
    }
}

impl From<CacheTier> for NativeCacheTier {
    fn from(tier: CacheTier) -> Self {
        match tier {
            CacheTier::Response => Self::Response,
            CacheTier::Semantic => Self::Semantic,
            CacheTier::Resident => Self::Resident,
            CacheTier::Host => Self::Host,
            // A tier that a later `indwell` adds below these is the slowest one to this binding.
            _ => Self::Disk,
        }
    }
}

impl From<CacheStats> for NativeCacheStats {
    fn from(stats: CacheStats) -> Self {
        Self {
            resident: stats.resident.into(),
            host: stats.host.into(),
            disk: stats.disk.into(),
            pinned_tokens: stats.pinned_tokens,
            response: stats.response.into(),
        }
    }
}

impl From<CacheTierStats> for NativeCacheTierStats {
    fn from(stats: CacheTierStats) -> Self {
        Self {
            entries: stats.entries,
            tokens: stats.tokens,
            bytes: stats.bytes,
            capacity_bytes: stats.capacity_bytes,
            hits: stats.hits,
            hit_tokens: stats.hit_tokens,
            evictions: stats.evictions,
        }
    }
}

impl From<ResponseCacheStats> for NativeResponseCacheStats {
    fn from(stats: ResponseCacheStats) -> Self {
        Self {
            entries: stats.entries,
            bytes: stats.bytes,
            capacity_bytes: stats.capacity_bytes,
            hits: stats.hits,
            shared: stats.shared,
            semantic_hits: stats.semantic_hits,
            misses: stats.misses,
            evictions: stats.evictions,
        }
    }
}
