//! Random answers within the grammar of every form, read again as calls.

use std::sync::{Arc, OnceLock};

use indwell_kernel::Constraint;
use indwell_llama::{Grammar, GrammarCompiler, Model, ModelParams};

use super::*;
use crate::tools::calls::{CallReader, Known, Piece};
use crate::tools::reasoning::{Part, ReasoningReader};

/// Tokens of a random answer at most.
const TOKENS_MAX: usize = 400;

struct Setting {
    model: Arc<Model>,
    compiler: GrammarCompiler,
}

fn setting() -> &'static Setting {
    static SETTING: OnceLock<Setting> = OnceLock::new();
    SETTING.get_or_init(|| {
        let path = std::env::var_os("INDWELL_TEST_MODEL").map_or_else(
            || crate::pull("smollm2-135m", &|_| {}).expect("the default model"),
            Into::into,
        );
        let model = Model::load(&path, ModelParams::default(), |_| {}).expect("a model");
        let model = Arc::new(model);
        let compiler = GrammarCompiler::new(Arc::clone(&model)).expect("a compiler");
        Setting { model, compiler }
    })
}

fn tools() -> Vec<Tool> {
    let paint = json!({
        "type": "object",
        "properties": {
            "colour": {"type": "string", "enum": ["red", "deep blue"]},
            "layers": {"type": "integer", "minimum": 1, "maximum": 99},
            "gloss": {"type": "boolean"},
            "at": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 9},
                "minItems": 1, "maxItems": 3},
        },
        "required": ["colour", "at"],
    });
    let dry = json!({"type": "object", "properties": {"hours": {"$ref": "#/$defs/hours"}},
        "$defs": {"hours": {"type": "integer", "minimum": 0, "maximum": 48}}});
    vec![
        Tool::new("paint", paint),
        Tool::new("dry", dry),
        Tool::new("stop", json!({"type": "object", "properties": {}})),
    ]
}

/// A generator whose numbers follow from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let limit = u64::try_from(limit).expect("few");
        usize::try_from(self.0 % limit).expect("below the limit")
    }
}

/// An answer that the constraint allows, ended where it may end.
fn answer(constraint: &Arc<dyn Constraint>, random: &mut Random) -> Option<String> {
    let vocabulary = setting().model.vocabulary();
    let mut matcher = constraint.start();
    let mut bytes = Vec::new();
    for _ in 0..TOKENS_MAX {
        if matcher.is_complete() {
            break;
        }
        let mask = matcher.mask().expect("a mask");
        let all: Vec<Token> = mask.tokens().collect();
        let (ends, tokens): (Vec<Token>, Vec<Token>) =
            all.into_iter().partition(|&token| vocabulary.is_end_of_generation(token));
        assert!(!ends.is_empty() || !tokens.is_empty(), "something may come");
        if tokens.is_empty() || (!ends.is_empty() && random.below(2) == 0) {
            return Some(String::from_utf8(bytes).expect("text"));
        }
        let token = tokens[random.below(tokens.len())];
        vocabulary.append_piece(token, &mut bytes);
        matcher.take(token).expect("it was allowed");
    }
    matcher.is_complete().then(|| String::from_utf8(bytes).expect("text"))
}

fn wanted<'a>(format: &'static Format, tools: &'a [&'a Tool]) -> Wanted<'a> {
    Wanted {
        format,
        tools,
        must_call: true,
        parallel: false,
        thoughts: None,
        otherwise: None,
        controls: &[],
    }
}

fn compile(wanted: &Wanted<'_>) -> Arc<dyn Constraint> {
    let text = grammar(wanted).unwrap_or_else(|| panic!("{} has a grammar", wanted.format.name));
    let compiled = setting().compiler.compile(&Grammar::Lark(text.clone()));
    compiled.unwrap_or_else(|error| panic!("{}: {error}\n{text}", wanted.format.name))
}

/// What the reader makes of an answer: its text, and its calls.
fn read(format: &'static Format, answer: &str, tools: &[Tool]) -> (String, Vec<(String, String)>) {
    let mut reader = CallReader::new(format, Arc::new(Known::new(tools, true)));
    let mut pieces = reader.take(answer);
    pieces.extend(reader.finish());
    let (mut text, mut calls) = (String::new(), Vec::<(String, String)>::new());
    for piece in pieces {
        match piece {
            Piece::Text(piece) => text.push_str(&piece),
            Piece::Call(piece) => {
                calls.extend(piece.name.map(|name| (name, String::new())));
                calls.last_mut().expect("it began").1.push_str(&piece.arguments);
            }
        }
    }
    (text, calls)
}

