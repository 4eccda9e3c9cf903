//! What do drafts bring where an answer repeats its prompt, and what do they cost where it does not?
//!
//! One engine drafts and one does not; both answer the same prompts, in turns. Edits are texts of
//! which a small model repeats most; free prompts are chats.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use clap::Parser;
use indwell::{CacheMode, Engine, EngineStats, Speculation};
use indwell_benches::document::{Aim, Expectation, Section, cell, noise};
use indwell_benches::machine::Usage;
use indwell_benches::{Comparison, Document, Measurement, requantized, rounds};

/// Measures an engine with drafts against one without, in one run.
#[derive(Debug, Parser)]
struct Arguments {
    /// An alias, or the path of a GGUF file; it is requantized to Q4_0
    #[arg(long, default_value = "smollm2-135m")]
    model: String,
    /// Rounds that count
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Where the results go
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    output: PathBuf,
}

const CONTENDERS: [(&str, Speculation); 2] =
    [("no drafts", Speculation::Off), ("drafts", Speculation::Auto)];
const SUBJECTS: [(&str, &str); 4] =
    [("harbour", "station"), ("mill", "forge"), ("garden", "orchard"), ("school", "museum")];
const EDIT_TOKENS: u32 = 200;
const QUESTIONS: [&str; 8] = [
    "What should I pack for a week in the mountains?",
    "Explain to a child why the sky is blue.",
    "Write a short poem about a lighthouse.",
    "How do I keep tomatoes from going bad?",
    "Tell me about the history of the bicycle.",
    "What is the difference between a virus and a bacterium?",
    "Give me some ideas for a birthday party.",
    "Why do cats purr?",
];
const FREE_TOKENS: u32 = 128;
const CLIENTS: usize = 8;

/// Prompts, and how they are asked.
struct Workload {
    name: &'static str,
    prompts: Vec<String>,
    clients: usize,
    /// What drafts are expected to bring.
    aim: f64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let model = requantized::q4_0(&arguments.model)?;
    let mut engines = Vec::new();
    for (_, speculation) in CONTENDERS {
        let builder = Engine::builder(model.as_path()).speculation(speculation);
        engines.push(builder.response_cache_bytes(0).build()?);
    }
    let names = CONTENDERS.map(|(name, _)| name);
    let mut comparisons = Vec::new();
    let mut counts = Vec::new();
    let workloads = workloads();
    for workload in &workloads {
        let before = engines[1].stats()?;
        let contenders = rounds::take_turns(&names, 1, arguments.rounds, |contender, round| {
            let measured = measure(&engines[contender], workload)?;
            let (name, rate) = (names[contender], measured.tokens_per_second());
            eprintln!("{}, round {round}, {name}: {rate:.1} tokens/s", workload.name);
            Ok(measured)
        })?;
        counts.push(Count::between(&before, &engines[1].stats()?));
        comparisons.push(Comparison { workload: workload.name.to_owned(), contenders });
    }
    let mut document = Document::new("Drafts by prompt lookup", Vec::new());
    document.sections.push(section(&workloads, &comparisons, &counts)?);
    print!("{}", document.to_markdown());
    let [json, markdown] = document.save(&arguments.output, "speculation")?;
    eprintln!("written: {}, {}", json.display(), markdown.display());
    Ok(())
}

fn workloads() -> Vec<Workload> {
    let questions: Vec<String> = QUESTIONS.map(str::to_owned).into();
    let workload = |name, prompts: &[String], clients, aim| {
        let prompts = prompts.to_vec();
        Workload { name, prompts, clients, aim }
    };
    vec![
        workload(EDITS, &edits(), 1, 1.3),
        workload("free chats, one stream", &questions, 1, 0.98),
        workload("free chats, 8 clients", &questions, CLIENTS, 0.98),
    ]
}

const EDITS: &str = "edits, one stream";

fn text_about(subject: &str) -> String {
    format!(
        "The old {subject} lies at the end of the long road, where the hills come down to the water. \
         Every morning at seven the keeper of the {subject} opens the heavy doors and sweeps the \
         yard. In spring the children come to see the {subject}, and they bring bread and apples. In \
         summer it is quiet, and only the swallows fly in and out under the roof. When autumn comes, \
         the people of the town gather at the {subject} for three days, and there is music, and long \
         tables stand in the shade of the lime trees. In winter the snow covers the road, and the \
         {subject} stays closed until the first warm day. Nobody remembers who built it, but the \
         oldest letters that speak of the {subject} are three hundred years old."
    )
}

