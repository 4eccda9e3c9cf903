//! The options of an engine's drain.

use std::time::Duration;

use super::request::timeout;
use super::{NamedOptions, OptionValue, read};
use crate::Result;

/// The options as the caller states them; `None` takes the default.
#[derive(Clone, Debug, Default)]
pub(crate) struct DrainOptions {
    pub(crate) timeout_ms: Option<f64>,
}

impl NamedOptions for DrainOptions {
    const NAMES: &'static [&'static str] = &["timeout_ms"];

    fn set_known(&mut self, name: &str, value: OptionValue) -> Result<()> {
        match name {
            "timeout_ms" => self.timeout_ms = Some(read::number(name, value)?),
            _ => return Err(super::unknown(name, &value, Self::NAMES)),
        }
        Ok(())
    }
}

impl DrainOptions {
    /// Checks every option; how long it may take.
    ///
    /// # Errors
    /// `invalid_request` for values outside their limits.
    pub(crate) fn validate(&self) -> Result<Option<Duration>> {
        self.timeout_ms.map(timeout).transpose()
    }
}
