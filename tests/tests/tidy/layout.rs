//! How sources are cut into files: headers, lengths, names, and what `lib.rs` and `mod.rs` hold.

use super::files::File;
use super::source::{Source, has_word};

/// Lines of production code in a file, at most. Look for the second concept long before.
const PRODUCTION_LINES_MAX: usize = 500;
/// Lines of a file with its tests, or of a file of tests, at most.
const LINES_MAX: usize = 1000;

/// Names that say nothing about what a file owns.
const EMPTY_NAMES: [&str; 8] =
    ["util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"];

/// Functions that must be at a crate's root, and why.
const FUNCTIONS_IN_MAPS: [(&str, &str); 1] =
    [("bindings/python/src/lib.rs", "pyo3 takes the module's contents from one function")];

/// Rust files whose first line is not `//!`.
pub(crate) fn files_without_header(files: &[File]) -> Vec<String> {
    files
        .iter()
        .filter(|file| file.is_rust() && !file.text.starts_with("//!"))
        .map(|file| {
            format!(
                "{}: begin the file with `//!` and say what it owns, what it does not know and \
                 its invariants",
                file.path
            )
        })
        .collect()
}

/// Files that are too long.
pub(crate) fn long_files(files: &[File]) -> Vec<String> {
    files.iter().filter(|file| file.is_source()).filter_map(too_long).collect()
}

fn too_long(file: &File) -> Option<String> {
    let lines = file.text.lines().count();
    let production = match file {
        file if file.is_rust() => Source::of(file).production().count(),
        file if file.is_test() => 0,
        _ => lines,
    };
    let (count, max) = match (production, lines) {
        (count, _) if count > PRODUCTION_LINES_MAX => (count, PRODUCTION_LINES_MAX),
        (_, count) if count > LINES_MAX => (count, LINES_MAX),
        _ => return None,
    };
    Some(format!(
        "{}: {count} lines, at most {max}; find the second concept in it and give that a file",
        file.path
    ))
}

/// Sources in files or folders whose name says nothing.
pub(crate) fn files_named_after_nothing(files: &[File]) -> Vec<String> {
    files
        .iter()
        .filter(|file| file.is_source())
        .filter_map(|file| {
            let empty = file.path.split('/').find(|part| {
                let stem = part.split('.').next().unwrap_or_default().to_lowercase();
                EMPTY_NAMES.contains(&stem.as_str())
            })?;
            Some(format!(
                "{}: `{empty}` says nothing; name it after the one concept that it owns",
                file.path
            ))
        })
        .collect()
}

/// `lib.rs` and `mod.rs` files that hold functions.
pub(crate) fn maps_with_logic(files: &[File]) -> Vec<String> {
    files
        .iter()
        .filter(|file| ["lib.rs", "mod.rs"].contains(&file.name()) && !file.is_test())
        .filter(|file| FUNCTIONS_IN_MAPS.iter().all(|(path, _)| file.path != *path))
        .filter_map(|file| {
            let source = Source::of(file);
            let (line, _) = source.production().find(|(_, line)| has_word(line, "fn"))?;
            let remedy = match file.name() {
                "mod.rs" => format!(
                    "move the logic to files of its own, or the whole file to {}.rs",
                    file.folder()
                ),
                _ => "move the function to a file named after its concept".to_owned(),
            };
            Some(format!(
                "{}:{line}: a function where only documentation, modules and re-exports belong; \
                 {remedy}",
                file.path
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::files::file;
    use super::*;

    #[test]
    fn missing_header_is_found() {
        let files = [file("a.rs", "//! Owns a."), file("b.rs", "use std::fs;"), file("c.py", "")];
        let found = files_without_header(&files);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("b.rs"), "{found:?}");
    }

    #[test]
    fn length_counts_production_apart_from_tests() {
        let code = "let a = 1;\n".repeat(PRODUCTION_LINES_MAX);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{code}}}\n");
        let fits = file("core/x/src/fits.rs", &code);
        let long = file("core/x/src/long.rs", &format!("{code}{code}"));
        let tested = file("core/x/src/tested.rs", &format!("let a = 1;\n{tests}"));
        let too_tested = file("core/x/src/too_tested.rs", &format!("{code}{tests}"));
        let test = file("core/x/tests/test.rs", &format!("{code}{code}"));
        let found = long_files(&[fits, long, tested, too_tested, test]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("core/x/src/long.rs: 1000 lines"), "{found:?}");
        assert!(found[1].starts_with("core/x/src/too_tested.rs: 1003 lines"), "{found:?}");
    }

    #[test]
    fn empty_names_are_found_in_any_language() {
        let files = ["a/src/utils.rs", "a/common/mod.rs", "js/Helpers.ts", "a/src/commonmark.rs"]
            .map(|path| file(path, ""));
        assert_eq!(files_named_after_nothing(&files).len(), 3);
    }

    #[test]
    fn logic_in_a_map_is_found() {
        let files = [
            file("core/x/src/lib.rs", "//! A map.\nmod a;\npub use a::A;\n"),
            file("core/x/src/a/mod.rs", "//! A.\n/// fn in a comment\npub(crate) fn go() {}\n"),
            file("bindings/python/src/lib.rs", "fn module() {}\n"),
        ];
        let found = maps_with_logic(&files);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("core/x/src/a/mod.rs:3"), "{found:?}");
        assert!(found[0].contains("core/x/src/a.rs"), "{found:?}");
    }
}
