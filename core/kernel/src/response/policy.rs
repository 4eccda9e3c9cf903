//! Which requests look stored answers up, share computations and leave their answers.
//!
//! Only answers that would be the same again are kept: of requests that draw nothing, or draw by
//! a seed that their caller chose. And only complete ones.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::{End, Invalid, SamplingParams};

/// How a request uses the caches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CacheMode {
    /// It uses what is cached, and leaves its own prompt and answer for others.
    #[default]
    Use,
    /// All is computed anew, and it leaves nothing behind.
    Bypass,
    /// The answer is computed anew and replaces the one that is stored; prefixes are used as ever.
    Refresh,
    /// The stored answer, or an error at once: nothing is computed.
    OnlyIfCached,
}

impl CacheMode {
    /// Every mode.
    pub const ALL: [Self; 4] =
        [CacheMode::Use, CacheMode::Bypass, CacheMode::Refresh, CacheMode::OnlyIfCached];

    /// Its name in every language.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            CacheMode::Use => "use",
            CacheMode::Bypass => "bypass",
            CacheMode::Refresh => "refresh",
            CacheMode::OnlyIfCached => "only_if_cached",
        }
    }

    /// Whether prefixes are shared with other requests.
    #[must_use]
    pub fn uses_prefixes(self) -> bool {
        self != CacheMode::Bypass
    }
}

impl fmt::Display for CacheMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CacheMode {
    type Err = Invalid;

    fn from_str(mode: &str) -> Result<Self, Invalid> {
        Self::ALL.into_iter().find(|known| known.as_str() == mode).ok_or_else(|| {
            Invalid::new(
                "cache",
                format_args!("{mode:?}"),
                "use, bypass, refresh or only_if_cached",
                "give one of these, or leave it out to use the caches",
            )
        })
    }
}

/// What a request does with stored answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ResponsePolicy {
    /// A stored answer serves it.
    pub looks_up: bool,
    /// It shares one computation with the same requests in flight.
    pub shares: bool,
    /// Its complete answer is stored.
    pub stores: bool,
    /// It is computed where no stored answer serves it.
    pub computes: bool,
}

impl ResponsePolicy {
    /// Of requests that have nothing to do with stored answers.
    pub const NONE: Self = Self { looks_up: false, shares: false, stores: false, computes: true };

    /// The policy of a request.
    ///
    /// # Errors
    /// [`Invalid`] for one that must be cached but can't be, as its answer is random.
    pub fn of(mode: CacheMode, sampling: &SamplingParams) -> Result<Self, Invalid> {
        let deterministic = sampling.is_deterministic();
        match mode {
            CacheMode::OnlyIfCached if !deterministic => Err(Invalid::new(
                "cache",
                "only_if_cached",
                "another mode where answers are random",
                "give a seed, or temperature 0: other answers are not stored",
            )),
            CacheMode::OnlyIfCached => {
                Ok(Self { looks_up: true, shares: false, stores: false, computes: false })
            }
            CacheMode::Use if deterministic => {
                Ok(Self { looks_up: true, shares: true, stores: true, computes: true })
            }
            // A computation in flight was asked for before: it may be what is to be replaced.
            CacheMode::Refresh if deterministic => {
                Ok(Self { looks_up: false, shares: false, stores: true, computes: true })
            }
            CacheMode::Use | CacheMode::Refresh | CacheMode::Bypass => Ok(Self::NONE),
        }
    }

    /// Whether answers have to do with it at all.
    #[must_use]
    pub fn is_any(self) -> bool {
        self.looks_up || self.stores
    }

    /// Whether an answer that ended so is stored: a complete one.
    #[must_use]
    pub fn keeps(self, end: &End) -> bool {
        self.stores && matches!(end, End::Finished(_))
    }
}

/// How long an answer is kept. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeToLive(Duration);

