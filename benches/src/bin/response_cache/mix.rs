//! What does the cache bring where questions repeat as they do: some often, most now and then?
//!
//! Questions are drawn by Zipf's law: the one in place k comes 1/k times as often as the first. So
//! many clients ask them, each the next one when it has its answer; asked at once, the same question
//! is computed once. Every round has questions that nobody was asked before.

use anyhow::{Context, Result};
use indwell::{Engine, ResponseCacheStats};
use indwell_benches::client::Load;
use indwell_benches::document::{Aim, Expectation, Section, cell, noise};
use indwell_benches::plot::Panel;
use indwell_benches::plot::distributions::Distributions;
use indwell_benches::traffic::{Form, Random};
use indwell_benches::{Contender, Traffic, percentile, requantized, rounds};
use serde::Serialize;

use crate::{Arguments, Found, Plots};

const REQUESTS: usize = 200;
const QUESTIONS: u32 = 40;
const CLIENTS: u32 = 8;
const CONTEXT_TOKENS: u32 = 8192;
/// What the engine's requests per second may be of llama-server's, at least.
const RATIO_MIN: f64 = 2.5;

const CACHED: &str = "engine";
const UNCACHED: &str = "engine, no response cache";
const PEER: &str = "llama-server";

/// One contender's figures in one round.
#[derive(Clone, Debug, Serialize)]
struct Figures {
    requests_per_second: f64,
    /// How many different questions there were.
    distinct: usize,
    counted: Option<Counted>,
    /// From the call to the answer's end, one a request.
    latency_ms: Vec<f64>,
    others_share: Option<f64>,
}

/// How an engine served them, as it says.
#[derive(Clone, Copy, Debug, Serialize)]
struct Counted {
    computed: u64,
    shared: u64,
    hits: u64,
}

/// One contender's figures, one a round.
#[derive(Debug, Serialize)]
struct Serving {
    name: String,
    rounds: Vec<Figures>,
}

/// Measures all contenders, once a round.
///
/// # Errors
/// When one fails, or too many answers are short.
pub(crate) fn measure(arguments: &Arguments) -> Result<Found> {
    let mut contenders = contenders(arguments)?;
    let names: Vec<String> = contenders.iter().map(|one| one.name().to_owned()).collect();
    let measured = rounds::turns(names.len(), 1, arguments.rounds, |turn, round| {
        let figures = serve(&mut contenders[turn], arguments.max_tokens, round)?;
        eprintln!(
            "mix, round {round}, {}: {:.2} requests/s, p50 {:.1} ms, {:?}",
            names[turn],
            figures.requests_per_second,
            percentile(figures.latency_ms.iter().copied(), 0.5),
            figures.counted,
        );
        Ok(figures)
    })?;
    let serving = |(name, rounds)| Serving { name, rounds };
    let all: Vec<Serving> = names.into_iter().zip(measured).map(serving).collect();
    Ok(Found { section: section(&all, arguments.max_tokens)?, plots: plots(&all) })
}

fn contenders(arguments: &Arguments) -> Result<Vec<Contender>> {
    let model = requantized::q4_0(&arguments.model)?;
    let builder = || {
        let builder = Engine::builder(model.as_path()).context_tokens(CONTEXT_TOKENS);
        builder.sequences_max(CLIENTS).threads(arguments.threads)
    };
    let mut contenders = vec![
        Contender::Engine(CACHED.to_owned(), builder().build()?),
        Contender::Engine(UNCACHED.to_owned(), builder().response_cache_bytes(0).build()?),
    ];
    if let Some(python) = &arguments.peer_python {
        let model = model.to_str().context("the model's path is no text")?.to_owned();
        let load = Load { model, context_tokens: CONTEXT_TOKENS, threads: arguments.threads };
        contenders.push(Contender::peer(python, CLIENTS, &load)?);
    }
    Ok(contenders)
}

fn serve(contender: &mut Contender, max_tokens: u32, round: u32) -> Result<Figures> {
    // The round that warms up is a short one.
    let requests = if round == 0 { REQUESTS / 10 } else { REQUESTS };
    let drawn = draw(requests, round);
    let mut distinct = drawn.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let stories = Traffic::stories(QUESTIONS, round);
    let traffic = Traffic {
        form: Form::Chat,
        clients: CLIENTS,
        max_tokens,
        sessions: drawn.iter().map(|&at| vec![stories[at][0].clone()]).collect(),
    };
    let before = response_cache(contender)?;
    let measured = contender.measure(&traffic)?;
    let after = response_cache(contender)?;
    let counted = before.zip(after).map(|(before, after)| Counted {
        computed: requests as u64 - (after.hits - before.hits) - (after.shared - before.shared),
        shared: after.shared - before.shared,
        hits: after.hits - before.hits,
    });
    Ok(Figures {
        requests_per_second: requests as f64 / measured.served.seconds,
        distinct: distinct.len(),
        counted,
        latency_ms: measured.served.answers.iter().map(|answer| answer.total_ms).collect(),
        others_share: measured.others_share,
    })
}

fn response_cache(contender: &Contender) -> Result<Option<ResponseCacheStats>> {
    match contender {
        Contender::Engine(_, engine) => Ok(Some(engine.caches()?.response)),
        Contender::Peer(_) => Ok(None),
    }
}

/// Which question each request asks: Zipf's law with exponent 1, the same in every run.
fn draw(requests: usize, round: u32) -> Vec<usize> {
    let mut random = Random::of(round);
    let weights = || (1..=QUESTIONS).map(|place| 1.0 / f64::from(place));
    let all: f64 = weights().sum();
    let one = |_| {
        let mut left = random.share() * all;
        let passed = weights().take_while(|weight| {
            left -= weight;
            left >= 0.0
        });
        passed.count().min(QUESTIONS as usize - 1)
    };
    (0..requests).map(one).collect()
}

