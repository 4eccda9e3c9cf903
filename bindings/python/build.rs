//! Lets the extension module find llama.cpp's shared libraries beside itself, wherever it is installed.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target_os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    match target_os.as_str() {
        "linux" => println!("cargo:rustc-link-arg-cdylib=-Wl,-rpath,$ORIGIN:$ORIGIN/lib"),
        "macos" => {
            println!("cargo:rustc-link-arg-cdylib=-Wl,-rpath,@loader_path,-rpath,@loader_path/lib");
            // Python's symbols come from the interpreter that loads the module.
            println!("cargo:rustc-link-arg-cdylib=-undefined");
            println!("cargo:rustc-link-arg-cdylib=dynamic_lookup");
        }
        _ => {}
    }
}
