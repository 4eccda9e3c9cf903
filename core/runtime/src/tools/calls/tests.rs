//! Answers in every form, whole and in every cut.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// What an answer came to: its text, and its calls' names and arguments.
type Read = (String, Vec<(String, String)>);

fn tools() -> Vec<Tool> {
    let weather = json!({
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "metric": {"type": "boolean"},
            "near": {"type": "array", "items": {"type": "string"}},
        },
    });
    vec![Tool::new("weather", weather), Tool::new("now", json!({"type": "object"}))]
}

/// Reads an answer that comes in `chunks`. Calls are checked to begin once, in order.
fn read(format: &str, chunks: &[&str], parallel: bool) -> Read {
    let format = Format::named(format).unwrap_or_else(|| panic!("a format: {format}"));
    let mut reader = CallReader::new(format, Arc::new(Known::new(&tools(), parallel)));
    let mut pieces = Vec::new();
    for chunk in chunks {
        pieces.extend(reader.take(chunk));
    }
    pieces.extend(reader.finish());
    let (mut text, mut calls) = (String::new(), Vec::<(String, String)>::new());
    for piece in pieces {
        match piece {
            Piece::Text(piece) => text.push_str(&piece),
            Piece::Call(piece) => {
                if let Some(name) = piece.name {
                    assert_eq!(calls.len(), piece.index as usize, "calls begin in order");
                    calls.push((name, String::new()));
                }
                assert_eq!(calls.len(), piece.index as usize + 1, "only the last call goes on");
                calls.last_mut().expect("it began").1.push_str(&piece.arguments);
            }
        }
    }
    (text, calls)
}

fn call(name: &str, arguments: &str) -> (String, String) {
    (name.to_owned(), arguments.to_owned())
}

