//! How long does the reply to a question take that was answered before, from each language?
//!
//! Each language's client is a process of its own (`clients/hits.*`) that makes the plainest call
//! there is and waits for it: one caller, nobody else. The clock is read before and after each call;
//! what reading it takes is told and not taken off.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use indwell_benches::client::Load;
use indwell_benches::document::{Aim, Expectation, Section, cell, noise};
use indwell_benches::machine::Usage;
use indwell_benches::plot::distributions::Distributions;
use indwell_benches::traffic::Form;
use indwell_benches::{Client, percentile, rounds};
use serde::{Deserialize, Serialize};

use crate::questions::{CONTEXT_TOKENS, MAX_TOKENS, Question, questions};
use crate::{Arguments, Found, Plots};

/// Calls before the first one that is timed, by those that are: a JIT compiles late.
const WARM_UP_SHARE: f64 = 0.25;
/// The medians that are expected of the shortest question, in microseconds.
const EXPECTED_US: [(&str, f64); 3] = [("Rust", 20.0), ("Python", 60.0), ("Node", 60.0)];
/// Points of a plotted distribution.
const QUANTILES: u32 = 400;

/// What a client is to do, as `clients/hits.*` read it.
#[derive(Serialize)]
struct Task<'a> {
    form: Form,
    text: &'a str,
    max_tokens: u32,
    warm_up: u32,
    hits: u32,
}

/// What it says.
#[derive(Deserialize)]
struct Timed {
    prompt_tokens: u32,
    completion_tokens: u32,
    /// What two readings of the clock one after the other are apart.
    clock_ns: Vec<u64>,
    hit_ns: Vec<u64>,
}

/// One client's figures on one question in one round.
#[derive(Clone, Debug, Serialize)]
struct Figures {
    prompt_tokens: u32,
    p50_us: f64,
    p99_us: f64,
    clock_p50_us: f64,
    others_share: Option<f64>,
    /// The distribution, from the smallest to the largest.
    quantiles_us: Vec<f64>,
}

/// One question in every language.
#[derive(Debug, Serialize)]
struct Asked {
    question: &'static str,
    /// Of each client, one a round.
    clients: Vec<(String, Vec<Figures>)>,
}

/// Measures every language on every question, once a round.
///
/// # Errors
/// When a client fails, or computes what it should not.
pub(crate) fn measure(arguments: &Arguments) -> Result<Found> {
    let load = Load {
        model: arguments.model.clone(),
        context_tokens: CONTEXT_TOKENS,
        threads: arguments.threads,
    };
    let mut clients = Vec::new();
    for (name, mut command) in commands(arguments)? {
        eprintln!("hits: loading {} for {name}", load.model);
        clients.push(Client::start(name, &mut command, &load)?);
    }
    let names: Vec<String> = clients.iter().map(|client| client.name().to_owned()).collect();
    let mut asked = Vec::new();
    for question in questions() {
        let measured = rounds::turns(clients.len(), 1, arguments.rounds, |at, round| {
            let figures = ask(&mut clients[at], &question, arguments.hits)?;
            eprintln!(
                "hits, {}, round {round}, {}: p50 {:.1} µs, p99 {:.1} µs",
                question.name, names[at], figures.p50_us, figures.p99_us
            );
            Ok(figures)
        })?;
        let clients = names.iter().cloned().zip(measured).collect();
        asked.push(Asked { question: question.name, clients });
    }
    Ok(Found {
        section: section(&asked, arguments.hits)?,
        plots: Plots { distributions: vec![distributions(&asked[0])], ..Plots::default() },
    })
}

