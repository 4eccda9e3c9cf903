//! One engine at a time: a second one is told, here and in another process.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{ENGINE, LONG, NOW_MS, filled, folder, found, key, numbered, open, put, reopen};
use crate::ErrorKind;
use crate::responses::disk::Disk;

/// Tells a test that it is the other process, and where the store is.
const FOLDER_VARIABLE: &str = "INDWELL_TEST_RESPONSES_FOLDER";

/// Runs one of this module's tests once more, in a process of its own, where [`other_folder`]
/// says that it is the other one.
fn in_another_process(test: &str, folder: &Path) -> Output {
    let module = module_path!().split_once("::").expect("the crate's name comes first").1;
    Command::new(env::current_exe().expect("this program"))
        .args([&format!("{module}::{test}"), "--exact", "--nocapture"])
        .env(FOLDER_VARIABLE, folder)
        .output()
        .expect("the process starts")
}

/// The store's folder, in the other process.
fn other_folder() -> Option<PathBuf> {
    env::var_os(FOLDER_VARIABLE).map(PathBuf::from)
}

fn told(path: &Path) -> String {
    let refused = Disk::open(path, ENGINE, NOW_MS, |_, _| panic!("nothing is handed out"));
    let error = refused.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(error.details().field.as_deref(), Some("response_cache_dir"));
    error.message().to_owned()
}

#[test]
fn a_second_engine_is_told() {
    let folder = folder();
    let disk = open(folder.path());
    put(&disk, 1);
    let message = told(folder.path());
    assert!(message.contains(&folder.path().display().to_string()), "{message}");
    assert!(message.contains("in use by another engine"), "{message}");
    assert!(message.contains("a folder of its own"), "{message}");
    // Nothing happened to the first, and the folder is free once it is closed.
    put(&disk, 2);
    disk.close(LONG);
    assert_eq!(found(folder.path()), numbered([1, 2]));
}

#[test]
fn a_closed_store_gives_its_folder_back_before_it_is_dropped() {
    let folder = folder();
    let first = open(folder.path());
    first.close(LONG);
    let second = open(folder.path());
    drop(first);
    told(folder.path());
    drop(second);
}

#[test]
fn a_second_process_is_told() {
    if let Some(folder) = other_folder() {
        match Disk::open(&folder, ENGINE, NOW_MS, |_, _| {}) {
            Ok(_) => println!("opened"),
            Err(error) => println!("refused: {error}"),
        }
        return;
    }
    let folder = folder();
    let disk = open(folder.path());
    let output = in_another_process("a_second_process_is_told", folder.path());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("refused: "), "{text}");
    assert!(text.contains("in use by another engine or process"), "{text}");
    disk.close(LONG);
    let output = in_another_process("a_second_process_is_told", folder.path());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("opened"), "{text}");
}

#[test]
fn a_killed_process_leaves_what_was_written_and_no_lock() {
    if let Some(folder) = other_folder() {
        let (disk, _) = reopen(&folder);
        for number in 10..20 {
            put(&disk, number);
        }
        disk.remove(key(4));
        disk.queue.settle();
        std::process::abort();
    }
    let folder = filled(10);
    let output =
        in_another_process("a_killed_process_leaves_what_was_written_and_no_lock", folder.path());
    assert!(!output.status.success(), "it was to die");
    let (disk, kept) = reopen(folder.path());
    assert_eq!(kept, numbered((0..10).filter(|number| *number != 4).chain(10..20)));
    disk.close(LONG);
}
