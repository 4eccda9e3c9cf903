//! Ctrl-C, and readers that go away.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use crate::program::{model, program, start};

const STORY: &str = "Tell me a very long story about the sea.";

fn press_ctrl_c(child: &Child) {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(status.expect("kill starts").success());
}

/// Reads the first byte of the answer.
fn first_byte(child: &mut Child) {
    let stdout = child.stdout.as_mut().expect("piped");
    stdout.read_exact(&mut [0]).expect("the answer begins");
}

#[test]
fn an_answer_is_streamed_and_ctrl_c_ends_it() {
    // Without an end of its own within the test's patience.
    let mut child = start(&mut program(&["chat", &model(), STORY, "--max-tokens", "2000"]));
    first_byte(&mut child);
    press_ctrl_c(&child);
    let output = child.wait_with_output().expect("the program ends");
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(output.stdout.ends_with(b"\n"), "{output:?}");
    assert_eq!(output.stderr, b"");
}

#[test]
fn in_a_conversation_ctrl_c_ends_the_answer_and_then_the_program() {
    let arguments = ["chat", &model(), "--interactive", "--max-tokens", "2000"];
    let mut child = start(program(&arguments).stdin(Stdio::piped()));
    let mut stdin = child.stdin.take().expect("piped");
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    let mut greeting = String::new();
    stderr.read_line(&mut greeting).expect("a greeting");
    writeln!(stdin, "{STORY}").expect("the program reads its input");
    first_byte(&mut child);
    press_ctrl_c(&child);

    // The prompt of the next line: the one of the first, then this one.
    stderr.read_exact(&mut [0; 4]).expect("the program asks for the next line");
    press_ctrl_c(&child);
    let output = child.wait_with_output().expect("the program ends");
    assert_eq!(output.status.code(), Some(130), "{output:?}");
}

#[test]
fn a_reader_that_goes_away_ends_the_program_quietly() {
    let mut child = start(&mut program(&["chat", &model(), STORY, "--max-tokens", "2000"]));
    first_byte(&mut child);
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the program ends");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(output.stderr, b"");
}
