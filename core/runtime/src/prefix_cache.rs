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
use std::str::FromStr;

use indwell_kernel::Tier;

use crate::Error;

pub(crate) use self::namespace::salted;
pub use self::prefix::{CachedPrefix, PendingPrefix, PrefixFuture, PrefixRequest};
pub(crate) use self::stats::SharedCaches;
pub use self::stats::{CacheStats, CacheTierStats};

/// Whether a request takes part in the prefix cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CacheMode {
    /// It uses what is cached, and leaves its own prompt and answer for others.
    #[default]
    Use,
    /// Its prompt is computed anew, and it leaves nothing behind.
    Bypass,
}

impl CacheMode {
    /// Its name in every language.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            CacheMode::Use => "use",
            CacheMode::Bypass => "bypass",
        }
    }
}

impl fmt::Display for CacheMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CacheMode {
    type Err = Error;

    fn from_str(mode: &str) -> Result<Self, Error> {
        match mode {
            "use" => Ok(CacheMode::Use),
            "bypass" => Ok(CacheMode::Bypass),
            other => Err(Error::invalid(
                "cache",
                crate::OptionValue::from(other).shown(),
                "use or bypass",
                "give one of these, or leave it out to use the cache",
            )),
        }
    }
}

/// Where cached tokens came from, fastest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CacheTier {
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
    fn names_are_the_same_both_ways() {
        for mode in [CacheMode::Use, CacheMode::Bypass] {
            assert_eq!(mode.as_str().parse::<CacheMode>().expect("its own name"), mode);
        }
        for tier in [Tier::Resident, Tier::Host, Tier::Disk] {
            assert_eq!(CacheTier::from(tier).as_str(), tier.as_str());
        }
    }
}
