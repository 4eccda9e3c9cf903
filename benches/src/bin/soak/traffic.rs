//! Requests of all kinds, drawn from a seed, from many threads at once, on an engine that has too
//! few cells for all of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use indwell::{CacheMode, Engine, EngineStats};
use indwell_benches::document::{Aim, Expectation, Section};
use indwell_benches::plot::curves::Curve;
use indwell_benches::traffic::Random;
use serde_json::json;

use crate::kinds::{End, Kind};
use crate::{Arguments, Found, resident_mib};

const CONTEXT_TOKENS: u32 = 2048;
/// This share of the time is for caches to fill and allocators to grow.
const WARM_UP_SHARE: f64 = 0.3;
/// Memory counts as flat while it ends no higher than this above where it was after warming up.
const GROWTH_MAX: f64 = 0.02;
/// Faults that are told one by one.
const FAULTS_TOLD: usize = 20;

/// How often each kind ended how.
type Counts = BTreeMap<(Kind, End), u64>;

#[derive(Default)]
struct Tally {
    counts: Counts,
    faults: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Found> {
    // 2048 cells, and a host cache that fills soon: what grows without a bound would be seen.
    let engine = Engine::builder(arguments.model.as_str())
        .context_tokens(CONTEXT_TOKENS)
        .sequences_max(16)
        .host_cache_bytes(32 << 20)
        .response_cache_bytes(4 << 20)
        .stream_capacity(16)
        .build()?;
    // The system gives memory where it is first touched: here all of the model's memory is, once.
    let fill = "and ".repeat(CONTEXT_TOKENS as usize - 32);
    engine.complete(fill).max_tokens(4).cache(CacheMode::Bypass).run()?;
    let length = Duration::from_secs(arguments.seconds);
    let begun = Instant::now();
    let is_over = AtomicBool::new(false);
    let (tally, looks) = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..arguments.clients)
            .map(|client| {
                let random = Random::of(arguments.seed.wrapping_mul(1000).wrapping_add(client));
                scope.spawn(|| ask(&engine, random, &is_over))
            })
            .collect();
        let looks = watch(&engine, begun, length);
        is_over.store(true, Ordering::Relaxed);
        let tallies =
            clients.into_iter().map(|client| client.join().expect("a client does not panic"));
        (tallies.fold(Tally::default(), Tally::with), looks)
    });
    let stats = settled(&engine)?;
    engine.close()?;
    Ok(found(&tally, &looks, &stats, length))
}

/// One client's requests, one after the other.
fn ask(engine: &Engine, mut random: Random, is_over: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    while !is_over.load(Ordering::Relaxed) {
        let kind = Kind::draw(&mut random);
        match kind.ask(engine, &mut random) {
            Ok(end) => *tally.counts.entry((kind, end)).or_default() += 1,
            Err(fault) => tally.faults.push(fault),
        }
    }
    tally
}

impl Tally {
    fn with(mut self, other: Self) -> Self {
        for (key, count) in other.counts {
            *self.counts.entry(key).or_default() += count;
        }
        self.faults.extend(other.faults);
        self
    }
}

/// One look at the process's memory.
#[derive(Clone, Copy)]
struct Look {
    seconds: f64,
    resident_mib: f64,
    /// Of that, what the engine was told to keep: prefixes in the host's memory, and answers.
    cached_mib: f64,
}

/// The process's memory, once a second.
fn watch(engine: &Engine, begun: Instant, length: Duration) -> Vec<Look> {
    let mut looks = Vec::new();
    while begun.elapsed() < length {
        std::thread::sleep(Duration::from_secs(1));
        let cached = engine.caches().map_or(0, |caches| caches.host.bytes + caches.response.bytes);
        let look = Look {
            seconds: begun.elapsed().as_secs_f64(),
            resident_mib: resident_mib(),
            cached_mib: cached as f64 / f64::from(1 << 20),
        };
        looks.push(look);
        if let Ok(stats) = engine.stats()
            && looks.len() % 30 == 0
        {
            eprintln!(
                "traffic: {:.0} s, {} requests finished, {:.1} MiB, {:.1} of them cached",
                look.seconds, stats.requests_finished, look.resident_mib, look.cached_mib
            );
        }
    }
    looks
}

