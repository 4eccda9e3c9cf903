//! What does the prefix cache bring, against none and against llama-server's, and what does it
//! cost?
//!
//! | module | question |
//! |---|---|
//! | [`serving`] | requests that share a prefix, and chats: requests per second, TTFT |
//! | [`restart`] | the time to first token of a prefix that an earlier run computed |
//! | [`idle_cells`] | what a running stream pays for cached prefixes beside it |
//! | [`bounded`] | whether every tier stays within its bound |
//!
mod bounded;
mod idle_cells;
mod restart;
mod serving;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use indwell::Engine;
use indwell_benches::client::Load;
use indwell_benches::plot::curves::{self, Curve};
use indwell_benches::plot::{self, Panel};
use indwell_benches::traffic::Form;
use indwell_benches::{Contender, Document, Section, Traffic, requantized};

use serving::{CACHED, Contest, Expected, UNCACHED};

/// Measures the prefix cache, in one run.
///
/// Without --peer-python, llama-server is left out.
#[derive(Debug, Parser)]
struct Arguments {
    /// A Python interpreter that can import xllamacpp
    #[arg(long)]
    peer_python: Option<PathBuf>,
    /// An alias, or the path of a GGUF file; its weights are requantized to Q4_0
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
    /// Requests that share a prefix
    #[arg(long, default_value_t = 64)]
    requests: u32,
    /// Words that they share
    #[arg(long, default_value_t = 1024)]
    prefix_words: u32,
    /// Of those requests, how many are asked of the engine without a prefix cache, which computes every
    /// prompt from its start
    #[arg(long, default_value_t = 16)]
    uncached_requests: u32,
    /// Requests of the part `bounded`
    #[arg(long, default_value_t = 10_000)]
    bounded_requests: u32,
    /// Where the results go
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    output: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Shared,
    Chats,
    Restart,
    Idle,
    Bounded,
}

const CLIENTS: u32 = 8;
/// Cells of every contender: eight requests with their own copies of the prefix fit.
const CONTEXT_TOKENS: u32 = 16_384;
const OWN_WORDS: u32 = 32;
const SHARED_MAX_TOKENS: u32 = 32;
const SHARED_EXPECTED: Expected = Expected { requests_ratio: 3.0, ttft_ratio: Some(0.2) };
const CHATS: u32 = 16;
const WARM_UP_CHATS: u32 = 2;
const CHAT_MAX_TOKENS: u32 = 48;
const CHATS_EXPECTED: Expected = Expected { requests_ratio: 1.2, ttft_ratio: None };

/// What all parts gave.
struct Findings {
    document: Document,
    panels: Vec<Panel>,
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
    let model = requantized::q4_0(&arguments.model)?;
    let document = Document::new("The prefix cache", notes(&arguments, &model));
    let mut findings = Findings { document, panels: Vec::new(), curves: Vec::new() };
    for part in parts {
        findings.measure(part, &arguments, &model)?;
        // After each part: what was measured is not lost when a later one fails.
        findings.write(&arguments.output)?;
    }
    print!("{}", findings.document.to_markdown());
    Ok(())
}

impl Findings {
    fn measure(&mut self, part: Part, arguments: &Arguments, model: &Path) -> Result<()> {
        match part {
            Part::Shared => self.add(shared_prefix(arguments, model)?),
            Part::Chats => self.add(chats(arguments, model)?),
            Part::Restart => {
                let section = restart::measure(model, arguments.threads, arguments.rounds)?;
                self.document.sections.push(section);
            }
            Part::Idle => {
                self.add(idle_cells::measure(model, arguments.threads, arguments.rounds)?);
            }
            Part::Bounded => {
                let (section, curves) = bounded::measure(arguments.bounded_requests)?;
                self.document.sections.push(section);
                self.curves.extend(curves);
            }
        }
        Ok(())
    }

    fn add(&mut self, (section, panel): (Section, Panel)) {
        self.document.sections.push(section);
        self.panels.push(panel);
    }

    fn write(&self, directory: &Path) -> Result<()> {
        let [json, markdown] = self.document.save(directory, "prefix_cache")?;
        eprintln!("written: {}, {}", json.display(), markdown.display());
        let svg = |name: &str| directory.join(name);
        if !self.panels.is_empty() {
            plot::draw(&svg("prefix_cache.svg"), &self.panels)?;
        }
        if !self.curves.is_empty() {
            curves::draw(&svg("prefix_cache_bounded.svg"), &self.curves)?;
        }
        Ok(())
    }
}

