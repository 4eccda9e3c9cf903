//! Passes on where llama.cpp's build put the backends that are loaded at run time.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // `links = "llama"` in llama-cpp-sys-2 makes cargo hand us its `backends_dir` this way.
    if let Ok(dir) = std::env::var("DEP_LLAMA_BACKENDS_DIR") {
        println!("cargo:rustc-env=INDWELL_BUILT_BACKENDS_DIR={dir}");
    }
}
