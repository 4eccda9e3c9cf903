//! llama.cpp's log lines as `tracing` events, and nothing on stderr.
//!
//! The target is `llama.cpp`. Its `INFO` is a page for each load, so it becomes `DEBUG` here;
//! warnings and errors keep their level. While [`listening`] runs, what lines of the same thread say
//! is also collected: error lines, to become the reason in an error value, and the sizes of buffers.
//! llama.cpp says both only in its log.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_void};

use llama_cpp_sys_2 as sys;

use crate::Allocated;

thread_local! {
    /// A line that has not ended yet, with its level.
    static PARTIAL: RefCell<(sys::ggml_log_level, String)> =
        const { RefCell::new((sys::GGML_LOG_LEVEL_NONE, String::new())) };
    /// What lines of this thread say, while it is wanted.
    static HEARD: RefCell<Option<Heard>> = const { RefCell::new(None) };
}

/// Takes llama.cpp's and ggml's log lines over. Idempotent.
pub(crate) fn install() {
    // SAFETY: the callback has the signature asked for, takes no user data and never unwinds.
    unsafe {
        sys::llama_log_set(Some(receive), std::ptr::null_mut());
        sys::ggml_log_set(Some(receive), std::ptr::null_mut());
    }
}

/// What llama.cpp's log said.
#[derive(Debug, Default)]
pub struct Heard {
    error_lines: Vec<String>,
    /// What it allocated.
    pub allocated: Allocated,
}

impl Heard {
    /// The lines of errors, joined by "; ".
    pub fn errors(&self) -> String {
        self.error_lines.join("; ")
    }

    fn line(&mut self, level: sys::ggml_log_level, line: &str) {
        if level == sys::GGML_LOG_LEVEL_ERROR {
            self.error_lines.push(line.to_owned());
        } else {
            self.allocated.add(line);
        }
    }
}

/// Runs `work`, and returns with its result what llama.cpp logged meanwhile on this thread.
pub fn listening<T>(work: impl FnOnce() -> T) -> (T, Heard) {
    HEARD.with_borrow_mut(|heard| *heard = Some(Heard::default()));
    let result = work();
    (result, HEARD.with_borrow_mut(Option::take).unwrap_or_default())
}

/// Runs `work`, and returns with its result the errors that llama.cpp logged meanwhile on this
/// thread.
pub fn capturing_errors<T>(work: impl FnOnce() -> T) -> (T, String) {
    let (result, heard) = listening(work);
    (result, heard.errors())
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
    HEARD.with_borrow_mut(|heard| {
        if let Some(heard) = heard {
            heard.line(level, line);
        }
    });
    match level {
        sys::GGML_LOG_LEVEL_ERROR => tracing::error!(target: "llama.cpp", "{line}"),
        sys::GGML_LOG_LEVEL_WARN => tracing::warn!(target: "llama.cpp", "{line}"),
        sys::GGML_LOG_LEVEL_INFO => tracing::debug!(target: "llama.cpp", "{line}"),
        _ => tracing::trace!(target: "llama.cpp", "{line}"),
    }
}
