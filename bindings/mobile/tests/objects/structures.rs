//! What answers can be asked to be, and what they bring: constraints, tools, several of them.

use std::sync::Arc;

use indwell_mobile::engine::NativeEngine;
use indwell_mobile::error::{NativeError, NativeErrorKind};
use indwell_mobile::event::{NativeEvent, NativeFinishReason};
use indwell_mobile::message::{
    NativeMessage, NativeRole, NativeTool, NativeToolCall, NativeToolChoice,
};
use indwell_mobile::options::{
    NativeChatOptions, NativeConstraint, NativeLogitBias, NativeRequestOptions, NativeSampling,
};
use indwell_mobile::reply::NativeReply;

use crate::rig::{batches, block_on, load, message, parts, small, user};

const SCHEMA: &str = r#"{
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 12}},
    "required": ["city"],
    "additionalProperties": false
}"#;

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn options() -> NativeRequestOptions {
    NativeRequestOptions { max_tokens: Some(64), ..NativeRequestOptions::default() }
}

fn constrained(constraint: NativeConstraint) -> NativeRequestOptions {
    NativeRequestOptions { constraint, ..options() }
}

fn calling(choice: NativeToolChoice) -> NativeRequestOptions {
    let tool = NativeTool {
        name: "look_up".to_owned(),
        description: some("Looks a city up"),
        parameters: some(SCHEMA),
    };
    let chat = NativeChatOptions {
        tools: Some(vec![tool]),
        tool_choice: Some(choice),
        parallel_tool_calls: Some(false),
        ..NativeChatOptions::default()
    };
    NativeRequestOptions { chat, ..options() }
}

fn ask(engine: &NativeEngine, options: NativeRequestOptions) -> Result<NativeReply, NativeError> {
    block_on(engine.chat(vec![user("Name a city.")], options)?.reply())
}

#[test]
fn constraints_reach_the_engine() {
    let engine = load(small());
    let schema = NativeConstraint { json_schema: some(SCHEMA), ..NativeConstraint::default() };
    let text = ask(&engine, constrained(schema)).expect("an answer").text;
    assert!(text.starts_with("{\"city\"") && text.ends_with('}'), "{text:?}");

    let regex = NativeConstraint { regex: some("[0-9]{3}"), ..NativeConstraint::default() };
    let text = ask(&engine, constrained(regex)).expect("an answer").text;
    assert!(text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit()), "{text:?}");

    let choice = Some(vec!["red".to_owned(), "blue".to_owned()]);
    let choice = NativeConstraint { choice, ..NativeConstraint::default() };
    let text = ask(&engine, constrained(choice)).expect("an answer").text;
    assert!(["red", "blue"].contains(&text.as_str()), "{text:?}");

    let lark =
        NativeConstraint { lark: some("start: \"so \" \"be it\""), ..NativeConstraint::default() };
    assert_eq!(ask(&engine, constrained(lark)).expect("an answer").text, "so be it");
    let gbnf = NativeConstraint {
        gbnf: some("root ::= \"so\" \" be it\""),
        ..NativeConstraint::default()
    };
    assert_eq!(ask(&engine, constrained(gbnf)).expect("an answer").text, "so be it");
}

#[test]
fn a_constraint_that_cannot_be_is_refused_by_its_name() {
    let engine = load(small());
    let none = NativeConstraint::default;
    for (field, constraint) in [
        ("jsonSchema", NativeConstraint { json_schema: some("{"), ..none() }),
        ("regex", NativeConstraint { regex: some("[a"), ..none() }),
        ("lark", NativeConstraint { lark: some("start: missing"), ..none() }),
        ("gbnf", NativeConstraint { gbnf: some("root ::= missing"), ..none() }),
    ] {
        let (kind, details) = parts(ask(&engine, constrained(constraint)).expect_err(field));
        assert_eq!(kind, NativeErrorKind::InvalidRequest);
        assert_eq!(details.field.as_deref(), Some(field), "{details:?}");
    }
    let two = NativeConstraint { regex: some("a"), json_object: Some(true), ..none() };
    let (kind, _) = parts(ask(&engine, constrained(two)).expect_err("two"));
    assert_eq!(kind, NativeErrorKind::InvalidRequest);
}

#[test]
fn a_call_comes_whole_and_in_pieces() {
    let engine = load(small());
    let reply = ask(&engine, calling(NativeToolChoice::Required)).expect("a call");
    assert_eq!(reply.finish_reason, NativeFinishReason::ToolCalls);
    let [call] = &reply.tool_calls[..] else { panic!("one call: {reply:?}") };
    assert_eq!(call.name, "look_up");
    assert!(call.arguments.starts_with('{') && call.arguments.contains("\"city\""), "{call:?}");

    let named = NativeToolChoice::Named { name: "look_up".to_owned() };
    let stream = engine.chat(vec![user("Name a city.")], calling(named)).expect("accepted");
    let mut pieces = String::new();
    for event in batches(&stream) {
        match event {
            NativeEvent::ToolCall { choice: 0, index: 0, name, arguments, .. } => {
                assert!(name.is_none() || pieces.is_empty(), "told once, at first");
                pieces.push_str(&arguments);
            }
            NativeEvent::Finished { reason, .. } => {
                assert_eq!(reason, NativeFinishReason::ToolCalls);
            }
            NativeEvent::Text { text, .. } => assert_eq!(text.trim(), ""),
            other => panic!("{other:?}"),
        }
    }
    assert!(pieces.starts_with('{') && pieces.ends_with('}'), "{pieces:?}");
}