/// What a number was after warming up, and at the end.
fn ends(looks: &[Look], length: Duration, number: impl Fn(&Look) -> f64) -> [f64; 2] {
    let warm = length.as_secs_f64() * WARM_UP_SHARE;
    let after: Vec<f64> = looks.iter().filter(|look| look.seconds >= warm).map(number).collect();
    // A tenth each: single seconds swing with what is being read just then.
    let tenth = (after.len() / 10).max(1);
    let first = &after[..tenth.min(after.len())];
    let last = &after[after.len().saturating_sub(tenth)..];
    [first, last].map(median)
}

/// Waits until nothing is left to do: whose readers left, end too.
fn settled(engine: &Engine) -> Result<EngineStats> {
    let begun = Instant::now();
    loop {
        let stats = engine.stats()?;
        if stats.requests_running == 0 && stats.requests_waiting == 0 {
            return Ok(stats);
        }
        ensure!(begun.elapsed() < Duration::from_secs(60), "requests never ended: {stats:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn found(tally: &Tally, looks: &[Look], stats: &EngineStats, length: Duration) -> Found {
    let [first, last] = ends(looks, length, |look| look.resident_mib);
    let [first_cached, last_cached] = ends(looks, length, |look| look.cached_mib);
    let [first_rest, last_rest] = ends(looks, length, |look| look.resident_mib - look.cached_mib);
    let mut kinds: BTreeMap<Kind, BTreeMap<End, u64>> = BTreeMap::new();
    for (&(kind, end), &count) in &tally.counts {
        kinds.entry(kind).or_default().insert(end, count);
    }
    let rows = kinds.iter().map(|(kind, ends)| {
        let told = ends.iter().map(|(end, count)| format!("{count} {end:?}"));
        vec![
            format!("{kind:?}"),
            ends.values().sum::<u64>().to_string(),
            told.collect::<Vec<_>>().join(", "),
        ]
    });
    let asked: u64 = tally.counts.values().sum();
    let mut notes = vec![
        format!(
            "{asked} requests in {} s. Resident: {first:.1} MiB after warming up, {last:.1} MiB at \
             the end; of them {first_cached:.1} and {last_cached:.1} MiB were cached.",
            length.as_secs()
        ),
        format!("The engine's counters at the end: {stats:?}."),
    ];
    notes.extend(tally.faults.iter().take(FAULTS_TOLD).map(|fault| format!("Wrong: {fault}")));
    let growth = Expectation {
        what: "resident memory at the end, by that after warming up".to_owned(),
        aim: Aim::AtMost(1.0 + GROWTH_MAX),
        values: vec![last / first],
    };
    let growth_of_rest = Expectation {
        what: "the same without what the caches were holding".to_owned(),
        aim: Aim::AtMost(1.0 + GROWTH_MAX),
        values: vec![last_rest / first_rest],
    };
    let resident: Vec<_> = looks.iter().map(|look| (look.seconds, look.resident_mib)).collect();
    let cached: Vec<_> = looks.iter().map(|look| (look.seconds, look.cached_mib)).collect();
    let wrong = Expectation {
        what: "requests that did not end as they should".to_owned(),
        aim: Aim::AtMost(0.0),
        values: vec![tally.faults.len() as f64],
    };
    Found {
        section: Section {
            title: "Traffic of all kinds".to_owned(),
            columns: ["kind", "requests", "ends"].map(str::to_owned).to_vec(),
            rows: rows.collect(),
            expectations: vec![wrong, growth, growth_of_rest],
            notes,
            data: json!({"resident_mib": resident, "cached_mib": cached}),
        },
        curve: Curve {
            title: "Resident memory under traffic, MiB".to_owned(),
            over: "seconds".to_owned(),
            points: resident,
            bound: Some(first * (1.0 + GROWTH_MAX)),
        },
        faults: tally.faults.clone(),
    }
}

pub(crate) fn median(values: &[f64]) -> f64 {
    indwell_benches::percentile(values.iter().copied(), 0.5)
}
