//! Three ways to end a request early: cancelling it, dropping its stream, and a deadline.
//!
//! `cargo run -p indwell-examples --bin example-cancel [MODEL]`

use std::time::Duration;

use indwell::{Engine, ErrorKind, Event};

const STORY: &str = "Tell me a very long story.";

fn main() -> indwell::Result<()> {
    let model = std::env::args().nth(1).unwrap_or_else(|| "smollm2-135m".to_owned());
    let engine = Engine::builder(model).build()?;

    // From anywhere: a canceller is a handle that other threads may hold.
    let stream = engine.chat(STORY).max_tokens(2000).stream()?;
    let canceller = stream.canceller();
    let mut texts = 0;
    for event in stream {
        match event {
            Event::Text(_) => {
                texts += 1;
                if texts == 3 {
                    canceller.cancel();
                }
            }
            Event::Cancelled => println!("cancelled"),
            other => println!("ended otherwise: {other:?}"),
        }
    }

    // By dropping: whoever stops reading need do nothing else.
    let mut stream = engine.chat(STORY).max_tokens(2000).stream()?;
    stream.next_blocking();
    drop(stream);
    println!("dropped");

    // By a deadline of its own, time in the queue included.
    let late = engine.chat(STORY).max_tokens(2000).timeout(Duration::from_millis(50)).run();
    match late {
        Err(error) if error.kind() == ErrorKind::DeadlineExceeded => println!("late: {error}"),
        other => println!("ended otherwise: {other:?}"),
    }

    // The engine serves on.
    let reply = engine.chat("Say hello.").max_tokens(4).run()?;
    println!("still there: {}", reply.text.trim());
    let stats = engine.stats()?;
    println!("{} cancelled, {} failed", stats.requests_cancelled, stats.requests_failed);
    Ok(())
}