fn assert_fits(tools: &[Tool], (name, arguments): &(String, String), told: &str) {
    let tool = tools.iter().find(|tool| tool.name == *name).expect("a tool");
    let arguments: Value =
        serde_json::from_str(arguments).unwrap_or_else(|error| panic!("{error}: {told}"));
    let arguments = arguments.as_object().unwrap_or_else(|| panic!("an object: {told}"));
    let properties = tool.parameters["properties"].as_object().expect("properties");
    assert!(arguments.keys().all(|key| properties.contains_key(key)), "{told}");
    if name == "paint" {
        assert!(
            ["red", "deep blue"].contains(&arguments["colour"].as_str().expect("text")),
            "{told}"
        );
        assert!((1..=3).contains(&arguments["at"].as_array().expect("a list").len()), "{told}");
        let layers = arguments.get("layers").map(|layers| layers.as_u64().expect("whole"));
        assert!(layers.is_none_or(|layers| (1..=99).contains(&layers)), "{told}");
        assert!(arguments.get("gloss").is_none_or(Value::is_boolean), "{told}");
    }
    let hours = arguments.get("hours").map(|hours| hours.as_u64().expect("whole"));
    assert!(hours.is_none_or(|hours| hours <= 48), "{told}");
}

#[test]
fn random_answers_in_every_form_are_read_as_calls_that_fit() {
    let seed = std::env::var("INDWELL_TEST_SEED").map_or(7, |seed| seed.parse().expect("a seed"));
    println!("INDWELL_TEST_SEED={seed}");
    let mut random = Random(seed);
    let tools = tools();
    let callable: Vec<&Tool> = tools.iter().collect();
    for format in Format::names().filter_map(Format::named) {
        for parallel in [false, true] {
            let wanted = Wanted { parallel, ..wanted(format, &callable) };
            let constraint = compile(&wanted);
            let mut complete = 0;
            for _ in 0..6 {
                let Some(answer) = answer(&constraint, &mut random) else { continue };
                complete += 1;
                let told = format!("seed {seed}, {}: {answer:?}", format.name);
                let (text, calls) = read(format, &answer, &tools);
                assert_eq!(text, "", "{told}");
                assert!(if parallel { !calls.is_empty() } else { calls.len() == 1 }, "{told}");
                calls.iter().for_each(|call| assert_fits(&tools, call, &told));
            }
            assert!(complete >= 2, "seed {seed}, {}: answers end", format.name);
        }
    }
}

#[test]
fn every_form_with_a_marker_has_a_grammar_of_text_and_calls() {
    let tools = tools();
    let callable: Vec<&Tool> = tools.iter().collect();
    for format in Format::names().filter_map(Format::named) {
        let wanted = Wanted { must_call: false, ..wanted(format, &callable) };
        if format.bare.is_some() {
            assert_eq!(grammar(&wanted), None, "{} is free", format.name);
        } else {
            compile(&wanted);
        }
    }
}

/// Whether all of `text` may be said, and the answer may end there.
fn allows(constraint: &Arc<dyn Constraint>, text: &str) -> bool {
    let vocabulary = setting().model.vocabulary();
    let mut matcher = constraint.start();
    for token in vocabulary.tokenize(text, false, false) {
        if !matcher.mask().expect("a mask").allows(token) {
            return false;
        }
        matcher.take(token).expect("it was allowed");
    }
    matcher.is_complete()
        || matcher
            .mask()
            .expect("a mask")
            .tokens()
            .any(|token| vocabulary.is_end_of_generation(token))
}

#[test]
fn text_is_free_up_to_a_call_and_a_call_is_not() {
    let tools = tools();
    let callable: Vec<&Tool> = tools.iter().collect();
    let several =
        Wanted { must_call: false, parallel: true, ..wanted(Format::generic(), &callable) };
    let one = Wanted { parallel: false, ..several };
    let call = "<tool_call>\n{\"name\": \"stop\", \"arguments\": {}}\n</tool_call>";
    let (several, one) = (compile(&several), compile(&one));
    for constraint in [&several, &one] {
        assert!(allows(constraint, "A <b> of <tool_ {\"name\": 1}"));
        assert!(allows(constraint, ""));
        assert!(allows(constraint, &format!("I do.\n{call}")));
        assert!(!allows(constraint, "<tool_call>\n{\"name\": \"other\", \"arguments\": {}}"));
        assert!(!allows(constraint, "<tool_call> hello"));
        let paint = "<tool_call>\n{\"name\": \"paint\", \"arguments\": {\"colour\": \"green";
        assert!(!allows(constraint, paint));
    }
    assert!(allows(&several, &format!("{call} and {call} done")));
    assert!(!allows(&one, &format!("{call} and {call}")));
}

