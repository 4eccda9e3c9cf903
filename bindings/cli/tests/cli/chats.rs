//! Conversations: a message a line.

use crate::program::{model, run_with_input};

fn converse(lines: &str, options: &[&str]) -> crate::program::Ended {
    let arguments = ["chat", &model(), "--interactive"];
    run_with_input(&[&arguments[..], options].concat(), lines.as_bytes())
}

/// The prompt's tokens of each answer.
fn prompt_tokens(stderr: &str) -> Vec<u32> {
    let lines = stderr.lines().filter_map(|line| line.split("prompt ").nth(1));
    lines.filter_map(|line| line.split(' ').next()?.parse().ok()).collect()
}

#[test]
fn each_message_is_asked_with_all_that_was_said_before() {
    let ended = converse("Hello\n\nAnd again\n", &["--max-tokens", "4", "--stats"]);
    let tokens = prompt_tokens(&ended.stderr);
    assert_eq!(tokens.len(), 2, "{ended:?}");
    assert!(tokens[1] > tokens[0] + 4, "{tokens:?}");
    assert_eq!(ended.success().lines().count(), 2);
}

#[test]
fn what_was_said_before_is_cached() {
    let long = "Tell me about llamas. ".repeat(30);
    let lines = format!("{long}\nAnd again\n");
    let asked = |options: &[&str]| {
        let options = [&["--max-tokens", "4", "--stats"], options].concat();
        let stderr = converse(&lines, &options).stderr;
        stderr.lines().filter(|line| line.contains("prompt ")).map(str::to_owned).collect()
    };
    let asked_with_it: Vec<String> = asked(&[]);
    let [first, second] = &asked_with_it[..] else { panic!("two answers: {asked_with_it:?}") };
    assert!(!first.contains("cached"), "{first}");
    assert!(second.contains(" of them cached (resident) · "), "{second}");
    let asked_without: Vec<String> = asked(&["--prefix-cache-tokens", "0"]);
    assert_eq!(asked_without.len(), 2);
    assert!(asked_without.iter().all(|line| !line.contains("cached")), "{asked_without:?}");
}

#[test]
fn a_cleared_conversation_starts_anew() {
    let ended = converse("Hello\n/clear\nHello\n", &["--max-tokens", "4", "--stats"]);
    let tokens = prompt_tokens(&ended.stderr);
    assert_eq!(tokens[0], tokens[1], "{ended:?}");
}

#[test]
fn a_message_that_does_not_fit_costs_only_itself() {
    let long = "word ".repeat(300);
    let lines = format!("{long}\nHello\n");
    let ended = converse(&lines, &["--max-tokens", "4", "--context-tokens", "256", "--stats"]);
    assert!(ended.stderr.contains("leave room for an answer"), "{ended:?}");
    assert_eq!(prompt_tokens(&ended.stderr).len(), 1, "{ended:?}");
    assert!(!ended.success().is_empty());
}

#[test]
fn a_wrong_option_ends_the_conversation() {
    let stderr = converse("Hello\nHello\n", &["--max-tokens", "0"]).failure(2);
    assert_eq!(stderr.matches("max_tokens is 0").count(), 1, "{stderr:?}");
}
