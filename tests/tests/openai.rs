//! OpenAI's shapes on a real model: what is documented of answers is there, what is wrong with a
//! request is told in their words, and whatever one caller does, the engine goes on serving.

use std::time::Duration;

use futures_util::StreamExt;
use indwell::openai::BODY_BYTES_MAX;
use indwell::{Engine, HttpEvent, HttpExchange, HttpHead, HttpRequest, HttpWait};
use indwell_tests::{block_on, engine, stats, wait_until};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const COMPLETION: &str = "/v1/completions";

/// An answer that was read to its end.
struct Answer {
    head: HttpHead,
    chunks: Vec<String>,
}

impl Answer {
    fn of(mut exchange: HttpExchange) -> Self {
        let Some(HttpEvent::Head(head)) = exchange.next_blocking() else {
            panic!("an answer begins with its head")
        };
        let mut chunks = Vec::new();
        loop {
            match exchange.next_blocking() {
                Some(HttpEvent::Chunk(chunk)) => chunks.push(chunk),
                Some(HttpEvent::End) => break,
                other => panic!("{other:?} is neither a chunk nor the end"),
            }
        }
        assert_eq!(exchange.next_blocking(), None);
        assert_eq!(exchange.try_next(), HttpWait::Ended);
        Self { head, chunks }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let header = self.head.headers.iter().find(|(header, _)| header == name);
        header.map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        assert_eq!(self.chunks.len(), 1, "{:?}", self.chunks);
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_str(&self.chunks[0]).expect("JSON")
    }

    /// The body of an answer that is no error.
    #[track_caller]
    fn ok(&self) -> Value {
        assert_eq!(self.head.status, 200, "{:?}", self.chunks);
        self.json()
    }

    /// The data of events; the last one says that it is.
    #[track_caller]
    fn events(&self) -> Vec<Value> {
        assert_eq!(self.head.status, 200, "{:?}", self.chunks);
        assert_eq!(self.header("content-type"), Some("text/event-stream; charset=utf-8"));
        let data = |chunk: &String| {
            let data = chunk.strip_prefix("data: ").and_then(|data| data.strip_suffix("\n\n"));
            data.unwrap_or_else(|| panic!("{chunk:?} is no event")).to_owned()
        };
        let mut events: Vec<String> = self.chunks.iter().map(data).collect();
        assert_eq!(events.pop().as_deref(), Some("[DONE]"));
        events.iter().map(|event| serde_json::from_str(event).expect("JSON")).collect()
    }
}

fn exchange(engine: &Engine, method: &str, path: &str, body: &str) -> HttpExchange {
    engine.dispatch(HttpRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        body: body.into(),
    })
}

fn post(engine: &Engine, path: &str, body: &Value) -> Answer {
    Answer::of(exchange(engine, "POST", path, &body.to_string()))
}

fn get(engine: &Engine, path: &str) -> Answer {
    Answer::of(exchange(engine, "GET", path, ""))
}

/// A greedy chat of a few tokens, with more fields.
fn chat(more: Value) -> Value {
    let mut body = json!({
        "messages": [{"role": "user", "content": "Name the capital of France."}],
        "temperature": 0,
        "max_tokens": 8,
    });
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}

/// Longer than any test waits.
fn story(engine: &Engine, stream: bool) -> HttpExchange {
    let messages = json!([{"role": "user", "content": "Tell me a very long story about the sea."}]);
    let body = chat(json!({"messages": messages, "max_tokens": 1900, "stream": stream}));
    exchange(engine, "POST", CHAT, &body.to_string())
}

