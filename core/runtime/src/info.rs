//! What a model, an engine and this machine say of themselves.

use std::path::PathBuf;

use indwell_llama::{Backends, Device};

use crate::Result;

/// This library's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a loaded model says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// Its own name, or else its file's.
    pub name: String,
    /// Where it was loaded from.
    pub path: PathBuf,
    /// Architecture, size and quantization in a few words.
    pub description: String,
    /// How many weights it has.
    pub parameters: u64,
    /// The size of its weights in bytes.
    pub size_bytes: u64,
    /// How many tokens its vocabulary has.
    pub vocabulary_size: u32,
    /// The context it was trained for, in tokens.
    pub trained_context_tokens: u32,
    /// The longest request it serves here, prompt and answer, in tokens.
    pub context_tokens: u32,
    /// Whether it can chat: it has a chat template that is understood here.
    pub has_chat_template: bool,
}

/// What an engine has done and is doing. Counters only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineStats {
    /// Decode calls, each of one batch.
    pub steps: u64,
    /// Prompt tokens computed.
    pub prompt_tokens: u64,
    /// Tokens generated.
    pub completion_tokens: u64,
    /// Requests being computed.
    pub requests_running: u32,
    /// Requests in the queue, those that gave way to others included.
    pub requests_waiting: u32,
    /// Requests that ended with a complete answer.
    pub requests_finished: u64,
    /// Requests that were cancelled.
    pub requests_cancelled: u64,
    /// Requests that failed, deadlines included.
    pub requests_failed: u64,
    /// KV cells that hold tokens, those of cached prefixes included:
    /// [`crate::Engine::caches`] tells how many these are.
    pub cells_used: u32,
    /// KV cells there are.
    pub cells_total: u32,
    /// How often a request gave its KV cells up to others, as answers outgrew what there is or its
    /// reader was behind. It goes on later, with the same answer.
    pub preemptions: u64,
    /// Tokens that were computed once more because of it.
    pub recomputed_tokens: u64,
    /// Tokens that were drafted and verified in a batch ([`crate::Speculation`]).
    pub drafted_tokens: u64,
    /// Those of them that were right: tokens of answers without a step of their own.
    pub accepted_tokens: u64,
    /// Prompt tokens of admitted requests that take part in the prefix cache.
    pub prefix_cache_queries: u64,
    /// Those of them that were cached, and not computed anew.
    pub prefix_cache_hits: u64,
    /// Requests that a stored answer could have served.
    pub response_cache_queries: u64,
    /// Those of them that were not computed: a stored answer, or a computation in flight that
    /// they shared, served them.
    pub response_cache_hits: u64,
    /// Times that the process which computes was started again, where it is one of its own
    /// ([`crate::Isolation`]).
    pub restarts: u64,
}

impl EngineStats {
    /// The share of the prompt tokens that were looked for in the prefix cache and found, from 0
    /// to 1; 0 as long as none were looked for.
    #[must_use]
    pub fn prefix_cache_hit_rate(&self) -> f64 {
        share(self.prefix_cache_hits, self.prefix_cache_queries)
    }

    /// The share of the requests that a stored answer could have served and that were not
    /// computed, from 0 to 1; 0 as long as there were none.
    #[must_use]
    pub fn response_cache_hit_rate(&self) -> f64 {
        share(self.response_cache_hits, self.response_cache_queries)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share; counts are far below 2^53")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Every device that can compute, the processor included.
///
/// # Errors
/// `unsupported` when no backend could be loaded.
pub fn devices() -> Result<Vec<Device>> {
    Ok(Backends::load()?.devices())
}
