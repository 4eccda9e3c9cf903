//! Passes on where llama.cpp's build put the backends that are loaded at run time, and compiles
//! `src/edge.cpp` against its headers.

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/edge.cpp");
    // `links = "llama"` in llama-cpp-sys-2 makes cargo hand us its `backends_dir` this way.
    if let Ok(dir) = std::env::var("DEP_LLAMA_BACKENDS_DIR") {
        println!("cargo:rustc-env=INDWELL_BUILT_BACKENDS_DIR={dir}");
    }
    let include = include_dir();
    assert!(
        include.join("llama.h").is_file(),
        "{} has no llama.h: this release of llama-cpp-sys-2 installs it elsewhere",
        include.display()
    );
    let mut edge = cc::Build::new();
    edge.cpp(true).std("c++17").include(include).file("src/edge.cpp").compile("indwell_edge");
}

/// `PREFIX/include`, by what the crate tells: `PREFIX/lib/cmake`.
fn include_dir() -> PathBuf {
    let told = std::env::var("DEP_LLAMA_GGML_CMAKE_DIR");
    let packages = told.expect("llama-cpp-sys-2 says where it installs ggml's CMake package");
    let prefix = Path::new(&packages).ancestors().nth(2).expect("PREFIX/lib/cmake");
    prefix.join("include")
}