#[test]
fn a_chat_is_answered_whole_and_streamed_alike() {
    let engine = engine().build().expect("an engine");
    let answer = post(&engine, CHAT, &chat(json!({})));
    assert!(answer.header("x-request-id").is_some_and(|id| id.starts_with("req_")));
    let whole = answer.ok();
    assert_eq!(whole["object"], "chat.completion");
    assert!(whole["id"].as_str().is_some_and(|id| id.starts_with("chatcmpl-")));
    let message = &whole["choices"][0]["message"];
    assert_eq!(message["role"], "assistant");
    assert!(message["content"].as_str().is_some_and(|text| text.contains("Paris")), "{whole}");
    let usage = &whole["usage"];
    let sum = |a: &str, b: &str| usage[a].as_u64().zip(usage[b].as_u64()).map(|(a, b)| a + b);
    assert_eq!(sum("prompt_tokens", "completion_tokens"), usage["total_tokens"].as_u64());
    assert!(usage["completion_tokens"].as_u64().is_some_and(|tokens| (1..=8).contains(&tokens)));

    let body = chat(json!({"stream": true, "stream_options": {"include_usage": true}}));
    let events = post(&engine, CHAT, &body).events();
    let (last, chunks) = events.split_last().expect("chunks");
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], usage["completion_tokens"]);
    assert!(chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk"));
    let text: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(message["content"], text);
    let end = chunks.last().expect("an end");
    assert_eq!(end["choices"][0]["finish_reason"], whole["choices"][0]["finish_reason"]);
}

#[test]
fn an_exchange_is_read_for_a_time_and_as_a_future_too() {
    let engine = engine().build().expect("an engine");
    let body = chat(json!({"stream": true})).to_string();
    let read: Vec<HttpEvent> = block_on(exchange(&engine, "POST", CHAT, &body).collect());
    assert!(matches!(read.first(), Some(HttpEvent::Head(head)) if head.status == 200));
    assert_eq!(read.last(), Some(&HttpEvent::End));

    let mut timed = exchange(&engine, "POST", CHAT, &body);
    let mut count = 0;
    loop {
        match timed.next_timeout(Duration::from_millis(1)) {
            HttpWait::Event(_) => count += 1,
            HttpWait::TimedOut => {}
            HttpWait::Ended => break,
        }
    }
    assert_eq!(count, read.len());
}

