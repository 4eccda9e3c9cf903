//! `indwell._native`: the private half of the Python package.
//!
//! It converts, calls the `indwell` crate once, and converts back; what users hold is written in
//! Python, in `python/indwell`. It does not know about asyncio, context managers or defaults.
//!
//! Who may do what:
//! - Whatever may block runs detached from the interpreter, in slices that let Ctrl-C through
//!   (`interrupt`).
//! - An engine's worker never attaches: a wake-up goes over a channel to the one `notifier`
//!   thread, which does. Its threads for semantic mode attach to start a thread of Python's, and
//!   for nothing else (`semantic`).
//! - No lock is held across an attach or a detach that could wait for another holder of it.
//!
//! Map: `engine`, `stream`, `http`, `prefix` and `drain` are the classes; `message`, `option` and `text` read Python
//! values in, `reply`, `record` and `error` write Rust values out; `fold` makes a reply of events; `load`
//! builds engines; `semantic` calls functions of the caller's; `fork` and `exit` keep away from what
//! a child or a dying interpreter lacks.

mod device;
mod drain;
mod engine;
mod error;
mod exit;
mod fold;
mod fork;
mod http;
mod interrupt;
mod load;
mod message;
mod notifier;
mod option;
mod prefix;
mod record;
mod reply;
mod semantic;
mod stream;
mod text;

/// The private half of the `indwell` package: use `indwell` itself.
#[pyo3::pymodule]
mod _native {
    #[pymodule_export]
    use crate::device::devices;
    #[pymodule_export]
    use crate::drain::Draining;
    #[pymodule_export]
    use crate::engine::Engine;
    #[pymodule_export]
    use crate::exit::begin_exit;
    #[pymodule_export]
    use crate::http::HttpExchange;
    #[pymodule_export]
    use crate::prefix::{CachedPrefix, PendingPrefix};
    #[pymodule_export]
    use crate::semantic::SemanticCall;
    #[pymodule_export]
    use crate::stream::Stream;

    #[pymodule_export]
    const VERSION: &str = indwell::VERSION;
}
