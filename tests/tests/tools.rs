//! Tools with the default model, whose template knows none: they are told to it, called where it must,
//! streamed, stored and shared like any answer.

use std::collections::BTreeMap;

use indwell::{
    CacheMode, CacheTier, Engine, ErrorKind, Event, FinishReason, Tool, ToolCall, ToolChoice,
    assistant, tool, user,
};
use indwell_tests::engine;
use serde_json::{Value, json};

fn weather() -> Tool {
    let parameters = json!({
        "type": "object",
        "properties": {
            "city": {"type": "string", "maxLength": 24},
            "unit": {"enum": ["celsius", "fahrenheit"]},
        },
        "required": ["city", "unit"],
    });
    Tool::new("get_weather", parameters).description("Tells the weather in a city.")
}

fn time() -> Tool {
    let zone = json!({"zone": {"type": "string", "maxLength": 16}});
    Tool::new("get_time", json!({"type": "object", "properties": zone, "required": ["zone"]}))
}

const QUESTION: &str = "What is the weather in Paris?";

fn arguments(call: &ToolCall) -> Value {
    serde_json::from_str(&call.arguments).expect("arguments are JSON")
}

fn fits(tool: &Tool, call: &ToolCall) -> bool {
    jsonschema::validator_for(&tool.parameters).expect("a schema").is_valid(&arguments(call))
}

#[test]
fn a_call_that_must_come_comes_alone_and_fits_its_schema() {
    let engine = engine().build().expect("an engine");
    for choice in [ToolChoice::Required, ToolChoice::Named("get_weather".to_owned())] {
        let reply = engine
            .chat(QUESTION)
            .tools([weather()])
            .tool_choice(choice)
            .parallel_tool_calls(false)
            .run()
            .expect("a reply");
        assert_eq!((reply.finish_reason, reply.text.as_str()), (FinishReason::ToolCalls, ""));
        let [call] = &reply.tool_calls[..] else { panic!("one call: {reply:?}") };
        assert_eq!(call.name, "get_weather");
        assert!(call.id.starts_with("call_") && fits(&weather(), call), "{call:?}");
    }
}

#[test]
fn a_named_tool_is_called_whatever_was_asked() {
    let engine = engine().build().expect("an engine");
    let reply = engine
        .chat(QUESTION)
        .tools([weather(), time()])
        .tool_choice(ToolChoice::Named("get_time".to_owned()))
        .parallel_tool_calls(false)
        .run()
        .expect("a reply");
    assert!(reply.tool_calls.iter().all(|call| call.name == "get_time" && fits(&time(), call)));
    assert_eq!(reply.tool_calls.len(), 1);
}

#[test]
fn a_stream_tells_what_the_reply_holds_and_half_of_no_marker() {
    let engine = engine().build().expect("an engine");
    let request = || {
        let tools = [weather(), time()];
        // Bypassed, so that both are computed alike, token by token.
        let request = engine.chat(QUESTION).cache(CacheMode::Bypass).max_tokens(160);
        request.tools(tools).tool_choice(ToolChoice::Required)
    };
    let whole = request().run().expect("a reply");
    let mut calls: BTreeMap<u32, ToolCall> = BTreeMap::new();
    let mut deltas = 0;
    for event in request().stream().expect("a stream") {
        match event {
            Event::ToolCall(delta) => {
                deltas += 1;
                let begins = !calls.contains_key(&delta.index);
                assert_eq!((delta.id.is_some(), delta.name.is_some()), (begins, begins));
                let call = calls.entry(delta.index).or_default();
                call.name.extend(delta.name);
                call.id.extend(delta.id);
                call.arguments.push_str(&delta.arguments);
            }
            Event::Text(delta) => assert!(delta.text.is_empty(), "{delta:?}"),
            Event::Finished(_) => {}
            other => panic!("no such event: {other:?}"),
        }
    }
    assert!(deltas > calls.len(), "arguments come in pieces");
    let told: Vec<_> = calls.values().map(|call| (&call.name, &call.arguments)).collect();
    let held: Vec<_> = whole.tool_calls.iter().map(|call| (&call.name, &call.arguments)).collect();
    assert_eq!(told, held);
}

#[test]
fn with_auto_an_answer_is_text_or_calls_that_fit() {
    let engine = engine().build().expect("an engine");
    for (seed, question) in (1..).zip(["Say hello.", QUESTION, "Call get_time for UTC."]) {
        let reply = engine
            .chat(question)
            .tools([weather(), time()])
            .temperature(0.8)
            .seed(seed)
            .max_tokens(96)
            .run()
            .expect("a reply");
        let complete = reply.finish_reason != FinishReason::Length;
        for call in reply.tool_calls.iter().filter(|_| complete) {
            let tool = if call.name == "get_time" { time() } else { weather() };
            assert!(fits(&tool, call), "seed {seed}: {call:?}");
        }
        assert_eq!(
            reply.finish_reason == FinishReason::ToolCalls,
            complete && !reply.tool_calls.is_empty()
        );
        // What is cut before a call is clear is text.
        assert!(!complete || !reply.text.contains("<tool_call>"), "seed {seed}: {reply:?}");
    }
}

