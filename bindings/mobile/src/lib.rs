//! What Kotlin and Swift call: `indwell` behind uniffi, one method here for each call there.
//!
//! - [`engine`]: an engine: load, submit, keep, stats, close
//! - [`exit`]: closing every engine before the process goes
//! - [`stream`]: the answer to one request, in batches of events
//! - [`event`]: what a stream says
//! - [`reply`]: a whole answer
//! - [`http`]: requests in the shape of `OpenAI`'s HTTP API
//! - [`message`]: chat messages and tools as they cross
//! - [`prefix`]: a prefix that is kept for the requests that begin with it
//! - [`cache`]: the caches as they cross
//! - [`semantic`]: the functions of the caller's that say which questions mean the same
//! - [`options`]: options as they cross
//! - [`info`]: models, statistics and devices as they cross
//! - [`error`]: errors as they cross
//! - [`blocking`]: calls that block, on a thread of their own
//!
//! The names say `Native` because nobody sees them: each language has its own layer above
//! (`kotlin/`, `swift/`), which owns the public names, the default arguments and the language's own
//! streams. Nothing is decided here: values are converted, one call is made, and the result is
//! converted back. There is no runtime, and no thread but for a call that blocks: futures are polled
//! by the caller's coroutines.

#![expect(
    clippy::result_large_err,
    reason = "errors cross by value, and their size is paid only when something failed"
)]

mod blocking;
pub mod cache;
pub mod engine;
pub mod error;
pub mod event;
pub mod exit;
pub mod http;
pub mod info;
pub mod message;
pub mod options;
pub mod prefix;
pub mod reply;
pub mod semantic;
pub mod stream;

uniffi::setup_scaffolding!("indwell_mobile");
