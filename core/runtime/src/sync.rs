//! The locks of the handoffs between callers and the worker.
//!
//! Here they are real ones. The files that name them only by `crate::sync` are compiled once more
//! by `tests/shuttle.rs`, whose `sync` gives every step of every thread to a scheduler.

pub(crate) use parking_lot::{Condvar, Mutex};
