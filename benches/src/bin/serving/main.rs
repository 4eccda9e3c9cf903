//! How fast does the engine serve, and how steadily, against what people use today?
//!
//! | module | owns |
//! |---|---|
//! | [`contenders`] | who is compared |
//! | [`prompts`] | what they are asked |
//! | [`contest`] | contenders in turns on one kind of schedule |
//! | [`figures`] | what one of them did in one round |
//! | [`parts`] | the kinds of schedules: streams, arrivals, a trace, memory |
//! | [`long_prompt`] | a long prompt among decoding streams |
//! | [`neighbour`] | a process that keeps a processor busy |

mod contenders;
mod contest;
mod figures;
mod long_prompt;
mod neighbour;
mod parts;
mod prompts;

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use indwell_benches::plot::curves::{self, Curve};
use indwell_benches::plot::{self, Panel};
use indwell_benches::schedule::Targets;
use indwell_benches::{Document, Section, requantized};

use contenders::Peers;

/// Measures serving against the peers, in one run.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) peers: Peers,
    /// An alias, or the path of a GGUF file; its weights are requantized to Q4_0
    #[arg(long, default_value = "smollm2-135m")]
    model: String,
    /// What to measure; everything when nothing is named
    #[arg(long, value_enum, value_delimiter = ',')]
    part: Vec<Part>,
    /// Rounds that count
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: u32,
    /// Threads that compute, the same for every contender that lets them be chosen; 0 for all
    /// processors
    #[arg(long, default_value_t = 0)]
    pub(crate) threads: u32,
    /// Words of a prompt in all parts but `long_prompt` and `trace`
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) prompt_words: u32,
    /// Tokens of an answer in all parts but `long_prompt` and `trace`
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..=128))]
    pub(crate) max_tokens: u32,
    /// Requests of each client in `single`, `distinct` and `neighbour`
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) requests_each: u32,
    /// Clients of `distinct`
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 32])]
    pub(crate) clients: Vec<u32>,
    /// Words of the long prompt
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u32).range(1..=3800))]
    pub(crate) long_words: u32,
    /// Requests per second of `poisson`, rising
    #[arg(long, value_delimiter = ',', default_values_t = [0.5, 1.0, 2.0, 4.0])]
    pub(crate) rates: Vec<f64>,
    /// Requests of each rate
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) poisson_requests: u32,
    /// The longest TTFT of a good answer, in milliseconds
    #[arg(long, default_value_t = 500.0)]
    ttft_target_ms: f64,
    /// The longest p99 of a good answer's ITL, in milliseconds
    #[arg(long, default_value_t = 100.0)]
    itl_target_ms: f64,
    /// A trace of arrivals and lengths: a CSV file with the columns of Azure's of 2023
    #[arg(long)]
    pub(crate) trace: Option<PathBuf>,
    /// Requests of the trace
    #[arg(long, default_value_t = 48)]
    pub(crate) trace_requests: usize,
    /// Requests per second that the trace is stretched to
    #[arg(long, default_value_t = 1.5)]
    pub(crate) trace_rate: f64,
    /// What the trace's lengths are multiplied with
    #[arg(long, default_value_t = 0.125)]
    pub(crate) trace_lengths: f64,
    /// Where the results go
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    output: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Part {
    /// One stream
    Single,
    /// Distinct prompts, by several numbers of clients
    Distinct,
    /// A long prompt among four decoding streams
    LongPrompt,
    /// Poisson arrivals at rising rates
    Poisson,
    /// A trace of arrivals and lengths
    Trace,
    /// Distinct prompts by 8 clients, beside a busy process
    Neighbour,
    /// The most memory at the same context
    Memory,
}

/// What a part gave.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) sections: Vec<Section>,
    pub(crate) panels: Vec<Panel>,
    pub(crate) curves: Vec<Curve>,
}

