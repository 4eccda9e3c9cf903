//! Link settings: Node-API symbols, and where the loader finds llama.cpp's shared libraries.

fn main() {
    napi_build::setup();
    // The module is shipped with llama.cpp's libraries beside it or in `lib/`; never from where it
    // was built.
    let origins = match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux") => ["$ORIGIN", "$ORIGIN/lib"],
        Ok("macos") => ["@loader_path", "@loader_path/lib"],
        _ => return,
    };
    for origin in origins {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-rpath,{origin}");
    }
}
