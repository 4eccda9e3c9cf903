//! Each form allows the texts that it says, and no others.

use indwell_kernel::{Constraint, Token};
use indwell_llama::Grammar;
use serde_json::{Value, json};

use crate::rig::RIG;

fn check(grammar: Grammar, allowed: &[&str], refused: &[&str]) {
    let constraint = RIG.compile(&grammar).unwrap_or_else(|error| panic!("{grammar:?}: {error}"));
    for text in allowed {
        assert!(RIG.accepts(&*constraint, text), "{text:?} is refused by {grammar:?}");
    }
    for text in refused {
        assert!(!RIG.accepts(&*constraint, text), "{text:?} is allowed by {grammar:?}");
    }
}

fn schema(schema: Value) -> Grammar {
    Grammar::JsonSchema(schema)
}

#[test]
fn a_schema_allows_json_that_fits_it() {
    let person = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 10},
            "age": {"type": "integer", "minimum": 0, "maximum": 130},
            "tags": {"type": "array", "items": {"enum": ["a", "b c", 3]}, "minItems": 1},
        },
        "required": ["name", "age"],
        "additionalProperties": false,
    });
    check(
        schema(person),
        &[
            r#"{"name": "Ada", "age": 36}"#,
            r#"{"name": "日本 \"x\"", "age": 0, "tags": ["b c", 3, "a"]}"#,
        ],
        &[
            r#"{"name": "Ada"}"#,
            r#"{"age": 36, "name": "Ada"}"#,
            r#"{"name": "Ada", "age": 131}"#,
            r#"{"name": "Ada", "age": 36, "tags": []}"#,
            r#"{"name": "Ada", "age": 36, "more": 1}"#,
            r#"{"name": "Ada Lovelace of London", "age": 36}"#,
            "{\n \"name\": \"Ada\", \"age\": 36}",
        ],
    );
    check(schema(json!(true)), &["1", r#"[null, {"a": "b"}]"#, "\"x\""], &["", "x", "[1"]);
    check(schema(json!({})), &["false", "{}"], &["[,]"]);
    let tree = json!({
        "$ref": "#/$defs/tree",
        "$defs": {"tree": {
            "type": "object",
            "properties": {"next": {"$ref": "#/$defs/tree"}},
            "additionalProperties": false,
        }},
    });
    check(schema(tree), &["{}", r#"{"next": {"next": {}}}"#], &[r#"{"next": 1}"#]);
}

#[test]
fn the_other_forms_allow_what_they_say() {
    check(Grammar::JsonObject, &["{}", r#"{"a": [1, 2]}"#], &["[]", "1", "{\"a\"}"]);
    check(
        Grammar::Regex(r"[A-Z]{2}-\d{3}(é|ü)?".to_owned()),
        &["AB-123", "ZZ-000é"],
        &["AB-12", "ab-123", "AB-123x", " AB-123"],
    );
    let texts = ["yes", "yes, sir", "no", "\"quoted\"\n", "日本"];
    let choice = Grammar::Choice(texts.map(str::to_owned).to_vec());
    check(choice, &texts, &["", "yes,", "maybe", "no "]);
    let lark = "start: \"x\" (\",\" NUMBER)*\nNUMBER: /[0-9]+/\n";
    check(Grammar::Lark(lark.to_owned()), &["x", "x,1,22"], &["x,", "1"]);
    let gbnf = "root ::= \"(\" root \")\" | [0-9]+\n";
    check(Grammar::Gbnf(gbnf.to_owned()), &["7", "((42))"], &["(7", "()", ""]);
}

#[test]
fn what_must_come_is_forced_as_the_tokenizer_writes_it() {
    let forced = json!({
        "type": "object",
        "properties": {"a_rather_long_key": {"const": "and its value"}, "other": {"type": "integer"}},
        "required": ["a_rather_long_key", "other"],
        "additionalProperties": false,
    });
    let constraint = RIG.compile(&schema(forced)).expect("a schema");
    let mut matcher = constraint.start();
    let mut tokens = Vec::new();
    matcher.force(512, &mut tokens).expect("within the limits");
    let text = RIG.text(&tokens);
    let whole = r#"{"a_rather_long_key": "and its value", "other": "#;
    // The last of it may be written together with what follows.
    assert!(whole.starts_with(&text) && whole.len() - text.len() < 4, "{text:?}");
    let model = indwell_tests::model();
    let model = indwell_llama::Model::load(&model, Default::default(), |_| {}).expect("a model");
    assert_eq!(tokens, model.vocabulary().tokenize(&text, false, false));
    // The same in parts, after which it goes on as if they had been drawn.
    let mut in_parts = constraint.start();
    let mut parts: Vec<Token> = Vec::new();
    while parts.len() < tokens.len() {
        let before = parts.len();
        in_parts.force(2, &mut parts).expect("within the limits");
        assert!((1..=2).contains(&(parts.len() - before)));
    }
    assert_eq!(parts, tokens);
    assert_eq!(in_parts.mask().expect("a mask"), matcher.mask().expect("a mask"));
}

#[test]
fn nothing_is_forced_where_there_is_a_choice() {
    let constraint = RIG.compile(&Grammar::Regex("[ab]+".to_owned())).expect("a regex");
    let mut matcher = constraint.start();
    let mut tokens = Vec::new();
    matcher.force(512, &mut tokens).expect("within the limits");
    assert_eq!(tokens, []);
    assert!(!matcher.is_complete());
}

#[test]
fn an_answer_is_complete_when_nothing_may_follow() {
    let constraint = RIG.compile(&schema(json!({"enum": [["x"]]}))).expect("a schema");
    let mut matcher = constraint.start();
    let mut tokens = Vec::new();
    matcher.force(512, &mut tokens).expect("within the limits");
    while !matcher.is_complete() {
        let only = matcher.mask().expect("a mask").tokens().next().expect("a token");
        matcher.take(only).expect("allowed");
        tokens.push(only);
    }
    assert_eq!(RIG.text(&tokens), r#"["x"]"#);
}

#[test]
fn equal_grammars_have_equal_digests_and_no_others() {
    let grammars = [
        Grammar::JsonObject,
        schema(json!({"type": "object"})),
        schema(json!({"type": "object", "title": ""})),
        Grammar::Regex("a".to_owned()),
        Grammar::Lark("a".to_owned()),
        Grammar::Gbnf("a".to_owned()),
        Grammar::Choice(vec!["a".to_owned()]),
        Grammar::Choice(vec!["a".to_owned(), String::new()]),
        Grammar::Choice(vec!["ab".to_owned(), "c".to_owned()]),
        Grammar::Choice(vec!["a".to_owned(), "bc".to_owned()]),
    ];
    for (at, one) in grammars.iter().enumerate() {
        for (with, other) in grammars.iter().enumerate() {
            assert_eq!(one.digest() == other.digest(), at == with, "{one:?} and {other:?}");
        }
    }
    let constraint: &dyn Constraint = &*RIG.compile(&grammars[0]).expect("any object");
    assert_eq!(constraint.digest(), grammars[0].digest());
}
