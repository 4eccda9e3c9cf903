//! Simulation: a scripted backend and a virtual clock (feature `testing`).

mod cells;
mod clock;
mod scripted;

pub use clock::VirtualClock;
pub use scripted::{SCRIPTED_PANIC, ScriptedBackend, StepFault};
