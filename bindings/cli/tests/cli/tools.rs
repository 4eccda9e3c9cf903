//! Tools, and what templates are told.

use std::fs;

use crate::program::{Ended, model, run, run_with_input};

const TOOLS: &str = r#"[
    {"name": "get_weather", "description": "The weather in a city", "parameters": {
        "type": "object", "properties": {"city": {"type": "string", "maxLength": 16}},
        "required": ["city"], "additionalProperties": false}},
    {"type": "function", "function": {"name": "stop", "parameters": {
        "type": "object", "properties": {}, "additionalProperties": false}}}
]"#;

/// A folder with files of these names and texts.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("a file of this test can be written");
    }
    folder
}

fn ask(prompt: &str, options: &[&str]) -> Ended {
    run(&[&["chat", &model(), prompt, "--max-tokens", "96"], options].concat())
}

/// The prompt's tokens, as `--stats` tells them.
fn prompt_tokens(ended: &Ended) -> u32 {
    let tokens = ended.stderr.split(' ').nth(1).map(str::parse);
    tokens.expect("a number").expect("a number")
}

#[test]
fn calls_are_printed_a_line_each() {
    let folder = folder(&[("tools.json", TOOLS)]);
    let path = folder.path().join("tools.json");
    let tools = ["--tools", path.to_str().expect("text")];
    let weather = ["--tool-choice", "get_weather", "--no-parallel-tool-calls", "--stats"];
    let ended = ask("What is the weather in Paris?", &[&tools[..], &weather].concat());
    assert!(ended.stderr.contains("finished: tool_calls"), "{ended:?}");
    let output = ended.success();
    let call = output.strip_prefix("get_weather({").and_then(|rest| rest.strip_suffix("})\n"));
    assert!(call.is_some_and(|call| call.contains("\"city\"")), "{output:?}");

    let required = ask("Stop.", &[&tools[..], &["--tool-choice", "required"]].concat()).success();
    for line in required.lines() {
        let name = line.split('(').next();
        assert!(matches!(name, Some("get_weather" | "stop")) && line.ends_with("})"), "{line:?}");
    }
    let none = ask("Hello", &[&tools[..], &["--tool-choice", "none"]].concat()).success();
    assert_eq!(none, ask("Hello", &[]).success());
}

#[test]
fn a_conversation_goes_on_after_a_call() {
    let folder = folder(&[("tools.json", TOOLS)]);
    let path = folder.path().join("tools.json");
    let arguments = ["chat", &model(), "--interactive", "--max-tokens", "96", "--tools"];
    let more = [path.to_str().expect("text"), "--tool-choice", "stop"];
    let lines = b"Stop.\nStop again.\n";
    let output = run_with_input(&[&arguments[..], &more].concat(), lines).success();
    assert!(output.lines().count() >= 2, "{output:?}");
    assert!(output.lines().all(|line| line == "stop({})"), "{output:?}");
}

#[test]
fn templates_are_told_documents_and_arguments() {
    let template = "{{ lead }}{% for document in documents or [] %}{{ document.text }}{% endfor %}";
    let folder = folder(&[
        ("template.jinja", &format!("{template}{{{{ messages[0].content }}}}")),
        ("documents.json", r#"[{"text": "Llamas graze in the morning, and rest at noon."}]"#),
    ]);
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let template = path("template.jinja");
    let tokens = |options: &[&str]| {
        let options = [&["--chat-template", &template, "--stats"], options].concat();
        let ended = ask("What do they do?", &options);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        prompt_tokens(&ended)
    };
    let plain = tokens(&[]);
    assert!(tokens(&["--documents", &path("documents.json")]) > plain + 5);
    assert!(tokens(&["--template-arg", "lead=\"Answer with a poem about the sea. \""]) > plain + 5);
}

#[test]
fn reasoning_is_left_out_of_a_pipe_unless_asked_for() {
    let thinking = ["--reasoning-parser", "think", "--regex", "<think>[a-z]{4}</think>[0-9]{2}"];
    let hidden = ask("How old are you?", &thinking).success();
    assert!(hidden.len() == 3 && hidden.trim_end().parse::<u8>().is_ok(), "{hidden:?}");
    let shown = ask("How old are you?", &[&thinking[..], &["--show-reasoning"]].concat()).success();
    let thought = shown.strip_suffix(&hidden).and_then(|rest| rest.strip_suffix("\n\n"));
    assert!(thought.is_some_and(|thought| thought.len() == 4), "{shown:?}");
}

#[test]
fn what_is_wrong_is_told_and_where() {
    let folder = folder(&[("tools.json", TOOLS), ("broken.json", "[{]"), ("one.json", "{}")]);
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    for (options, told) in [
        (&["--tools", &path("broken.json")][..], "line 1 column 3"),
        (&["--tools", &path("one.json")], "tools"),
        (&["--tools", &path("tools.json"), "--tool-choice", "fly"], "fly"),
        (&["--tool-choice", "required"], "tool_choice"),
        (&["--template-arg", "thinking"], "NAME=JSON"),
        (&["--template-arg", "thinking=maybe"], "template_arg thinking"),
        (&["--documents", &path("broken.json")], "documents"),
    ] {
        let stderr = ask("Hello", options).failure(2);
        assert!(stderr.contains(told), "{options:?}: {stderr}");
    }
    let template = ask("Hello", &["--chat-template", "no/such/file"]).failure(1);
    assert!(template.contains("no/such/file could not be read"), "{template}");
}
