//! Calls into llama.cpp that may throw: `edge.cpp` catches, and here the words become an error.
//!
//! What llama.cpp asserts can't be caught. Each function's callers see to it that the assertions
//! hold; docs/robustness.md lists which, call by call.

use std::ffi::{CStr, c_char, c_int};

use llama_cpp_sys_2 as sys;

/// Exceptions' words are cut to this.
const WORDS_BYTES: usize = 512;

/// llama.cpp threw. What it was doing is half done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("llama.cpp failed: {0}")]
pub(crate) struct Thrown(pub(crate) String);

unsafe extern "C" {
    fn indwell_edge_decode(
        context: *mut sys::llama_context,
        batch: sys::llama_batch,
        code: *mut i32,
        what: *mut c_char,
        size: usize,
    ) -> c_int;
    fn indwell_edge_copy(
        memory: sys::llama_memory_t,
        from: sys::llama_seq_id,
        to: sys::llama_seq_id,
        start: sys::llama_pos,
        end: sys::llama_pos,
        what: *mut c_char,
        size: usize,
    ) -> c_int;
    fn indwell_edge_remove(
        memory: sys::llama_memory_t,
        sequence: sys::llama_seq_id,
        start: sys::llama_pos,
        end: sys::llama_pos,
        removed: *mut bool,
        what: *mut c_char,
        size: usize,
    ) -> c_int;
    fn indwell_edge_state_size(
        context: *mut sys::llama_context,
        sequence: sys::llama_seq_id,
        flags: sys::llama_state_seq_flags,
        bytes: *mut usize,
        what: *mut c_char,
        size: usize,
    ) -> c_int;
    fn indwell_edge_state_get(
        context: *mut sys::llama_context,
        to: *mut u8,
        length: usize,
        sequence: sys::llama_seq_id,
        written: *mut usize,
        what: *mut c_char,
        size: usize,
    ) -> c_int;
    fn indwell_edge_state_set(
        context: *mut sys::llama_context,
        from: *const u8,
        length: usize,
        sequence: sys::llama_seq_id,
        read: *mut usize,
        what: *mut c_char,
        size: usize,
    ) -> c_int;
    fn indwell_edge_sample(
        sampler: *mut sys::llama_sampler,
        candidates: *mut sys::llama_token_data_array,
        what: *mut c_char,
        size: usize,
    ) -> c_int;
    #[cfg(test)]
    fn indwell_edge_throw(kind: c_int, what: *mut c_char, size: usize) -> c_int;
}

/// Runs `call`, which is given where to write what was thrown.
fn guarded(call: impl FnOnce(*mut c_char, usize) -> c_int) -> Result<(), Thrown> {
    let mut words = [0_u8; WORDS_BYTES];
    if call(words.as_mut_ptr().cast(), words.len()) == 0 {
        return Ok(());
    }
    let words = CStr::from_bytes_until_nul(&words).unwrap_or_default();
    Err(Thrown(words.to_string_lossy().into_owned()))
}

/// `llama_decode`: its code.
///
/// # Safety
/// The context is alive and the caller's alone; the batch's arrays are as long as it states, and
/// its tokens and sequences are of the model and of the context.
pub(crate) unsafe fn decode(
    context: *mut sys::llama_context,
    batch: sys::llama_batch,
) -> Result<i32, Thrown> {
    let mut code = 0;
    // SAFETY: the caller's.
    guarded(|what, size| unsafe {
        indwell_edge_decode(context, batch, &raw mut code, what, size)
    })?;
    Ok(code)
}

/// `llama_memory_seq_cp`.
///
/// # Safety
/// The memory is of a living context; both sequences are below 256, and the range is one that this
/// kind of memory can copy.
pub(crate) unsafe fn copy(
    memory: sys::llama_memory_t,
    from: sys::llama_seq_id,
    to: sys::llama_seq_id,
    (start, end): (sys::llama_pos, sys::llama_pos),
) -> Result<(), Thrown> {
    // SAFETY: the caller's.
    guarded(|what, size| unsafe { indwell_edge_copy(memory, from, to, start, end, what, size) })
}

/// `llama_memory_seq_rm`: whether anything could be removed.
///
/// # Safety
/// The memory is of a living context, and so is the sequence.
pub(crate) unsafe fn remove(
    memory: sys::llama_memory_t,
    sequence: sys::llama_seq_id,
    (start, end): (sys::llama_pos, sys::llama_pos),
) -> Result<bool, Thrown> {
    let mut removed = false;
    // SAFETY: the caller's.
    guarded(|what, size| unsafe {
        indwell_edge_remove(memory, sequence, start, end, &raw mut removed, what, size)
    })?;
    Ok(removed)
}

/// `llama_state_seq_get_size_ext`: bytes.
///
/// # Safety
/// The context is alive and the caller's alone; the sequence is of this context.
pub(crate) unsafe fn state_size(
    context: *mut sys::llama_context,
    sequence: sys::llama_seq_id,
    flags: sys::llama_state_seq_flags,
) -> Result<usize, Thrown> {
    let mut bytes = 0;
    // SAFETY: the caller's.
    guarded(|what, size| unsafe {
        indwell_edge_state_size(context, sequence, flags, &raw mut bytes, what, size)
    })?;
    Ok(bytes)
}

/// `llama_state_seq_get_data`: bytes written.
///
/// # Safety
/// As [`state_size`].
pub(crate) unsafe fn state_get(
    context: *mut sys::llama_context,
    to: &mut [u8],
    sequence: sys::llama_seq_id,
) -> Result<usize, Thrown> {
    let (at, length) = (to.as_mut_ptr(), to.len());
    let mut written = 0;
    // SAFETY: the caller's; the buffer is as long as stated.
    guarded(|what, size| unsafe {
        indwell_edge_state_get(context, at, length, sequence, &raw mut written, what, size)
    })?;
    Ok(written)
}

/// `llama_state_seq_set_data`: bytes read.
///
/// # Safety
/// As [`state_size`]; what llama.cpp asserts of a state was checked.
pub(crate) unsafe fn state_set(
    context: *mut sys::llama_context,
    from: &[u8],
    sequence: sys::llama_seq_id,
) -> Result<usize, Thrown> {
    let (at, length) = (from.as_ptr(), from.len());
    let mut read = 0;
    // SAFETY: the caller's; the buffer is as long as stated.
    guarded(|what, size| unsafe {
        indwell_edge_state_set(context, at, length, sequence, &raw mut read, what, size)
    })?;
    Ok(read)
}

/// `llama_sampler_apply`.
///
/// # Safety
/// The sampler is alive and the caller's alone; the array describes candidates that are there, at
/// least one, without NaN.
pub(crate) unsafe fn sample(
    sampler: *mut sys::llama_sampler,
    candidates: &mut sys::llama_token_data_array,
) -> Result<(), Thrown> {
    let candidates = &raw mut *candidates;
    // SAFETY: the caller's.
    guarded(|what, size| unsafe { indwell_edge_sample(sampler, candidates, what, size) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_thrown_is_an_error_with_its_words() {
        let thrown = |kind| {
            // SAFETY: it only throws.
            guarded(|what, size| unsafe { indwell_edge_throw(kind, what, size) })
        };
        let words = [0, 1, 2].map(|kind| thrown(kind).expect_err("it throws").0);
        assert_eq!(words, ["thrown on purpose", "out of memory", "an exception without words"]);
    }
}
