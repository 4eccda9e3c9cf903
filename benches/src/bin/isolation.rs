//! What does a process of its own cost?
//!
//! The same engine computes here and in a worker, on the same prompts, in turns. On the default model
//! as users meet it; on a small one with random weights, computed on one thread, a step is cheap, and
//! the way there and back shows.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use indwell::{Engine, Isolation};
use indwell_benches::report::Report;
use indwell_benches::{Comparison, Measurement, Series, Workload, rounds, small_model, streams};

/// Measures an engine in a process of its own against one in this process, in one run.
#[derive(Debug, Parser)]
struct Arguments {
    /// An alias, or the path of a GGUF file
    #[arg(long, default_value = "smollm2-135m")]
    model: String,
    /// Rounds that count
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Tokens of each answer
    #[arg(long, default_value_t = 64)]
    max_tokens: u32,
    /// Where the results go
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    output: PathBuf,
}

const STREAMS: [u32; 2] = [1, 8];
const CONTENDERS: [(&str, Isolation); 2] =
    [("in process", Isolation::InProcess), ("a process of its own", Isolation::Process)];

/// One model that is measured.
struct Setting<'a> {
    name: &'a str,
    model: &'a str,
    context_tokens: u32,
    threads: Option<u32>,
}

fn main() -> Result<()> {
    indwell::serve_if_worker();
    let arguments = Arguments::parse();
    let default =
        Setting { name: "", model: &arguments.model, context_tokens: 8192, threads: None };
    let mut comparisons = compare(&arguments, &default)?;
    let mut file = tempfile::Builder::new().suffix(".gguf").tempfile()?;
    small_model::write(&mut file)?;
    let small = Setting {
        name: "small model, ",
        model: file.path().to_str().context("the temporary folder's path is no text")?,
        context_tokens: small_model::CONTEXT_TOKENS,
        threads: Some(1),
    };
    comparisons.extend(compare(&arguments, &small)?);

    let told: Vec<String> = comparisons.iter().map(extra_us_per_step).collect();
    let time = "Time is from the first request until the last token, reading the prompts included.";
    let notes: Vec<&str> = [time].into_iter().chain(told.iter().map(String::as_str)).collect();
    let report = Report::new("An engine in a process of its own", &notes, comparisons);
    print!("{}", report.to_markdown());
    let [json, markdown] = report.save(&arguments.output, "isolation")?;
    eprintln!("written: {}, {}", json.display(), markdown.display());
    Ok(())
}

fn compare(arguments: &Arguments, setting: &Setting<'_>) -> Result<Vec<Comparison>> {
    let load = |isolation| {
        let builder = Engine::builder(setting.model).context_tokens(setting.context_tokens);
        let builder = builder.response_cache_bytes(0).isolation(isolation);
        match setting.threads {
            Some(threads) => builder.threads(threads).build(),
            None => builder.build(),
        }
    };
    let engines = [load(CONTENDERS[0].1)?, load(CONTENDERS[1].1)?];
    let names = CONTENDERS.map(|(name, _)| name);
    let mut comparisons = Vec::new();
    let mut first_prompt = 0;
    for streams in STREAMS {
        let contenders = rounds::take_turns(&names, 1, arguments.rounds, |contender, round| {
            let first = first_prompt + round * streams;
            let workload = Workload::repeating(streams, arguments.max_tokens, first);
            let measured = measure(&engines[contender], &workload)?;
            let (name, rate) = (names[contender], measured.tokens_per_second());
            eprintln!(
                "{}{streams} streams, round {round}, {name}: {rate:.1} tokens/s",
                setting.name
            );
            Ok(measured)
        })?;
        first_prompt += (1 + arguments.rounds) * streams;
        let workload = format!("{}{streams} streams", setting.name);
        comparisons.push(Comparison { workload, contenders });
    }
    Ok(comparisons)
}

/// Both processes are at work in one turn, so what others used can't be told apart.
fn measure(engine: &Engine, workload: &Workload) -> Result<Measurement> {
    let started = Instant::now();
    let tokens = streams::read_all(engine, workload)?;
    let seconds = started.elapsed().as_secs_f64();
    let due = workload.tokens();
    ensure!(tokens == due, "the answers have {tokens} tokens instead of {due}: one ended early");
    Ok(Measurement::of_tokens(tokens, seconds))
}

/// The time beyond that in this process, by steps: a step makes a token of each stream.
fn extra_us_per_step(comparison: &Comparison) -> String {
    let seconds = |series: &Series| -> Vec<f64> {
        series
            .measurements
            .iter()
            .map(|measured| measured.seconds / measured.tokens as f64)
            .collect()
    };
    let [here, apart] = [0, 1].map(|at| seconds(&comparison.contenders[at]));
    let mut extra: Vec<f64> =
        apart.iter().zip(&here).map(|(apart, here)| (apart - here) * 1e6).collect();
    extra.sort_by(f64::total_cmp);
    let median = extra.get(extra.len() / 2).copied().unwrap_or(0.0);
    format!("{}: {median:.0} µs a token more, in the median round.", comparison.workload)
}
