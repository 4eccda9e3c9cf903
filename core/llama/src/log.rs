//! llama.cpp's log lines as `tracing` events, and nothing on stderr.
//!
//! The target is `llama.cpp`. Its `INFO` is a page for each load, so it becomes `DEBUG` here;
//! warnings and errors keep their level. While [`capturing_errors`] runs, error lines of the same
//! thread are also collected, to become the reason in an error value: llama.cpp says why only in
//! its log.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_void};

use llama_cpp_sys_2 as sys;

thread_local! {
    /// A line that has not ended yet, with its level.
    static PARTIAL: RefCell<(sys::ggml_log_level, String)> =
        const { RefCell::new((sys::GGML_LOG_LEVEL_NONE, String::new())) };
    /// Error lines of this thread, while they are wanted.
    static CAPTURED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Takes llama.cpp's and ggml's log lines over. Idempotent.
pub(crate) fn install() {
    // SAFETY: the callback has the signature asked for, takes no user data and never unwinds.
    unsafe {
        sys::llama_log_set(Some(receive), std::ptr::null_mut());
        sys::ggml_log_set(Some(receive), std::ptr::null_mut());
    }
}

/// Runs `work`, and returns with its result the error lines that llama.cpp logged meanwhile on
/// this thread, joined by "; ".
pub fn capturing_errors<T>(work: impl FnOnce() -> T) -> (T, String) {
    CAPTURED.with_borrow_mut(|captured| *captured = Some(Vec::new()));
    let result = work();
    let lines = CAPTURED.with_borrow_mut(Option::take).unwrap_or_default();
    (result, lines.join("; "))
}

unsafe extern "C" fn receive(level: sys::ggml_log_level, text: *const c_char, _: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: llama.cpp passes a NUL-terminated string that lives for this call.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    // A panic must not unwind into C++; `try_with` because a thread's locals may be gone.
    let _ = std::panic::catch_unwind(|| {
        let _ = PARTIAL.try_with(|partial| {
            let Ok(mut partial) = partial.try_borrow_mut() else { return };
            if level != sys::GGML_LOG_LEVEL_CONT {
                partial.0 = level;
            }
            partial.1.push_str(&text);
            if partial.1.ends_with('\n') {
                let line = std::mem::take(&mut partial.1);
                let level = partial.0;
                drop(partial);
                emit(level, line.trim_end());
            }
        });
    });
}

fn emit(level: sys::ggml_log_level, line: &str) {
    if line.is_empty() {
        return;
    }
    match level {
        sys::GGML_LOG_LEVEL_ERROR => {
            tracing::error!(target: "llama.cpp", "{line}");
            CAPTURED.with_borrow_mut(|captured| {
                if let Some(lines) = captured {
                    lines.push(line.to_owned());
                }
            });
        }
        sys::GGML_LOG_LEVEL_WARN => tracing::warn!(target: "llama.cpp", "{line}"),
        sys::GGML_LOG_LEVEL_INFO => tracing::debug!(target: "llama.cpp", "{line}"),
        _ => tracing::trace!(target: "llama.cpp", "{line}"),
    }
}
