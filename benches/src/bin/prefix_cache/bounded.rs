//! Does everything stay bounded when thousands of prefixes come by and none comes back?
//!
//! Short prompts that differ from their first word, on a model that makes steps cheap, with little
//! room in every tier. A thread looks at the tiers and at the process's memory all the while, and
//! into the folder itself. At the end everything must have stayed within its bound.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use indwell::Engine;
use indwell_benches::contender::serve;
use indwell_benches::document::{Aim, Expectation, Section};
use indwell_benches::plot::curves::Curve;
use indwell_benches::traffic::{Form, Random, Traffic};
use indwell_benches::{machine, small_model};
use serde::Serialize;

const CLIENTS: u32 = 8;
const MAX_TOKENS: u32 = 2;
/// The small model reads a byte as a token.
const PROMPT_TOKENS_MIN: usize = 60;
const PROMPT_TOKENS_MAX: usize = 200;
const CONTEXT_TOKENS: u32 = 4096;
const RESIDENT_TOKENS_MAX: u32 = 1500;
const HOST_BYTES_MAX: u64 = 8 << 20;
const DISK_BYTES_MAX: u64 = 32 << 20;
/// Files that are being written or given up while the folder is looked at.
const DISK_BYTES_IN_FLIGHT: u64 = 2 << 20;
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// Requests between two tellings of how far it is.
const TOLD_AFTER: u32 = 500;
/// What the memory at the end may be of that after a quarter of the requests, when all tiers have
/// been full for long.
const MEMORY_GROWTH_MAX: f64 = 1.05;

/// What was seen at one moment.
#[derive(Clone, Copy, Debug, Serialize)]
struct Sample {
    requests: u32,
    resident_tokens: u64,
    host_bytes: u64,
    disk_bytes: u64,
    /// Of all files in the folder, as the system has them.
    folder_bytes: u64,
    /// Of the process in RAM.
    memory_bytes: Option<u64>,
}

/// Asks `requests` prompts.
///
/// # Errors
/// When the engine fails.
pub(crate) fn measure(requests: u32) -> Result<(Section, Vec<Curve>)> {
    let mut model = tempfile::Builder::new().suffix(".gguf").tempfile()?;
    small_model::write(&mut model)?;
    let folder = tempfile::tempdir()?;
    let engine = Engine::builder(model.path())
        .context_tokens(CONTEXT_TOKENS)
        .sequences_max(CLIENTS)
        .threads(1)
        .prefix_cache_tokens(RESIDENT_TOKENS_MAX)
        .host_cache_bytes(HOST_BYTES_MAX)
        .response_cache_bytes(0)
        .disk_cache_dir(folder.path())
        .disk_cache_bytes(DISK_BYTES_MAX)
        .build()?;
    let samples = watched(&engine, folder.path(), |done| {
        while done.load(Relaxed) < requests {
            let first = done.load(Relaxed);
            let count = TOLD_AFTER.min(requests - first);
            serve(&engine, &traffic(first, count))?;
            done.fetch_add(count, Relaxed);
            let caches = engine.caches()?;
            eprintln!(
                "bounded: {} of {requests} requests; {} resident tokens, {} KiB in the host, {} \
                 KiB on disk",
                first + count,
                caches.resident.tokens,
                caches.host.bytes >> 10,
                caches.disk.bytes >> 10
            );
        }
        Ok(())
    })?;
    engine.close()?;
    let last = samples.last().context("nothing was sampled")?;
    eprintln!("bounded: {} samples, {last:?}", samples.len());
    Ok((section(requests, &samples)?, curves(&samples)))
}

/// Does `work`, which counts its requests, and samples meanwhile.
fn watched(
    engine: &Engine,
    folder: &Path,
    work: impl FnOnce(&AtomicU32) -> Result<()>,
) -> Result<Vec<Sample>> {
    let (done, over) = (AtomicU32::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut samples = Vec::new();
            while !over.load(Relaxed) {
                samples.push(sample(engine, folder, done.load(Relaxed))?);
                sleep(LOOK_INTERVAL);
            }
            samples.push(sample(engine, folder, done.load(Relaxed))?);
            anyhow::Ok(samples)
        });
        let worked = work(&done);
        over.store(true, Relaxed);
        let samples = watcher.join().expect("the watcher does not panic");
        worked.and(samples)
    })
}

fn sample(engine: &Engine, folder: &Path, requests: u32) -> Result<Sample> {
    let caches = engine.caches()?;
    Ok(Sample {
        requests,
        resident_tokens: caches.resident.tokens,
        host_bytes: caches.host.bytes,
        disk_bytes: caches.disk.bytes,
        folder_bytes: folder_bytes(folder),
        memory_bytes: machine::resident_bytes(),
    })
}

/// The bytes of all files below `folder`. What vanishes meanwhile counts nothing.
fn folder_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => folder_bytes(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        })
        .sum()
}

