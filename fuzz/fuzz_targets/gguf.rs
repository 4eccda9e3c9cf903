//! Any bytes as a model file: the check takes or refuses them, and neither panics nor takes memory
//! that they do not hold.

#![no_main]

use indwell_llama::Gguf;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let length = bytes.len() as u64;
    let _ = Gguf::read(bytes, length);
    // A file that is longer than what can be read of it.
    let _ = Gguf::read(bytes, length.saturating_mul(1 << 20));
});
