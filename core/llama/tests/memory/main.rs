//! The memory of a context on real models: what is shared, saved and restored gives the logits
//! of computing anew, cells are accounted for, and what does not fit is refused.
//!
//! The tests use `stories260K.gguf` of the folder `shared` beside the checkout, and the default
//! model (`INDWELL_TEST_MODEL`, or the one in the user's cache); one that has no model says so
//! and passes.

mod executor;
mod files;
mod fixture;
mod plan;
mod sharing;
mod snapshots;
mod state_models;
mod tiny;
mod window;
