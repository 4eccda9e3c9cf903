//! The handle of a prefix that is kept.
//!
//! It never blocks: neither to unpin, nor when JavaScript has lost it and it is collected, which
//! unpins too.

use indwell::CachedPrefix;
use napi_derive::napi;

/// A prefix, kept until it is unpinned.
#[napi]
pub struct Prefix {
    /// `None` once it is unpinned.
    kept: Option<CachedPrefix>,
    tokens: u32,
}

impl Prefix {
    pub(crate) fn new(kept: CachedPrefix) -> Self {
        Self { tokens: kept.tokens(), kept: Some(kept) }
    }
}

#[napi]
impl Prefix {
    #[napi(getter, catch_unwind)]
    pub fn tokens(&self) -> u32 {
        self.tokens
    }

    /// Lets go of the prefix. A second time does nothing.
    #[napi(catch_unwind)]
    pub fn unpin(&mut self) {
        if let Some(kept) = self.kept.take() {
            kept.unpin();
        }
    }
}
