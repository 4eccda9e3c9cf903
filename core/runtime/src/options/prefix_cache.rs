//! The prefix cache's options: how much is kept, and where.

use std::path::PathBuf;

use super::OptionValue;
use crate::{Error, Result, machine};

/// Resident tokens that no running request uses, when nothing is said.
pub(crate) const PREFIX_CACHE_TOKENS_DEFAULT: u32 = 2048;
/// Bytes of the host tier when nothing is said, on a machine with eight times as many or more.
pub(crate) const HOST_CACHE_BYTES_DEFAULT: u64 = 1 << 30;
/// Bytes of the disk tier when only its folder is named.
pub(crate) const DISK_CACHE_BYTES_DEFAULT: u64 = 10 << 30;

/// The share of the machine's memory that the host tier takes at most, unasked.
const HOST_CACHE_SHARE: u64 = 8;

/// The prefix cache's options as the caller states them; `None` takes the default.
#[derive(Clone, Debug, Default)]
pub(crate) struct PrefixCacheOptions {
    pub(crate) tokens: Option<i64>,
    pub(crate) host_bytes: Option<i64>,
    pub(crate) disk_dir: Option<PathBuf>,
    pub(crate) disk_bytes: Option<i64>,
}

/// The prefix cache's bounds, checked. With no idle tokens there is no cache, and no tier of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PrefixCacheConfig {
    /// Resident tokens that no running request uses, at most.
    pub(crate) idle_tokens_max: u32,
    /// Bytes of snapshots in the host's memory, at most; 0 for no such tier.
    pub(crate) host_bytes: u64,
    /// The folder of snapshots on disk and their bytes at most; `None` for no such tier.
    pub(crate) disk: Option<(PathBuf, u64)>,
}

impl PrefixCacheConfig {
    /// No prefix cache.
    pub(crate) const OFF: Self = Self { idle_tokens_max: 0, host_bytes: 0, disk: None };

    /// Whether there is a prefix cache.
    pub(crate) fn is_on(&self) -> bool {
        self.idle_tokens_max > 0
    }
}

impl PrefixCacheOptions {
    /// Checks every option, for an engine with `context_tokens` cells.
    ///
    /// # Errors
    /// `invalid_request` for values outside their limits.
    pub(crate) fn validate(&self, context_tokens: u32) -> Result<PrefixCacheConfig> {
        let idle_tokens_max = idle_tokens(self.tokens, context_tokens)?;
        let host_bytes = match self.host_bytes {
            None => host_bytes_default(machine::memory_bytes()),
            Some(bytes) => at_least("host_cache_bytes", bytes, 0)?,
        };
        let disk = self.disk()?;
        if idle_tokens_max == 0 {
            return Ok(PrefixCacheConfig::OFF);
        }
        Ok(PrefixCacheConfig { idle_tokens_max, host_bytes, disk })
    }

    fn disk(&self) -> Result<Option<(PathBuf, u64)>> {
        let bytes = self.disk_bytes.map(|bytes| at_least("disk_cache_bytes", bytes, 1));
        let bytes = bytes.transpose()?;
        match (&self.disk_dir, bytes) {
            (Some(dir), _) if dir.as_os_str().is_empty() => Err(Error::invalid(
                "disk_cache_dir",
                OptionValue::from("").shown(),
                "the path of a folder",
                "name a folder, which is made if it is not there, or leave disk_cache_dir out",
            )),
            (Some(dir), bytes) => {
                Ok(Some((dir.clone(), bytes.unwrap_or(DISK_CACHE_BYTES_DEFAULT))))
            }
            (None, Some(bytes)) => Err(Error::invalid(
                "disk_cache_bytes",
                bytes.to_string(),
                "left out without disk_cache_dir",
                "name the cache's folder with disk_cache_dir, or leave disk_cache_bytes out",
            )),
            (None, None) => Ok(None),
        }
    }
}

fn idle_tokens(given: Option<i64>, context_tokens: u32) -> Result<u32> {
    let default = PREFIX_CACHE_TOKENS_DEFAULT.min(context_tokens / 2);
    let Some(tokens) = given else { return Ok(default) };
    u32::try_from(tokens).ok().filter(|&tokens| tokens <= context_tokens).ok_or_else(|| {
        Error::invalid(
            "prefix_cache_tokens",
            tokens.to_string(),
            format!("from 0 to context_tokens, which is {context_tokens}"),
            format!(
                "use 0 for no prefix cache, raise context_tokens, or leave it out for {default}"
            ),
        )
    })
}

