//! OpenAI's API without a server: a request of HTTP in, its answer out as it comes.
//!
//! This is what the clients of other languages stand on; in Rust it is for whoever speaks OpenAI's
//! shapes already, or wants to put them behind a server of their own.

use indwell::{Engine, HttpEvent, HttpRequest};

fn main() -> indwell::Result<()> {
    let model = std::env::args().nth(1).unwrap_or_else(|| "smollm2-135m".to_owned());
    let engine = Engine::builder(model).build()?;

    let body = r#"{
        "messages": [{"role": "user", "content": "Name the capital of France."}],
        "temperature": 0,
        "max_tokens": 16,
        "stream": true
    }"#;
    let mut exchange = engine.dispatch(HttpRequest {
        method: "POST".to_owned(),
        path: "/v1/chat/completions".to_owned(),
        body: body.into(),
    });
    while let Some(event) = exchange.next_blocking() {
        match event {
            HttpEvent::Head(head) => println!("status {}", head.status),
            HttpEvent::Chunk(chunk) => print!("{chunk}"),
            _ => {}
        }
    }

    let metrics = engine.metrics_text()?;
    let tokens = metrics.lines().find(|line| line.starts_with("indwell:generation_tokens_total"));
    println!("{}", tokens.unwrap_or_default());
    Ok(())
}
