//! Stored answers: found by the next command, or in a conversation, and asked for by mode.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::program::{Ended, model, program, run, run_with_input, start};

const PROMPT: &str = "One, two, three, four,";

/// Whether `--stats` told of a stored answer.
fn is_stored(ended: &Ended) -> bool {
    ended.stderr.contains(" of them cached (response) · ")
}

fn complete(options: &[&str]) -> Ended {
    run(&[&["complete", &model(), PROMPT, "--max-tokens", "8", "--stats"], options].concat())
}

#[test]
fn the_next_command_finds_the_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("answers");
    let dir = dir.to_str().expect("a path that is text");
    let kept = |options: &[&str]| complete(&[&["--response-cache-dir", dir], options].concat());

    let first = kept(&[]);
    assert!(!is_stored(&first), "{first:?}");
    let second = kept(&[]);
    assert!(is_stored(&second), "{second:?}");
    assert!(!second.stderr.contains("tokens/s"), "{second:?}");
    let asked_for = kept(&["--cache", "only_if_cached"]);
    assert!(is_stored(&asked_for), "{asked_for:?}");
    let anew = [kept(&["--cache", "refresh"]), kept(&["--cache", "bypass"])];
    assert!(!anew.iter().any(is_stored), "{anew:?}");

    let text = first.success();
    assert!(!text.trim().is_empty(), "{text:?}");
    for ended in [second, asked_for].into_iter().chain(anew) {
        assert_eq!(ended.success(), text);
    }
}

#[test]
fn what_is_not_stored_is_told_by_an_exit_code() {
    let stderr = complete(&["--cache", "only_if_cached"]).failure(4);
    assert!(stderr.contains("ask again without only_if_cached"), "{stderr}");
    let random = ["--cache", "only_if_cached", "--temperature", "1"];
    let stderr = complete(&random).failure(2);
    assert!(stderr.contains("cache is only_if_cached"), "{stderr}");
}

#[test]
fn an_answer_whose_time_is_over_is_not_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().to_str().expect("a path that is text");
    for ttl in [["--cache-ttl-ms", "1"], ["--response-cache-ttl-ms", "1"]] {
        // Loading a model takes longer than that.
        let kept = [&["--response-cache-dir", dir], &ttl[..]].concat();
        complete(&kept).success();
        complete(&[&kept[..], &["--cache", "only_if_cached"]].concat()).failure(4);
    }
}

#[test]
fn a_folder_that_another_command_uses_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().to_str().expect("a path that is text");
    let arguments = ["chat", &model(), "--interactive", "--response-cache-dir", dir];
    let mut holding = start(program(&arguments).stdin(Stdio::piped()));
    let mut greeting = String::new();
    let stderr = holding.stderr.as_mut().expect("piped");
    BufReader::new(stderr).read_line(&mut greeting).expect("a greeting, when it is loaded");

    let stderr = complete(&["--response-cache-dir", dir]).failure(1);
    assert!(stderr.contains(dir), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");

    drop(holding.stdin.take());
    let output = holding.wait_with_output().expect("the program ends");
    assert!(output.status.success(), "{output:?}");
    complete(&["--response-cache-dir", dir]).success();
}

#[test]
fn a_conversation_that_is_asked_again_is_answered_again() {
    let arguments = ["chat", &model(), "--interactive", "--max-tokens", "4", "--stats"];
    let ask = |options: &[&str]| {
        run_with_input(&[&arguments[..], options].concat(), b"Hello\n/clear\nHello\n")
    };
    let ended = ask(&[]);
    assert!(is_stored(&ended), "{ended:?}");
    let text = ended.success();
    let [first, second] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text:?}") };
    assert_eq!(first, second);
    let off = ask(&["--response-cache-bytes", "0"]);
    assert!(!is_stored(&off), "{off:?}");
    assert_eq!(off.success(), text);
}

#[test]
fn a_question_without_a_stored_answer_costs_only_its_line() {
    let arguments = ["chat", &model(), "--interactive", "--cache", "only_if_cached"];
    let ended = run_with_input(&arguments, b"Hello\nHello\n");
    assert_eq!(ended.stderr.matches("ask again without only_if_cached").count(), 2, "{ended:?}");
    assert_eq!(ended.success(), "");
}