fn main() -> Result<()> {
    if std::env::args().nth(1).as_deref() == Some(neighbour::OPTION) {
        neighbour::be_busy();
        return Ok(());
    }
    let mut arguments = Arguments::parse();
    arguments.check()?;
    if arguments.threads == 0 {
        arguments.threads = u32::try_from(std::thread::available_parallelism()?.get())?;
    }
    let parts = match arguments.part.as_slice() {
        [] => Part::value_variants().to_vec(),
        named => named.to_vec(),
    };
    let model = requantized::q4_0(&arguments.model)?;
    let mut document = Document::new("Serving against the peers", notes(&arguments, &model));
    let (mut panels, mut curves) = (Vec::new(), Vec::new());
    for part in parts {
        let found = measure(part, &arguments, &model)?;
        document.sections.extend(found.sections);
        panels.extend(found.panels);
        curves.extend(found.curves);
        // After each part: what was measured is not lost when a later one fails.
        write(&document, &panels, &curves, &arguments.output)?;
    }
    print!("{}", document.to_markdown());
    Ok(())
}

impl Arguments {
    /// Refuses what would be found wrong only after minutes.
    fn check(&self) -> Result<()> {
        ensure!(self.rounds > 0, "--rounds must be above 0");
        ensure!(
            self.clients.iter().all(|clients| (1..=64).contains(clients)),
            "--clients must be from 1 to 64"
        );
        for rate in self.rates.iter().chain([&self.trace_rate]) {
            ensure!(
                rate.is_finite() && *rate > 0.0,
                "{rate} requests per second: a rate must be above 0"
            );
        }
        if self.trace.as_ref().is_some_and(|path| path.is_file()) {
            parts::read_trace(self)?;
        }
        Ok(())
    }

    pub(crate) fn targets(&self) -> Targets {
        Targets { ttft_ms: self.ttft_target_ms, itl_ms: self.itl_target_ms }
    }
}

fn measure(part: Part, arguments: &Arguments, model: &Path) -> Result<Findings> {
    match part {
        Part::Single => parts::single(arguments, model),
        Part::Distinct => parts::distinct(arguments, model),
        Part::LongPrompt => parts::long_prompt(arguments, model),
        Part::Poisson => parts::poisson(arguments, model),
        Part::Trace => parts::trace(arguments, model),
        Part::Neighbour => parts::neighbour(arguments, model),
        Part::Memory => parts::memory(arguments, model),
    }
}

fn write(document: &Document, panels: &[Panel], curves: &[Curve], directory: &Path) -> Result<()> {
    let [json, markdown] = document.save(directory, "serving")?;
    eprintln!("written: {}, {}", json.display(), markdown.display());
    if !panels.is_empty() {
        plot::draw(&directory.join("serving.svg"), panels)?;
    }
    if !curves.is_empty() {
        curves::draw(&directory.join("serving_goodput.svg"), curves)?;
    }
    Ok(())
}

fn notes(arguments: &Arguments, model: &Path) -> Vec<String> {
    let name = model.file_name().unwrap_or_default().to_string_lossy();
    vec![
        format!(
            "{name}, {} threads; each contender is a process of its own, called without HTTP, with \
             as many sequences or slots and cells; every option that is not named has its default. The \
             engine's: {}.",
            arguments.threads,
            [&[contenders::NO_DRAFTS.to_owned()], arguments.peers.engine_options.as_slice()]
                .concat()
                .join(", "),
        ),
        "Contenders take turns; a ratio is between two measurements of the same round, and each \
         round has prompts that nobody was asked before."
            .to_owned(),
        "Latencies are p50 / p90 / p99, each the median of the rounds, read by each client where \
         it gets the text: TTFT until the first text, ITL between one text and the next, TPOT from \
         the first text until the last by the tokens after the first."
            .to_owned(),
        "Peak RSS is the process's since it started, its interpreter and the mapped model \
         included. A cell with `none` is what a contender does not tell."
            .to_owned(),
        "mistral.rs streams chats alone: its prompts have a chat template's tokens besides, and it \
         chooses its own threads. llama-cpp-python was left out: PyPI has no wheel of it, its \
         source alone."
            .to_owned(),
    ]
}
