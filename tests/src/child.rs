//! Tests that need a process of their own: another of the same program, which is ignored unless it is
//! named, is that process.

use std::process::{Command, Output};

use crate::model;

/// What a child's line begins with that is for the test.
const TOLD: &str = "told: ";

/// This program as a process that runs the ignored test `name` and nothing else.
///
/// # Panics
/// When this program's path can't be found out.
#[must_use]
pub fn child(name: &str) -> Command {
    let mut child = Command::new(std::env::current_exe().expect("this program"));
    child.args(["--exact", name, "--ignored", "--nocapture", "--test-threads=1"]);
    // It may have no means to fetch it.
    child.env("INDWELL_TEST_MODEL", model());
    child
}

/// Says something to the test that started this process.
pub fn tell(what: &str) {
    println!("{TOLD}{what}");
}

/// What a child told, or all of its output where it told nothing.
#[must_use]
pub fn told(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    let told = text.lines().find_map(|line| line.split_once(TOLD).map(|(_, told)| told));
    told.map_or_else(|| format!("{output:?}"), str::to_owned)
}
