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
//! | [`gguf`] | model files, checked before llama.cpp sees them |
//! | [`memory_plan`] | what a model will take of memory, before it is loaded |
//! | [`model`] | weights, and what a model says of itself |
//! | [`vocabulary`] | text to tokens and back |
//! | [`context`] | one llama.cpp context: decode, logits, the memory of its sequences |
//! | [`memory_kind`] | what sort of memory a model keeps, and what can be shared of it |
//! | `memory` | the sequences of one context's memory: shared, cut, saved and restored |
//! | [`cells`] | which cells of that memory are used, followed from outside |
//! | [`snapshot`] | where the bytes of snapshots go and come from |
//! | [`batch`] | the tokens of one decode call |
//! | [`pieces`] | the bytes of all tokens, to be searched |
//! | [`sampler`] | logits to a token, for one answer |
//! | [`constraint`] | grammars, and which tokens they allow next |
//! | `spinning` | how long threads that compute spin for each other |
//! | [`executor`] | the kernel's `Backend` on all of these |
//! | [`mod@quantize`] | a model file with other types of weights |
//! | [`mod@build_id`] | which llama.cpp this is |
//! | [`free_memory`] | giving back what the allocator keeps |
//! | [`error`] | what can go wrong |

pub mod allocated;
pub mod backends;
pub mod batch;
pub mod build_id;
pub mod cells;
pub mod constraint;
pub mod context;
mod edge;
pub mod error;
pub mod executor;
mod exit;
pub mod free_memory;
pub mod gguf;
pub mod last_record;
pub mod log;
mod memory;
pub mod memory_kind;
pub mod memory_plan;
pub mod model;
mod module_dir;
pub mod pieces;
pub mod quantize;
pub mod sampler;
pub mod snapshot;
mod spinning;
mod threads;
pub mod vocabulary;

pub use allocated::Allocated;
pub use backends::{Backends, Device, DeviceKind};
pub use batch::Batch;
pub use build_id::build_id;
pub use cells::Cells;
pub use constraint::{Grammar, GrammarCompiler};
pub use context::{AbortHandle, Context, ContextParams};
pub use error::{
    BackendsError, ContextError, DecodeError, GrammarError, LoadError, QuantizeError, RestoreError,
    SampleError,
};
pub use executor::Executor;
pub use gguf::{Gguf, GgufError};
pub use memory_kind::{MemoryKind, residents_possible};
pub use memory_plan::MemoryPlan;
pub use model::{Model, ModelParams};
pub use module_dir::module_dir;
pub use pieces::Pieces;
pub use quantize::{Quantization, quantize};
pub use sampler::{Breakers, Lexicon, Sampler};
pub use snapshot::{SnapshotBytes, SnapshotStore};
pub use vocabulary::Vocabulary;
