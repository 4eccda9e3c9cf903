//! When ggml gives up, what was running is written where somebody finds it.
//!
//! The process that gives up is this program, run again for one test.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use indwell_kernel::{Backend, Chunk, Draws, MemoryOp, Outcome, Plan, RequestId, SeqId, Token};
use indwell_llama::last_record::CRASH_FILE_VARIABLE;
use indwell_llama::{Context, ContextParams, Executor, Model, ModelParams};

const MODEL_VARIABLE: &str = "INDWELL_TEST_MODEL";

/// Runs a test of this program that gives up, in a process of its own.
fn given_up(test: &str, crash_file: &Path) -> Output {
    Command::new(std::env::current_exe().expect("a running program has a path"))
        .args([test, "--exact", "--ignored", "--nocapture"])
        .env(CRASH_FILE_VARIABLE, crash_file)
        .output()
        .expect("this program can be run again")
}

fn give_up() -> ! {
    // SAFETY: both texts end with a NUL, and the second one asks for no arguments.
    unsafe { llama_cpp_sys_2::ggml_abort(c"made.c".as_ptr(), 7, c"on purpose".as_ptr()) };
    unreachable!("it ends the process")
}

#[test]
fn the_record_is_in_the_file_and_on_the_standard_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("crash.txt");
    let output = given_up("gives_up_with_backends_loaded", &file);
    assert!(!output.status.success());
    #[cfg(unix)]
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&output.status), Some(libc::SIGABRT));
    let written = std::fs::read_to_string(&file).expect("a record");
    assert_eq!(written, "indwell: llama.cpp gave up: made.c:7: on purpose\n");
    assert!(String::from_utf8_lossy(&output.stderr).contains(&written), "{output:?}");
}

#[test]
fn the_record_says_what_was_running() {
    if model().is_none() {
        eprintln!("skipped: {MODEL_VARIABLE} names no model");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("crash.txt");
    given_up("gives_up_after_a_step", &file);
    let written = std::fs::read_to_string(&file).expect("a record");
    let running = "after a step of 3 tokens: request 7 at 0, 3 tokens";
    assert!(written.contains(running), "{written}");
}

#[test]
#[ignore = "ends its process: run by the tests above"]
fn gives_up_with_backends_loaded() {
    indwell_llama::Backends::load().expect("backends");
    assert_eq!(indwell_llama::last_record::last_record(), None);
    give_up();
}

#[test]
#[ignore = "ends its process: run by the tests above"]
fn gives_up_after_a_step() {
    let model = model().expect("checked by the test that runs this");
    let model = Model::load(&model, ModelParams::default(), |_| {}).expect("a model");
    let params = ContextParams {
        context_tokens: 256,
        batch_tokens: 64,
        sequences_max: 4,
        residents_max: 0,
        threads: 1,
        flash_attention: None,
    };
    let context = Context::new(Arc::new(model), params).expect("a context");
    let mut executor = Executor::new(context, None).expect("an executor");
    let mut plan = Plan::default();
    let seq = SeqId(0);
    let draws = Arc::new(Draws::greedy());
    let (request, prompt, answer) = (RequestId(7), Vec::new(), Vec::new());
    plan.ops.push(MemoryOp::Open { seq, request, draws, prompt, answer, mu: None });
    plan.tokens.extend([Token(5), Token(6), Token(7)]);
    plan.chunks.push(Chunk { seq, start: 0, tokens: 0..3, outputs: 1, scores: 0..0 });
    executor.execute(&plan, &mut Outcome::default()).expect("a step");
    give_up();
}

fn model() -> Option<PathBuf> {
    std::env::var_os(MODEL_VARIABLE).map(PathBuf::from)
}
