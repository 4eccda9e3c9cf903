//! The options of a prefix that is computed ahead.

use std::time::Duration;

use super::request::{cache_salt, timeout};
use super::{NamedOptions, OptionValue, read};
use crate::Result;

/// The options as the caller states them; `None` takes the default.
#[derive(Clone, Debug, Default)]
pub(crate) struct PrefixOptions {
    pub(crate) cache_salt: Option<String>,
    pub(crate) timeout_ms: Option<f64>,
}

/// The options, checked.
#[derive(Clone, Debug)]
pub(crate) struct PrefixRequestConfig {
    pub(crate) cache_salt: Option<String>,
    pub(crate) timeout: Option<Duration>,
}

impl NamedOptions for PrefixOptions {
    const NAMES: &'static [&'static str] = &["cache_salt", "timeout_ms"];

    fn set_known(&mut self, name: &str, value: OptionValue) -> Result<()> {
        match name {
            "cache_salt" => self.cache_salt = Some(read::text(name, value)?),
            "timeout_ms" => self.timeout_ms = Some(read::number(name, value)?),
            _ => return Err(super::unknown(name, &value, Self::NAMES)),
        }
        Ok(())
    }
}

impl PrefixOptions {
    /// Checks every option.
    ///
    /// # Errors
    /// `invalid_request` for values outside their limits.
    pub(crate) fn validate(self) -> Result<PrefixRequestConfig> {
        Ok(PrefixRequestConfig {
            cache_salt: self.cache_salt.map(cache_salt).transpose()?,
            timeout: self.timeout_ms.map(timeout).transpose()?,
        })
    }
}