#[test]
fn a_conversation_of_calls_and_results_is_asked() {
    let engine = load(small());
    let call = NativeToolCall {
        id: "1".to_owned(),
        name: "look_up".to_owned(),
        arguments: "{\"city\": \"Oslo\"}".to_owned(),
    };
    let called = NativeMessage { tool_calls: vec![call], ..message(NativeRole::Assistant, "") };
    let result =
        NativeMessage { tool_call_id: some("1"), ..message(NativeRole::Tool, "700000 people") };
    let conversation = vec![user("How large is Oslo?"), called.clone(), result];
    let stream = engine.chat(conversation, calling(NativeToolChoice::None)).expect("accepted");
    assert!(block_on(stream.reply()).expect("an answer").tool_calls.is_empty());

    // What the model once said may be no JSON, and is shown to it as it is.
    let mut broken = called;
    broken.tool_calls[0].arguments = "{".to_owned();
    let stream = engine.chat(vec![user("Hello"), broken], options()).expect("accepted");
    block_on(stream.reply()).expect("an answer");
}

#[test]
fn several_answers_come_with_the_first() {
    let engine = load(small());
    let sampling =
        NativeSampling { temperature: Some(1.3), seed: Some(7), ..NativeSampling::default() };
    let several = NativeRequestOptions {
        max_tokens: Some(8),
        n: Some(3),
        logprobs: Some(true),
        top_logprobs: Some(2),
        prompt_logprobs: Some(true),
        sampling,
        ..NativeRequestOptions::default()
    };
    let reply = ask(&engine, several).expect("answers");
    assert_eq!((reply.alternatives.len(), reply.usage.completion_tokens), (2, 24));
    for choice in &reply.alternatives {
        assert_eq!(choice.finish_reason, NativeFinishReason::Length);
        assert_eq!(choice.logprobs.len(), 8);
        assert_ne!(choice.text, reply.text);
    }
    assert!(reply.logprobs.iter().all(|entry| entry.top.len() == 2), "{reply:?}");
    assert_eq!(reply.prompt_logprobs.len(), reply.usage.prompt_tokens as usize);
    assert_eq!(reply.prompt_logprobs[0].logprob, None);
    assert!(reply.prompt_logprobs[1..].iter().all(|entry| entry.logprob.is_some()));
}

#[test]
fn biases_by_token_and_by_text_reach_the_engine() {
    let engine = load(small());
    let complete = |logit_bias| {
        let sampling = NativeSampling { logit_bias, ..NativeSampling::default() };
        let options = NativeRequestOptions {
            max_tokens: Some(1),
            logprobs: Some(true),
            sampling,
            ..NativeRequestOptions::default()
        };
        block_on(engine.complete("One, two,".to_owned(), false, options)?.reply())
    };
    let token = complete(None).expect("a token").logprobs[0].token;
    let without = complete(Some(vec![NativeLogitBias::Token { token, bias: None }]));
    assert_ne!(without.expect("another token").logprobs[0].token, token);
    let text = NativeLogitBias::Text { text: " sea".to_owned(), bias: Some(100.0) };
    assert_eq!(complete(Some(vec![text])).expect("that token").text, " sea");
    let unknown = NativeLogitBias::Token { token: i32::MAX, bias: Some(1.0) };
    let (kind, details) = parts(complete(Some(vec![unknown])).expect_err("no such token"));
    assert_eq!(kind, NativeErrorKind::InvalidRequest);
    assert!(details.field.is_some_and(|field| field.starts_with("logitBias")));
}

#[test]
fn a_whole_reply_is_what_its_events_are() {
    let engine = load(small());
    let stream = || engine.chat(vec![user("Count to five.")], options()).expect("accepted");
    let text: String = batches(&stream())
        .into_iter()
        .filter_map(|event| match event {
            NativeEvent::Text { text, .. } => Some(text),
            _ => None,
        })
        .collect();
    let again = stream();
    assert_eq!(block_on(Arc::clone(&again).reply()).expect("an answer").text, text);
    let (kind, _) = parts(block_on(again.reply()).expect_err("read before"));
    assert_eq!(kind, NativeErrorKind::Cancelled);
    let cancelled = stream();
    cancelled.cancel();
    let (kind, _) = parts(block_on(cancelled.reply()).expect_err("cancelled"));
    assert_eq!(kind, NativeErrorKind::Cancelled);
}
