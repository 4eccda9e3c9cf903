//! A long prompt that arrives among four decoding streams: how they stutter, and how long it waits.

use anyhow::{Context, Result};
use indwell_benches::document::{Aim, Expectation, Section, cell, noise};
use indwell_benches::plot::Panel;
use indwell_benches::schedule::{Done, Request, Schedule, Streamed};
use indwell_benches::{Client, rounds};
use serde::Serialize;

use crate::contenders::{ENGINE, LLAMA_SERVER};
use crate::contest::{serve, warm_up};
use crate::figures::Percentiles;
use crate::prompts;

/// The streams that decode.
pub(crate) const STREAMS: u32 = 4;
const STREAM_WORDS: u32 = 32;
const LONG_MAX_TOKENS: u32 = 8;
const ITL_RATIO_MAX: f64 = 2.5;

/// How long is long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Long {
    /// Words of the long prompt, a token each.
    pub(crate) words: u32,
    /// Tokens of each stream's answer.
    pub(crate) stream_tokens: u32,
    /// When the prompt arrives, in milliseconds after the streams.
    pub(crate) at_ms: f64,
}

/// What one contender did in one round. Latencies are in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
struct Figures {
    alone: Percentiles,
    beside: Percentiles,
    long_ttft_ms: f64,
    others_share: Option<f64>,
}

/// Measures every contender, each round without the long prompt and with it.
///
/// # Errors
/// The first that a contender gives.
pub(crate) fn measure(
    clients: &mut Vec<Client>,
    rounds: u32,
    long: Long,
    mut notes: Vec<String>,
) -> Result<(Section, Vec<Panel>)> {
    warm_up(clients, &schedule(long, 0, true), &mut notes)?;
    let names: Vec<String> = clients.iter().map(|client| client.name().to_owned()).collect();
    let measured = rounds::turns(clients.len(), 0, rounds, |contender, round| {
        let client = &mut clients[contender];
        let alone = serve(client, &schedule(long, 2 * round + 1, false))?;
        let beside = serve(client, &schedule(long, 2 * round + 2, true))?;
        let figures = Figures {
            alone: streams_itl(&alone.0),
            beside: streams_itl(&beside.0),
            long_ttft_ms: long_ttft(&beside.0)?,
            others_share: beside.1.others_share,
        };
        eprintln!(
            "long prompt, round {round}, {}: ITL p99 {:.1} ms, longest {:.1} ms, p99 alone {:.1} ms, \
             TTFT {:.0} ms",
            names[contender],
            figures.beside.p99,
            figures.beside.max,
            figures.alone.p99,
            figures.long_ttft_ms
        );
        Ok(figures)
    })?;
    let contenders: Vec<(&str, Vec<Figures>)> =
        names.iter().map(String::as_str).zip(measured).collect();
    let shares = contenders.iter().flat_map(|(_, rounds)| rounds);
    notes.push(noise(&shares.filter_map(|figures| figures.others_share).collect::<Vec<_>>()));
    let columns = [
        "contender",
        "streams' ITL p50 alone, ms",
        "p99 alone, ms",
        "p99 beside, ms",
        "longest beside, ms",
        "p99 beside by p99 alone",
        "long prompt's TTFT, ms",
    ];
    let section = Section {
        title: format!(
            "A prompt of {} words arrives among {STREAMS} streams of {} tokens",
            long.words, long.stream_tokens
        ),
        columns: columns.map(str::to_owned).to_vec(),
        rows: contenders.iter().map(row).collect(),
        expectations: expectations(&contenders),
        notes,
        data: serde_json::to_value(&contenders)?,
    };
    let panel = |title: &str, figure: fn(&Figures) -> f64, aim| Panel {
        title: title.to_owned(),
        columns: contenders
            .iter()
            .map(|(name, rounds)| ((*name).to_owned(), values(rounds, figure)))
            .collect(),
        aim,
    };
    let panels = vec![
        panel("Beside a long prompt: ITL p99 by alone", stutter, Some(ITL_RATIO_MAX)),
        panel("The long prompt's TTFT, ms", |figures| figures.long_ttft_ms, None),
    ];
    Ok((section, panels))
}

/// The streams, with the long prompt or without. Each `variant` has its own texts.
fn schedule(long: Long, variant: u32, has_long: bool) -> Schedule {
    let first = variant * (STREAMS + 1);
    let mut requests: Vec<Request> = (first..first + STREAMS)
        .map(|number| Request {
            at_ms: Some(0.0),
            prompt: prompts::distinct(number, STREAM_WORDS),
            max_tokens: long.stream_tokens,
        })
        .collect();
    if has_long {
        requests.push(Request {
            at_ms: Some(long.at_ms),
            prompt: prompts::distinct(first + STREAMS, long.words),
            max_tokens: LONG_MAX_TOKENS,
        });
    }
    Schedule { clients: STREAMS + 1, requests }
}

fn streams_itl(done: &Done) -> Percentiles {
    let streams = done.answers.iter().filter(|answer| answer.request < STREAMS as usize);
    Percentiles::of(streams.flat_map(Streamed::itl_ms))
}

fn long_ttft(done: &Done) -> Result<f64> {
    let long = done.answers.iter().find(|answer| answer.request == STREAMS as usize);
    Ok(long.context("the long prompt was not answered")?.ttft_ms())
}

fn stutter(figures: &Figures) -> f64 {
    figures.beside.p99 / figures.alone.p99
}

fn values(rounds: &[Figures], figure: fn(&Figures) -> f64) -> Vec<f64> {
    rounds.iter().map(figure).collect()
}

fn row((name, rounds): &(&str, Vec<Figures>)) -> Vec<String> {
    vec![
        (*name).to_owned(),
        cell(&values(rounds, |figures| figures.alone.p50), 1),
        cell(&values(rounds, |figures| figures.alone.p99), 1),
        cell(&values(rounds, |figures| figures.beside.p99), 1),
        cell(&values(rounds, |figures| figures.beside.max), 1),
        cell(&values(rounds, stutter), 2),
        cell(&values(rounds, |figures| figures.long_ttft_ms), 0),
    ]
}

fn expectations(contenders: &[(&str, Vec<Figures>)]) -> Vec<Expectation> {
    let of = |name: &str| {
        let found = contenders.iter().find(|(other, _)| *other == name);
        found.map_or(&[][..], |(_, rounds)| rounds.as_slice())
    };
    let engine = of(ENGINE);
    let mut all = vec![
        Expectation {
            what: "The engine's streams: ITL p99 beside the long prompt by p99 alone".to_owned(),
            aim: Aim::AtMost(ITL_RATIO_MAX),
            values: values(engine, stutter),
        },
        Expectation {
            what: "The engine's streams: ITL p99 beside the long prompt by the median alone"
                .to_owned(),
            aim: Aim::None,
            values: values(engine, |figures| figures.beside.p99 / figures.alone.p50),
        },
    ];
    for (name, rounds) in contenders.iter().filter(|(name, _)| *name != ENGINE) {
        let pairs = engine.iter().zip(rounds);
        all.push(Expectation {
            what: format!("The longest gap of the engine's streams by that of {name}'s"),
            aim: Aim::None,
            values: pairs.clone().map(|(own, other)| own.beside.max / other.beside.max).collect(),
        });
        all.push(Expectation {
            what: format!("The long prompt's TTFT in the engine by {name}'s"),
            aim: if *name == LLAMA_SERVER { Aim::AtMost(1.0) } else { Aim::None },
            values: pairs.map(|(own, other)| own.long_ttft_ms / other.long_ttft_ms).collect(),
        });
    }
    all
}
