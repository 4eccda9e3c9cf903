//! The only part of Indwell that touches llama.cpp, and the only one with unsafe code.
//!
//! It knows tokens, sequences and logits; it does not know requests, texts of chats, readers or
//! time. Everything that crosses into C++ is checked before it crosses, because an assertion
//! there ends the process.
//!
//! | module | owns |
//! |---|---|
//! | [`backends`] | ggml's backends and devices, loaded at run time |
//! | [`log`] | llama.cpp's log lines as `tracing` events |
//! | [`model`] | weights, and what a model says of itself |
//! | [`vocabulary`] | text to tokens and back |
//! | [`context`] | one llama.cpp context: decode, sequence memory, logits |
//! | [`batch`] | the tokens of one decode call |
//! | [`sampler`] | logits to a token, for one sequence |
//! | [`executor`] | the kernel's `Backend` on all of these |
//! | [`error`] | what can go wrong |

pub mod backends;
pub mod batch;
pub mod context;
pub mod error;
pub mod executor;
mod exit;
pub mod log;
pub mod model;
mod module_dir;
pub mod sampler;
pub mod vocabulary;

pub use backends::{Backends, Device, DeviceKind};
pub use batch::Batch;
pub use context::{AbortHandle, Context, ContextParams};
pub use error::{BackendsError, ContextError, DecodeError, LoadError, SampleError};
pub use executor::Executor;
pub use model::{Model, ModelParams};
pub use sampler::Sampler;
pub use vocabulary::Vocabulary;
