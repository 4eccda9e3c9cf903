//! What Ctrl-C does when.
//!
//! One flag, set by the signal handler: "the next Ctrl-C ends the process". It is up while
//! nothing is being answered (loading, waiting for a line), so Ctrl-C ends the process at once,
//! with code 130 and no cleanup that a half-loaded model could trip over. While an answer runs
//! it is down: the first Ctrl-C raises it, which the printing loop sees and cancels the answer,
//! and a second one ends the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use signal_hook::consts::SIGINT;

use crate::failure::INTERRUPTED;

/// Takes Ctrl-C over for the rest of the process.
#[derive(Debug)]
pub(crate) struct Interrupt {
    next_ends_process: Arc<AtomicBool>,
}

/// While this lives, the first Ctrl-C is left to the holder.
#[derive(Debug)]
pub(crate) struct Answering<'i> {
    interrupt: &'i Interrupt,
}

impl Interrupt {
    /// Installs the handlers.
    pub(crate) fn install() -> anyhow::Result<Self> {
        let flag = Arc::new(AtomicBool::new(true));
        // In this order: the handler that ends the process must see the flag as it was before.
        signal_hook::flag::register_conditional_shutdown(
            SIGINT,
            INTERRUPTED.into(),
            Arc::clone(&flag),
        )
        .and_then(|_| signal_hook::flag::register(SIGINT, Arc::clone(&flag)))
        .context("Ctrl-C could not be taken over")?;
        Ok(Self { next_ends_process: flag })
    }

    /// From now on, the first Ctrl-C only shows in [`Answering::is_interrupted`].
    pub(crate) fn answering(&self) -> Answering<'_> {
        self.next_ends_process.store(false, Ordering::SeqCst);
        Answering { interrupt: self }
    }
}

impl Answering<'_> {
    /// Whether Ctrl-C came.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupt.next_ends_process.load(Ordering::SeqCst)
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.interrupt.next_ends_process.store(true, Ordering::SeqCst);
    }
}
