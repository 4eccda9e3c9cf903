//! The process's exit while a step is running.
//!
//! `exit` runs the destructors of llama.cpp's static data, and a step that another thread is
//! computing would then use what is gone. So, before those: running steps are aborted and waited
//! for, and no further one begins. A process that was forked has nobody computing, and a lock that
//! may be held for ever; there nothing is done.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{RwLock, RwLockReadGuard};

/// Held for reading by each step, and for writing, for ever, once the process exits.
static GATE: RwLock<()> = RwLock::new(());
static EXITING: AtomicBool = AtomicBool::new(false);
/// The process that installed the handler.
static PROCESS: OnceLock<u32> = OnceLock::new();

/// A step that no backend aborts is waited for no longer than this.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Registers the handler, once more each time it is called. Handlers and destructors run in the
/// reverse order of their registration, and llama.cpp makes static data when it first needs it:
/// so this is called after each thing it does for a first time.
pub(crate) fn install() {
    PROCESS.get_or_init(std::process::id);
    // SAFETY: the handler is a plain function of this module that neither unwinds nor exits.
    #[cfg(unix)]
    unsafe {
        libc::atexit(stop_computing);
    }
}

/// To be held while a step is computed. Once the process exits, it is never given.
pub(crate) fn computing() -> RwLockReadGuard<'static, ()> {
    GATE.read()
}

/// Whether running steps are to be aborted.
pub(crate) fn is_exiting() -> bool {
    EXITING.load(Ordering::Relaxed)
}

#[cfg(unix)]
extern "C" fn stop_computing() {
    let ours = PROCESS.get() == Some(&std::process::id());
    if ours && !EXITING.swap(true, Ordering::Relaxed) {
        std::mem::forget(GATE.try_write_for(WAIT_MAX));
    }
}
