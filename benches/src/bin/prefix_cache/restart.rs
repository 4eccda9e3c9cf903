//! How long does a prefix of an earlier run take to its first token?
//!
//! One engine computes a prefix that nobody has seen, and leaves it in files; it is closed, a new
//! one is made on the same folder, and is asked for the same prefix with another ending. The
//! computer's own file cache is warm, as it is after a restart of the program alone.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use indwell::{CacheMode, CacheStats, Engine, Event};
use indwell_benches::document::{Aim, Expectation, Section, cell};
use indwell_benches::traffic::words;
use serde::Serialize;

const PREFIX_WORDS: u32 = 2000;
const CONTEXT_TOKENS: u32 = 4096;
/// What the time to first token after a restart may be of the cold one.
const RATIO_MAX: f64 = 0.1;
/// How long files may take to be written, or found.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
/// How often it is looked whether they are.
const LOOK_INTERVAL: Duration = Duration::from_millis(2);
/// Prefixes no other part of the program asks for.
const FIRST_ROUND: u32 = 1_000_000;

/// One prefix.
#[derive(Clone, Copy, Debug, Serialize)]
struct Repetition {
    prompt_tokens: u32,
    cold_ttft_ms: f64,
    /// From the answer until the prefix was on disk.
    saved_ms: f64,
    disk_bytes: u64,
    /// From the new engine's making until it knew of the files.
    found_ms: f64,
    warm_ttft_ms: f64,
    cached_tokens: u32,
}

/// Measures `repetitions` prefixes.
///
/// # Errors
/// When an engine fails, or a prefix does not reach the disk.
pub(crate) fn measure(model: &Path, threads: u32, repetitions: u32) -> Result<Section> {
    let mut all = Vec::new();
    for repetition in 0..repetitions {
        let folder = tempfile::tempdir()?;
        let one = repeat(model, folder.path(), threads, FIRST_ROUND + repetition)?;
        eprintln!(
            "restart, {repetition}: {} tokens, TTFT cold {:.0} ms, saved in {:.0} ms, after the \
             restart {:.1} ms with {} tokens cached",
            one.prompt_tokens, one.cold_ttft_ms, one.saved_ms, one.warm_ttft_ms, one.cached_tokens
        );
        all.push(one);
    }
    section(&all)
}

fn repeat(model: &Path, folder: &Path, threads: u32, round: u32) -> Result<Repetition> {
    let prefix = words(PREFIX_WORDS, round);
    let engine = engine(model, folder, threads)?;
    let cold = ask(&engine, &format!("{prefix} and so"))?;
    let answered = Instant::now();
    // All but the prompt's last token, which is never taken from a cache.
    let tokens = u64::from(cold.prompt_tokens) - 1;
    let caches = wait(&engine, |caches| caches.disk.tokens >= tokens)
        .context("the prefix was not written to disk")?;
    let saved_ms = ms(answered);
    engine.close()?;
    drop(engine);

    let made = Instant::now();
    let engine = self::engine(model, folder, threads)?;
    wait(&engine, |caches| caches.disk.tokens >= tokens)
        .context("the new engine did not find the files of the old one")?;
    let found_ms = ms(made);
    let warm = ask(&engine, &format!("{prefix} but then"))?;
    Ok(Repetition {
        prompt_tokens: cold.prompt_tokens,
        cold_ttft_ms: cold.ttft_ms,
        saved_ms,
        disk_bytes: caches.disk.bytes,
        found_ms,
        warm_ttft_ms: warm.ttft_ms,
        cached_tokens: warm.cached_tokens,
    })
}

fn engine(model: &Path, folder: &Path, threads: u32) -> Result<Engine> {
    let engine = Engine::builder(model)
        .context_tokens(CONTEXT_TOKENS)
        .prefix_cache_tokens(CONTEXT_TOKENS / 2)
        .threads(threads)
        .response_cache_bytes(0)
        .disk_cache_dir(folder)
        .build()?;
    // The first step of a context is slower than all others.
    step(&engine)?;
    Ok(engine)
}

/// A request that leaves nothing behind.
fn step(engine: &Engine) -> Result<()> {
    engine.complete("1 2 3").max_tokens(1).cache(CacheMode::Bypass).run()?;
    Ok(())
}

/// What a request of one token took.
struct Asked {
    ttft_ms: f64,
    prompt_tokens: u32,
    cached_tokens: u32,
}

fn ask(engine: &Engine, prompt: &str) -> Result<Asked> {
    let started = Instant::now();
    let mut ttft_ms = None;
    for event in engine.complete(prompt).max_tokens(1).stream()? {
        match event {
            Event::Text(_) => {
                ttft_ms.get_or_insert_with(|| ms(started));
            }
            Event::Finished(finished) => {
                let ttft_ms = ttft_ms.unwrap_or_else(|| ms(started));
                let usage = finished.usage;
                return Ok(Asked {
                    ttft_ms,
                    prompt_tokens: usage.prompt_tokens,
                    cached_tokens: usage.cached_tokens,
                });
            }
            other => anyhow::bail!("the stream says {other:?}"),
        }
    }
    anyhow::bail!("the stream ended without a terminal event")
}

fn wait(engine: &Engine, condition: impl Fn(&CacheStats) -> bool) -> Result<CacheStats> {
    let started = Instant::now();
    loop {
        let caches = engine.caches()?;
        if condition(&caches) {
            return Ok(caches);
        }
        ensure!(started.elapsed() < SETTLED_WITHIN, "after a minute the caches hold {caches:?}");
        sleep(LOOK_INTERVAL);
    }
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

fn section(all: &[Repetition]) -> Result<Section> {
    let values = |figure: fn(&Repetition) -> f64| all.iter().map(figure).collect::<Vec<f64>>();
    let columns = [
        "",
        "prompt tokens",
        "TTFT, ms",
        "cached tokens",
        "written after, ms",
        "found after, ms",
        "MiB on disk",
    ];
    let prompt_tokens = cell(&values(|one| one.prompt_tokens.into()), 0);
    let mib = cell(&values(|one| one.disk_bytes as f64 / f64::from(1 << 20)), 1);
    let dash = || "-".to_owned();
    let cold = vec![
        "cold".to_owned(),
        prompt_tokens.clone(),
        cell(&values(|one| one.cold_ttft_ms), 0),
        "0".to_owned(),
        cell(&values(|one| one.saved_ms), 0),
        dash(),
        mib,
    ];
    let warm = vec![
        "after a restart".to_owned(),
        prompt_tokens,
        cell(&values(|one| one.warm_ttft_ms), 1),
        cell(&values(|one| one.cached_tokens.into()), 0),
        dash(),
        cell(&values(|one| one.found_ms), 0),
        dash(),
    ];
    Ok(Section {
        title: "A prefix of 2,000 words after a restart".to_owned(),
        columns: columns.map(str::to_owned).to_vec(),
        rows: vec![cold, warm],
        expectations: vec![Expectation {
            what: "TTFT after a restart by the cold one".to_owned(),
            aim: Aim::AtMost(RATIO_MAX),
            values: values(|one| one.warm_ttft_ms / one.cold_ttft_ms),
        }],
        notes: vec![
            "Each repetition has a prefix and a folder of its own. The request after the \
             restart ends otherwise than the first."
                .to_owned(),
            "`found` counts from the call that makes the engine, loading the model included."
                .to_owned(),
        ],
        data: serde_json::to_value(all)?,
    })
}
