//! Writes the Kotlin and Swift glue that uniffi derives from the built library.
//!
//! Knows nothing of Indwell: it reads the metadata that the library carries. `README.md` has its
//! command lines.

fn main() {
    uniffi::uniffi_bindgen_main();
}