fn ask(client: &mut Client, question: &Question, hits: u32) -> Result<Figures> {
    let hits = hits / question.one_in;
    let task = Task {
        form: question.form,
        text: &question.text,
        max_tokens: MAX_TOKENS,
        warm_up: (f64::from(hits) * WARM_UP_SHARE) as u32,
        hits,
    };
    let before = Usage::of_process(client.pid());
    let line = client.exchange(&serde_json::to_string(&task)?)?;
    let others_share = Usage::of_process(client.pid()).others_since(&before);
    let timed: Timed = serde_json::from_str(&line)
        .with_context(|| format!("the client of {} answered {line:?}", client.name()))?;
    ensure!(
        timed.completion_tokens == MAX_TOKENS,
        "the answer has {} tokens instead of {MAX_TOKENS}: it ended early",
        timed.completion_tokens
    );
    let us = |ns: &[u64], share| percentile(ns.iter().map(|&ns| ns as f64 / 1000.0), share);
    let quantile = |at| us(&timed.hit_ns, f64::from(at) / f64::from(QUANTILES));
    Ok(Figures {
        prompt_tokens: timed.prompt_tokens,
        p50_us: us(&timed.hit_ns, 0.5),
        p99_us: us(&timed.hit_ns, 0.99),
        clock_p50_us: us(&timed.clock_ns, 0.5),
        others_share,
        quantiles_us: (1..=QUANTILES).map(quantile).collect(),
    })
}

/// The clients of all languages whose input is given.
fn commands(arguments: &Arguments) -> Result<Vec<(&'static str, Command)>> {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    let programs = std::env::current_exe()?;
    let rust = programs.with_file_name(format!("rust-hits{}", std::env::consts::EXE_SUFFIX));
    let mut commands = vec![("Rust", Command::new(rust))];
    let others = [("Python", &arguments.python, "hits.py"), ("Node", &arguments.node, "hits.mjs")];
    for (name, program, file) in others {
        if let Some(program) = program {
            let mut command = Command::new(program);
            command.arg(clients.join(file));
            commands.push((name, command));
        }
    }
    Ok(commands)
}

fn section(asked: &[Asked], hits: u32) -> Result<Section> {
    let columns = ["question", "client", "prompt tokens", "p50, µs", "p99, µs", "clock, µs"];
    let mut rows = Vec::new();
    let mut others = Vec::new();
    for Asked { question, clients } in asked {
        for (name, figures) in clients {
            let values = |of: fn(&Figures) -> f64| figures.iter().map(of).collect::<Vec<f64>>();
            rows.push(vec![
                (*question).to_owned(),
                name.clone(),
                figures.first().map_or(0, |figures| figures.prompt_tokens).to_string(),
                cell(&values(|figures| figures.p50_us), 1),
                cell(&values(|figures| figures.p99_us), 1),
                cell(&values(|figures| figures.clock_p50_us), 2),
            ]);
            others.extend(figures.iter().filter_map(|figures| figures.others_share));
        }
    }
    let shortest = asked.first().map_or(&[][..], |asked| asked.clients.as_slice());
    let expectations = shortest.iter().filter_map(|(name, figures)| {
        let (_, most) = EXPECTED_US.iter().find(|(expected, _)| expected == name)?;
        Some(Expectation {
            what: format!("{name}: the median of a hit on the shortest question, µs"),
            aim: Aim::AtMost(*most),
            values: figures.iter().map(|figures| figures.p50_us).collect(),
        })
    });
    Ok(Section {
        title: format!("An answer of {MAX_TOKENS} tokens given again, one caller"),
        columns: columns.map(str::to_owned).to_vec(),
        rows,
        expectations: expectations.collect(),
        notes: vec![
            format!(
                "{hits} hits a round, of the longest question a tenth, after a quarter as many \
                 that are not timed; one call at a time, in the plainest form that waits: \
                 `run()`, `engine.complete(...)`, `await engine.complete(...)`."
            ),
            "`clock` is what two readings of the clock one after the other are apart: it is in \
             every figure."
                .to_owned(),
            noise(&others),
        ],
        data: serde_json::to_value(asked)?,
    })
}

/// All rounds of a question together.
fn distributions(asked: &Asked) -> Distributions {
    let series = asked.clients.iter().map(|(name, figures)| {
        let all = figures.iter().flat_map(|figures| &figures.quantiles_us).copied();
        (name.clone(), all.collect())
    });
    Distributions {
        title: format!("A hit, {} asked, {MAX_TOKENS} answered", asked.question),
        over: "µs".to_owned(),
        series: series.collect(),
    }
}
