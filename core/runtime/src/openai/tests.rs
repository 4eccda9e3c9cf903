//! The shapes of answers, told from events by hand: field for field what OpenAI documents.

use serde_json::{Value, json};

use super::call::Call;
use super::chat::{ChatCall, ChatChunks, ChatWhole};
use super::completion::{Asked, CompletionCall, CompletionChunks, CompletionWhole};
use super::failure::{Failure, Read};
use super::fields::Fields;
use super::teller::Teller;
use crate::{
    ChoiceFinished, Event, FinishReason, Finished, OptionValue, ReasoningDelta, TextDelta, Timings,
    ToolCallDelta, Usage,
};

fn text(choice: u32, text: &str) -> Event {
    Event::Text(TextDelta { choice, text: text.to_owned(), logprobs: Vec::new() })
}

fn call(index: u32, named: Option<(&str, &str)>, arguments: &str) -> Event {
    let (id, name) = named.map(|(id, name)| (id.to_owned(), name.to_owned())).unzip();
    Event::ToolCall(ToolCallDelta { choice: 0, index, id, name, arguments: arguments.to_owned() })
}

fn finished(reason: FinishReason) -> Event {
    let usage =
        Usage { prompt_tokens: 9, completion_tokens: 4, cached_tokens: 5, ..Usage::default() };
    Event::Finished(Finished { reason, usage, timings: Timings::default() })
}

