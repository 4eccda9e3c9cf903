//! Answers that options shape: constraints, sampling, several of them.

use std::fs;

use crate::program::{Ended, model, run};

fn chat(prompt: &str, options: &[&str]) -> Ended {
    run(&[&["chat", &model(), prompt], options].concat())
}

/// A file of its own with this text, and its path.
fn file(text: &str) -> (tempfile::NamedTempFile, String) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), text).expect("a file of this test can be written");
    let path = file.path().to_str().expect("a path that is text").to_owned();
    (file, path)
}

const SCHEMA: &str = r#"{
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 12}, "large": {"type": "boolean"}},
    "required": ["city", "large"],
    "additionalProperties": false
}"#;

#[test]
fn a_schema_is_a_file_or_the_text_itself() {
    let (_file, path) = file(SCHEMA);
    let ask = |schema: &str| {
        chat("Name a city.", &["--json-schema", schema, "--max-tokens", "64"]).success()
    };
    let answer = ask(SCHEMA);
    let parts = answer.trim().strip_prefix("{\"city\"").and_then(|rest| rest.strip_suffix('}'));
    let rest = parts.unwrap_or_else(|| panic!("an object: {answer:?}"));
    assert!(rest.contains("\"large\"") && !rest.contains('\n'), "{answer:?}");
    assert_eq!(ask(&path), answer);
}

#[test]
fn patterns_choices_and_grammars_shape_answers() {
    let date = chat("When?", &["--regex", "[0-9]{2}:[0-9]{2}"]).success();
    let digits = date.trim_end().bytes().filter(u8::is_ascii_digit).count();
    assert_eq!((date.len(), digits, &date[2..3]), (6, 4, ":"), "{date:?}");

    let choices = ["--choice", "red", "--choice", "dark blue"];
    let color = chat("Name a color.", &choices).success();
    assert!(["red\n", "dark blue\n"].contains(&color.as_str()), "{color:?}");

    let (_lark, lark) = file("start: \"It is \" /[0-9]/ \".\"\n");
    let (_gbnf, gbnf) = file("root ::= \"It is \" [0-9] \".\"\n");
    for option in [["--lark", &lark], ["--gbnf", &gbnf]] {
        let answer = chat("How many?", &option).success();
        let digit = answer.strip_prefix("It is ").and_then(|rest| rest.strip_suffix(".\n"));
        assert!(digit.is_some_and(|digit| digit.parse::<u8>().is_ok()), "{answer:?}");
    }
}

#[test]
fn several_answers_follow_each_other() {
    let options = ["--n", "3", "--temperature", "1.3", "--seed", "5", "--max-tokens", "8"];
    let ended = chat("Tell me a story.", &[&options[..], &["--stats"]].concat());
    assert!(ended.stderr.contains(" · 24 tokens "), "{ended:?}");
    let answers = ended.success();
    let heads: Vec<&str> = answers.lines().filter(|line| line.starts_with("--- ")).collect();
    assert_eq!(heads, ["--- 2 ---", "--- 3 ---"], "{answers}");
    let first = answers.split("--- 2 ---").next().expect("a part");
    let options = ["--temperature", "1.3", "--seed", "5", "--max-tokens", "8"];
    assert_eq!(chat("Tell me a story.", &options).success(), first);
}

#[test]
fn every_option_of_sampling_is_taken() {
    let options = [
        ["--temperature", "0.8"],
        ["--dynatemp-range", "0.2"],
        ["--dynatemp-exponent", "1.5"],
        ["--top-k", "40"],
        ["--top-p", "0.9"],
        ["--min-p", "0.02"],
        ["--typical-p", "0.9"],
        ["--top-n-sigma", "3"],
        ["--xtc-probability", "0.1"],
        ["--xtc-threshold", "0.2"],
        ["--dry-multiplier", "0.5"],
        ["--dry-base", "1.5"],
        ["--dry-allowed-length", "3"],
        ["--dry-penalty-last-n", "512"],
        ["--dry-sequence-breaker", "\n"],
        ["--repeat-penalty", "1.1"],
        ["--repeat-last-n", "128"],
        ["--presence-penalty", "0.1"],
        ["--frequency-penalty", "-0.1"],
        ["--samplers", "penalties,dry,top_n_sigma,top_k,typ_p,top_p,min_p,xtc,temperature"],
        ["--banned-string", "llama"],
        ["--seed", "7"],
        ["--min-tokens", "2"],
        ["--max-tokens", "4"],
        ["--best-of", "2"],
    ];
    assert!(!chat("Tell me a story.", options.as_flattened()).success().is_empty());
    let mirostat = ["--temperature", "1", "--mirostat", "2", "--mirostat-tau", "4", "--seed", "1"];
    let mirostat = [&mirostat[..], &["--mirostat-eta", "0.2", "--max-tokens", "4"]].concat();
    assert!(!chat("Tell me a story.", &mirostat).success().is_empty());
}

#[test]
fn a_banned_text_never_comes() {
    let ask = |more: &[&str]| {
        let ask = ["complete", &model(), "The capital of France is", "--max-tokens", "8"];
        run(&[&ask[..], more].concat()).success()
    };
    assert!(ask(&[]).contains("Paris"));
    assert!(!ask(&["--banned-string", "Paris"]).contains("Paris"));
}

#[test]
fn what_is_wrong_is_told_and_where() {
    let (_file, broken) = file("{\"type\": ");
    for (options, told) in [
        (&["--json-schema", "{\"type\": "][..], "json_schema is"),
        (&["--json-schema", &broken], "json_schema is"),
        (&["--regex", "[a"], "regex"),
        (&["--regex", "a", "--choice", "b"], "regex"),
        (&["--n", "0"], "n is 0"),
        (&["--n", "2", "--best-of", "1"], "best_of is 1"),
        (&["--samplers", "top_k,luck"], "luck"),
        (&["--mirostat", "3"], "mirostat is 3"),
        (&["--repeat-last-n", "-2"], "repeat_last_n is -2"),
    ] {
        let stderr = chat("Hello", options).failure(2);
        assert!(stderr.contains(told), "{options:?}: {stderr}");
    }
}

#[test]
fn files_are_read_before_a_model_is_loaded() {
    for option in ["--json-schema", "--lark", "--gbnf", "--tools", "--documents"] {
        let ended = run(&["chat", "no/such/model.gguf", "Hello", option, "no/such/file"]);
        let stderr = ended.failure(1);
        assert!(stderr.contains("no/such/file could not be read"), "{stderr}");
        assert!(stderr.contains(&option[2..].replace('-', "_")), "{stderr}");
    }
}