#[test]
fn what_a_model_does_not_know_of_it_is_not_told() {
    let engine = engine().build().expect("an engine");
    let plain = engine.chat(QUESTION).max_tokens(4).run().expect("a reply");
    let none = engine
        .chat(QUESTION)
        .tools([weather()])
        .tool_choice(ToolChoice::None)
        .max_tokens(4)
        .run()
        .expect("a reply");
    assert_eq!(none.usage.prompt_tokens, plain.usage.prompt_tokens);
    let told = engine.chat(QUESTION).tools([weather()]).max_tokens(4).run().expect("a reply");
    assert!(told.usage.prompt_tokens > plain.usage.prompt_tokens + 40);
}

#[test]
fn what_a_tool_gave_is_answered() {
    let engine = engine().build().expect("an engine");
    let call = ToolCall {
        id: "call_1".to_owned(),
        name: "get_weather".to_owned(),
        arguments: r#"{"city": "Paris", "unit": "celsius"}"#.to_owned(),
    };
    let messages = [
        user(QUESTION),
        assistant("").tool_calls([call]),
        tool("call_1", r#"{"weather": "sunny", "degrees": 21}"#),
    ];
    let reply = engine.chat(messages).tools([weather()]).max_tokens(48).run().expect("a reply");
    assert!(reply.usage.completion_tokens > 0);
}

#[test]
fn a_stored_answer_is_read_again_with_ids_of_its_own() {
    let engine = Engine::builder(indwell_tests::model()).context_tokens(2048).build();
    let engine = engine.expect("an engine");
    let ask = || {
        let request = engine.chat(QUESTION).tools([weather()]).tool_choice(ToolChoice::Required);
        request.parallel_tool_calls(false).run().expect("a reply")
    };
    let (computed, stored) = (ask(), ask());
    assert_eq!(stored.usage.cache, Some(CacheTier::Response));
    assert_eq!(stored.tool_calls[0].arguments, computed.tool_calls[0].arguments);
    assert_ne!(stored.tool_calls[0].id, computed.tool_calls[0].id);
    assert_eq!(stored.finish_reason, FinishReason::ToolCalls);
    // The same prompt with another constraint is another question.
    let text = engine.chat(QUESTION).tools([weather()]).max_tokens(4).run().expect("a reply");
    assert_ne!(text.usage.cache, Some(CacheTier::Response));
}

#[test]
fn several_answers_have_calls_of_their_own() {
    let engine = engine().build().expect("an engine");
    let reply = engine
        .chat(QUESTION)
        .tools([weather()])
        .tool_choice(ToolChoice::Required)
        .parallel_tool_calls(false)
        .temperature(0.8)
        .seed(1)
        .n(2)
        .run()
        .expect("a reply");
    let [other] = &reply.alternatives[..] else { panic!("two answers: {reply:?}") };
    assert_eq!((reply.tool_calls.len(), other.tool_calls.len()), (1, 1));
    assert_ne!(reply.tool_calls[0].id, other.tool_calls[0].id);
    assert_eq!(other.finish_reason, FinishReason::ToolCalls);
}

#[test]
fn a_call_cut_by_max_tokens_says_so() {
    let engine = engine().build().expect("an engine");
    let request = engine.chat(QUESTION).tools([weather()]).tool_choice(ToolChoice::Required);
    let reply = request.max_tokens(20).run().expect("a reply");
    assert_eq!(reply.finish_reason, FinishReason::Length);
    assert!(reply.tool_calls.len() <= 1);
}

#[test]
fn tools_that_contradict_other_options_are_refused_by_name_and_the_engine_serves_on() {
    let engine = engine().build().expect("an engine");
    let error = engine.complete("x").option("tools", json!([{"name": "f"}])).run();
    let error = error.expect_err("a completion has no tools");
    assert_eq!(error.details().field.as_deref(), Some("tools"));
    let strange =
        Tool::new("f", json!({"type": "object", "properties": {"a": {"type": "strange"}}}));
    let error = engine.chat("x").tools([strange]).tool_choice(ToolChoice::Required).run();
    let error = error.expect_err("a schema of nothing");
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(error.details().field.as_deref(), Some("tools"));
    assert!(engine.chat("Hello").max_tokens(1).run().is_ok());
}
