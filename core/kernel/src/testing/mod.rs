//! Simulation: a scripted backend and a virtual clock (feature `testing`).

mod cells;
mod clock;
mod faults;
mod scripted;

pub use clock::VirtualClock;
pub use faults::{SCRIPTED_PANIC, StepFault};
pub use scripted::ScriptedBackend;
