//! An engine whose llama.cpp is in a process of its own: it answers as others do, and what ends that
//! process ends nothing else.
//!
//! The workers are found, and ended, as the system shows them: on Linux alone. One test at a time has
//! an engine, so that its worker is the only one.

#![cfg(target_os = "linux")]

mod ending;
mod serving;
mod workers;