/// A form's name, an answer in it, its text, and its calls.
type Answer = (&'static str, &'static str, &'static str, Vec<(String, String)>);

/// An answer in each form, with the text and calls that it has.
fn answers() -> Vec<Answer> {
    let paris = || call("weather", r#"{"city": "Paris", "days": 2}"#);
    let now = || call("now", "{}");
    vec![
        (
            "hermes",
            "Let me see.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\", \
             \"days\": 2}}\n</tool_call>\n<tool_call>{\"name\": \"now\", \"arguments\": \
             {}}</tool_call>\n Done.",
            "Let me see.Done.",
            vec![paris(), now()],
        ),
        (
            "hermes",
            "<tool_call>[{\"arguments\": {\"city\": \"Paris\", \"days\": 2}, \"id\": [1, {}], \
             \"name\": \"weather\"}, {\"name\": \"now\"}]</tool_call>",
            "",
            vec![paris(), now()],
        ),
        (
            "hermes",
            r#"<tool_call>{"name": "weather", "arguments": "{\"city\": \"é\\n\"}"}</tool_call>"#,
            "",
            vec![call("weather", r#"{"city": "é\n"}"#)],
        ),
        (
            "mistral",
            r#"[TOOL_CALLS][{"name": "weather", "arguments": {"city": "Paris", "days": 2}, "id": "9"}, {"name": "now", "arguments": {}}]"#,
            "",
            vec![paris(), now()],
        ),
        ("mistral_args", r#"[TOOL_CALLS][{"name": "now", "arguments": {}}]"#, "", vec![now()]),
        (
            "mistral_args",
            r#"Hm.[TOOL_CALLS]weather[ARGS]{"city": "Paris", "days": 2}[TOOL_CALLS]now[CALL_ID]123456789[ARGS]{}"#,
            "Hm.",
            vec![paris(), now()],
        ),
        (
            "llama3_json",
            r#"{"name": "weather", "parameters": {"city": "Paris", "days": 2}}; {"name": "now", "parameters": {}}"#,
            "",
            vec![paris(), now()],
        ),
        (
            "llama3_json",
            r#"<|python_tag|>{"type": "function", "name": "now", "parameters": null}"#,
            "",
            vec![now()],
        ),
        (
            "json",
            r#" {"name": "weather", "arguments": {"city": "Paris", "days": 2}} There."#,
            "There.",
            vec![paris()],
        ),
        (
            "command_r7b",
            "<|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": \"weather\", \
             \"parameters\": {\"city\": \"Paris\", \"days\": 2}}\n]<|END_ACTION|>",
            "",
            vec![paris()],
        ),
        ("granite", r#"<|tool_call|>[{"name": "now", "arguments": {}}]"#, "", vec![now()]),
        ("nemotron", r#"<TOOLCALL>[{"name": "now", "arguments": {}}]</TOOLCALL>"#, "", vec![now()]),
        (
            "jamba",
            r#"<tool_calls>[{"name": "now", "arguments": {}}]</tool_calls>"#,
            "",
            vec![now()],
        ),
        ("functools", r#"functools[{"name": "now", "arguments": {}}]"#, "", vec![now()]),
        (
            "internlm",
            "Ok<|action_start|><|plugin|>\n{\"name\": \"now\", \"parameters\": {}}<|action_end|>",
            "Ok",
            vec![now()],
        ),
        (
            "functionary",
            r#"<function=weather>{"city": "Paris", "days": 2}</function><function=now>{}</function>"#,
            "",
            vec![paris(), now()],
        ),
        (
            "kimi_k2",
            "I look.<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0\
             <|tool_call_argument_begin|>{\"city\": \"Paris\", \"days\": 2}<|tool_call_end|>\
             <|tool_call_begin|>functions.now:1<|tool_call_argument_begin|>{}<|tool_call_end|>\
             <|tool_calls_section_end|>",
            "I look.",
            vec![paris(), now()],
        ),
        (
            "deepseek_v3",
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n\
             {\"city\": \"Paris\", \"days\": 2}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>\
             function<｜tool▁sep｜>now\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
            "",
            vec![paris(), now()],
        ),
        (
            "deepseek_v3_1",
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>{\"city\": \"Paris\", \
             \"days\": 2}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
            "",
            vec![paris()],
        ),
        (
            "deepseek_v3_2",
            "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"weather\">\n<｜DSML｜parameter \
             name=\"city\" string=\"true\">Paris</｜DSML｜parameter>\n<｜DSML｜parameter \
             name=\"days\" string=\"false\">2</｜DSML｜parameter>\n</｜DSML｜invoke>\n\
             <｜DSML｜invoke name=\"now\">\n</｜DSML｜invoke>\n</｜DSML｜function_calls>",
            "",
            vec![paris(), now()],
        ),
        (
            "qwen3_coder",
            "Sure.\n\n<tool_call>\n<function=weather>\n<parameter=city>\nParis\n</parameter>\n\
             <parameter=days>\n2\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n\
             <function=now>\n</function>\n</tool_call>",
            "Sure.",
            vec![paris(), now()],
        ),
        (
            "qwen3_coder",
            "<function=weather><parameter=metric>True</parameter><parameter=near>[\"a\", \"b\"]\
             </parameter><parameter=city>2</parameter></function>",
            "",
            vec![call("weather", r#"{"metric": true, "near": ["a","b"], "city": "2"}"#)],
        ),
        (
            "seed_oss",
            "<seed:tool_call>\n<function=weather>\n<parameter=city>Paris</parameter>\n\
             <parameter=days>2</parameter>\n</function>\n</seed:tool_call>",
            "",
            vec![paris()],
        ),
        (
            "glm45",
            "Well.\n<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n\
             <arg_key>days</arg_key>\n<arg_value>2</arg_value>\n</tool_call>\n\
             <tool_call>now</tool_call>",
            "Well.",
            vec![paris(), now()],
        ),
        (
            "minimax_m2",
            "<minimax:tool_call>\n<invoke name=\"weather\">\n<parameter name=\"city\">Paris\
             </parameter>\n<parameter name=\"days\">2</parameter>\n</invoke>\n<invoke name=\"now\">\n\
             </invoke>\n</minimax:tool_call>",
            "",
            vec![paris(), now()],
        ),
        (
            "lfm2",
            "<|tool_call_start|>[weather(city=\"Paris\", days=2), now()]<|tool_call_end|>Wait.",
            "Wait.",
            vec![paris(), now()],
        ),
        (
            "pythonic",
            r#"[weather(city='It\'s "é"', near=["a", ('b', {"c": None})], metric=True), now()]"#,
            "",
            vec![
                call(
                    "weather",
                    r#"{"city": "It's \"é\"", "near": ["a",["b",{"c":null}]], "metric": true}"#,
                ),
                now(),
            ],
        ),
    ]
}

/// What begins like calls and is none, in a form that knows it.
const NO_CALLS: &[(&str, &str)] = &[
    ("hermes", "A <b> and <tool_call"),
    ("hermes", "<tool_call>\n{\"name\": \"unknown\", \"arguments\": {}}\n</tool_call> x"),
    ("hermes", "<tool_call>no JSON</tool_call>"),
    ("hermes", "<tool_call>{\"name\": \"weather\", \"argum"),
    ("hermes", "<tool_call>{\"name\": \"weather\", \"arguments\": [1]}</tool_call>"),
    ("hermes", "  two  \n lines \n"),
    ("hermes", ""),
    ("mistral", "[TOOL_CALLS][]"),
    ("mistral_args", "[TOOL_CALLS]weather"),
    ("llama3_json", "{\"name\": \"Bob\", \"age\": 3}"),
    ("llama3_json", "Say {\"name\": \"weather\", \"parameters\": {}}"),
    ("llama3_json", "{\"a\": {\"b\": [1, 2"),
    ("pythonic", "[1, 2, 3]"),
    ("pythonic", "[weather, now]"),
    ("qwen3_coder", "<tool_call>\n<function=unknown>\n</function>\n</tool_call>"),
    ("glm45", "<tool_call>who knows\n</tool_call>"),
    ("kimi_k2", "<|tool_calls_section_begin|><|tool_calls_section_end|>"),
    ("minimax_m2", "<minimax:tool_call>\n<invoke name=\"weather\">nothing</invoke>"),
];

#[test]
fn every_form_is_read() {
    for (format, answer, text, calls) in answers() {
        assert_eq!(read(format, &[answer], true), (text.to_owned(), calls), "{format}: {answer}");
    }
    for format in Format::names() {
        assert!(answers().iter().any(|answer| answer.0 == format), "{format} has no example");
    }
}

#[test]
fn what_is_no_call_is_text_unchanged() {
    for (format, answer) in NO_CALLS {
        assert_eq!(read(format, &[answer], true), ((*answer).to_owned(), vec![]), "{format}");
    }
}

#[test]
fn arguments_are_json_in_every_form() {
    for (format, answer, _, _) in answers() {
        for (name, arguments) in read(format, &[answer], true).1 {
            let parsed = serde_json::from_str::<serde_json::Map<_, _>>(&arguments);
            assert!(parsed.is_ok(), "{format}: {name} {arguments}");
        }
    }
}

#[test]
fn every_cut_in_two_and_every_character_alone_gives_the_same() {
    let no_calls = NO_CALLS.iter().map(|(format, answer)| (*format, *answer));
    for (format, answer) in answers().iter().map(|a| (a.0, a.1)).chain(no_calls) {
        let whole = read(format, &[answer], true);
        for (at, _) in answer.char_indices() {
            let (one, other) = answer.split_at(at);
            assert_eq!(read(format, &[one, other], true), whole, "{format}: {one} | {other}");
        }
        let chars: Vec<String> = answer.chars().map(String::from).collect();
        let chars: Vec<&str> = chars.iter().map(String::as_str).collect();
        assert_eq!(read(format, &chars, true), whole, "{format}: {answer}");
    }
}

#[test]
fn an_answer_that_is_cut_anywhere_has_a_beginning_of_its_calls() {
    for (format, answer, _, calls) in answers() {
        for (at, _) in answer.char_indices() {
            let (_, read) = read(format, &[&answer[..at]], true);
            for ((name, arguments), (whole_name, whole)) in read.iter().zip(&calls) {
                assert_eq!(name, whole_name, "{format}: {}", &answer[..at]);
                let is_beginning = whole.starts_with(arguments.as_str());
                // Half a value between tags is told as half a text.
                let tagged = arguments
                    .rsplit_once(": \"")
                    .is_some_and(|(before, _)| whole.starts_with(before));
                assert!(is_beginning || tagged, "{format}: {arguments} of {whole}");
            }
        }
    }
}

#[test]
fn text_is_given_out_at_once_but_for_what_may_be_a_call() {
    let known = Arc::new(Known::new(&tools(), true));
    let mut reader = CallReader::new(Format::generic(), known);
    let mut text = |chunk: &str| match reader.take(chunk).as_slice() {
        [] => String::new(),
        [Piece::Text(text)] => text.clone(),
        other => panic!("text alone: {other:?}"),
    };
    assert_eq!(text("One"), "One");
    assert_eq!(text(" two <"), " two");
    assert_eq!(text("b>"), " <b>");
    assert_eq!(text(" <tool_cal"), "");
    assert_eq!(text("m"), " <tool_calm");
}

#[test]
fn arguments_are_passed_on_as_they_come() {
    let known = Arc::new(Known::new(&tools(), true));
    let mut reader = CallReader::new(Format::generic(), known);
    let mut call = |chunk: &str| match reader.take(chunk).as_slice() {
        [] => None,
        [Piece::Call(piece)] => Some((piece.name.clone(), piece.arguments.clone())),
        other => panic!("one call: {other:?}"),
    };
    assert_eq!(call("<tool_call>{\"name\": \"weather\", \"arguments\": "), None);
    assert_eq!(call("{"), Some((Some("weather".to_owned()), "{".to_owned())));
    assert_eq!(call("\"city\": \"Pa"), Some((None, "\"city\": \"Pa".to_owned())));
    assert_eq!(call("ris\"}"), Some((None, "ris\"}".to_owned())));
    assert_eq!(call("}</tool_call>"), None);
}

#[test]
fn one_call_is_told_of_where_no_more_are_wanted() {
    for (format, answer, text, calls) in answers() {
        let first: Vec<_> = calls.into_iter().take(1).collect();
        assert_eq!(read(format, &[answer], false), (text.to_owned(), first), "{format}");
    }
}

#[test]
fn arguments_that_stop_being_json_end_the_call() {
    let answer = r#"<tool_call>{"name": "weather", "arguments": {"city": oops}}</tool_call>"#;
    let (text, calls) = read("hermes", &[answer], true);
    assert_eq!(calls, [call("weather", r#"{"city": "#)]);
    assert_eq!(text, "oops}}</tool_call>");
}

proptest! {
    #[test]
    fn any_cut_of_anything_gives_the_same(
        format in proptest::sample::select(Format::names().collect::<Vec<_>>()),
        pieces in proptest::collection::vec(
            prop_oneof![
                proptest::sample::select(vec![
                    "{", "}", "[", "]", "(", ")", ",", ":", ";", "\"", "'", "=", " ", "\n", "\\", "é",
                    "name", "\"name\": ", "\"weather\"", "weather", "\"arguments\": {", "null", "12",
                    "<tool_call>", "</tool_call>", "[TOOL_CALLS]", "[ARGS]", "{\"name\": \"now\"",
                    "<function=", "weather>", "<parameter=", "city>", "</parameter>", "</function>",
                    "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>", "```json", "now(",
                    "weather(city=", "True", "functools",
                ]),
                proptest::sample::select(
                    FORMAT_MARKERS.with(Vec::clone)
                ),
            ],
            0..14,
        ),
    ) {
        let answer = pieces.concat();
        let whole = read(format, &[&answer], true);
        prop_assert_eq!(&read(format, &pieces, true), &whole);
        let chars: Vec<String> = answer.chars().map(String::from).collect();
        let chars: Vec<&str> = chars.iter().map(String::as_str).collect();
        prop_assert_eq!(&read(format, &chars, true), &whole);
        if whole.1.is_empty() {
            prop_assert_eq!(whole.0, answer, "without calls nothing is lost");
        }
    }
}

thread_local! {
    static FORMAT_MARKERS: Vec<&'static str> =
        Format::names().filter_map(Format::named).flat_map(Format::markers).collect();
}
