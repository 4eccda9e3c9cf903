//! The client of `response_cache` that fills a cache: what the engine says that its answers take,
//! and what the allocator gave out meanwhile.
//!
//! A process of its own, as the allocator that counts is the whole process's. It is started as
//! every client is (`src/client.rs`), with the small model. Each line on its input is a task of
//! `src/bin/response_cache/bytes.rs`; the answer is one line of JSON, what `Sample`s are read from.
//! llama.cpp's own allocations are not counted; they have nothing to do with answers.

use std::io::BufRead;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::{Result, bail};
use indwell::Engine;
use peak_alloc::PeakAlloc;
use serde::{Deserialize, Serialize};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Requests at once.
const CLIENTS: u32 = 32;
/// Answers between two samples.
const SAMPLED_AFTER: u64 = 1000;
/// Requests that make the engine and its threads take what they take beside answers.
const WARM_UP: u64 = 2000;

#[derive(Deserialize)]
struct Task {
    capacity_bytes: u64,
    answers: u64,
    max_tokens: u32,
}

#[derive(Serialize)]
struct Sample {
    asked: u64,
    entries: u64,
    accounted_bytes: u64,
    allocated_bytes: u64,
    evictions: u64,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, context_tokens, threads] = arguments.as_slice() else {
        bail!("three arguments: the model, the context's tokens, threads")
    };
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let task: Task = serde_json::from_str(&line?)?;
        let engine = Engine::builder(model.as_str())
            .context_tokens(context_tokens.parse()?)
            .threads(threads.parse()?)
            .sequences_max(CLIENTS)
            .prefix_cache_tokens(0)
            .host_cache_bytes(0)
            .response_cache_bytes(task.capacity_bytes)
            .build()?;
        println!("{}", serde_json::to_string(&fill(&engine, &task)?)?);
        engine.close()?;
    }
    Ok(())
}

/// Samples while nobody asks.
fn fill(engine: &Engine, task: &Task) -> Result<Vec<Sample>> {
    let first = u64::MAX - WARM_UP;
    ask(engine, task, first, WARM_UP)?;
    engine.invalidate_responses()?;
    let before = ALLOCATOR.current_usage();
    let evicted = engine.caches()?.response.evictions;
    let mut samples = Vec::with_capacity(usize::try_from(task.answers / SAMPLED_AFTER)? + 1);
    for asked in (0..=task.answers).step_by(usize::try_from(SAMPLED_AFTER)?) {
        if asked > 0 {
            ask(engine, task, asked - SAMPLED_AFTER, SAMPLED_AFTER)?;
        }
        let response = engine.caches()?.response;
        samples.push(Sample {
            asked,
            entries: response.entries,
            accounted_bytes: response.bytes,
            allocated_bytes: ALLOCATOR.current_usage().saturating_sub(before) as u64,
            evictions: response.evictions - evicted,
        });
        if asked % (20 * SAMPLED_AFTER) == 0 {
            eprintln!("bytes: {asked} of {} answers", task.answers);
        }
    }
    Ok(samples)
}

/// `count` questions from the `first`th on, all different.
fn ask(engine: &Engine, task: &Task, first: u64, count: u64) -> Result<()> {
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let client = || {
            loop {
                let at = next.fetch_add(1, Relaxed);
                if at >= count {
                    return anyhow::Ok(());
                }
                let prompt = format!("{:x}", first + at);
                engine.complete(prompt).max_tokens(task.max_tokens).run()?;
            }
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients.into_iter().try_for_each(|one| one.join().expect("a client does not panic"))
    })
}
