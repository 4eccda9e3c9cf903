//! The Rust client of `binding_cost`; `src/client.rs` says what a client does.

use std::io::BufRead;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use indwell::{Engine, Event};
use indwell_benches::Measurement;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, context_tokens, threads] = arguments.as_slice() else {
        bail!("three arguments: the model, the context's tokens, threads")
    };
    // Every answer is computed.
    let mut builder = Engine::builder(model.as_str()).response_cache_bytes(0);
    builder = builder.context_tokens(context_tokens.parse()?);
    if threads != "0" {
        builder = builder.threads(threads.parse()?);
    }
    let engine = builder.build()?;
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        println!("{}", serde_json::to_string(&run(&engine, &line?)?)?);
    }
    Ok(())
}

fn run(engine: &Engine, line: &str) -> Result<Measurement> {
    let (max_tokens, prompts) = line.split_once('\t').context("no prompts")?;
    let max_tokens = max_tokens.parse()?;
    let started = Instant::now();
    let mut done = Measurement::of_tokens(0, 0.0);
    std::thread::scope(|scope| {
        let readers: Vec<_> = prompts
            .split('\t')
            .map(|prompt| scope.spawn(move || read(engine, prompt, max_tokens)))
            .collect();
        for reader in readers {
            let (tokens, events) = reader.join().expect("a reader does not panic")?;
            done.tokens += tokens;
            done.events += events;
        }
        anyhow::Ok(())
    })?;
    done.seconds = started.elapsed().as_secs_f64();
    Ok(done)
}

/// Reads one stream to its end: its tokens and events.
fn read(engine: &Engine, prompt: &str, max_tokens: u32) -> Result<(u64, u64)> {
    let mut events = 0;
    for event in engine.complete(prompt).max_tokens(max_tokens).stream()? {
        match event {
            Event::Text(_) => events += 1,
            Event::Finished(finished) => {
                return Ok((finished.usage.completion_tokens.into(), events));
            }
            Event::Failed(error) => return Err(error.into()),
            other => bail!("the stream says {other:?}"),
        }
    }
    bail!("the stream ended without a terminal event")
}
