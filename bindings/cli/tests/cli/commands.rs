//! The commands that answer nothing.

use std::path::Path;

use crate::program::run;

#[test]
fn pull_lists_the_aliases_and_so_does_its_help() {
    for arguments in [&["pull"][..], &["pull", "--help"]] {
        let list = run(arguments).success();
        for alias in indwell::aliases() {
            assert!(list.contains(alias.name) && list.contains(alias.description), "{list}");
        }
    }
}

#[test]
fn pull_prints_the_models_path() {
    let path = run(&["pull", "smollm2-135m"]).success();
    assert!(Path::new(path.trim_end()).is_file(), "{path:?}");
}

#[test]
fn devices_include_the_processor() {
    let list = run(&["devices"]).success();
    assert!(list.lines().any(|line| line.starts_with("CPU ")), "{list}");
}

#[test]
fn the_version_is_the_librarys() {
    assert_eq!(run(&["--version"]).success(), format!("indwell {}\n", indwell::VERSION));
}
