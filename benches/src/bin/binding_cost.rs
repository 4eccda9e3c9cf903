//! What does a binding cost? Tokens streamed per second from Python, Node and Kotlin, by those
//! streamed from Rust.
//!
//! Two models. The default one answers the question as users meet it: a step of some
//! milliseconds, in which a binding's microseconds all but vanish. A small one (see
//! `small_model`), computed on one thread, lets them show: its steps are cheap and nothing spins,
//! so the processor time beyond Rust's, by events, is the binding's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::Parser;
use indwell_benches::client::Load;
use indwell_benches::plot::{self, Panel};
use indwell_benches::report::Report;
use indwell_benches::{Client, Comparison, Workload, rounds, small_model};

/// Measures what each language's binding costs, against Rust, in one run.
///
/// A language whose inputs are not given is left out.
#[derive(Debug, Parser)]
struct Arguments {
    /// A Python interpreter that can import indwell
    #[arg(long)]
    python: Option<PathBuf>,
    /// The Node program; the package in bindings/node has its native module in place
    #[arg(long)]
    node: Option<PathBuf>,
    /// The Java program; with --kotlin-classpath and --kotlin-native-dir
    #[arg(long, requires_all = ["kotlin_classpath", "kotlin_native_dir"])]
    java: Option<PathBuf>,
    /// The classpath that has the Kotlin client, the package and what it needs
    #[arg(long)]
    kotlin_classpath: Option<String>,
    /// The folder with libindwell_mobile and llama.cpp's libraries
    #[arg(long)]
    kotlin_native_dir: Option<PathBuf>,
    /// An alias, or the path of a GGUF file
    #[arg(long, default_value = "smollm2-135m")]
    model: String,
    /// Rounds that count
    #[arg(long, default_value_t = 7)]
    rounds: u32,
    /// Where the results go
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    output: PathBuf,
}

/// What one comparison asks for.
#[derive(Clone, Copy, Debug)]
struct Task {
    workload: &'static str,
    streams: u32,
    max_tokens: u32,
    /// One after the other; added up into one measurement.
    repeats: u32,
}

impl Task {
    fn requests(&self) -> u32 {
        self.streams * self.repeats
    }

    fn workloads(&self, first_prompt: u32) -> Vec<Workload> {
        let workload = |repeat| {
            let first = first_prompt + repeat * self.streams;
            Workload::repeating(self.streams, self.max_tokens, first)
        };
        (0..self.repeats).map(workload).collect()
    }
}

const DEFAULT_MODEL_TASKS: [Task; 2] = [
    Task { workload: "1 stream × 256 tokens", streams: 1, max_tokens: 256, repeats: 1 },
    Task { workload: "8 streams × 128 tokens", streams: 8, max_tokens: 128, repeats: 1 },
];
/// As many events as make the system's clock of 10 ms fine enough.
const SMALL_MODEL_TASKS: [Task; 2] = [
    Task {
        workload: "small model, 1 stream × 1000 tokens",
        streams: 1,
        max_tokens: 1000,
        repeats: 4,
    },
    Task {
        workload: "small model, 8 streams × 500 tokens",
        streams: 8,
        max_tokens: 500,
        repeats: 2,
    },
];
const CONTEXT_TOKENS: u32 = 4096;
/// The share of Rust's tokens per second that a binding is to reach.
const AIM: f64 = 0.98;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // Where it is not there yet, the model is fetched once, not by every client.
    if indwell::aliases().iter().any(|alias| alias.name == arguments.model) {
        indwell::pull(&arguments.model, &|_| {})?;
    }
    let load = Load { model: arguments.model.clone(), context_tokens: CONTEXT_TOKENS, threads: 0 };
    let mut comparisons = compare(&arguments, &load, &DEFAULT_MODEL_TASKS, 1)?;

    let mut file = tempfile::Builder::new().suffix(".gguf").tempfile()?;
    small_model::write(&mut file)?;
    let model = file.path().to_str().context("the temporary folder's path is no text")?.to_owned();
    // Several rounds to warm up: a JIT compiles late.
    let load = Load { model, context_tokens: small_model::CONTEXT_TOKENS, threads: 1 };
    comparisons.extend(compare(&arguments, &load, &SMALL_MODEL_TASKS, 4)?);

    let report = Report::new("Binding cost", &notes(), comparisons);
    print!("{}", report.to_markdown());
    let [json, markdown] = report.save(&arguments.output, "binding_cost")?;
    let svg = arguments.output.join("binding_cost.svg");
    plot::draw(&svg, &panels(&report.comparisons))?;
    eprintln!("written: {}, {}, {}", json.display(), markdown.display(), svg.display());
    Ok(())
}

