//! Lets the library find llama.cpp's shared libraries beside itself, or in `lib/` there, wherever
//! it is shipped to.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        for folder in ["$ORIGIN", "$ORIGIN/lib"] {
            println!("cargo::rustc-link-arg-cdylib=-Wl,-rpath,{folder}");
        }
    }
}
