//! Tokens per second within a schema, and without one: the same prompts, as many tokens, in turns.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use indwell::{CacheMode, CompletionRequest, Engine, TokenStream};
use indwell_benches::document::{Aim, Expectation, Section, cell, noise};
use indwell_benches::machine::Usage;
use indwell_benches::plot::Panel;
use indwell_benches::traffic::Random;
use indwell_benches::{Comparison, Measurement, rounds};
use serde_json::{Value, json};

use crate::Arguments;

const CLIENTS: u32 = 8;
/// Answers of one measurement: one after the other, or all at once.
const ANSWERS: u32 = 8;
const MAX_TOKENS: u32 = 400;
/// What is compared. The second asks for log-probabilities, with which nothing is forced.
const CONTENDERS: [Contender; 3] = [Contender::Free, Contender::Drawn, Contender::Bound];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contender {
    Free,
    Drawn,
    Bound,
}

struct Workload {
    name: &'static str,
    schema: Value,
    at_once: bool,
    aim: f64,
}

/// Measures every workload.
pub(crate) fn measure(model: &Path, arguments: &Arguments) -> Result<(Section, Panel)> {
    let workloads: Vec<Workload> =
        workloads().into_iter().filter(|one| one.name.contains(&arguments.workload)).collect();
    ensure!(!workloads.is_empty(), "no workload has {:?} in its name", arguments.workload);
    let engine = Engine::builder(model)
        .context_tokens(8192)
        .sequences_max(CLIENTS)
        .threads(arguments.threads)
        .prefix_cache_tokens(0)
        .response_cache_bytes(0)
        .build()?;
    let names = CONTENDERS.map(Contender::name);
    let mut comparisons = Vec::new();
    let mut forced_shares = Vec::new();
    for workload in &workloads {
        let tokens = answer_tokens(&engine, workload)?;
        forced_shares.push(forced_share(&engine, workload)?);
        let contenders = rounds::take_turns(&names, 1, arguments.rounds, |at, round| {
            let measured = run(&engine, workload, CONTENDERS[at], tokens, round)?;
            let rate = measured.tokens_per_second();
            eprintln!("speed: {}, round {round}, {}: {rate:.1}", workload.name, names[at]);
            Ok(measured)
        })?;
        comparisons.push(Comparison { workload: workload.name.to_owned(), contenders });
    }
    Ok((section(&workloads, &comparisons, &forced_shares)?, panel(&comparisons)))
}

fn workloads() -> Vec<Workload> {
    let animal = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 20},
            "legs": {"type": "integer", "minimum": 0, "maximum": 99},
            "wild": {"type": "boolean"},
            "food": {"type": "array", "items": {"enum": ["grass", "hay", "fish"]}, "minItems": 3, "maxItems": 3},
        },
        "required": ["name", "legs", "wild", "food"],
        "additionalProperties": false,
    });
    let texts = json!({
        "type": "array",
        "items": {"type": "string", "minLength": 40, "maxLength": 60},
        "minItems": 3,
        "maxItems": 3,
    });
    let keys = [
        "number_of_requests_in_flight",
        "average_latency_in_milliseconds",
        "is_the_primary_replica_healthy",
        "maximum_queue_length_since_start",
        "configuration_file_was_reloaded",
        "remaining_disk_space_in_gigabytes",
    ];
    let value = |at: usize| match at % 2 {
        0 => json!({"type": "integer", "minimum": 0, "maximum": 999}),
        _ => json!({"type": "boolean"}),
    };
    let properties: serde_json::Map<String, Value> =
        keys.iter().enumerate().map(|(at, key)| ((*key).to_owned(), value(at))).collect();
    let status = json!({
        "type": "object",
        "properties": properties,
        "required": keys,
        "additionalProperties": false,
    });
    let workload = |name, schema: &Value, at_once, aim| {
        let schema = schema.clone();
        Workload { name, schema, at_once, aim }
    };
    vec![
        workload("a small object, one stream", &animal, false, 1.0),
        workload("texts, one stream", &texts, false, 1.0),
        workload("long keys, one stream", &status, false, 1.3),
        workload("a small object, 8 streams", &animal, true, 1.0),
        workload("long keys, 8 streams", &status, true, 1.3),
    ]
}

impl Contender {
    fn name(self) -> &'static str {
        match self {
            Contender::Free => "no schema",
            Contender::Drawn => "schema, nothing forced",
            Contender::Bound => "schema",
        }
    }

    /// The request for the answer `nth` of a round.
    fn request(self, engine: &Engine, schema: &Value, nth: u64) -> CompletionRequest {
        let number = 100 + Random::of(u32::try_from(nth).unwrap_or(0)).below(900);
        let prompt = vec![number.to_string(); 10].join(" and ");
        let request = engine.complete(prompt).cache(CacheMode::Bypass).max_tokens(MAX_TOKENS);
        match self {
            Contender::Free => request,
            Contender::Drawn => request.json_schema(schema.clone()).logprobs(true),
            Contender::Bound => request.json_schema(schema.clone()),
        }
    }
}

