//! The engine as a client of `serving`; `src/schedule.rs` says what it reads and writes. The last
//! arguments are the number of its sequences and those of every client; before them options of the
//! engine, as `name=value`.

use std::io::BufRead;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indwell::{Engine, Event};
use indwell_benches::schedule::{Done, Request, Schedule, Streamed};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [options @ .., sequences, model, context_tokens, threads] = arguments.as_slice() else {
        bail!("at least four arguments: sequences, the model, the context's tokens, threads")
    };
    // Every answer is computed.
    let mut builder = Engine::builder(model.as_str()).response_cache_bytes(0);
    builder = builder.sequences_max(sequences.parse()?).context_tokens(context_tokens.parse()?);
    if threads != "0" {
        builder = builder.threads(threads.parse()?);
    }
    for option in options {
        let (name, value) = option.split_once('=').context("an option is name=value")?;
        builder = match value.parse::<i64>() {
            Ok(number) => builder.option(name, number),
            Err(_) => builder.option(name, value),
        };
    }
    let engine = builder.build()?;
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let schedule: Schedule = serde_json::from_str(&line?)?;
        println!("{}", serde_json::to_string(&serve(&engine, &schedule)?)?);
    }
    Ok(())
}

fn serve(engine: &Engine, schedule: &Schedule) -> Result<Done> {
    let steps = engine.stats()?.steps;
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    let client = || {
        let mut answers = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(request) = schedule.requests.get(index) else { return anyhow::Ok(answers) };
            answers.push(ask(engine, index, request, started)?);
        }
    };
    let answers = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..schedule.clients).map(|_| scope.spawn(client)).collect();
        let mut all = Vec::new();
        for client in clients {
            all.extend(client.join().expect("a client does not panic")?);
        }
        anyhow::Ok(all)
    })?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(Done { seconds, answers, steps: Some(engine.stats()?.steps - steps) })
}

/// Waits for the request's arrival, makes it, and reads its stream to the end.
fn ask(engine: &Engine, index: usize, request: &Request, start: Instant) -> Result<Streamed> {
    let arrival = match request.at_ms {
        Some(at_ms) => start + Duration::from_secs_f64(at_ms / 1000.0),
        None => Instant::now(),
    };
    std::thread::sleep(arrival.saturating_duration_since(Instant::now()));
    let elapsed_ms = || arrival.elapsed().as_secs_f64() * 1000.0;
    let prompt = engine.complete(request.prompt.as_str());
    let mut text_ms = Vec::with_capacity(request.max_tokens as usize);
    for event in prompt.max_tokens(request.max_tokens).temperature(0.0).ignore_eos(true).stream()? {
        match event {
            Event::Text(_) => text_ms.push(elapsed_ms()),
            Event::Finished(finished) => {
                return Ok(Streamed {
                    request: index,
                    text_ms,
                    total_ms: elapsed_ms(),
                    prompt_tokens: finished.usage.prompt_tokens,
                    cached_tokens: Some(finished.usage.cached_tokens),
                    completion_tokens: finished.usage.completion_tokens,
                });
            }
            Event::Failed(error) => return Err(error.into()),
            other => bail!("the stream says {other:?}"),
        }
    }
    bail!("the stream ended without a terminal event")
}
