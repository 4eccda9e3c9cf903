//! Which llama.cpp this is.

use std::ffi::{CStr, c_char};

use llama_cpp_sys_2 as sys;

/// The version of llama-cpp-sys-2, whose sources are what is built.
const SYS_VERSION: &str = "0.1.161";

/// The build of llama.cpp, as far as it can be asked: what one build saved, another may read as
/// something else.
#[must_use]
pub fn build_id() -> String {
    // SAFETY: these return constant strings that end with a NUL.
    let [llama, ggml, commit] = unsafe {
        [text(sys::llama_version()), text(sys::ggml_version()), text(sys::ggml_commit())]
    };
    format!("llama-cpp-sys-2 {SYS_VERSION}; llama.cpp {llama}; ggml {ggml} {commit}")
}

/// # Safety
/// `pointer` is null or a constant string that ends with a NUL.
unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: as this function asks.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_that_is_built() {
        let workspace = include_str!("../../../Cargo.toml");
        assert!(workspace.contains(&format!("llama-cpp-sys-2 = {{ version = \"={SYS_VERSION}\"")));
        assert!(build_id().contains("llama.cpp "), "{}", build_id());
    }
}
