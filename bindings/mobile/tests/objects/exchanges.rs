//! Requests in the shape of `OpenAI`'s HTTP API.

use std::sync::Arc;

use indwell_mobile::engine::NativeEngine;
use indwell_mobile::http::{NativeExchange, NativeHttpEvent};

use crate::rig::{block_on, load, small, wait_until};

/// Status, content type, chunks.
type Response = (u16, String, Vec<String>);

fn read(exchange: &Arc<NativeExchange>) -> Response {
    let mut response = None;
    loop {
        for event in block_on(Arc::clone(exchange).next_batch()) {
            match (event, &mut response) {
                (NativeHttpEvent::Head { status, headers }, None) => {
                    let kind = headers.into_iter().find(|header| header.name == "content-type");
                    let kind = kind.expect("a content type").value;
                    response = Some((status, kind, Vec::new()));
                }
                (NativeHttpEvent::Chunk { text }, Some((_, _, chunks))) => chunks.push(text),
                (NativeHttpEvent::End, _) => return response.expect("a head"),
                (event, _) => panic!("{event:?} does not follow"),
            }
        }
    }
}

fn chat(engine: &NativeEngine, more: &str) -> Arc<NativeExchange> {
    let messages = r#"[{"role": "user", "content": "Count to five."}]"#;
    let body = format!(r#"{{"messages": {messages}, "temperature": 0{more}}}"#);
    engine.dispatch("POST".to_owned(), "/v1/chat/completions".to_owned(), body.into_bytes())
}

#[test]
fn a_chat_is_one_chunk_and_a_stream_is_many() {
    let engine = load(small());
    let (status, kind, chunks) = read(&chat(&engine, r#", "max_tokens": 6"#));
    assert_eq!((status, kind.as_str(), chunks.len()), (200, "application/json", 1));
    assert!(chunks[0].contains("\"chat.completion\""), "{chunks:?}");

    let exchange = chat(&engine, r#", "max_tokens": 6, "stream": true"#);
    let (status, kind, chunks) = read(&exchange);
    assert_eq!(status, 200);
    assert!(kind.starts_with("text/event-stream"), "{kind}");
    assert!(chunks.len() > 3 && chunks.iter().all(|chunk| chunk.starts_with("data: ")));
    assert_eq!(chunks.last().map(String::as_str), Some("data: [DONE]\n\n"));
    assert_eq!(block_on(exchange.next_batch()), [], "nothing follows the end");
}

#[test]
fn what_is_wrong_is_a_response() {
    let engine = load(small());
    let (status, _, chunks) = read(&chat(&engine, r#", "top_p": 7"#));
    assert_eq!(status, 400);
    assert!(chunks[0].contains("\"error\"") && chunks[0].contains("top_p"), "{chunks:?}");
    let nothing = engine.dispatch("GET".to_owned(), "/v1/nothing".to_owned(), Vec::new());
    assert_eq!(read(&nothing).0, 404);
}

#[test]
fn cancelling_and_dropping_free_the_sequence() {
    let engine = load(small());
    for drops in [false, true] {
        let before = engine.stats().expect("numbers").requests_cancelled;
        let exchange = chat(&engine, r#", "max_tokens": 1500, "stream": true, "ignore_eos": true"#);
        assert!(!block_on(Arc::clone(&exchange).next_batch()).is_empty());
        if drops {
            drop(exchange);
        } else {
            exchange.cancel();
        }
        wait_until(|| {
            let stats = engine.stats().expect("numbers");
            stats.requests_running == 0 && stats.requests_cancelled == before + 1
        });
    }
}

#[test]
fn numbers_are_told_as_prometheus_reads_them() {
    let engine = load(small());
    let text = engine.metrics_text().expect("numbers");
    assert!(text.contains("# TYPE indwell"), "{text}");
    engine.shut_down().expect("closed");
    assert!(engine.metrics_text().is_ok(), "its last ones");
}
