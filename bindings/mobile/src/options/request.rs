//! The options of a request.

use indwell::{CacheMode, OptionValue, Request};

use super::{Named, NativeChatOptions, NativeConstraint, NativeSampling};
use crate::cache::NativeCacheMode;
use crate::semantic::NativeSemantic;

/// The options of a request, named as in `indwell::Request`.
#[derive(Debug, Clone, Default, uniffi::Record)]
#[expect(missing_docs, reason = "indwell::Request documents them")]
pub struct NativeRequestOptions {
    pub max_tokens: Option<i64>,
    pub min_tokens: Option<i64>,
    pub stop: Option<Vec<String>>,
    pub stop_tokens: Option<Vec<i32>>,
    pub ignore_eos: Option<bool>,
    pub n: Option<i64>,
    pub best_of: Option<i64>,
    pub timeout_ms: Option<f64>,
    pub logprobs: Option<bool>,
    pub top_logprobs: Option<i64>,
    pub prompt_logprobs: Option<bool>,
    pub cache: Option<NativeCacheMode>,
    pub cache_salt: Option<String>,
    pub cache_ttl_ms: Option<f64>,
    pub semantic: Option<NativeSemantic>,
    pub sampling: NativeSampling,
    pub constraint: NativeConstraint,
    pub chat: NativeChatOptions,
}

impl NativeRequestOptions {
    /// # Errors
    ///
    /// `invalid_request` for what has no form in `indwell` to be judged in.
    pub(crate) fn apply<I>(mut self, request: Request<I>) -> indwell::Result<Request<I>> {
        let request = match self.semantic.take() {
            Some(semantic) => request.semantic(semantic.try_into()?),
            None => request,
        };
        let sampling = std::mem::take(&mut self.sampling).named();
        let constraint = std::mem::take(&mut self.constraint).named();
        let chat = std::mem::take(&mut self.chat).named()?;
        let options = self.named().into_iter().chain(sampling).chain(constraint).chain(chat);
        let given = options.filter(|(_, value)| *value != OptionValue::Null);
        Ok(given.fold(request, |request, (name, value)| request.option(name, value)))
    }

    /// Those that are in no part of their own.
    fn named(self) -> Named<14> {
        let cache = self.cache.map(|mode| CacheMode::from(mode).as_str());
        [
            ("max_tokens", self.max_tokens.into()),
            ("min_tokens", self.min_tokens.into()),
            ("stop", self.stop.into()),
            ("stop_tokens", self.stop_tokens.into()),
            ("ignore_eos", self.ignore_eos.into()),
            ("n", self.n.into()),
            ("best_of", self.best_of.into()),
            ("timeout_ms", self.timeout_ms.into()),
            ("logprobs", self.logprobs.into()),
            ("top_logprobs", self.top_logprobs.into()),
            ("prompt_logprobs", self.prompt_logprobs.into()),
            ("cache", cache.into()),
            ("cache_salt", self.cache_salt.into()),
            ("cache_ttl_ms", self.cache_ttl_ms.into()),
        ]
    }
}
