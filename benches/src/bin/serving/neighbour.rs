//! A busy neighbour: a process of this program that does nothing but use a processor.
//!
//! It ends when it is dropped, and also when its parent ends in any other way: its input is a pipe
//! that the parent holds.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// The hidden option that makes this program a neighbour.
pub(crate) const OPTION: &str = "--be-a-busy-neighbour";

/// A running neighbour.
#[derive(Debug)]
pub(crate) struct Neighbour(Child);

impl Neighbour {
    /// Starts one.
    ///
    /// # Errors
    /// When this program can't be started again.
    pub(crate) fn start() -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let child = command.arg(OPTION).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        Ok(Self(child.context("the busy neighbour could not be started")?))
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Uses one processor until the input ends.
pub(crate) fn be_busy() {
    std::thread::spawn(|| {
        let mut spins = 0_u64;
        loop {
            spins = std::hint::black_box(spins.wrapping_add(1));
        }
    });
    // Whatever ends the reading ends the process, and its other thread with it.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
