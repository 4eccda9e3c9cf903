//! A serving engine for language models that lives inside your process.
//!
//! Any number of threads call one [`Engine`]; it batches them on one model. No server, no
//! second process, no async runtime: each call has a blocking, a `Future` and a stream form.
//!
//! ```no_run
//! use indwell::Engine;
//!
//! let engine = Engine::builder("smollm2-135m").build()?;
//! let reply = engine.chat("What is a llama?").max_tokens(64).run()?;
//! println!("{}", reply.text);
//!
//! for event in engine.chat("And an alpaca?").stream()? {
//!     if let indwell::Event::Text(delta) = event {
//!         print!("{}", delta.text);
//!     }
//! }
//! # Ok::<(), indwell::Error>(())
//! ```
//!
//! | module | owns |
//! |---|---|
//! | [`engine`] | the handle users hold, its life from load to close |
//! | [`drain`] | closing once everybody has been served |
//! | [`builder`] | an engine's options, and loading |
//! | [`request`] | a request's options, and its blocking and `Future` forms |
//! | [`prefix_cache`] | prefixes that requests share, and keeping some |
//! | [`stream`] | the stream form, and cancelling |
//! | [`reply`] | events, replies, usage, timings |
//! | [`message`] | chat messages, and tools |
//! | [`error`] | the one error type |
//! | [`openai`] | requests and answers in OpenAI's shapes |
//! | [`options`] | options by name, for callers without Rust's types |
//! | [`source`] | where models come from: paths and aliases |
//! | [`progress`] | work that takes longer than a second, told |
//! | [`memory`] | what an engine takes of memory, and may take |
//! | [`info`] | what a model and an engine say of themselves |

#![forbid(unsafe_code)]

pub mod builder;
mod constraints;
pub mod drain;
pub mod engine;
pub mod error;
mod host;
pub mod info;
mod input;
mod isolation;
mod jinja;
mod machine;
mod mailbox;
pub mod memory;
mod memory_fit;
pub mod message;
mod metrics;
mod model;
pub mod openai;
pub mod options;
pub mod prefix_cache;
pub mod progress;
mod prompt;
pub mod reply;
mod reply_fold;
pub mod request;
mod responses;
mod shared;
pub mod source;
mod speculation;
pub mod stream;
mod submission;
mod sync;
mod text;
mod tiers;
mod tools;
mod worker;

pub use builder::EngineBuilder;
pub use drain::{DrainRequest, Draining};
pub use engine::Engine;
pub use error::{Error, ErrorDetails, ErrorKind, Result};
pub use indwell_kernel::CacheMode;
pub use indwell_llama::last_record::last_record;
pub use indwell_llama::{Device, DeviceKind};
pub use info::{EngineStats, ModelInfo, VERSION, devices};
pub use isolation::{Isolation, WORKER_VARIABLE, serve_if_worker};
pub use memory::EngineMemory;
pub use message::{
    Message, Messages, Role, Tool, ToolCall, ToolChoice, assistant, system, tool, user,
};
pub use metrics::METRICS_CONTENT_TYPE;
pub use openai::{HttpCanceller, HttpEvent, HttpExchange, HttpHead, HttpRequest, HttpWait};
pub use options::OptionValue;
pub use prefix_cache::{
    CacheStats, CacheTier, CacheTierStats, CachedPrefix, PendingPrefix, PrefixFuture, PrefixRequest,
};
pub use progress::{Progress, Stage};
pub use reply::{
    Choice, ChoiceFinished, Event, FinishReason, Finished, PromptLogprob, PromptLogprobs,
    ReasoningDelta, Reply, TextDelta, Timings, TokenLogprob, ToolCallDelta, TopLogprob, Usage,
};
pub use reply_fold::ReplyFold;
pub use request::{Chat, ChatRequest, Completion, CompletionRequest, ReplyFuture, Request};
pub use responses::{ResponseCacheStats, Semantic, SemanticMatch};
pub use source::{Alias, ModelSource, aliases, pull};
pub use speculation::Speculation;
pub use stream::{Canceller, Events, TokenStream, Wait};
