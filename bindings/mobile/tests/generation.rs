//! The glue that uniffi generates from the built library: it is generated, in the right places, and
//! has what the hand-written layers call.
//!
//! Kotlin's is compiled and run by Maven. No Swift compiler is needed to build Indwell, so here the
//! names that the Swift layer uses are looked up in the generated source.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const BINDGEN: &str = env!("CARGO_BIN_EXE_uniffi-bindgen");
const CRATE: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn kotlin_is_generated_in_its_private_package() {
    let out = empty_folder("kotlin");
    let options = ["--language=kotlin", "--no-format", "--metadata-no-deps", "--out-dir"];
    run(Command::new(BINDGEN).arg("generate").arg(library()).args(options).arg(&out));
    let source = read(&out.join("ai/indwell/ffi/indwell_mobile.kt"));
    assert!(source.contains("package ai.indwell.ffi"));
    assert_declares(
        &source,
        &names_in(&Path::new(CRATE).join("kotlin/src/main/kotlin/ai/indwell")),
    );
}

#[cfg(unix)]
#[test]
fn swift_is_generated_where_its_package_looks_for_it() {
    let sources = empty_folder("swift");
    run(Command::new(Path::new(CRATE).join("swift/generate.sh"))
        .arg(BINDGEN)
        .arg(library())
        .arg(&sources));
    let header = read(&sources.join("IndwellFFI/IndwellFFI.h"));
    assert!(header.contains("uniffi_indwell_mobile_fn_constructor_nativeengine_load"));
    let module_map = read(&sources.join("IndwellFFI/module.modulemap"));
    assert!(module_map.contains("module IndwellFFI"));
    let source = read(&sources.join("IndwellNative/IndwellNative.swift"));
    assert!(source.contains("import IndwellFFI"));
    assert_declares(&source, &names_in(&Path::new(CRATE).join("swift/Sources/Indwell")));
}

/// The library, which cargo puts beside the test that it is built for.
fn library() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    test.with_file_name(format!(
        "{}indwell_mobile{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    ))
}

fn empty_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("generation-{name}"));
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("a folder of this test can be removed");
    }
    fs::create_dir_all(&folder).expect("a folder can be made in cargo's");
    folder
}

fn run(command: &mut Command) {
    let output = command.current_dir(CRATE).output().expect("the program can be run");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of generated types and functions in the files of `folder`.
fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let names: BTreeSet<String> = entries
        .map(|entry| read(&entry.expect("a folder can be read").path()))
        .flat_map(|text| {
            text.split(|c: char| !c.is_alphanumeric() && c != '_')
                .filter(|word| is_generated_name(word))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(names.contains("NativeEngine") && names.contains("nativeCloseAll"), "{names:?}");
    names
}

/// `NativeEngine` and `nativeDevices`, but not `NativeLibrary`, which is Kotlin's own.
fn is_generated_name(word: &str) -> bool {
    let rest = word.strip_prefix("Native").or_else(|| word.strip_prefix("native"));
    rest.is_some_and(|rest| rest.starts_with(char::is_uppercase)) && word != "NativeLibrary"
}

fn assert_declares(source: &str, names: &BTreeSet<String>) {
    let keywords = ["class ", "protocol ", "interface ", "struct ", "enum ", "func ", "fun `"];
    for name in names {
        let is_declared =
            keywords.iter().any(|keyword| source.contains(&format!("{keyword}{name}")));
        assert!(is_declared, "{name} is used but not generated");
    }
}
