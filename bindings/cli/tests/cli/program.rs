//! Runs the program that cargo built.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};

/// What to load: a path, or the default model's alias.
pub(crate) fn model() -> String {
    std::env::var("INDWELL_TEST_MODEL").unwrap_or_else(|_| "smollm2-135m".to_owned())
}

/// The program with `arguments`, nothing on its standard input.
///
/// It computes on one thread unless `arguments` say otherwise: several wait for each other at
/// every layer of the model, which takes many times as long where tests run side by side.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_indwell"));
    let computes = matches!(arguments, ["chat" | "complete" | "serve", ..]);
    if computes && !arguments.contains(&"--threads") {
        command.args(&arguments[..1]).args(["--threads", "1"]).args(&arguments[1..]);
    } else {
        command.args(arguments);
    }
    command
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The standard output of a success.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// The standard error of a failure with `code`.
    #[track_caller]
    pub(crate) fn failure(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        self.stderr
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program writes text");
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    program(arguments).output().expect("the program starts").into()
}

/// Runs the program to its end with `input` piped in.
pub(crate) fn run_with_input(arguments: &[&str], input: &[u8]) -> Ended {
    let mut child = start(program(arguments).stdin(Stdio::piped()));
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input).expect("the program reads its input");
    drop(stdin);
    child.wait_with_output().expect("the program ends").into()
}

/// Starts the program.
pub(crate) fn start(command: &mut Command) -> Child {
    command.spawn().expect("the program starts")
}
