//! What was running when llama.cpp gave up.
//!
//! Where ggml asserts, it ends the process with `abort`. Nobody can prevent that here, but before it
//! happens ggml calls a hook, and the hook writes down what was being computed: into the variable
//! `indwell_last_record` of this library, where a crash handler or a core dump finds it, to the
//! standard error, and to the end of the file that `INDWELL_CRASH_FILE` names, if it names one.
//! With isolation it is the worker's last words, and becomes an error's.

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_char};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use indwell_kernel::{Plan, RequestId, SeqId};
use llama_cpp_sys_2 as sys;
use parking_lot::Mutex;

/// The environment's variable with the file that the record is appended to.
pub const CRASH_FILE_VARIABLE: &str = "INDWELL_CRASH_FILE";

/// Room for the record, with its NUL.
const RECORD_BYTES: usize = 4096;
/// Sequences of a step that are said one by one.
const CHUNKS_SAID: usize = 32;
/// Whoever holds the list of what runs writes a line in it; a thread that died there never ends.
const LOCK_WAIT: Duration = Duration::from_millis(100);

/// A text that is written once and ends with a NUL.
#[repr(transparent)]
pub struct Record(UnsafeCell<[u8; RECORD_BYTES]>);

// SAFETY: written by one thread, once, before `IS_WRITTEN` is set; read only after that.
unsafe impl Sync for Record {}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Record").field(&last_record()).finish()
    }
}

/// The record, as C sees it: `extern const char indwell_last_record[4096]`, empty until llama.cpp
/// gives up.
#[unsafe(no_mangle)]
pub static indwell_last_record: Record = Record(UnsafeCell::new([0; RECORD_BYTES]));

static IS_BEING_WRITTEN: AtomicBool = AtomicBool::new(false);
static IS_WRITTEN: AtomicBool = AtomicBool::new(false);
static KEYS: AtomicU64 = AtomicU64::new(0);
/// What runs, by key.
static RUNNING: Mutex<Vec<(u64, String)>> = Mutex::new(Vec::new());

/// The record, once llama.cpp has given up: for a handler of `SIGABRT`. `None` before.
#[must_use]
pub fn last_record() -> Option<String> {
    if !IS_WRITTEN.load(Ordering::Acquire) {
        return None;
    }
    // SAFETY: it was written before the flag was set, and is not written again.
    let bytes = unsafe { &*indwell_last_record.0.get() };
    let text = CStr::from_bytes_until_nul(bytes).unwrap_or_default();
    Some(text.to_string_lossy().into_owned())
}

/// One thing that may be running: a context's steps, a load. What it says of itself is in the record
/// while it lives.
#[derive(Debug)]
pub(crate) struct Running(u64);

impl Running {
    /// Nothing is said of it yet.
    pub(crate) fn new() -> Self {
        let key = KEYS.fetch_add(1, Ordering::Relaxed);
        RUNNING.lock().push((key, String::new()));
        Self(key)
    }

    /// Says what it does now; the text it had keeps its room.
    pub(crate) fn say(&self, write: impl FnOnce(&mut String)) {
        let mut running = RUNNING.lock();
        if let Some((_, text)) = running.iter_mut().find(|(key, _)| *key == self.0) {
            text.clear();
            write(text);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.lock().retain(|(key, _)| *key != self.0);
    }
}

/// Says what a step computes, `when` it was.
pub(crate) fn write_step(
    text: &mut String,
    when: &str,
    plan: &Plan,
    request: impl Fn(SeqId) -> Option<RequestId>,
) {
    let _ = write!(text, "{when}a step of {} tokens", plan.tokens.len());
    for (at, chunk) in plan.chunks.iter().take(CHUNKS_SAID).enumerate() {
        let (mark, count) = (if at == 0 { ':' } else { ';' }, chunk.tokens.len());
        let _ = match request(chunk.seq) {
            Some(request) => write!(text, "{mark} {request}"),
            None => write!(text, "{mark} {}", chunk.seq),
        };
        let _ = write!(text, " at {}, {count} tokens", chunk.start);
    }
    if plan.chunks.len() > CHUNKS_SAID {
        let _ = write!(text, "; and {} more sequences", plan.chunks.len() - CHUNKS_SAID);
    }
}

/// Has ggml call the hook. Idempotent.
pub(crate) fn install() {
    // SAFETY: the hook has the signature asked for and never unwinds.
    unsafe {
        sys::ggml_set_abort_callback(Some(given_up));
    }
}

unsafe extern "C" fn given_up(message: *const c_char) {
    // A panic must not unwind into C: the process is about to end anyway.
    let _ = std::panic::catch_unwind(|| {
        if IS_BEING_WRITTEN.swap(true, Ordering::AcqRel) {
            return;
        }
        let message = if message.is_null() {
            "nothing was said".into()
        } else {
            // SAFETY: ggml passes a NUL-terminated string that lives for this call.
            unsafe { CStr::from_ptr(message) }.to_string_lossy()
        };
        let text = record(&message);
        keep(&text);
        tell(&text);
    });
}

fn record(message: &str) -> String {
    let mut text = format!("indwell: llama.cpp gave up: {message}\n");
    match RUNNING.try_lock_for(LOCK_WAIT) {
        None => text.push_str("indwell: what was running is not known\n"),
        Some(running) => {
            for (_, what) in running.iter().filter(|(_, what)| !what.is_empty()) {
                let _ = writeln!(text, "indwell: running: {what}");
            }
        }
    }
    text
}

fn keep(text: &str) {
    let length = text.floor_char_boundary(RECORD_BYTES - 1);
    // SAFETY: only one thread gets here, once, and nobody reads before the flag is set. The last
    // byte stays NUL.
    let bytes = unsafe { &mut *indwell_last_record.0.get() };
    bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
    IS_WRITTEN.store(true, Ordering::Release);
}

fn tell(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
    let Some(path) = std::env::var_os(CRASH_FILE_VARIABLE).filter(|path| !path.is_empty()) else {
        return;
    };
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(path) {
        let _ = file.write_all(text.as_bytes());
        let _ = file.sync_all();
    }
}
