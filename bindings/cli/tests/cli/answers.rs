//! What `chat` and `complete` print.

use crate::program::{model, run, run_with_input};

#[test]
fn an_answer_is_on_stdout_and_nothing_on_stderr() {
    let ended = run(&["chat", &model(), "Name the capital of France.", "--max-tokens", "16"]);
    assert_eq!(ended.stderr, "");
    let answer = ended.success();
    assert!(answer.contains("Paris"), "{answer:?}");
    assert!(answer.ends_with('\n'), "{answer:?}");
}

#[test]
fn a_prompt_can_be_piped_in() {
    let arguments = ["chat", &model(), "--max-tokens", "8"];
    let piped = run_with_input(&arguments, b"Name a color.\n").success();
    let given = run(&["chat", &model(), "Name a color.", "--max-tokens", "8"]).success();
    assert_eq!(piped, given);

    let completed = run_with_input(&["complete", &model(), "--max-tokens", "4"], b"One, two,");
    assert!(!completed.success().trim().is_empty());
}

#[test]
fn a_completion_continues_its_prompt() {
    let arguments = ["complete", &model(), "1, 2, 3, 4, 5,", "--max-tokens", "6"];
    let text = run(&arguments).success();
    assert!(text.trim_start().starts_with('6'), "{text:?}");
}

#[test]
fn statistics_are_one_line_on_stderr() {
    let ended = run(&["chat", &model(), "Hello", "--max-tokens", "5", "--stats"]);
    let line = ended.stderr.strip_suffix('\n').expect("a line");
    assert!(!line.contains('\n'), "{line:?}");
    let parts: Vec<&str> = line.split(" · ").collect();
    let [prompt, ttft, tokens, reason] = parts[..] else { panic!("four parts: {line:?}") };
    assert!(prompt.starts_with("prompt ") && prompt.ends_with(" tokens"), "{line:?}");
    assert!(ttft.starts_with("TTFT ") && ttft.ends_with(" ms"), "{line:?}");
    assert!(tokens.starts_with("5 tokens at ") && tokens.ends_with(" tokens/s"), "{line:?}");
    assert_eq!(reason, "finished: length");
}

#[test]
fn a_prompt_is_found_on_disk_by_the_next_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().to_str().expect("a path that is text");
    let prompt = "Llamas graze in the morning. ".repeat(40);
    let arguments = ["complete", &model(), &prompt, "--max-tokens", "4", "--stats"];
    let ask = || run(&[&arguments[..], &["--disk-cache-dir", dir]].concat());
    let first = ask();
    assert!(!first.stderr.contains("cached"), "{first:?}");
    let second = ask();
    assert!(second.stderr.contains(" of them cached (disk) · "), "{second:?}");
    assert_eq!(second.success(), first.success());
}

#[test]
fn a_stop_string_ends_the_answer_and_is_no_part_of_it() {
    let arguments = ["complete", &model(), "1, 2, 3, 4, 5,", "--stop", "9", "--stop", "8"];
    let ended = run(&[&arguments[..], &["--max-tokens", "32", "--stats"]].concat());
    assert!(ended.stderr.ends_with("finished: stop\n"), "{ended:?}");
    let text = ended.success();
    assert!(text.contains('7') && !text.contains('8'), "{text:?}");
}

#[test]
fn a_seed_repeats_an_answer() {
    let draw = |seed: &str| {
        let options = ["--temperature", "1.5", "--top-k", "50", "--top-p", "0.95"];
        let ask = ["chat", &model(), "Tell me a story.", "--max-tokens", "12", "--seed", seed];
        run(&[&ask[..], &options, &["--min-p", "0.01"]].concat()).success()
    };
    assert_eq!(draw("7"), draw("7"));
    assert_ne!(draw("7"), draw("8"));
}

#[test]
fn instructions_change_the_prompt() {
    let tokens = |more: &[&str]| {
        let ask = ["chat", &model(), "Hello", "--max-tokens", "1", "--stats"];
        let ended = run(&[&ask[..], more].concat());
        let tokens = ended.stderr.split(' ').nth(1).map(str::parse::<u32>);
        tokens.expect("a number").expect("a number")
    };
    let long = "Answer every question with a poem about the sea, and about ships, and harbours.";
    assert_ne!(tokens(&[]), tokens(&["--system", long]));
}

#[test]
fn control_tokens_are_parsed_only_where_asked() {
    let tokens = |more: &[&str]| {
        let ask = ["complete", &model(), "<|im_start|>", "--max-tokens", "1", "--stats"];
        run(&[&ask[..], more].concat()).stderr
    };
    let parsed = tokens(&["--parse-special"]);
    assert!(parsed.starts_with("prompt 1 tokens"), "{parsed:?}");
    let plain = tokens(&[]);
    assert!(!plain.starts_with("prompt 1 tokens"), "{plain:?}");
}

#[test]
fn the_log_is_shown_where_asked() {
    let ended = run(&["chat", &model(), "Hello", "--max-tokens", "1", "-v"]);
    assert!(ended.stderr.contains("llama.cpp"), "{ended:?}");
}