/// How many tokens an answer has, about: what the one without a schema is given.
fn answer_tokens(engine: &Engine, workload: &Workload) -> Result<u32> {
    let reply = Contender::Bound.request(engine, &workload.schema, 0).run()?;
    ensure!(reply.usage.completion_tokens < MAX_TOKENS, "{} does not end", workload.name);
    Ok(reply.usage.completion_tokens)
}

/// The share of an answer's tokens that are not drawn: each step draws one.
fn forced_share(engine: &Engine, workload: &Workload) -> Result<f64> {
    let before = engine.stats()?;
    Contender::Bound.request(engine, &workload.schema, 0).run()?;
    let after = engine.stats()?;
    let tokens = (after.completion_tokens - before.completion_tokens) as f64;
    Ok(1.0 - (after.steps - before.steps) as f64 / tokens)
}

fn run(
    engine: &Engine,
    workload: &Workload,
    contender: Contender,
    tokens: u32,
    round: u32,
) -> Result<Measurement> {
    let before = Usage::of_process(std::process::id());
    let begun = Instant::now();
    let ask = |nth: u32| -> Result<TokenStream> {
        let nth = u64::from(round) * 1000 + u64::from(nth);
        let request = contender.request(engine, &workload.schema, nth);
        let request =
            if contender == Contender::Free { request.max_tokens(tokens) } else { request };
        Ok(request.stream()?)
    };
    let mut told = 0;
    let mut read = |stream: TokenStream| -> Result<()> {
        told += u64::from(stream.reply()?.usage.completion_tokens);
        Ok(())
    };
    if workload.at_once {
        let streams = (0..ANSWERS).map(ask).collect::<Result<Vec<_>>>()?;
        streams.into_iter().try_for_each(&mut read)?;
    } else {
        (0..ANSWERS).try_for_each(|nth| read(ask(nth)?))?;
    }
    let measured = Measurement::of_tokens(told, begun.elapsed().as_secs_f64());
    let others_share = Usage::of_process(std::process::id()).others_since(&before);
    Ok(Measurement { others_share, ..measured })
}

fn section(
    workloads: &[Workload],
    comparisons: &[Comparison],
    forced_shares: &[f64],
) -> Result<Section> {
    let columns = ["workload", "contender", "tokens/s", "by those without a schema", "not drawn"];
    let mut rows = Vec::new();
    for (comparison, forced) in comparisons.iter().zip(forced_shares) {
        for (series, contender) in comparison.contenders.iter().zip(CONTENDERS) {
            rows.push(vec![
                comparison.workload.clone(),
                series.name.clone(),
                cell(&series.rates(), 1),
                cell(&series.ratios(comparison.baseline()), 3),
                match contender {
                    Contender::Bound => format!("{:.0}%", forced * 100.0),
                    Contender::Free | Contender::Drawn => String::new(),
                },
            ]);
        }
    }
    let expectations =
        comparisons.iter().zip(workloads).map(|(comparison, workload)| Expectation {
            what: format!("{}: tokens/s with its schema, by those without", workload.name),
            aim: Aim::AtLeast(workload.aim),
            values: comparison.contenders[2].ratios(comparison.baseline()),
        });
    let shares: Vec<f64> = comparisons.iter().flat_map(Comparison::others_shares).collect();
    Ok(Section {
        title: "Tokens per second within a schema".to_owned(),
        columns: columns.map(str::to_owned).to_vec(),
        rows,
        expectations: expectations.collect(),
        notes: vec![
            format!(
                "{ANSWERS} answers a measurement, prompts of about 20 tokens included; greedy, \
                 caches bypassed. An answer without a schema has as many tokens as one within it."
            ),
            "\"Nothing forced\" asks for log-probabilities, with which each token is drawn."
                .to_owned(),
            noise(&shares),
        ],
        data: serde_json::to_value(comparisons)?,
    })
}

fn panel(comparisons: &[Comparison]) -> Panel {
    let columns = comparisons.iter().map(|comparison| {
        let bound = &comparison.contenders[2];
        (comparison.workload.replace(" stream", ""), bound.ratios(comparison.baseline()))
    });
    Panel {
        title: "tokens/s with a schema, by those without".to_owned(),
        columns: columns.collect(),
        aim: Some(1.0),
    }
}
