//! Grammars that are wrong, huge or made to take for ever: each is an error with a reason, soon, and
//! never a wrong answer.

use std::time::{Duration, Instant};

use indwell::ErrorKind;
use indwell_llama::{Grammar, GrammarError};
use indwell_tests::engine;
use serde_json::{Value, json};

use crate::rig::RIG;

/// A bound on a machine that does other things as well.
const SOON: Duration = Duration::from_secs(20);

fn refused(grammar: &Grammar) -> GrammarError {
    let begun = Instant::now();
    let error = RIG.compile(grammar).expect_err(grammar.name());
    assert!(begun.elapsed() < SOON, "{:?} for {}", begun.elapsed(), grammar.name());
    error
}

#[test]
fn what_a_schema_wants_and_nobody_can_promise_is_refused() {
    for (schema, reason) in [
        (json!({"not": {"type": "string"}}), "not"),
        (json!({"type": "array", "uniqueItems": true}), "uniqueItems"),
        (json!({"type": "object", "propertyNames": {"pattern": "a"}}), "propertyNames"),
        (json!({"if": {"type": "string"}, "then": {"minLength": 3}}), "if"),
        (json!({"type": "string", "format": "no-such-format"}), "no-such-format"),
        (json!({"type": "string", "pattern": "(?=a)b"}), "(?=a)"),
        (json!({"type": "string", "pattern": "("}), "("),
        (json!({"type": "integer", "minimum": 3, "maximum": 2}), "minimum"),
        (json!({"type": "no-such-type"}), "no-such-type"),
        (json!({"$ref": "https://example.com/schema.json"}), "example.com"),
        (json!({"$ref": "#/$defs/nowhere"}), "nowhere"),
        (json!({"type": "object", "x-guidance": {"lenient": true}}), "x-guidance"),
        (json!(false), "nsatisfiable"),
        (json!([]), "an object, true or false"),
    ] {
        let GrammarError::Refused(words) = refused(&Grammar::JsonSchema(schema.clone())) else {
            panic!("{schema}")
        };
        assert!(words.contains(reason), "{schema}: {words}");
        assert!(!words.contains("backtrace") && !words.contains("non-verbose"), "{words}");
    }
}

#[test]
fn wrong_grammars_are_told_with_their_place() {
    for (grammar, reason) in [
        (Grammar::Regex("a(".to_owned()), "unclosed group"),
        (Grammar::Regex("(?=a)".to_owned()), "look-around"),
        (Grammar::Lark("start: other\n".to_owned()), "1(8)"),
        (Grammar::Lark("start: \"a\n".to_owned()), "1("),
        (Grammar::Lark(String::new()), "start"),
        (Grammar::Gbnf("root ::= )".to_owned()), "1(10)"),
        (Grammar::Choice(Vec::new()), "nothing to choose"),
    ] {
        let words = refused(&grammar).to_string();
        assert!(words.contains(reason), "{grammar:?}: {words}");
    }
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    let properties: serde_json::Map<String, Value> =
        (0..20_000).map(|n| (format!("property_{n}"), json!({"type": "string"}))).collect();
    let schema = Grammar::JsonSchema(json!({"type": "object", "properties": properties}));
    assert!(matches!(refused(&schema), GrammarError::TooLarge { .. }));
    let mut deep = json!(1);
    for _ in 0..200 {
        deep = json!({ "items": deep });
    }
    assert!(matches!(refused(&Grammar::JsonSchema(deep)), GrammarError::TooDeep { .. }));
    for grammar in [Grammar::Regex, Grammar::Lark, Grammar::Gbnf] {
        let grammar = grammar("a".repeat(100_000));
        assert!(matches!(refused(&grammar), GrammarError::TooLarge { .. }));
    }
}

/// Takes a few tokens of each constraint that compiles: a failure is as good as an answer, a hang or
/// an overflowing stack is not.
fn survives(grammar: &Grammar) {
    let begun = Instant::now();
    if let Ok(constraint) = RIG.compile(grammar) {
        let mut matcher = constraint.start();
        for _ in 0..8 {
            let Ok(mask) = matcher.mask() else { break };
            let Some(token) = mask.tokens().next() else { break };
            if matcher.take(token).is_err() || matcher.is_complete() {
                break;
            }
        }
    }
    assert!(begun.elapsed() < SOON, "{:?} for {}", begun.elapsed(), grammar.name());
}

