//! Are the bytes that are accounted those that the allocator gives out, and never too many?
//!
//! A process of its own (`clients/bytes.rs`) has an engine compute short answers until the cache
//! is full and longer, on a model that makes steps cheap, and counts what is allocated.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use indwell_benches::client::Load;
use indwell_benches::document::{Aim, Expectation, Section};
use indwell_benches::plot::curves::Curve;
use indwell_benches::{Client, small_model};
use serde::{Deserialize, Serialize};

use crate::{Arguments, Found, Plots};

/// An answer of one word of the small model takes some 380 bytes: about 120,000 fit.
const CAPACITY_BYTES: u64 = 44 << 20;
const MAX_TOKENS: u32 = 1;
const CONTEXT_TOKENS: u32 = 2048;
/// How many answers are held where the two figures are compared.
const COMPARED_AT: u64 = 100_000;
/// How far what is accounted may be from what the allocator gave out.
const TOLERANCE: f64 = 0.1;

/// What the client is to do, as it reads it.
#[derive(Serialize)]
struct Task {
    capacity_bytes: u64,
    answers: u64,
    max_tokens: u32,
}

/// What it saw at one moment.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Sample {
    asked: u64,
    entries: u64,
    accounted_bytes: u64,
    allocated_bytes: u64,
    evictions: u64,
}

/// Fills a cache once.
///
/// # Errors
/// When the client fails.
pub(crate) fn measure(arguments: &Arguments) -> Result<Found> {
    let mut model = tempfile::Builder::new().suffix(".gguf").tempfile()?;
    small_model::write(&mut model)?;
    let path = model.path().to_str().context("the temporary folder's path is no text")?;
    let load = Load { model: path.to_owned(), context_tokens: CONTEXT_TOKENS, threads: 1 };
    let program = format!("rust-bytes{}", std::env::consts::EXE_SUFFIX);
    let mut command = Command::new(std::env::current_exe()?.with_file_name(program));
    let mut client = Client::start("bytes", &mut command, &load)?;
    let task =
        Task { capacity_bytes: CAPACITY_BYTES, answers: arguments.answers, max_tokens: MAX_TOKENS };
    let line = client.exchange(&serde_json::to_string(&task)?)?;
    let samples: Vec<Sample> = serde_json::from_str(&line)
        .with_context(|| format!("the client of bytes answered {line:?}"))?;
    ensure!(!samples.is_empty(), "nothing was sampled");
    Ok(Found {
        section: section(&samples)?,
        plots: Plots { curves: curves(&samples), ..Plots::default() },
    })
}

fn section(samples: &[Sample]) -> Result<Section> {
    let ratio = |sample: &Sample| sample.accounted_bytes as f64 / sample.allocated_bytes as f64;
    let most = samples.iter().map(|sample| sample.accounted_bytes).max().unwrap_or(0);
    let compared = samples.iter().find(|sample| sample.entries >= COMPARED_AT);
    let full = samples.last().filter(|sample| sample.evictions > 0);
    let mut expectations = vec![Expectation {
        what: "The most bytes accounted, by the capacity".to_owned(),
        aim: Aim::AtMost(1.0),
        values: vec![most as f64 / CAPACITY_BYTES as f64],
    }];
    for (when, sample) in [("100,000 answers", compared), ("a full cache", full)] {
        if let Some(sample) = sample {
            expectations.push(Expectation {
                what: format!(
                    "The bytes accounted of {when}, off from the allocator's ({:.3} of them)",
                    ratio(sample)
                ),
                aim: Aim::AtMost(TOLERANCE),
                values: vec![(ratio(sample) - 1.0).abs()],
            });
        }
    }
    let row = |sample: &Sample| {
        vec![
            sample.asked.to_string(),
            sample.entries.to_string(),
            sample.evictions.to_string(),
            sample.accounted_bytes.to_string(),
            sample.allocated_bytes.to_string(),
            match sample.allocated_bytes {
                0 => String::new(),
                _ => format!("{:.3}", ratio(sample)),
            },
        ]
    };
    let every = (samples.len() / 10).max(1);
    let columns = ["asked", "held", "evicted", "bytes accounted", "by the allocator", "ratio"];
    Ok(Section {
        title: format!("What answers take, with room for {} MiB", CAPACITY_BYTES >> 20),
        columns: columns.map(str::to_owned).to_vec(),
        rows: samples.iter().skip(every).step_by(every).map(row).collect(),
        expectations,
        notes: vec![format!(
            "Answers of {MAX_TOKENS} token, each to a question of its own, so that a new one \
                 leaves a full cache as soon as it comes: nothing says that it will be asked again. \
                 `by the allocator` is what Rust code asked for and holds, beyond what the engine \
                 held without an answer; looked at while nobody asks."
        )],
        data: serde_json::to_value(samples)?,
    })
}

fn curves(samples: &[Sample]) -> Vec<Curve> {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let curve = |title: &str, figure: fn(&Sample) -> u64| Curve {
        title: title.to_owned(),
        over: "answers computed".to_owned(),
        points: samples.iter().map(|one| (one.asked as f64, mib(figure(one)))).collect(),
        bound: Some(mib(CAPACITY_BYTES)),
    };
    vec![
        curve("Bytes accounted, MiB", |sample| sample.accounted_bytes),
        curve("Bytes by the allocator, MiB", |sample| sample.allocated_bytes),
    ]
}