#[test]
fn several_answers_and_several_prompts_have_their_indices() {
    let engine = engine().build().expect("an engine");
    let answer = post(&engine, CHAT, &chat(json!({"n": 2, "temperature": 1, "seed": 3}))).ok();
    let choices = answer["choices"].as_array().expect("a list");
    let indices: Vec<&Value> = choices.iter().map(|choice| &choice["index"]).collect();
    assert_eq!(indices, [0, 1]);

    let prompts = json!({"prompt": ["1, 2, 3,", "10, 20, 30,"], "temperature": 0, "max_tokens": 4});
    let answer = post(&engine, COMPLETION, &prompts).ok();
    assert_eq!(answer["object"], "text_completion");
    let choices = answer["choices"].as_array().expect("a list");
    assert_eq!(choices.len(), 2);
    assert!(choices[1]["text"].as_str().is_some_and(|text| text.contains("40")), "{answer}");
    for choice in choices {
        assert_eq!(
            (&choice["logprobs"], &choice["finish_reason"]),
            (&Value::Null, &json!("length"))
        );
    }
    let mut streamed = prompts.clone();
    streamed["stream"] = json!(true);
    for (index, choice) in choices.iter().enumerate() {
        let text: String = post(&engine, COMPLETION, &streamed)
            .events()
            .iter()
            .filter(|event| event["choices"][0]["index"] == index)
            .filter_map(|event| event["choices"][0]["text"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(choice["text"], text);
    }
}

#[test]
fn log_probabilities_have_the_texts_and_bytes_of_their_tokens() {
    let engine = engine().build().expect("an engine");
    let answer = post(&engine, CHAT, &chat(json!({"logprobs": true}))).ok();
    let choice = &answer["choices"][0];
    let content = choice["logprobs"]["content"].as_array().expect("a list");
    let mut bytes: Vec<u8> = Vec::new();
    for token in content {
        assert!(token["logprob"].as_f64().is_some_and(|logprob| logprob <= 0.0), "{token}");
        let of_token = token["bytes"].as_array().expect("a list").iter();
        bytes.extend(
            of_token.map(|byte| u8::try_from(byte.as_u64().expect("a byte")).expect("a byte")),
        );
    }
    let text = choice["message"]["content"].as_str().expect("a text");
    assert!(String::from_utf8(bytes).expect("text").starts_with(text));

    let body = json!({"prompt": "1, 2, 3,", "temperature": 0, "max_tokens": 4, "logprobs": 0});
    let answer = post(&engine, COMPLETION, &body).ok();
    let (choice, logprobs) = (&answer["choices"][0], &answer["choices"][0]["logprobs"]);
    let tokens = logprobs["tokens"].as_array().expect("a list");
    let text: String = tokens.iter().filter_map(Value::as_str).collect();
    assert_eq!(choice["text"], text);
    assert_eq!(logprobs["text_offset"][0], 0);
    for name in ["token_logprobs", "top_logprobs", "text_offset"] {
        assert_eq!(logprobs[name].as_array().map(Vec::len), Some(tokens.len()), "{name}");
    }
}

#[test]
fn an_answer_in_a_format_fits_its_schema() {
    let engine = engine().build().expect("an engine");
    let schema = json!({
        "type": "object",
        "properties": {"capital": {"enum": ["Paris", "Oslo"]}},
        "required": ["capital"],
        "additionalProperties": false,
    });
    let format = json!({"type": "json_schema",
                        "json_schema": {"name": "answer", "strict": true, "schema": schema}});
    let answer = post(&engine, CHAT, &chat(json!({"response_format": format, "max_tokens": 64})));
    let answer = answer.ok();
    let content = answer["choices"][0]["message"]["content"].as_str().expect("a text");
    let content: Value = serde_json::from_str(content).expect("JSON");
    assert!(["Paris", "Oslo"].iter().any(|city| content["capital"] == *city), "{answer}");
}

#[test]
fn an_echoed_prompt_comes_with_its_tokens() {
    let engine = engine().build().expect("an engine");
    let body = json!({"prompt": "1, 2, 3,", "temperature": 0, "max_tokens": 0, "echo": true,
                      "logprobs": 1});
    let answer = post(&engine, COMPLETION, &body).ok();
    let choice = &answer["choices"][0];
    assert_eq!(choice["text"], "1, 2, 3,");
    assert_eq!(answer["usage"]["completion_tokens"], 0);
    let logprobs = &choice["logprobs"];
    let tokens = logprobs["tokens"].as_array().expect("a list");
    let text: String = tokens.iter().filter_map(Value::as_str).collect();
    assert_eq!(choice["text"], text);
    assert_eq!(logprobs["token_logprobs"][0], Value::Null, "nothing precedes the first one");
    assert!(logprobs["token_logprobs"][1].as_f64().is_some_and(|logprob| logprob <= 0.0));
    assert!(logprobs["top_logprobs"][1].as_object().is_some_and(|top| !top.is_empty()));
}

#[test]
fn models_are_listed_and_found_by_their_names() {
    let engine = engine().build().expect("an engine");
    let list = get(&engine, "/v1/models").ok();
    assert_eq!(list["object"], "list");
    let model = &list["data"][0];
    assert_eq!(model["object"], "model");
    assert!(model["created"].as_u64().is_some_and(|created| created > 1_700_000_000));
    let id = model["id"].as_str().expect("a name");
    assert_eq!(get(&engine, &format!("/models/{id}")).ok(), *model);
    assert_eq!(post(&engine, CHAT, &chat(json!({ "model": id }))).ok()["model"], id);
    for answer in
        [get(&engine, "/v1/models/gpt-4o"), post(&engine, CHAT, &chat(json!({"model": "gpt-4o"})))]
    {
        assert_eq!(answer.head.status, 404);
        assert_eq!(answer.json()["error"]["code"], "model_not_found");
    }
}

#[test]
fn bad_input_is_told_in_openai_s_shape_and_the_engine_goes_on() {
    let engine = engine().build().expect("an engine");
    let long = "word ".repeat(4000);
    let stops: Vec<String> = (0..10_000).map(|number| number.to_string()).collect();
    let says = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    let image = json!([{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]);
    for (body, param, code) in [
        (chat(json!({"stop": stops})), "stop", "invalid_request"),
        (chat(json!({"temperature": -1})), "temperature", "invalid_request"),
        (chat(json!({"temperature": "hot"})), "temperature", "invalid_request"),
        (chat(json!({"top_p": 7})), "top_p", "invalid_request"),
        (chat(json!({"max_tokens": 0})), "max_tokens", "invalid_request"),
        (chat(json!({"n": 0})), "n", "invalid_request"),
        (chat(json!({"temprature": 1})), "temprature", "unknown_parameter"),
        (chat(json!({"cache": "always"})), "cache", "invalid_request"),
        (chat(json!({"logit_bias": {"10000000": 1}})), "logit_bias", "invalid_request"),
        (chat(json!({"logprobs": true, "top_logprobs": 21})), "top_logprobs", "invalid_request"),
        (chat(json!({"json_object": true, "regex": "a"})), "regex", "invalid_request"),
        (chat(json!({"tool_choice": "auto"})), "tool_choice", "invalid_value"),
        (
            chat(json!({"max_tokens": 1, "max_completion_tokens": 2})),
            "max_tokens",
            "invalid_parameter_combination",
        ),
        (chat(says(Value::Null)), "messages[0].content", "invalid_request"),
        (chat(says(image)), "messages[0].content[0].type", "unsupported"),
        (chat(says(json!(long))), "prompt", "context_length_exceeded"),
        (
            chat(json!({"messages": [{"role": "robot", "content": "x"}]})),
            "messages[0].role",
            "invalid_request",
        ),
    ] {
        let answer = post(&engine, CHAT, &body);
        let error = answer.json()["error"].take();
        assert_eq!(answer.head.status, 400, "{error}");
        assert_eq!(
            (error["param"].as_str(), error["code"].as_str()),
            (Some(param), Some(code)),
            "{error}"
        );
        assert_eq!(error["type"], "invalid_request_error");
        assert!(error["message"].as_str().is_some_and(|message| message.len() > 10), "{error}");
    }
    for (body, status) in [
        (String::new(), 400),
        ("[]".to_owned(), 400),
        ("{\"messages\": [".to_owned(), 400),
        ("[".repeat(100_000), 400),
        (" ".repeat(BODY_BYTES_MAX + 1), 413),
    ] {
        let answer = Answer::of(exchange(&engine, "POST", CHAT, &body));
        assert_eq!(answer.head.status, status);
        assert!(answer.json()["error"]["message"].is_string());
    }
    let bytes = HttpRequest {
        method: "POST".to_owned(),
        path: CHAT.to_owned(),
        body: b"{\"messages\": \"\xff\"}".to_vec(),
    };
    assert_eq!(Answer::of(engine.dispatch(bytes)).head.status, 400);
    let embeddings = post(&engine, "/v1/embeddings", &json!({"input": "x"}));
    assert_eq!(embeddings.json()["error"]["code"], "unsupported");
    assert_eq!(post(&engine, CHAT, &chat(json!({}))).head.status, 200, "it goes on serving");
}

#[test]
fn dropping_and_cancelling_free_what_was_asked_for() {
    let engine = engine().build().expect("an engine");
    let mut dropped = story(&engine, true);
    assert!(matches!(dropped.next_blocking(), Some(HttpEvent::Head(_))));
    drop(dropped);
    drop(story(&engine, false));
    wait_until(&engine, |stats| stats.requests_cancelled == 2 && stats.requests_running == 0);

    let mut streamed = story(&engine, true);
    assert!(matches!(streamed.next_blocking(), Some(HttpEvent::Head(_))));
    streamed.canceller().cancel();
    let mut chunks = Vec::new();
    while let Some(event) = streamed.next_blocking() {
        if let HttpEvent::Chunk(chunk) = event {
            chunks.push(chunk);
        }
    }
    let last = chunks.last().expect("an error");
    assert!(last.starts_with("data: {\"error\":") && last.contains("\"cancelled\""), "{last}");

    let whole = story(&engine, false);
    whole.cancel();
    assert_eq!(Answer::of(whole).head.status, 499);
}

#[test]
fn a_queue_that_is_full_is_429_with_the_time_to_come_back() {
    let engine = engine().queue_requests_max(1).sequences_max(1).build().expect("an engine");
    let mut first = story(&engine, true);
    assert!(matches!(first.next_blocking(), Some(HttpEvent::Head(_))));
    let _second = story(&engine, true);
    let third = Answer::of(story(&engine, true));
    assert_eq!(third.head.status, 429);
    assert_eq!(third.json()["error"]["code"], "rate_limit_exceeded");
    let seconds = third.header("retry-after").and_then(|after| after.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| seconds >= 1));
}

#[test]
fn a_deadline_is_504_before_the_head_and_an_event_after_it() {
    let engine = engine().build().expect("an engine");
    let body = chat(json!({"timeout_ms": 1, "max_tokens": 500})).to_string();
    let answer = Answer::of(exchange(&engine, "POST", CHAT, &body));
    assert_eq!(answer.head.status, 504);
    assert_eq!(answer.header("x-should-retry"), Some("false"), "the deadline was the caller's");
    assert_eq!(answer.json()["error"]["code"], "deadline_exceeded");
}

#[test]
fn a_closed_engine_is_503_and_its_metrics_can_still_be_read() {
    let engine = engine().build().expect("an engine");
    let mut open = story(&engine, true);
    assert!(matches!(open.next_blocking(), Some(HttpEvent::Head(_))));
    engine.close().expect("closed");
    let mut last = String::new();
    while let Some(event) = open.next_blocking() {
        if let HttpEvent::Chunk(chunk) = event {
            last = chunk;
        }
    }
    assert!(last.contains("\"engine_closed\""), "{last}");
    for answer in [post(&engine, CHAT, &chat(json!({}))), get(&engine, "/v1/models")] {
        assert_eq!(answer.head.status, 503);
        assert_eq!(answer.json()["error"]["code"], "engine_closed");
    }
    assert!(engine.metrics_text().expect("metrics").contains("indwell:request_success_total"));
}

#[test]
fn metrics_count_what_the_engine_did() {
    let engine = engine().build().expect("an engine");
    post(&engine, CHAT, &chat(json!({}))).ok();
    let text = engine.metrics_text().expect("metrics");
    let value = |name: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in\n{text}"));
        line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
    };
    let stats = stats(&engine);
    for (name, counted) in [
        ("indwell:generation_tokens_total", stats.completion_tokens),
        ("indwell:prompt_tokens_total", stats.prompt_tokens),
        ("indwell:inter_token_latency_seconds_count", stats.completion_tokens - 1),
    ] {
        #[expect(clippy::cast_precision_loss, reason = "few tokens")]
        let counted = counted as f64;
        assert!((value(name) - counted).abs() < 0.5, "{name}: {counted}\n{text}");
    }
    for name in ["time_to_first_token_seconds_count", "e2e_request_latency_seconds_count"] {
        assert!((value(&format!("indwell:{name}")) - 1.0).abs() < 0.5, "{name}\n{text}");
    }
    assert!(value("indwell:e2e_request_latency_seconds_sum") > 0.0);
}
