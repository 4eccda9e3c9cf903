//! Tidiness: what docs/STYLE.md says and a test can check.
//!
//! Each check is a pure function from files to complaints, and lives in the module of its subject
//! beside tests that show it can fail. A complaint names the place and says what to do.

mod dead_files;
mod dependencies;
mod files;
mod layout;
mod records;
mod rust_code;
mod source;
mod surface;
mod words;

use files::repository;

/// Fails with every complaint, not just the first.
fn assert_tidy(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n\n{}\n", complaints.join("\n\n"));
}

#[test]
fn rust_files_begin_by_saying_what_they_own() {
    assert_tidy(layout::files_without_header(repository()));
}

#[test]
fn files_are_short() {
    assert_tidy(layout::long_files(repository()));
}

#[test]
fn files_are_named_after_a_concept() {
    assert_tidy(layout::files_named_after_nothing(repository()));
}

#[test]
fn lib_and_mod_files_hold_a_map() {
    assert_tidy(layout::maps_with_logic(repository()));
}

#[test]
fn every_rust_file_is_part_of_a_target() {
    assert_tidy(dead_files::unreachable(repository()));
}

#[test]
fn unsafe_code_is_confined() {
    assert_tidy(rust_code::unsafe_outside_its_places(repository()));
}

#[test]
fn production_code_does_not_unwrap() {
    assert_tidy(rust_code::unwraps(repository()));
}

#[test]
fn exceptions_are_expected_with_a_reason() {
    assert_tidy(rust_code::allow_attributes(repository()));
}

#[test]
fn tests_do_not_sleep() {
    assert_tidy(rust_code::sleeping_tests(repository()));
}

#[test]
fn files_name_no_machine_and_no_registry() {
    assert_tidy(words::places(repository()));
}

#[test]
fn direct_dependencies_are_documented_and_used() {
    assert_tidy(dependencies::undocumented(repository()));
    assert_tidy(dependencies::unused(repository()));
}

#[test]
fn changelog_is_open_and_decisions_are_numbered() {
    assert_tidy(records::changelog(repository()));
    assert_tidy(records::decisions(repository()));
}

#[test]
fn every_operation_is_listed_for_every_language() {
    assert_tidy(surface::gaps_without_reason(repository()));
}