/// `count` prompts from the `first`th on; no two of all begin alike for long.
fn traffic(first: u32, count: u32) -> Traffic {
    let prompt = |index: u32| {
        let mut random = Random::of(index);
        let letters = PROMPT_TOKENS_MIN + random.below(PROMPT_TOKENS_MAX - PROMPT_TOKENS_MIN);
        let letter = |_| char::from(b'a' + random.below(26) as u8);
        vec![(0..letters).map(letter).collect::<String>()]
    };
    Traffic {
        form: Form::Completion,
        clients: CLIENTS,
        max_tokens: MAX_TOKENS,
        sessions: (first..first + count).map(prompt).collect(),
    }
}

fn section(requests: u32, samples: &[Sample]) -> Result<Section> {
    // Running requests hold what they use beside the idle tokens that the option bounds.
    let running = u64::from(CLIENTS) * (PROMPT_TOKENS_MAX as u64 + u64::from(MAX_TOKENS));
    let resident_bound = u64::from(RESIDENT_TOKENS_MAX) + running;
    let kib = |bytes: u64| bytes as f64 / 1024.0;
    let largest = |figure: fn(&Sample) -> u64| samples.iter().map(figure).max().unwrap_or(0);
    let bounds = [
        ("resident tokens", largest(|sample| sample.resident_tokens) as f64, resident_bound as f64),
        ("host, KiB", kib(largest(|sample| sample.host_bytes)), kib(HOST_BYTES_MAX)),
        ("disk, KiB", kib(largest(|sample| sample.disk_bytes)), kib(DISK_BYTES_MAX)),
        (
            "files in the folder, KiB",
            kib(largest(|sample| sample.folder_bytes)),
            kib(DISK_BYTES_MAX + DISK_BYTES_IN_FLIGHT),
        ),
    ];
    let rows = bounds.iter().map(|(what, most, bound)| {
        vec![(*what).to_owned(), format!("{most:.0}"), format!("{bound:.0}")]
    });
    let mut expectations: Vec<Expectation> = bounds
        .iter()
        .map(|(what, most, bound)| Expectation {
            what: format!("The most of {what}"),
            aim: Aim::AtMost(*bound),
            values: vec![*most],
        })
        .collect();
    expectations.extend(memory_growth(requests, samples));
    Ok(Section {
        title: format!("{requests} prefixes, none of which comes back"),
        columns: ["what", "most", "bound"].map(str::to_owned).to_vec(),
        rows: rows.collect(),
        expectations,
        notes: vec![
            format!("{} samples, one every {} ms.", samples.len(), LOOK_INTERVAL.as_millis()),
            format!(
                "The bound of resident tokens is `prefix_cache_tokens`, {RESIDENT_TOKENS_MAX}, \
                 and what {CLIENTS} requests may be using; that of the folder has {} KiB for \
                 files being written or given up.",
                DISK_BYTES_IN_FLIGHT >> 10
            ),
        ],
        data: serde_json::to_value(samples)?,
    })
}

/// The memory over the last tenth of the requests by that over the tenth after the first quarter:
/// means, since it goes up and down.
fn memory_growth(requests: u32, samples: &[Sample]) -> Option<Expectation> {
    let mean = |from: f64, to: f64| {
        let range = (f64::from(requests) * from)..=(f64::from(requests) * to);
        let inside = samples.iter().filter(|sample| range.contains(&f64::from(sample.requests)));
        let values: Vec<u64> = inside.filter_map(|sample| sample.memory_bytes).collect();
        let sum = values.iter().sum::<u64>() as f64;
        (!values.is_empty()).then(|| sum / values.len() as f64)
    };
    Some(Expectation {
        what: "Memory of the process at the end by that after a quarter of the requests".to_owned(),
        aim: Aim::AtMost(MEMORY_GROWTH_MAX),
        values: vec![mean(0.9, 1.0)? / mean(0.25, 0.35)?],
    })
}

fn curves(samples: &[Sample]) -> Vec<Curve> {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let curve = |title: &str, bound: Option<f64>, figure: &dyn Fn(&Sample) -> f64| Curve {
        title: title.to_owned(),
        over: "requests".to_owned(),
        points: samples.iter().map(|one| (f64::from(one.requests), figure(one))).collect(),
        bound,
    };
    vec![
        curve("Memory of the process, MiB", None, &|one| mib(one.memory_bytes.unwrap_or(0))),
        curve("Resident tokens", Some(RESIDENT_TOKENS_MAX.into()), &|one| {
            one.resident_tokens as f64
        }),
        curve("Host tier, MiB", Some(mib(HOST_BYTES_MAX)), &|one| mib(one.host_bytes)),
        curve("Files in the folder, MiB", Some(mib(DISK_BYTES_MAX)), &|one| mib(one.folder_bytes)),
    ]
}
