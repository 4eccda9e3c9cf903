//! The program where nobody but a person started it. Because of this test cargo builds the program
//! before any test runs.

use std::process::{Command, Stdio};

#[test]
fn started_by_hand_it_says_what_it_is_for() {
    let program = env!("CARGO_BIN_EXE_indwell-worker");
    let output = Command::new(program).stdin(Stdio::null()).output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("isolation"), "{said}");
}

/// Whoever sets the variable by hand gets a worker whose pipe is at its end.
#[test]
fn a_worker_ends_with_its_pipe() {
    let program = env!("CARGO_BIN_EXE_indwell-worker");
    let mut worker = Command::new(program);
    worker.env("INDWELL_WORKER_SERVES", "1").stdin(Stdio::null());
    let output = worker.output().expect("it starts and ends");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}