#[test]
fn regexes_that_explode_do_not() {
    for regex in [
        "(a{1,1000}){1,1000}",
        "((a{0,100}){0,100}){0,100}",
        "(a|aa)+$",
        "(.*a.*b.*c.*){50}",
        "(a?){300}a{300}",
        "[a-z]*.{500}[0-9]",
        "(([a-z])+.)+[A-Z]([a-z])+",
        "\\p{L}{0,2000}\\p{N}{0,2000}",
    ] {
        survives(&Grammar::Regex(regex.to_owned()));
    }
    survives(&Grammar::Regex(format!("{}a{}", "(".repeat(200), ")".repeat(200))));
    survives(&Grammar::Regex(format!("{}a{}", "(".repeat(30_000), ")".repeat(30_000))));
    survives(&Grammar::Regex("a|".repeat(30_000)));
}

#[test]
fn grammars_that_go_deep_stay_on_their_stack() {
    let chain = |rule: fn(usize) -> String, end: String| {
        let rules: String = (0..4_000).map(rule).collect();
        format!("start: {}\n{rules}{end}", rule(0).split(':').next().unwrap_or_default())
    };
    let rules = chain(|n| format!("r{n}: r{}\n", n + 1), "r4000: \"a\"\n".to_owned());
    let terminals = chain(|n| format!("T{n}: \"a\" T{}?\n", n + 1), "T4000: \"b\"\n".to_owned());
    let nested = format!("start: {}\"a\"{}\n", "(".repeat(30_000), ")".repeat(30_000));
    let optional = format!("start: A\nA: {}\"a\"{}\n", "(\"b\" ".repeat(8_000), ")?".repeat(8_000));
    for lark in [rules, terminals, nested, optional] {
        survives(&Grammar::Lark(lark));
    }
    let gbnf: String = (0..4_000).map(|n| format!("r{n} ::= \"a\" r{}?\n", n + 1)).collect();
    survives(&Grammar::Gbnf(format!("root ::= r0\n{gbnf}r4000 ::= \"b\"\n")));
    let recursive = "root ::= root root | root | \"a\" | \"\"\n";
    survives(&Grammar::Gbnf(recursive.to_owned()));
    let chain: serde_json::Map<String, Value> = (0..5_000)
        .map(|n| (format!("d{n}"), json!({"$ref": format!("#/$defs/d{}", n + 1)})))
        .chain([("d5000".to_owned(), json!({"type": "string"}))])
        .collect();
    survives(&Grammar::JsonSchema(json!({"$ref": "#/$defs/d0", "$defs": chain})));
    let circle = json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}});
    survives(&Grammar::JsonSchema(circle));
    let mut all_of = json!({"type": "string"});
    for _ in 0..12 {
        all_of = json!({"allOf": [all_of.clone(), all_of]});
    }
    survives(&Grammar::JsonSchema(all_of));
    let any_of: Vec<Value> =
        (0..40).map(|n| json!({"type": "object", "properties": {format!("p{n}"): {}}})).collect();
    survives(&Grammar::JsonSchema(
        json!({"allOf": [{"anyOf": any_of}, {"anyOf": any_of}, {"anyOf": any_of}]}),
    ));
}

#[test]
fn a_refused_grammar_is_an_invalid_request_and_the_engine_goes_on() {
    let engine = engine().build().expect("an engine");
    let error = engine.chat("Hello").json_schema(json!({"not": {}})).run().expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(error.details().field.as_deref(), Some("json_schema"));
    assert!(error.message().contains("not"), "{error}");
    let both = engine.chat("Hello").regex("a").json_object().run().expect_err("two forms");
    assert!(both.message().contains("regex") && both.message().contains("json_object"), "{both}");
    assert_eq!(engine.chat("Hello").choice(["yes"]).run().expect("an answer").text, "yes");
}