fn usage() -> Value {
    json!({
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "total_tokens": 13,
        "prompt_tokens_details": {"cached_tokens": 5, "audio_tokens": 0},
        "completion_tokens_details": {
            "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
    })
}

/// What is told of the events, each without what every answer begins with, which is checked.
fn told(mut teller: impl Teller, object: &str, requests: &[&[Event]]) -> Vec<Value> {
    let mut told = Vec::new();
    for (request, events) in requests.iter().enumerate() {
        for event in *events {
            teller.tell(request, event.clone(), &mut told).expect("told");
        }
    }
    teller.end(&mut told).expect("told");
    let mut ids = std::collections::HashSet::new();
    let bodies = told.iter().map(|body| {
        let mut body: Value = serde_json::from_str(body).expect("JSON");
        let fields = body.as_object_mut().expect("an object");
        let mut take = |name: &str| fields.remove(name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(take("object"), object);
        assert_eq!(take("model"), "m");
        assert_eq!(take("service_tier"), "default");
        assert!(take("created").as_u64().is_some_and(|created| created > 1_700_000_000));
        assert!(take("system_fingerprint").as_str().is_some_and(|print| print.starts_with("fp_")));
        ids.insert(take("id").as_str().expect("a text").to_owned());
        body
    });
    let bodies = bodies.collect();
    assert_eq!(ids.len(), 1, "one answer has one id");
    bodies
}

fn chat_whole(events: &[Event]) -> Value {
    let mut told = told(ChatWhole::new("m".to_owned(), None), "chat.completion", &[events]);
    assert_eq!(told.len(), 1);
    told.remove(0)
}

fn chat_chunks(include_usage: bool, events: &[Event]) -> Vec<Value> {
    let teller = ChatChunks::new("m".to_owned(), None, include_usage);
    told(teller, "chat.completion.chunk", &[events])
}

#[test]
fn a_whole_chat_has_every_documented_field() {
    let events = [text(0, "Hel"), text(0, "lo"), finished(FinishReason::Stop)];
    let expected = json!({
        "choices": [{
            "index": 0,
            "message": {
                "role": "assistant", "content": "Hello", "refusal": null, "annotations": []},
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": usage(),
    });
    assert_eq!(chat_whole(&events), expected);
}

#[test]
fn a_chat_that_calls_tools_without_a_word_has_null_for_content() {
    let events = [
        Event::Reasoning(ReasoningDelta { choice: 0, text: "Hm.".to_owned() }),
        call(0, Some(("call_1", "weather")), ""),
        call(0, None, "{\"city\":"),
        call(0, None, "\"Oslo\"}"),
        call(1, Some(("call_2", "time")), "{}"),
        finished(FinishReason::ToolCalls),
    ];
    let choice = chat_whole(&events)["choices"][0].take();
    assert_eq!(choice["finish_reason"], "tool_calls");
    let function = |name: &str, arguments: &str| json!({"name": name, "arguments": arguments});
    assert_eq!(
        choice["message"],
        json!({
            "role": "assistant", "content": null, "refusal": null, "annotations": [],
            "reasoning_content": "Hm.",
            "tool_calls": [
                {"id": "call_1", "type": "function",
                 "function": function("weather", "{\"city\":\"Oslo\"}")},
                {"id": "call_2", "type": "function", "function": function("time", "{}")},
            ],
        })
    );
}

#[test]
fn a_streamed_chat_has_a_role_then_text_then_its_end_then_usage() {
    let events = [text(0, "Hel"), text(0, ""), text(0, "lo"), finished(FinishReason::Length)];
    let chunk = |delta: Value, reason: Value| {
        json!({"choices": [
            {"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}]})
    };
    let mut expected = vec![
        chunk(json!({"role": "assistant", "content": "", "refusal": null}), Value::Null),
        chunk(json!({"content": "Hel"}), Value::Null),
        chunk(json!({"content": "lo"}), Value::Null),
        chunk(json!({}), json!("length")),
    ];
    assert_eq!(chat_chunks(false, &events), expected);
    for chunk in &mut expected {
        chunk["usage"] = Value::Null;
    }
    expected.push(json!({"choices": [], "usage": usage()}));
    assert_eq!(chat_chunks(true, &events), expected);
}

#[test]
fn an_answer_of_nothing_is_streamed_as_a_role_and_an_end() {
    let chunks = chat_chunks(false, &[finished(FinishReason::Stop)]);
    assert_eq!(chunks.len(), 2);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(chunks[1]["choices"][0]["finish_reason"], "stop");
}

#[test]
fn streamed_tool_calls_have_an_id_and_a_name_once() {
    let chunks = chat_chunks(
        false,
        &[
            call(0, Some(("call_1", "weather")), ""),
            call(0, None, "{\"city\":"),
            finished(FinishReason::ToolCalls),
        ],
    );
    let deltas: Vec<&Value> = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]).collect();
    assert_eq!(*deltas[0], json!({"role": "assistant", "content": null, "refusal": null}));
    let first = json!({"index": 0, "id": "call_1", "type": "function",
                       "function": {"name": "weather", "arguments": ""}});
    assert_eq!(*deltas[1], json!({"tool_calls": [first]}));
    let more = json!({"index": 0, "function": {"arguments": "{\"city\":"}});
    assert_eq!(*deltas[2], json!({"tool_calls": [more]}));
    assert_eq!(chunks[3]["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn each_of_several_choices_begins_and_ends_once() {
    let end = |choice, reason| Event::ChoiceFinished(ChoiceFinished { choice, reason });
    let events = [
        text(1, "b"),
        text(0, "a"),
        end(1, FinishReason::Length),
        end(0, FinishReason::Stop),
        finished(FinishReason::Stop),
    ];
    let chunks = chat_chunks(false, &events);
    let told: Vec<(u64, bool, Option<&str>)> = chunks
        .iter()
        .map(|chunk| {
            let choice = &chunk["choices"][0];
            let begins = choice["delta"].get("role").is_some();
            (choice["index"].as_u64().expect("a number"), begins, choice["finish_reason"].as_str())
        })
        .collect();
    let expected = [
        (1, true, None),
        (1, false, None),
        (0, true, None),
        (0, false, None),
        (1, false, Some("length")),
        (0, false, Some("stop")),
    ];
    assert_eq!(told, expected);
    let choices = chat_whole(&events)["choices"].take();
    assert_eq!(choices[1]["index"], 1);
    assert_eq!(choices[1]["message"]["content"], "b");
    assert_eq!(choices[1]["finish_reason"], "length");
}

fn asked(echo: bool, prompt_alone: bool) -> Asked {
    Asked { prompts: vec!["1,".to_owned(), "a,".to_owned()], echo, prompt_alone }
}

#[test]
fn a_completion_answers_every_prompt_in_turn() {
    let first = [text(0, " 2"), finished(FinishReason::Length)];
    let second = [text(0, " b"), finished(FinishReason::Stop)];
    let requests = [&first[..], &second[..]];
    let teller = CompletionWhole::new("m".to_owned(), asked(true, false), None);
    let body = told(teller, "text_completion", &requests).remove(0);
    let choice = |index: u32, text: &str, reason: &str| json!({"text": text, "index": index, "logprobs": null, "finish_reason": reason});
    assert_eq!(body["choices"], json!([choice(0, "1, 2", "length"), choice(1, "a, b", "stop")]));
    assert_eq!(body["usage"]["total_tokens"], 26);

    let teller = CompletionChunks::new("m".to_owned(), asked(true, false), 1, None, true);
    let chunks = told(teller, "text_completion", &requests);
    let texts: Vec<(&Value, &Value)> = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"].get(0))
        .map(|choice| (&choice["text"], &choice["finish_reason"]))
        .collect();
    let null = Value::Null;
    let expected = [
        (&json!("1,"), &null),
        (&json!(" 2"), &null),
        (&json!(""), &json!("length")),
        (&json!("a,"), &null),
        (&json!(" b"), &null),
        (&json!(""), &json!("stop")),
    ];
    assert_eq!(texts, expected);
    assert_eq!(chunks[6]["usage"]["total_tokens"], 26);
}

#[test]
fn a_prompt_alone_is_told_without_the_token_that_was_computed() {
    let events = [text(0, " 2"), finished(FinishReason::Stop)];
    let mut alone = asked(true, true);
    alone.prompts.truncate(1);
    let teller = CompletionWhole::new("m".to_owned(), alone.clone(), None);
    let body = told(teller, "text_completion", &[&events]).remove(0);
    assert_eq!(body["choices"][0]["text"], "1,");
    assert_eq!(body["choices"][0]["finish_reason"], "length");
    assert_eq!(
        (&body["usage"]["completion_tokens"], &body["usage"]["total_tokens"]),
        (&json!(0), &json!(9))
    );
    let teller = CompletionChunks::new("m".to_owned(), alone, 1, None, false);
    let chunks = told(teller, "text_completion", &[&events]);
    assert_eq!(chunks.len(), 2, "the prompt, and the end");
}

/// What a body asks of the engine: its options, by name.
fn options(mut call: Call) -> Value {
    let options: Vec<_> = call.options().collect();
    OptionValue::Object(options).to_json("options").expect("JSON")
}

fn chat(more: Value) -> Read<ChatCall> {
    let mut body = json!({"messages": [{"role": "user", "content": "Hello"}]});
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    ChatCall::of(Fields::of("", body)?)
}

fn completion(body: Value) -> Read<CompletionCall> {
    CompletionCall::of(Fields::of("", body)?)
}

#[test]
fn what_openai_documents_becomes_options_of_ours() {
    let read = chat(json!({
        "max_completion_tokens": 5, "top_p": 0.5, "n": 2, "stop": ["a", "b"], "seed": 7,
        "logprobs": true, "parallel_tool_calls": null,
        "stream": true, "stream_options": {"include_usage": true, "include_obfuscation": false},
        "user": "u", "safety_identifier": "s", "prompt_cache_key": "k", "metadata": {"a": "b"},
        "store": false, "service_tier": "auto", "verbosity": "low", "modalities": ["text"],
    }));
    let read = read.expect("a chat");
    assert!(read.call.stream && read.call.include_usage);
    assert_eq!(
        options(read.call),
        json!({"max_tokens": 5, "logprobs": true, "seed": 7, "top_p": 0.5, "n": 2,
               "stop": ["a", "b"], "temperature": 1.0})
    );
    let read = completion(json!({"prompt": "1,", "temperature": 0, "cache": "bypass"}));
    let read = read.expect("a completion");
    assert!(!read.call.stream);
    assert_eq!(options(read.call), json!({"max_tokens": 16, "temperature": 0, "cache": "bypass"}));
}

#[test]
fn any_whole_number_is_a_seed() {
    for (seed, ours) in [(-1_i64, 4_294_967_294_i64), (i64::MIN, 2_147_483_647), (3, 3)] {
        let options = options(chat(json!({ "seed": seed })).expect("a chat").call);
        assert_eq!(options["seed"], ours, "{seed}");
    }
}

#[test]
fn a_body_that_openai_refuses_is_refused_with_the_same_words() {
    let message = |failure: &Failure| -> Value {
        let body: Value = serde_json::from_str(&failure.body()).expect("JSON");
        body["error"].clone()
    };
    for (body, param, part) in [
        (json!({"temprature": 1}), json!("temprature"), "Unrecognized request argument supplied"),
        (json!({"prompt_logprobs": true}), json!("prompt_logprobs"), "Unrecognized"),
        (json!({"max_tokens": 1, "max_completion_tokens": 1}), json!("max_tokens"), "same time"),
        (json!({"stream_options": {}}), json!("stream_options"), "only allowed when 'stream'"),
        (json!({"stream": "yes"}), json!("stream"), "expected a boolean, but got a string"),
        (json!({"stream": true, "stream_options": {"x": 1}}), json!("stream_options.x"), "Unknown"),
        (json!({"top_logprobs": 2}), json!("top_logprobs"), "only allowed when 'logprobs'"),
        (json!({"logprobs": 2}), json!("logprobs"), "expected a boolean"),
        (json!({"modalities": ["text", "audio"]}), json!("modalities"), "text alone"),
        (json!({"audio": {"voice": "x"}}), json!("audio"), "not supported"),
        (json!({"store": true}), json!("store"), "not stored"),
        (json!({"web_search_options": {}}), json!("web_search_options"), "not supported"),
        (json!({"functions": []}), json!("functions"), "use 'tools'"),
        (json!({"seed": 1.5}), json!("seed"), "expected an integer, but got a decimal"),
        (json!({"reasoning_effort": "huge"}), json!("reasoning_effort"), "Supported values"),
        (json!({"messages": null}), json!("messages"), "Missing required parameter: 'messages'"),
        (json!({"messages": "Hello"}), json!("messages"), "expected an array"),
    ] {
        let failure = chat(body.clone()).expect_err(&body.to_string());
        let error = message(&failure);
        assert_eq!(failure.status, 400, "{body}");
        assert_eq!(error["type"], "invalid_request_error");
        assert_eq!(error["param"], param, "{body}");
        assert!(error["message"].as_str().is_some_and(|text| text.contains(part)), "{error}");
    }
    for (body, param) in [
        (json!({}), "prompt"),
        (json!({"prompt": []}), "prompt"),
        (json!({"prompt": [1, 2]}), "prompt"),
        (json!({"prompt": [[1]]}), "prompt"),
        (json!({"prompt": ["a", true]}), "prompt[1]"),
        (json!({"prompt": vec!["a"; 129]}), "prompt"),
        (json!({"prompt": "a", "suffix": "b"}), "suffix"),
        (json!({"prompt": "a", "logprobs": true}), "logprobs"),
        (json!({"prompt": "a", "messages": []}), "messages"),
        (json!({"prompt": "a", "max_tokens": "b"}), "max_tokens"),
    ] {
        let failure = completion(body.clone()).expect_err(&body.to_string());
        assert_eq!(message(&failure)["param"], param, "{body}");
    }
}