impl TimeToLive {
    /// Checks milliseconds, for the option called `field`.
    ///
    /// # Errors
    /// [`Invalid`] unless it is a finite number above 0.
    pub fn from_ms(field: &'static str, ms: f64) -> Result<Self, Invalid> {
        Duration::try_from_secs_f64(ms / 1000.0)
            .ok()
            .filter(|time| !time.is_zero())
            .map(Self)
            .ok_or_else(|| {
                Invalid::new(
                    field,
                    ms,
                    "a finite number of milliseconds above 0",
                    "leave it out to keep answers while there is room, or bypass the cache",
                )
            })
    }

    /// When an answer that is stored at `now_ms` is stale; both in milliseconds since the Unix
    /// epoch.
    #[must_use]
    pub fn expires_ms(self, now_ms: u64) -> u64 {
        let ms = self.0.as_nanos().div_ceil(1_000_000);
        now_ms.saturating_add(u64::try_from(ms).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FinishReason, Temperature};

    fn seeded(temperature: f32, seeded: bool) -> SamplingParams {
        SamplingParams {
            temperature: Temperature::fixed(temperature),
            seeded,
            ..SamplingParams::greedy()
        }
    }

    #[test]
    fn names_are_the_same_both_ways() {
        for mode in CacheMode::ALL {
            assert_eq!(mode.as_str().parse::<CacheMode>().expect("its own name"), mode);
        }
        assert!("always".parse::<CacheMode>().is_err());
    }

    #[test]
    fn random_answers_are_neither_found_nor_kept() {
        for mode in [CacheMode::Use, CacheMode::Refresh, CacheMode::Bypass] {
            let policy = ResponsePolicy::of(mode, &seeded(0.7, false)).expect("computed");
            assert_eq!(policy, ResponsePolicy::NONE);
            assert!(!policy.is_any());
        }
        let refused = ResponsePolicy::of(CacheMode::OnlyIfCached, &seeded(0.7, false));
        assert_eq!(refused.expect_err("it never can be").field, "cache");
        assert!(ResponsePolicy::of(CacheMode::Use, &seeded(0.7, true)).expect("kept").stores);
    }

    #[test]
    fn each_mode_does_what_it_says() {
        let of = |mode| ResponsePolicy::of(mode, &SamplingParams::greedy()).expect("greedy");
        let flags = |p: ResponsePolicy| (p.looks_up, p.shares, p.stores, p.computes);
        assert_eq!(flags(of(CacheMode::Use)), (true, true, true, true));
        assert_eq!(flags(of(CacheMode::Bypass)), (false, false, false, true));
        assert_eq!(flags(of(CacheMode::Refresh)), (false, false, true, true));
        assert_eq!(flags(of(CacheMode::OnlyIfCached)), (true, false, false, false));
    }

    #[test]
    fn only_complete_answers_are_kept() {
        let policy = ResponsePolicy::of(CacheMode::Use, &SamplingParams::greedy()).expect("use");
        assert!(policy.keeps(&End::Finished(FinishReason::Stop)));
        assert!(policy.keeps(&End::Finished(FinishReason::Length)));
        assert!(!policy.keeps(&End::Cancelled));
        assert!(!policy.keeps(&End::DeadlineExceeded));
        assert!(!ResponsePolicy::NONE.keeps(&End::Finished(FinishReason::Stop)));
    }

    #[test]
    fn a_time_to_live_is_above_nothing() {
        for ms in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-9] {
            let refused = TimeToLive::from_ms("cache_ttl_ms", ms).expect_err("no time");
            assert_eq!(refused.field, "cache_ttl_ms");
        }
        let half = TimeToLive::from_ms("cache_ttl_ms", 0.5).expect("half a millisecond");
        assert_eq!(half.expires_ms(10), 11);
        let long = TimeToLive::from_ms("cache_ttl_ms", 1e15).expect("long");
        assert_eq!(long.expires_ms(u64::MAX), u64::MAX);
    }
}