#[test]
fn where_it_must_call_nothing_else_comes_but_reasoning() {
    let tools = tools();
    let callable: Vec<&Tool> = tools.iter().collect();
    let think = Thoughts::named("think").expect("a form");
    let call = "<tool_call>\n{\"name\": \"stop\", \"arguments\": {}}\n</tool_call>";
    let plain = compile(&wanted(Format::generic(), &callable));
    assert!(allows(&plain, call));
    assert!(!allows(&plain, "") && !allows(&plain, &format!("Well. {call}")));
    let may_think =
        Wanted { thoughts: Some((think, false)), ..wanted(Format::generic(), &callable) };
    let may_think = compile(&may_think);
    assert!(allows(&may_think, call));
    assert!(allows(&may_think, &format!("<think>\nHm.\n</think>\n\n{call}")));
    assert!(!allows(&may_think, "<think>\nHm.\n</think>\n\nNo."));
    let thinks = Wanted { thoughts: Some((think, true)), ..wanted(Format::generic(), &callable) };
    let thinks = compile(&thinks);
    let answer = format!("\nHm.\n</think>\n\n{call}");
    assert!(allows(&thinks, &answer) && !allows(&thinks, "Hm."));
    let mut reasoning = ReasoningReader::new(think, true, false);
    let parts = reasoning.take(&answer);
    assert_eq!(parts[0], Part::Reasoning("Hm.".to_owned()));
}

#[test]
fn an_answer_without_calls_fits_what_else_was_asked_for() {
    let tools = tools();
    let callable: Vec<&Tool> = tools.iter().collect();
    let schema =
        json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]});
    let wanted = Wanted {
        must_call: false,
        otherwise: Some(&schema),
        ..wanted(Format::generic(), &callable)
    };
    let constraint = compile(&wanted);
    assert!(allows(&constraint, "{\"a\": 1}"));
    assert!(allows(
        &constraint,
        "<tool_call>\n{\"name\": \"stop\", \"arguments\": {}}\n</tool_call>"
    ));
    assert!(!allows(&constraint, "text") && !allows(&constraint, "{\"a\": \"1"));
}

#[test]
fn control_tokens_in_markers_are_tokens_and_text_around_them_is_free() {
    let tools = tools();
    let callable: Vec<&Tool> = tools.iter().collect();
    let controls = [("[TOOL_CALLS]".to_owned(), Token(17)), ("[THINK]".to_owned(), Token(18))];
    let wanted = Wanted {
        must_call: false,
        parallel: true,
        controls: &controls,
        thoughts: Thoughts::named("mistral").map(|thoughts| (thoughts, false)),
        ..wanted(Format::named("mistral").expect("a form"), &callable)
    };
    let text = grammar(&wanted).expect("a grammar");
    assert!(
        text.starts_with("start: (<[18]> thought SPACE)? TEXT (<[17]> behind TEXT)*\n"),
        "{text}"
    );
    // The first tokens of the default model's vocabulary are control tokens.
    compile(&wanted);
}

#[test]
fn what_a_schema_leaves_open_is_closed_and_what_it_says_stays() {
    let schema = json!({
        "type": "object",
        "properties": {
            "a": {"properties": {"b": {}}},
            "c": {"type": "array", "items": {"type": "object", "properties": {}}},
            "d": {"type": "object"},
            "e": {"type": "object", "properties": {}, "additionalProperties": {"type": "string"}},
            "f": {"anyOf": [{"type": "object", "properties": {}}]},
        },
    });
    let closed = closed(schema.clone());
    assert_eq!(closed["additionalProperties"], false);
    assert_eq!(closed["properties"]["a"]["additionalProperties"], false);
    assert_eq!(closed["properties"]["c"]["items"]["additionalProperties"], false);
    for key in ["d", "e", "f"] {
        assert_eq!(closed["properties"][key], schema["properties"][key]);
    }
}
