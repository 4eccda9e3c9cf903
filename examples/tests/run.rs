//! Runs the examples as users do, and looks at what they print. Needs the default model: its
//! path in `INDWELL_TEST_MODEL`, or else its alias, which is fetched if it is not there.

use std::process::Command;

/// The example's output.
#[track_caller]
fn run(program: &str) -> String {
    let model = std::env::var("INDWELL_TEST_MODEL").unwrap_or_else(|_| "smollm2-135m".to_owned());
    let output = Command::new(program).arg(model).output().expect("the example starts");
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).expect("examples print text")
}

#[test]
fn chat_prints_an_answer_and_what_it_took() {
    let output = run(env!("CARGO_BIN_EXE_example-chat"));
    assert!(output.contains("load done"), "{output}");
    assert!(output.contains("Paris"), "{output}");
    assert!(output.contains("finished: "), "{output}");
}

#[test]
fn stream_prints_pieces_and_one_end() {
    let output = run(env!("CARGO_BIN_EXE_example-stream"));
    assert_eq!(output.matches(" tokens]").count(), 1, "{output}");
    assert!(output.lines().count() >= 2, "{output}");
}

#[test]
fn concurrent_takes_fewer_steps_than_tokens() {
    let output = run(env!("CARGO_BIN_EXE_example-concurrent"));
    let last = output.lines().last().expect("a line");
    let words: Vec<&str> = last.split(' ').collect();
    let [tokens, "tokens", "in", steps, "steps"] = words[..] else { panic!("{output}") };
    let (tokens, steps): (u64, u64) = (tokens.parse().unwrap(), steps.parse().unwrap());
    assert!(steps * 2 < tokens, "{output}");
}

#[test]
fn futures_answer_all_and_both_streams_end() {
    let output = run(env!("CARGO_BIN_EXE_example-futures"));
    for start in ["red: a", "green: a", "blue: a", "stream 0: length", "stream 1: length"] {
        assert!(output.lines().any(|line| line.starts_with(start)), "{start} in {output}");
    }
}

#[test]
fn cancel_ends_each_request_its_own_way() {
    let output = run(env!("CARGO_BIN_EXE_example-cancel"));
    for text in ["cancelled\n", "dropped\n", "late: ", "still there: ", "2 cancelled, 1 failed"] {
        assert!(output.contains(text), "{text} in {output}");
    }
    assert!(!output.contains("ended otherwise"), "{output}");
}

#[test]
fn prefix_cache_computes_shared_instructions_once() {
    let output = run(env!("CARGO_BIN_EXE_example-prefix-cache"));
    assert_eq!(output.matches("prompt tokens cached (resident)").count(), 2, "{output}");
    assert!(output.contains("another tenant: 0 cached"), "{output}");
    for tier in ["resident: ", "host: ", "disk: 0 tokens, 0 of 0 bytes"] {
        assert!(output.lines().any(|line| line.starts_with(tier)), "{tier} in {output}");
    }
}

#[test]
fn response_cache_answers_the_same_question_once() {
    let output = run(env!("CARGO_BIN_EXE_example-response-cache"));
    let starts = |line: usize, text: &str| {
        let found = output.lines().nth(line).is_some_and(|line| line.starts_with(text));
        assert!(found, "line {line} is not {text}: {output}");
    };
    starts(0, "computed in ");
    starts(1, "response in ");
    starts(3, "7 of 8 shared a computation");
    starts(4, "semantic in ");
    starts(5, "3 answers are forgotten");
    assert!(!output.lines().nth(2).expect("a third line").starts_with("response"), "{output}");
}

#[test]
fn dispatch_prints_events_and_a_metric() {
    let output = run(env!("CARGO_BIN_EXE_example-dispatch"));
    assert!(output.starts_with("status 200\ndata: {"), "{output}");
    assert!(output.contains("data: [DONE]\n\nindwell:generation_tokens_total{"), "{output}");
}

#[test]
fn structured_prints_answers_of_each_form() {
    let output = run(env!("CARGO_BIN_EXE_example-structured"));
    let line = |start: &str| {
        let found = output.lines().find_map(|line| line.strip_prefix(start));
        found.unwrap_or_else(|| panic!("{start} in {output}"))
    };
    assert!(line("schema: ").contains(" in "), "{output}");
    assert!(["yes", "no"].contains(&line("choice: ")), "{output}");
    assert_eq!(line("regex: ").split('-').map(str::len).collect::<Vec<_>>(), [4, 2, 2], "{output}");
    assert_eq!(line("gbnf: "), "3 lines", "{output}");
    assert!(line("refused: ").contains("json_schema"), "{output}");
}

#[test]
fn tools_prints_a_call_that_fits_and_an_answer_to_its_result() {
    let output = run(env!("CARGO_BIN_EXE_example-tools"));
    let mut lines = output.lines();
    assert_eq!(lines.next(), Some("ended: tool_calls"), "{output}");
    let call = lines.next().and_then(|line| line.strip_prefix("get_weather "));
    let arguments = call.unwrap_or_else(|| panic!("no call in {output}"));
    assert!(arguments.contains("\"city\""), "{output}");
    assert!(lines.next().is_some_and(|answer| !answer.is_empty()), "{output}");
}