/// A text, and the beginning of the same with another word: the rest is to be written.
fn edits() -> Vec<String> {
    let edit = |(old, new): &(&str, &str)| {
        let text = text_about(old);
        let begun: String = text_about(new).split_inclusive(' ').take(12).collect();
        format!(
            "Original text:\n{text}\n\nThe same text, with every \"{old}\" replaced by \
             \"{new}\":\n{}",
            begun.trim_end()
        )
    };
    SUBJECTS.iter().map(edit).collect()
}

/// Tokens a second of all answers, prompts included, asked by so many clients at once.
fn measure(engine: &Engine, workload: &Workload) -> Result<Measurement> {
    let answer = |prompt: &String| -> Result<u64> {
        let reply = if workload.name == EDITS {
            let request = engine.complete(prompt.as_str()).max_tokens(EDIT_TOKENS);
            request.cache(CacheMode::Bypass).run()?
        } else {
            let request = engine.chat(prompt.as_str()).max_tokens(FREE_TOKENS);
            request.cache(CacheMode::Bypass).run()?
        };
        Ok(u64::from(reply.usage.completion_tokens))
    };
    let before = Usage::of_process(std::process::id());
    let begun = Instant::now();
    let tokens = std::thread::scope(|scope| -> Result<u64> {
        let answer = &answer;
        let clients: Vec<_> = (0..workload.clients)
            .map(|client| {
                let own = workload.prompts.iter().skip(client).step_by(workload.clients);
                scope.spawn(move || own.map(answer).sum::<Result<u64>>())
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("a client does not panic")).sum()
    })?;
    let measured = Measurement::of_tokens(tokens, begun.elapsed().as_secs_f64());
    let others_share = Usage::of_process(std::process::id()).others_since(&before);
    Ok(Measurement { others_share, ..measured })
}

/// What became of drafts.
struct Count {
    tokens: u64,
    drafted: u64,
    accepted: u64,
}

impl Count {
    fn between(before: &EngineStats, after: &EngineStats) -> Self {
        Self {
            tokens: after.completion_tokens - before.completion_tokens,
            drafted: after.drafted_tokens - before.drafted_tokens,
            accepted: after.accepted_tokens - before.accepted_tokens,
        }
    }
}

fn section(
    workloads: &[Workload],
    comparisons: &[Comparison],
    counts: &[Count],
) -> Result<Section> {
    let columns =
        ["workload", "no drafts, tokens/s", "drafts, tokens/s", "ratio", "drafted", "right"];
    let rows = comparisons.iter().zip(counts).map(|(comparison, count)| {
        let [without, with] = [0, 1].map(|at| &comparison.contenders[at]);
        let share = |part: u64, of: u64| format!("{:.0}%", 100.0 * part as f64 / of.max(1) as f64);
        vec![
            comparison.workload.clone(),
            cell(&without.rates(), 1),
            cell(&with.rates(), 1),
            cell(&with.ratios(comparison.baseline()), 3),
            share(count.drafted, count.tokens),
            share(count.accepted, count.drafted),
        ]
    });
    let expectations =
        comparisons.iter().zip(workloads).map(|(comparison, workload)| Expectation {
            what: format!("{}: tokens/s with drafts, by those without", workload.name),
            aim: Aim::AtLeast(workload.aim),
            values: comparison.contenders[1].ratios(comparison.baseline()),
        });
    let shares: Vec<f64> = comparisons.iter().flat_map(Comparison::others_shares).collect();
    Ok(Section {
        title: "Tokens per second with drafts".to_owned(),
        columns: columns.map(str::to_owned).to_vec(),
        rows: rows.collect(),
        expectations: expectations.collect(),
        notes: vec![
            "Greedy, caches bypassed, prompts included. \"Drafted\" is by tokens of answers, \
             \"right\" by drafted ones."
                .to_owned(),
            noise(&shares),
        ],
        data: serde_json::to_value(comparisons)?,
    })
}
