//! The response cache's options: how much is kept, for how long, and where.

use std::path::PathBuf;

use indwell_kernel::TimeToLive;

use super::OptionValue;
use crate::{Error, Result, machine};

/// Bytes of answers when nothing is said, on a machine with 64 times as many or more.
pub(crate) const RESPONSE_CACHE_BYTES_DEFAULT: u64 = 64 << 20;

/// The share of the machine's memory that answers take at most, unasked.
const RESPONSE_CACHE_SHARE: u64 = 64;

/// The response cache's options as the caller states them; `None` takes the default.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResponseCacheOptions {
    pub(crate) bytes: Option<i64>,
    pub(crate) ttl_ms: Option<f64>,
    pub(crate) dir: Option<PathBuf>,
}

/// The response cache's bounds, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResponseCacheConfig {
    /// What answers and their questions take at most; never 0.
    pub(crate) bytes: u64,
    /// How long they are kept, unless a request says otherwise.
    pub(crate) ttl: Option<TimeToLive>,
    /// Where they outlive the process.
    pub(crate) dir: Option<PathBuf>,
}

impl ResponseCacheOptions {
    /// Checks every option; `None` is no response cache.
    ///
    /// # Errors
    /// `invalid_request` for values outside their limits.
    pub(crate) fn validate(&self) -> Result<Option<ResponseCacheConfig>> {
        let bytes = match self.bytes {
            None => bytes_default(machine::memory_bytes()),
            Some(bytes) => u64::try_from(bytes).map_err(|_| {
                Error::invalid(
                    "response_cache_bytes",
                    bytes.to_string(),
                    "at least 0",
                    "use 0 for no response cache, or leave it out for 64 MiB",
                )
            })?,
        };
        let ttl = self.ttl_ms.map(|ms| TimeToLive::from_ms("response_cache_ttl_ms", ms));
        let ttl = ttl.transpose()?;
        let dir = self.dir(bytes)?;
        Ok((bytes > 0).then_some(ResponseCacheConfig { bytes, ttl, dir }))
    }

    fn dir(&self, bytes: u64) -> Result<Option<PathBuf>> {
        let refused = |limit, remedy| {
            let shown = self.dir.as_ref().map(|dir| dir.to_string_lossy().into_owned());
            let shown = OptionValue::from(shown).shown();
            Err(Error::invalid("response_cache_dir", shown, limit, remedy))
        };
        match &self.dir {
            Some(dir) if dir.as_os_str().is_empty() => refused(
                "the path of a folder",
                "name a folder, which is made if it is not there, or leave it out",
            ),
            Some(_) if bytes == 0 => refused(
                "left out with response_cache_bytes 0",
                "give response_cache_bytes more than 0, or leave response_cache_dir out",
            ),
            dir => Ok(dir.clone()),
        }
    }
}

/// A machine that does not say what it has is taken for a small one.
fn bytes_default(memory_bytes: Option<u64>) -> u64 {
    let memory_bytes = memory_bytes.unwrap_or(RESPONSE_CACHE_BYTES_DEFAULT);
    RESPONSE_CACHE_BYTES_DEFAULT.min(memory_bytes / RESPONSE_CACHE_SHARE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_has_its_default() {
        let config = ResponseCacheOptions::default().validate().expect("defaults").expect("on");
        assert!((1..=RESPONSE_CACHE_BYTES_DEFAULT).contains(&config.bytes));
        assert_eq!((config.ttl, config.dir), (None, None));
        assert_eq!(bytes_default(Some(1 << 30)), 16 << 20);
        assert_eq!(bytes_default(Some(64 << 30)), 64 << 20);
        assert_eq!(bytes_default(None), 1 << 20);
    }

    #[test]
    fn a_size_of_0_is_no_cache() {
        let options = ResponseCacheOptions { bytes: Some(0), ..ResponseCacheOptions::default() };
        assert_eq!(options.validate().expect("off"), None);
    }

    #[test]
    fn values_outside_their_limits_are_refused_by_name() {
        let base = ResponseCacheOptions::default;
        for (options, field) in [
            (ResponseCacheOptions { bytes: Some(-1), ..base() }, "response_cache_bytes"),
            (ResponseCacheOptions { ttl_ms: Some(0.0), ..base() }, "response_cache_ttl_ms"),
            (ResponseCacheOptions { ttl_ms: Some(-2.0), ..base() }, "response_cache_ttl_ms"),
            (ResponseCacheOptions { dir: Some(PathBuf::new()), ..base() }, "response_cache_dir"),
            (
                ResponseCacheOptions { bytes: Some(0), dir: Some("d".into()), ..base() },
                "response_cache_dir",
            ),
        ] {
            let error = options.validate().expect_err(field);
            let details = error.details();
            assert_eq!(details.field.as_deref(), Some(field));
            assert!(details.value.is_some() && details.limit.is_some() && details.remedy.is_some());
        }
    }
}
