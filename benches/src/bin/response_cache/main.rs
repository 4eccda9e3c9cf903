//! What does the response cache bring, how fast is an answer given again, and what do answers take?
//!
//! | module | question |
//! |---|---|
//! | [`hits`] | how long a hit takes from each language |
//! | [`breakdown`] | what of that is spent on what, in Rust |
//! | [`mix`] | questions that repeat, as questions do: against llama-server and against no cache |
//! | [`bytes`] | the bytes that are accounted, against the allocator's figure |

mod breakdown;
mod bytes;
mod hits;
mod mix;
mod questions;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use indwell_benches::plot::curves::{self, Curve};
use indwell_benches::plot::distributions::{self, Distributions};
use indwell_benches::plot::{self, Panel};
use indwell_benches::{Document, Section};

/// Measures the response cache, in one run.
///
/// A language whose input is not given is left out, and llama-server without --peer-python.
#[derive(Debug, Parser)]
struct Arguments {
    /// A Python interpreter that can import indwell
    #[arg(long)]
    python: Option<PathBuf>,
    /// The Node program; the package in bindings/node has its native module in place
    #[arg(long)]
    node: Option<PathBuf>,
    /// A Python interpreter that can import xllamacpp
    #[arg(long)]
    peer_python: Option<PathBuf>,
    /// An alias, or the path of a GGUF file; for the mix its weights are requantized to Q4_0
    #[arg(long, default_value = "smollm2-135m")]
    model: String,
    /// What to measure; everything when nothing is named
    #[arg(long, value_enum, value_delimiter = ',')]
    part: Vec<Part>,
    /// Rounds that count
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Threads that compute, the same for every contender; 0 for all processors
    #[arg(long, default_value_t = 0)]
    threads: u32,
    /// Hits that are timed, each round, of each question
    #[arg(long, default_value_t = 5000)]
    hits: u32,
    /// Tokens of each answer of the part `mix`
    #[arg(long, default_value_t = questions::MAX_TOKENS)]
    max_tokens: u32,
    /// Answers that the part `bytes` computes
    #[arg(long, default_value_t = 150_000)]
    answers: u64,
    /// Where the results go
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    output: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Hits,
    Breakdown,
    Mix,
    Bytes,
}

/// What a part gave.
struct Found {
    section: Section,
    plots: Plots,
}

/// What a part draws, if anything.
#[derive(Default)]
struct Plots {
    panels: Vec<Panel>,
    distributions: Vec<Distributions>,
    curves: Vec<Curve>,
}

fn main() -> Result<()> {
    let mut arguments = Arguments::parse();
    if arguments.threads == 0 {
        arguments.threads = u32::try_from(std::thread::available_parallelism()?.get())?;
    }
    let parts = match arguments.part.as_slice() {
        [] => Part::value_variants().to_vec(),
        named => named.to_vec(),
    };
    // Where it is not there yet, the model is fetched once, not by every client.
    if indwell::aliases().iter().any(|alias| alias.name == arguments.model) {
        indwell::pull(&arguments.model, &|_| {})?;
    }
    let mut document = Document::new("The response cache", notes(&arguments));
    let mut plots = Plots::default();
    for part in parts {
        let found = match part {
            Part::Hits => hits::measure(&arguments)?,
            Part::Breakdown => breakdown::measure(&arguments)?,
            Part::Mix => mix::measure(&arguments)?,
            Part::Bytes => bytes::measure(&arguments)?,
        };
        document.sections.push(found.section);
        plots.add(found.plots);
        // After each part: what was measured is not lost when a later one fails.
        let [json, markdown] = document.save(&arguments.output, "response_cache")?;
        eprintln!("written: {}, {}", json.display(), markdown.display());
        plots.draw(&arguments)?;
    }
    print!("{}", document.to_markdown());
    Ok(())
}

impl Plots {
    fn add(&mut self, more: Self) {
        self.panels.extend(more.panels);
        self.distributions.extend(more.distributions);
        self.curves.extend(more.curves);
    }

    fn draw(&self, arguments: &Arguments) -> Result<()> {
        let svg = |name: &str| arguments.output.join(name);
        if !self.panels.is_empty() {
            plot::draw(&svg("response_cache.svg"), &self.panels)?;
        }
        if !self.distributions.is_empty() {
            distributions::draw(&svg("response_cache_latency.svg"), &self.distributions)?;
        }
        if !self.curves.is_empty() {
            curves::draw(&svg("response_cache_bytes.svg"), &self.curves)?;
        }
        Ok(())
    }
}

fn notes(arguments: &Arguments) -> Vec<String> {
    let mut notes = vec![
        format!(
            "{}, {} threads; every option that is not named has its default.",
            arguments.model, arguments.threads
        ),
        "Contenders take turns; a ratio is between two measurements of the same round.".to_owned(),
    ];
    for (input, who) in [
        (&arguments.python, "Python"),
        (&arguments.node, "Node"),
        (&arguments.peer_python, "llama-server"),
    ] {
        if input.is_none() {
            notes.push(format!("{who} was left out: its input was not given."));
        }
    }
    notes
}
