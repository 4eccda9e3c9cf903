//! Closing every engine before the process goes.
//!
//! A process that exits runs the destructors of llama.cpp's libraries, whatever their threads are
//! doing. So the language's exit hook calls [`native_close_all`] first, and no engine is in the
//! middle of a step when they run.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::engine::NativeEngine;

static OPEN: Mutex<Vec<Weak<NativeEngine>>> = Mutex::new(Vec::new());

/// Closes every engine that is still open. For exit hooks; blocks for about one step of each engine
/// at most.
#[uniffi::export]
pub fn native_close_all() {
    let open = std::mem::take(&mut *OPEN.lock().unwrap_or_else(PoisonError::into_inner));
    for engine in open.iter().filter_map(Weak::upgrade) {
        // The process is leaving: nobody is left to hear that an engine would not close.
        drop(engine.shut_down());
    }
}

/// Has [`native_close_all`] close `engine` too. Forgets engines that are gone.
pub(crate) fn remember(engine: Arc<NativeEngine>) -> Arc<NativeEngine> {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|known| known.strong_count() > 0);
    open.push(Arc::downgrade(&engine));
    engine
}