fn compare(
    arguments: &Arguments,
    load: &Load,
    tasks: &[Task],
    warm_up: u32,
) -> Result<Vec<Comparison>> {
    let mut clients = Vec::new();
    for (name, mut command) in commands(arguments)? {
        eprintln!("loading {} for {name}", load.model);
        clients.push(Client::start(name, &mut command, load)?);
    }
    let names: Vec<String> = clients.iter().map(|client| client.name().to_owned()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut comparisons = Vec::new();
    let mut first_prompt = 0;
    for task in tasks {
        let contenders = rounds::take_turns(&names, warm_up, arguments.rounds, |client, round| {
            let first = first_prompt + round * task.requests();
            let measured = clients[client].measure(&task.workloads(first))?;
            let rate = measured.tokens_per_second();
            eprintln!("{}, round {round}, {}: {rate:.1} tokens/s", task.workload, names[client]);
            Ok(measured)
        })?;
        first_prompt += (warm_up + arguments.rounds) * task.requests();
        comparisons.push(Comparison { workload: task.workload.to_owned(), contenders });
    }
    Ok(comparisons)
}

/// The clients, Rust's first: the others are compared with it.
fn commands(arguments: &Arguments) -> Result<Vec<(&'static str, Command)>> {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    let programs = std::env::current_exe()?;
    let rust = programs.with_file_name(format!("rust-client{}", std::env::consts::EXE_SUFFIX));
    let mut commands = vec![("Rust", Command::new(rust))];
    if let Some(python) = &arguments.python {
        for (name, how) in [("Python", "threads"), ("Python asyncio", "asyncio")] {
            let mut command = Command::new(python);
            command.arg(clients.join("client.py")).arg(how);
            commands.push((name, command));
        }
    }
    if let Some(node) = &arguments.node {
        let mut command = Command::new(node);
        command.arg(clients.join("client.mjs"));
        commands.push(("Node", command));
    }
    if let (Some(java), Some(classpath), Some(native_dir)) =
        (&arguments.java, &arguments.kotlin_classpath, &arguments.kotlin_native_dir)
    {
        let mut command = Command::new(java);
        command.arg(format!("-Djna.library.path={}", native_dir.display())).args([
            "-classpath",
            classpath,
            "ai.indwell.bench.ClientKt",
        ]);
        commands.push(("Kotlin", command));
    }
    Ok(commands)
}

fn notes() -> [&'static str; 3] {
    [
        "A ratio is between two measurements of the same round; each client is a process of its own, and all but one sleep.",
        "Rust and Python read each stream in a thread of its own; Python asyncio, Node and Kotlin in a task, a promise and a coroutine.",
        "Processor time is told for the small model only: on one thread nothing spins at barriers, so what is beyond Rust's is the binding's.",
    ]
}

fn panels(comparisons: &[Comparison]) -> Vec<Panel> {
    let (default, small) = comparisons.split_at(DEFAULT_MODEL_TASKS.len().min(comparisons.len()));
    let ratios = default.iter().map(|comparison| {
        let title = format!("Tokens/s by Rust's: {}", comparison.workload);
        Panel::ratios(comparison, &title, Some(AIM))
    });
    let extra = small.iter().map(|comparison| {
        let title = format!("CPU µs an event beyond Rust's: {}", comparison.workload);
        Panel::extra_us_per_event(comparison, &title)
    });
    ratios.chain(extra).collect()
}
