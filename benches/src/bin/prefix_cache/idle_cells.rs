//! What does one running stream pay for cached prefixes that lie beside it?
//!
//! Attention reads the mask of every cell up to the highest one in use, idle cells included.
//! Engines that differ in their idle resident tokens alone decode one stream in turns; how fast
//! they do is what the default of `prefix_cache_tokens` is chosen by.

use std::path::Path;

use anyhow::{Result, ensure};
use indwell::{CacheMode, Engine};
use indwell_benches::document::{Section, cell};
use indwell_benches::machine::Usage;
use indwell_benches::plot::Panel;
use indwell_benches::traffic::{Random, words};
use indwell_benches::{Measurement, Series, Summary, rounds};

const LEVELS: [u32; 5] = [0, 1000, 2000, 4000, 6000];
const CONTEXT_TOKENS: u32 = 8192;
/// Tokens of the stream that is timed.
const STREAM_TOKENS: u32 = 128;
/// About how many tokens one idle prefix has.
const PREFIX_WORDS: u32 = 250;
/// Prefixes no other part of the program asks for.
const FIRST_ROUND: u32 = 2_000_000;

/// An engine with idle cells.
struct Level {
    name: String,
    engine: Engine,
    idle_tokens: u64,
}

/// Measures every level once a round.
///
/// # Errors
/// When an engine fails, or its cache does not keep what it should.
pub(crate) fn measure(model: &Path, threads: u32, rounds: u32) -> Result<(Section, Panel)> {
    let levels: Vec<Level> =
        LEVELS.iter().map(|&tokens| level(model, threads, tokens)).collect::<Result<_>>()?;
    let names: Vec<&str> = levels.iter().map(|level| level.name.as_str()).collect();
    let series = rounds::take_turns(&names, 1, rounds, |at, round| {
        let measured = decode(&levels[at].engine, round)?;
        let rate = measured.tokens_per_second();
        eprintln!("idle cells, round {round}, {}: {rate:.1} tokens/s", names[at]);
        Ok(measured)
    })?;
    Ok((section(&levels, &series)?, panel(&series)))
}

fn level(model: &Path, threads: u32, tokens: u32) -> Result<Level> {
    let engine = Engine::builder(model)
        .context_tokens(CONTEXT_TOKENS)
        .prefix_cache_tokens(tokens + 2 * PREFIX_WORDS)
        .host_cache_bytes(0)
        .response_cache_bytes(0)
        .threads(threads)
        .build()?;
    for prefix in FIRST_ROUND.. {
        if engine.caches()?.resident.tokens >= tokens.into() {
            break;
        }
        engine.complete(words(PREFIX_WORDS, prefix)).max_tokens(1).run()?;
        ensure!(prefix < FIRST_ROUND + 64, "the cache keeps fewer than {tokens} tokens");
    }
    let idle_tokens = engine.caches()?.resident.tokens;
    eprintln!("idle cells: an engine with {idle_tokens} idle tokens");
    Ok(Level { name: format!("{tokens} idle"), engine, idle_tokens })
}

/// Decodes one stream; what counts is the time from its first token to its last.
fn decode(engine: &Engine, round: u32) -> Result<Measurement> {
    let number = 100 + Random::of(round).below(900);
    let prompt = vec![number.to_string(); 10].join(" and ");
    let before = Usage::of_process(std::process::id());
    let request = engine.complete(prompt).max_tokens(STREAM_TOKENS).temperature(0.0);
    let reply = request.cache(CacheMode::Bypass).run()?;
    let others_share = Usage::of_process(std::process::id()).others_since(&before);
    let tokens = reply.usage.completion_tokens;
    ensure!(tokens == STREAM_TOKENS, "an answer ended after {tokens} tokens");
    let measured = Measurement::of_tokens(u64::from(tokens) - 1, reply.timings.decode_ms / 1000.0);
    Ok(Measurement { others_share, ..measured })
}

fn section(levels: &[Level], series: &[Series]) -> Result<Section> {
    let columns = ["idle tokens", "tokens/s", "by those without idle tokens", "ms a token more"];
    let none = &series[0];
    let rows = levels.iter().zip(series).map(|(level, one)| {
        let more: Vec<f64> = one
            .rates()
            .iter()
            .zip(none.rates())
            .map(|(rate, none)| 1000.0 / rate - 1000.0 / none)
            .collect();
        vec![
            level.idle_tokens.to_string(),
            cell(&one.rates(), 1),
            cell(&one.ratios(none), 3),
            cell(&more, 3),
        ]
    });
    let others: Vec<f64> = series
        .iter()
        .flat_map(|one| &one.measurements)
        .filter_map(|measured| measured.others_share)
        .collect();
    let busy = Summary::of(&others).map_or_else(
        || "How busy the machine was otherwise is not known.".to_owned(),
        |share| format!("Others used {:.0}% of the processors meanwhile.", share.median * 100.0),
    );
    Ok(Section {
        title: "One stream beside idle cells".to_owned(),
        columns: columns.map(str::to_owned).to_vec(),
        rows: rows.collect(),
        expectations: Vec::new(),
        notes: vec![
            format!(
                "Decode speed of one stream of {STREAM_TOKENS} tokens that bypasses the cache, \
                 from its first token to its last."
            ),
            busy,
        ],
        data: serde_json::to_value(series)?,
    })
}

fn panel(series: &[Series]) -> Panel {
    Panel {
        title: "One stream beside idle cells: tokens/s".to_owned(),
        columns: series.iter().map(|one| (one.name.clone(), one.rates())).collect(),
        aim: None,
    }
}