fn at_least(field: &'static str, bytes: i64, least: u64) -> Result<u64> {
    u64::try_from(bytes).ok().filter(|&bytes| bytes >= least).ok_or_else(|| {
        Error::invalid(
            field,
            bytes.to_string(),
            format!("at least {least}"),
            format!("give {field} a number of bytes, or leave it out"),
        )
    })
}

/// A machine that does not say what it has is taken for a small one.
fn host_bytes_default(memory_bytes: Option<u64>) -> u64 {
    let memory_bytes = memory_bytes.unwrap_or(HOST_CACHE_BYTES_DEFAULT);
    HOST_CACHE_BYTES_DEFAULT.min(memory_bytes / HOST_CACHE_SHARE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(tokens: i64) -> PrefixCacheOptions {
        PrefixCacheOptions { tokens: Some(tokens), ..PrefixCacheOptions::default() }
    }

    #[test]
    fn what_is_not_said_has_its_default() {
        let config = PrefixCacheOptions::default().validate(8192).expect("defaults");
        assert_eq!(config.idle_tokens_max, PREFIX_CACHE_TOKENS_DEFAULT);
        assert!((1..=HOST_CACHE_BYTES_DEFAULT).contains(&config.host_bytes));
        assert_eq!(config.disk, None);
        let small = PrefixCacheOptions::default().validate(1000).expect("defaults");
        assert_eq!(small.idle_tokens_max, 500, "half of the context, unasked");
        assert_eq!(tokens(1000).validate(1000).expect("said").idle_tokens_max, 1000);
    }

    #[test]
    fn the_host_tier_takes_an_eighth_of_a_small_machine() {
        assert_eq!(host_bytes_default(Some(4 << 30)), 512 << 20);
        assert_eq!(host_bytes_default(Some(64 << 30)), 1 << 30);
        assert_eq!(host_bytes_default(None), 128 << 20);
    }

    #[test]
    fn without_idle_tokens_there_is_no_tier_at_all() {
        let options = PrefixCacheOptions {
            tokens: Some(0),
            host_bytes: Some(1 << 20),
            disk_dir: Some("snapshots".into()),
            disk_bytes: None,
        };
        let config = options.validate(8192).expect("off");
        assert_eq!(config, PrefixCacheConfig::OFF);
        assert!(!config.is_on());
    }

    #[test]
    fn a_named_folder_turns_the_disk_tier_on() {
        let mut options =
            PrefixCacheOptions { disk_dir: Some("d".into()), ..PrefixCacheOptions::default() };
        let disk = options.validate(8192).expect("on").disk;
        assert_eq!(disk, Some(("d".into(), DISK_CACHE_BYTES_DEFAULT)));
        options.disk_bytes = Some(5);
        assert_eq!(options.validate(8192).expect("on").disk, Some(("d".into(), 5)));
    }

    #[test]
    fn values_outside_their_limits_are_refused_by_name() {
        let base = PrefixCacheOptions::default;
        for (options, field, value) in [
            (tokens(-1), "prefix_cache_tokens", "-1"),
            (tokens(8193), "prefix_cache_tokens", "8193"),
            (PrefixCacheOptions { host_bytes: Some(-1), ..base() }, "host_cache_bytes", "-1"),
            (PrefixCacheOptions { disk_bytes: Some(0), ..base() }, "disk_cache_bytes", "0"),
            (PrefixCacheOptions { disk_bytes: Some(9), ..base() }, "disk_cache_bytes", "9"),
            (
                PrefixCacheOptions { disk_dir: Some(PathBuf::new()), ..base() },
                "disk_cache_dir",
                "\"\"",
            ),
        ] {
            let error = options.validate(8192).expect_err(field);
            let details = error.details();
            assert_eq!(details.field.as_deref(), Some(field));
            assert_eq!(details.value.as_deref(), Some(value));
            assert!(details.limit.is_some() && details.remedy.is_some());
        }
    }
}
