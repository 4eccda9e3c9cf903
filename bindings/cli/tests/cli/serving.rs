//! `indwell serve` over HTTP.

use std::io::{BufRead, BufReader};

use serde_json::{Value, json};

use crate::client::{Answer, Server, read_head};
use crate::program::{model, run};

const CHAT: &str = "/v1/chat/completions";
const RUNNING: &str = "indwell:num_requests_running";

fn chat(more: Value) -> String {
    let mut body = json!({
        "messages": [{"role": "user", "content": "Name the capital of France."}],
        "temperature": 0,
        "max_tokens": 16,
    });
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body.to_string()
}

/// A story without an end of its own within a test's patience.
fn story(stream: bool, max_tokens: u32) -> String {
    let messages = json!([{"role": "user", "content": "Tell me a very long story about the sea."}]);
    chat(json!({"messages": messages, "stream": stream, "max_tokens": max_tokens}))
}

#[test]
fn chats_streams_and_errors_are_openai_s_over_http() {
    let server = Server::start(&[]);
    let whole = server.post(CHAT, &chat(json!({})));
    assert_eq!(whole.status, 200, "{whole:?}");
    assert!(whole.head.contains("content-type: application/json"), "{whole:?}");
    assert!(whole.head.contains("x-request-id: req_"), "{whole:?}");
    let answer = whole.json();
    let content = answer["choices"][0]["message"]["content"].as_str().expect("text");
    assert!(content.contains("Paris"), "{answer}");

    let stream = server.post(CHAT, &chat(json!({"stream": true})));
    assert!(stream.head.contains("content-type: text/event-stream"), "{stream:?}");
    let mut events = stream.events();
    assert_eq!(events.pop(), Some("[DONE]"));
    let pieces: String = events
        .iter()
        .map(|event| serde_json::from_str::<Value>(event).expect("JSON"))
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(pieces, content);

    let model = server.get("/v1/models").json()["data"][0]["id"].clone();
    assert_eq!(answer["model"], model);
    for (answer, status) in [
        (server.post(CHAT, "{"), 400),
        (server.post(CHAT, &chat(json!({"temprature": 1}))), 400),
        (server.post(CHAT, &chat(json!({"model": "gpt-4o"}))), 404),
        (server.get("/v1/nothing"), 404),
        (server.get(CHAT), 405),
        (server.ask("POST", CHAT, "origin: http://evil.example\r\n", &chat(json!({}))), 403),
    ] {
        assert_eq!(answer.status, status, "{answer:?}");
        let error = &answer.json()["error"];
        assert!(error["message"].is_string() && error["type"].is_string(), "{answer:?}");
    }
    let health = server.get("/health");
    assert_eq!((health.status, health.json()), (200, json!({"status": "ok"})));
    let metrics = server.get("/metrics");
    assert!(metrics.head.contains("content-type: text/plain; version=0.0.4"), "{metrics:?}");
    assert!(server.metric("indwell:generation_tokens_total") >= 1.0);
    assert!(server.metric("indwell:time_to_first_token_seconds_count") >= 1.0);
}

#[test]
fn a_body_that_is_too_large_is_413_and_the_server_goes_on() {
    let server = Server::start(&[]);
    // One byte more than are read: what is sent beyond that may meet a closed door.
    let large = " ".repeat(indwell::openai::BODY_BYTES_MAX + 1);
    assert_eq!(server.post(CHAT, &large).status, 413);
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn a_client_that_goes_away_frees_its_place() {
    let server = Server::start(&[]);
    let stream = server.send("POST", CHAT, "", &story(true, 1900));
    let mut reader = BufReader::new(stream);
    assert!(read_head(&mut reader).starts_with("http/1.1 200"));
    server.wait_for_metric(RUNNING, 1.0);
    drop(reader);
    server.wait_for_metric(RUNNING, 0.0);

    // Before there is anything to read, too.
    let whole = server.send("POST", CHAT, "", &story(false, 1900));
    server.wait_for_metric(RUNNING, 1.0);
    drop(whole);
    server.wait_for_metric(RUNNING, 0.0);
    assert!(server.metric_with("indwell:request_success_total", "abort") >= 2.0);
}

#[test]
fn a_key_is_asked_for_where_there_is_one() {
    let server = Server::start(&["--host", "0.0.0.0", "--api-key", "secret"]);
    let with = |headers: &str| server.ask("GET", "/v1/models", headers, "");
    assert_eq!(with("authorization: Bearer secret\r\n").status, 200);
    for wrong in ["", "authorization: Bearer wrong\r\n", "authorization: secret\r\n"] {
        let refused = with(wrong);
        assert_eq!(refused.status, 401, "{wrong}");
        assert_eq!(refused.json()["error"]["code"], "invalid_api_key");
        assert!(refused.head.contains("www-authenticate: bearer"), "{refused:?}");
    }
    assert_eq!(server.get("/health").status, 200);
    assert_eq!(server.get("/metrics").status, 401);
}

#[test]
fn it_does_not_listen_wider_without_a_key() {
    for host in ["0.0.0.0", "::"] {
        let stderr = run(&["serve", &model(), "--host", host, "--port", "0"]).failure(2);
        assert!(stderr.contains("INDWELL_API_KEY"), "{stderr}");
    }
    let stderr = run(&["serve", &model(), "--api-key", " "]).failure(2);
    assert!(stderr.contains("api_key is empty"), "{stderr}");
}

#[test]
fn a_signal_lets_answers_end_and_then_the_server() {
    let server = Server::start(&["--grace-ms", "60000"]);
    let mut reader = BufReader::new(server.send("POST", CHAT, "", &story(true, 40)));
    assert!(read_head(&mut reader).starts_with("http/1.1 200"));
    server.signal("-TERM");
    let rest: Vec<String> = reader.lines().map(|line| line.expect("text")).collect();
    assert!(rest.iter().any(|line| line == "data: [DONE]"), "{rest:?}");
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn out_of_time_a_signal_ends_answers_with_an_error() {
    let server = Server::start(&["--grace-ms", "0"]);
    let stream = server.send("POST", CHAT, "", &story(true, 1900));
    let mut reader = BufReader::new(stream);
    assert!(read_head(&mut reader).starts_with("http/1.1 200"));
    server.signal("-INT");
    let rest: Vec<String> = reader.lines().map_while(Result::ok).collect();
    assert!(rest.iter().any(|line| line.contains("\"engine_closed\"")), "{rest:?}");
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn an_allowed_page_is_served_with_what_its_browser_wants_to_hear() {
    let server = Server::start(&["--allow-origin", "http://localhost:3000"]);
    let page = "origin: http://localhost:3000\r\naccess-control-request-method: POST\r\n";
    let asked: Answer = server.ask("OPTIONS", CHAT, page, "");
    assert_eq!(asked.status, 204);
    assert!(asked.head.contains("access-control-allow-origin: http://localhost:3000"), "{asked:?}");
    assert!(asked.head.contains("access-control-allow-headers: authorization, content-type"));
    assert_eq!(server.ask("POST", CHAT, page, &chat(json!({}))).status, 200);
}
