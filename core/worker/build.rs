//! Lets the program find llama.cpp's shared libraries beside itself, wherever it is installed.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let origins = match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux") => ["$ORIGIN", "$ORIGIN/lib"],
        Ok("macos") => ["@loader_path", "@loader_path/lib"],
        _ => return,
    };
    for origin in origins {
        println!("cargo:rustc-link-arg-bins=-Wl,-rpath,{origin}");
    }
}
