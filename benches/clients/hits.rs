//! The Rust client of `response_cache`: how long the reply to a question takes that was answered
//! before.
//!
//! It is started as every client is (`src/client.rs`). Each line on its input is a task of
//! `src/bin/response_cache/hits.rs`; the answer is one line of JSON, what `Timed` reads.

use std::hint::black_box;
use std::io::BufRead;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use indwell::{CacheTier, Engine, Reply};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Task {
    form: String,
    text: String,
    max_tokens: u32,
    warm_up: usize,
    hits: usize,
}

#[derive(Serialize)]
struct Timed {
    prompt_tokens: u32,
    completion_tokens: u32,
    clock_ns: Vec<u64>,
    hit_ns: Vec<u64>,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, context_tokens, threads] = arguments.as_slice() else {
        bail!("three arguments: the model, the context's tokens, threads")
    };
    let mut builder = Engine::builder(model.as_str()).context_tokens(context_tokens.parse()?);
    if threads != "0" {
        builder = builder.threads(threads.parse()?);
    }
    let engine = builder.build()?;
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let task: Task = serde_json::from_str(&line?)?;
        let (text, max_tokens) = (task.text.as_str(), task.max_tokens);
        let timed = match task.form.as_str() {
            "chat" => time(&task, || engine.chat(text).max_tokens(max_tokens).run())?,
            _ => time(&task, || engine.complete(text).max_tokens(max_tokens).run())?,
        };
        println!("{}", serde_json::to_string(&timed)?);
    }
    Ok(())
}

fn time(task: &Task, ask: impl Fn() -> indwell::Result<Reply>) -> Result<Timed> {
    let first = ask()?;
    for _ in 0..task.warm_up {
        ask()?;
    }
    let mut hit_ns = Vec::with_capacity(task.hits);
    for _ in 0..task.hits {
        let started = Instant::now();
        let reply = ask()?;
        hit_ns.push(elapsed_ns(started));
        ensure!(reply.usage.cache == Some(CacheTier::Response), "it was computed: {reply:?}");
        ensure!(reply.text == first.text, "another answer: {reply:?}");
    }
    let clock = |_| {
        let started = Instant::now();
        black_box(elapsed_ns(started))
    };
    Ok(Timed {
        prompt_tokens: first.usage.prompt_tokens,
        completion_tokens: first.usage.completion_tokens,
        clock_ns: (0..task.hits).map(clock).collect(),
        hit_ns,
    })
}

fn elapsed_ns(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_nanos()).expect("it takes less than 500 years")
}