/// The engine's requests per second by `other`'s of the same round.
fn ratios(all: &[Serving], other: &str) -> Vec<f64> {
    let rates = |name: &str| -> Vec<f64> {
        let found = all.iter().find(|serving| serving.name == name);
        let rounds = found.map_or(&[][..], |serving| serving.rounds.as_slice());
        rounds.iter().map(|figures| figures.requests_per_second).collect()
    };
    rates(CACHED).into_iter().zip(rates(other)).map(|(own, other)| own / other).collect()
}

fn section(all: &[Serving], max_tokens: u32) -> Result<Section> {
    let columns = [
        "contender",
        "requests/s",
        "p50, ms",
        "p90, ms",
        "p99, ms",
        "computed",
        "shared",
        "hits",
        "different questions",
    ];
    let others: Vec<f64> = all
        .iter()
        .flat_map(|serving| &serving.rounds)
        .filter_map(|figures| figures.others_share)
        .collect();
    let expectations = [(PEER, Aim::AtLeast(RATIO_MIN)), (UNCACHED, Aim::None)];
    let expectations = expectations.into_iter().map(|(other, aim)| Expectation {
        what: format!("The engine's requests/s by those of {other}"),
        aim,
        values: ratios(all, other),
    });
    Ok(Section {
        title: format!(
            "{REQUESTS} requests over {QUESTIONS} questions by Zipf's law, {CLIENTS} at once, \
             {max_tokens} tokens out"
        ),
        columns: columns.map(str::to_owned).to_vec(),
        rows: all.iter().map(Serving::row).collect(),
        expectations: expectations.filter(|one| !one.values.is_empty()).collect(),
        notes: vec![
            format!(
                "Greedy chats on Q4_0 weights, which llama.cpp computes fastest; {CONTEXT_TOKENS} \
                 cells, {CLIENTS} sequences or slots. llama-server runs in a process of its own \
                 through xllamacpp, called by {CLIENTS} threads without HTTP, its prompt cache at \
                 its defaults; its wheel is compiled for processors with AVX2, and an engine that \
                 finds more than that has the better kernels."
            ),
            "`shared` requests asked what was being computed for another one, and `hits` what had \
             been. Latency is from the call to the answer's end, where it is read."
                .to_owned(),
            noise(&others),
        ],
        data: serde_json::to_value(all)?,
    })
}

impl Serving {
    fn row(&self) -> Vec<String> {
        let values = |figure: &dyn Fn(&Figures) -> f64| -> Vec<f64> {
            self.rounds.iter().map(figure).collect()
        };
        let latency =
            |share| cell(&values(&|round| percentile(round.latency_ms.iter().copied(), share)), 1);
        let counted = |count: fn(&Counted) -> u64| -> String {
            let counts = self.rounds.iter().filter_map(|round| round.counted.as_ref());
            cell(&counts.map(|counted| count(counted) as f64).collect::<Vec<_>>(), 0)
        };
        vec![
            self.name.clone(),
            cell(&values(&|round| round.requests_per_second), 2),
            latency(0.5),
            latency(0.9),
            latency(0.99),
            counted(|counted| counted.computed),
            counted(|counted| counted.shared),
            counted(|counted| counted.hits),
            cell(&values(&|round| round.distinct as f64), 0),
        ]
    }
}

fn plots(all: &[Serving]) -> Plots {
    let columns = [PEER, UNCACHED].map(|other| (format!("by {other}'s"), ratios(all, other)));
    let panel = Panel {
        title: "Questions by Zipf's law: requests/s".to_owned(),
        columns: columns.into_iter().filter(|(_, values)| !values.is_empty()).collect(),
        aim: Some(RATIO_MIN),
    };
    let series = all.iter().map(|serving| {
        let all = serving.rounds.iter().flat_map(|round| &round.latency_ms).copied();
        (serving.name.clone(), all.collect())
    });
    let distribution = Distributions {
        title: "Questions by Zipf's law: call to end".to_owned(),
        over: "ms".to_owned(),
        series: series.collect(),
    };
    Plots { panels: vec![panel], distributions: vec![distribution], ..Plots::default() }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn questions_come_as_often_as_zipf_says_and_the_same_in_every_run() {
        let drawn = draw(100_000, 1);
        assert_eq!(drawn, draw(100_000, 1));
        let mut counts: HashMap<usize, f64> = HashMap::new();
        drawn.iter().for_each(|at| *counts.entry(*at).or_default() += 1.0);
        assert_eq!(counts.len(), QUESTIONS as usize);
        for place in [2, 3, 10] {
            let ratio = counts[&0] / counts[&(place - 1)];
            assert!((ratio / place as f64 - 1.0).abs() < 0.1, "{place}: {ratio}");
        }
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let serving = |name: &str, rates: [f64; 2]| Serving {
            name: name.to_owned(),
            rounds: rates
                .map(|requests_per_second| Figures {
                    requests_per_second,
                    distinct: 1,
                    counted: None,
                    latency_ms: vec![1.0],
                    others_share: None,
                })
                .to_vec(),
        };
        let all = [serving(CACHED, [8.0, 4.0]), serving(PEER, [2.0, 1.0])];
        assert_eq!(ratios(&all, PEER), [4.0, 4.0]);
        assert!(ratios(&all, UNCACHED).is_empty());
        let section = section(&all, 64).expect("a section");
        assert_eq!((section.rows.len(), section.expectations.len()), (2, 1));
        assert!(section.expectations[0].is_met());
    }
}
