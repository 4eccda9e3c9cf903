//! The prefix cache as users see it: who takes part, what is in it, and what they keep in it.
//!
//! Prompts that begin alike share what was computed for their beginning. What may be shared, and
//! what is kept where, is decided in the kernel and done by the worker; this module knows neither
//! tokens' places nor snapshots. A prefix is shared only in its namespace: one engine's model, and
//! one salt.

mod namespace;
mod prefix;
pub(crate) mod setup;
mod stats;

use std::fmt;

use indwell_kernel::Tier;

pub(crate) use self::namespace::salted;
pub use self::prefix::{CachedPrefix, PendingPrefix, PrefixFuture, PrefixRequest};
pub(crate) use self::stats::SharedCaches;
pub use self::stats::{CacheStats, CacheTierStats};

/// Where cached tokens came from, fastest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CacheTier {
    /// The answer to the same question, stored or being computed: nothing was computed.
    Response,
    /// The answer to a question that means the same, as far as a function of the caller's can
    /// tell: see [`crate::Semantic`].
    Semantic,
    /// The memory that the model computes in: nothing was copied.
    Resident,
    /// Snapshots in the host's memory.
    Host,
    /// Snapshots in files.
    Disk,
}

impl CacheTier {
    /// Its name in every language.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            CacheTier::Response => "response",
            CacheTier::Semantic => "semantic",
            CacheTier::Resident => "resident",
            CacheTier::Host => "host",
            CacheTier::Disk => "disk",
        }
    }
}

impl fmt::Display for CacheTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Tier> for CacheTier {
    fn from(tier: Tier) -> Self {
        match tier {
            Tier::Resident => CacheTier::Resident,
            Tier::Host => CacheTier::Host,
            Tier::Disk => CacheTier::Disk,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_tiers_keep_their_names() {
        for tier in [Tier::Resident, Tier::Host, Tier::Disk] {
            assert_eq!(CacheTier::from(tier).as_str(), tier.as_str());
        }
    }
}