/// Requests that share a prefix, on all contenders in turns.
fn shared_prefix(arguments: &Arguments, model: &Path) -> Result<(Section, Panel)> {
    let mut contenders = contenders(Part::Shared, arguments, model)?;
    let uncached = arguments.uncached_requests.min(arguments.requests);
    let traffic = |name: &str, round| {
        let requests = match (name, round) {
            (_, 0) => uncached.min(CLIENTS),
            (UNCACHED, _) => uncached,
            _ => arguments.requests,
        };
        Traffic {
            form: Form::Completion,
            clients: CLIENTS,
            max_tokens: SHARED_MAX_TOKENS,
            sessions: Traffic::shared_prefix(requests, arguments.prefix_words, OWN_WORDS, round),
        }
    };
    let contest = Contest::run("shared prefix", &mut contenders, arguments.rounds, traffic)?;
    let title = format!(
        "{} requests with {} words in common and {OWN_WORDS} of their own, {CLIENTS} at once, \
         {SHARED_MAX_TOKENS} tokens out",
        arguments.requests, arguments.prefix_words
    );
    let note = format!(
        "The engine without a prefix cache is asked {uncached} requests a round: each takes as \
         long as the others."
    );
    let section = contest.section(&title, SHARED_EXPECTED, vec![note])?;
    Ok((section, contest.panel("Shared prefix", SHARED_EXPECTED)))
}

/// Chats, on the engine and llama-server in turns.
fn chats(arguments: &Arguments, model: &Path) -> Result<(Section, Panel)> {
    let mut contenders = contenders(Part::Chats, arguments, model)?;
    let traffic = |_: &str, round| Traffic {
        form: Form::Chat,
        clients: CLIENTS,
        max_tokens: CHAT_MAX_TOKENS,
        sessions: Traffic::stories(if round == 0 { WARM_UP_CHATS } else { CHATS }, round),
    };
    let contest = Contest::run("chats", &mut contenders, arguments.rounds, traffic)?;
    let title = format!("{CHATS} chats of 4 turns, {CLIENTS} at once");
    let note = format!(
        "Each turn sends the whole conversation, and is answered with {CHAT_MAX_TOKENS} tokens at \
         most; few answers end before. A chat's next turn waits behind those of all other chats."
    );
    let section = contest.section(&title, CHATS_EXPECTED, vec![note])?;
    Ok((section, contest.panel("Chats", CHATS_EXPECTED)))
}

/// The engine with and without its prefix cache, and llama-server if there is one. Chats do without
/// the second: it would take most of their time.
fn contenders(part: Part, arguments: &Arguments, model: &Path) -> Result<Vec<Contender>> {
    let threads = arguments.threads;
    let builder = || {
        let builder = Engine::builder(model).context_tokens(CONTEXT_TOKENS);
        // Nobody is asked anything twice; what it costs to remember answers is measured elsewhere.
        builder.sequences_max(CLIENTS).threads(threads).response_cache_bytes(0)
    };
    let mut contenders = vec![Contender::Engine(CACHED.to_owned(), builder().build()?)];
    if part == Part::Shared {
        let uncached = builder().prefix_cache_tokens(0).build()?;
        contenders.push(Contender::Engine(UNCACHED.to_owned(), uncached));
    }
    if let Some(python) = &arguments.peer_python {
        let model = model.to_str().context("the model's path is no text")?.to_owned();
        let load = Load { model, context_tokens: CONTEXT_TOKENS, threads };
        contenders.push(Contender::peer(python, CLIENTS, &load)?);
    }
    Ok(contenders)
}

fn notes(arguments: &Arguments, model: &Path) -> Vec<String> {
    let name = model.file_name().unwrap_or_default().to_string_lossy();
    let mut notes = vec![
        format!(
            "{name}, {} threads, {CONTEXT_TOKENS} cells, {CLIENTS} sequences or slots; every \
             option that is not named has its default.",
            arguments.threads
        ),
        "Contenders take turns; a ratio is between two measurements of the same round, and each \
         round has prompts that nobody was asked before. A short round before them warms up."
            .to_owned(),
        "TTFT is from the call until the first text, where it is read. `cached` is what each \
         says of itself."
            .to_owned(),
    ];
    notes.push(match &arguments.peer_python {
        Some(_) => "llama-server runs in a process of its own through xllamacpp, called by 8 \
                    threads without HTTP, its prompt cache at its defaults; its wheel is compiled \
                    for processors with AVX2, and an engine that finds more than that has the \
                    better kernels."
            .to_owned(),
        None => "llama-server was left out: no interpreter with xllamacpp was given.".to_owned(),
    });
    notes
}
