//! The parts: what each asks, of whom, and what is expected of the engine.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use indwell_benches::arrivals::{self, Arrival, Scale};
use indwell_benches::document::{Aim, Section};
use indwell_benches::plot::curves::Curve;
use indwell_benches::{Client, Summary, rounds};

use crate::contenders::{LLAMA_SERVER, Size};
use crate::contest::{Contest, Words, serve, warm_up};
use crate::figures::Figures;
use crate::long_prompt::{self, Long, STREAMS};
use crate::neighbour::Neighbour;
use crate::{Arguments, Findings, prompts};

/// Cells of a sequence in all parts but two: the longest prompt and answer fit.
const CELLS: u32 = 512;
/// The clients of `neighbour`, and those for which an aim is known in `distinct`.
const CLIENTS: u32 = 8;
const DISTINCT_RATIO: f64 = 1.05;
const NEIGHBOUR_RATIO: f64 = 1.3;

const LONG_CELLS: u32 = 4096;
const LONG_STREAM_TOKENS: u32 = 256;
const LONG_AT_MS: f64 = 500.0;

/// Requests that are computed at once where they arrive by themselves.
const ARRIVING: u32 = 16;
const TRACE_PROMPT_TOKENS_MAX: u32 = 320;
const TRACE_COMPLETION_TOKENS_MAX: u32 = 96;

/// With eight requests of these words the same context is nearly full.
const MEMORY_CELLS: u32 = 1024;
const MEMORY_WORDS: u32 = 800;

/// One stream.
pub(crate) fn single(arguments: &Arguments, model: &Path) -> Result<Findings> {
    streams(arguments, model, "One stream", 1, |_| Aim::None)
}

/// Distinct prompts.
pub(crate) fn distinct(arguments: &Arguments, model: &Path) -> Result<Findings> {
    let mut all = Findings::default();
    for &clients in &arguments.clients {
        let title = format!("Distinct prompts, clients: {clients}");
        let aim = |other: &str| match (other, clients) {
            (LLAMA_SERVER, CLIENTS) => Aim::AtLeast(DISTINCT_RATIO),
            _ => Aim::None,
        };
        let found = streams(arguments, model, &title, clients, aim)?;
        all.sections.extend(found.sections);
        all.panels.extend(found.panels);
    }
    Ok(all)
}

/// Distinct prompts beside a process that keeps one processor busy.
pub(crate) fn neighbour(arguments: &Arguments, model: &Path) -> Result<Findings> {
    let _neighbour = Neighbour::start()?;
    let aim = |other: &str| match other {
        LLAMA_SERVER => Aim::AtLeast(NEIGHBOUR_RATIO),
        _ => Aim::None,
    };
    streams(arguments, model, BESIDE_A_NEIGHBOUR, CLIENTS, aim)
}

const BESIDE_A_NEIGHBOUR: &str = "Distinct prompts beside one busy process, clients: 8";

/// Clients that each make one request after the other.
fn streams(
    arguments: &Arguments,
    model: &Path,
    title: &str,
    clients: u32,
    aim: impl Fn(&str) -> Aim,
) -> Result<Findings> {
    let requests = clients * arguments.requests_each;
    let schedule = |round: u32| {
        let (words, tokens) = (arguments.prompt_words, arguments.max_tokens);
        prompts::at_once(round * requests, requests, clients, words, tokens)
    };
    let size = Size { sequences: clients, context_tokens: clients * CELLS };
    let (mut contenders, mut notes) = start(arguments, model, size)?;
    warm_up(&mut contenders, &schedule(0), &mut notes)?;
    let contest =
        Contest::run(title, &mut contenders, arguments.rounds, None, |round| Ok(schedule(round)))?;
    notes.push(format!(
        "{requests} requests a round, of {} words and {} tokens out.",
        arguments.prompt_words, arguments.max_tokens
    ));
    let tells_noise = title != BESIDE_A_NEIGHBOUR;
    let rate = |figures: &Figures| figures.output_tokens_per_second;
    let expectations = contest.expectations("output tok/s", rate, aim);
    let words = Words { title: title.to_owned(), notes, tells_noise };
    let section = contest.section(words, expectations)?;
    let panel = contest.panel(&format!("{title}: tok/s"), rate);
    Ok(Findings { sections: vec![section], panels: vec![panel], curves: Vec::new() })
}

/// A long prompt among decoding streams.
pub(crate) fn long_prompt(arguments: &Arguments, model: &Path) -> Result<Findings> {
    let sequences = STREAMS + 1;
    let size = Size { sequences, context_tokens: sequences * LONG_CELLS };
    let long =
        Long { words: arguments.long_words, stream_tokens: LONG_STREAM_TOKENS, at_ms: LONG_AT_MS };
    let (mut contenders, notes) = start(arguments, model, size)?;
    let (section, panels) = long_prompt::measure(&mut contenders, arguments.rounds, long, notes)?;
    Ok(Findings { sections: vec![section], panels, curves: Vec::new() })
}

/// Poisson arrivals at rising rates.
pub(crate) fn poisson(arguments: &Arguments, model: &Path) -> Result<Findings> {
    let (mut contenders, mut notes) = start(arguments, model, arriving_size())?;
    let count = arguments.poisson_requests;
    let (words, tokens) = (arguments.prompt_words, arguments.max_tokens);
    warm_up(&mut contenders, &prompts::at_once(0, 4, 4, words, tokens), &mut notes)?;
    let targets = arguments.targets();
    notes.push(format!(
        "{count} requests a round of {words} words and {tokens} tokens out. A good answer has a \
         TTFT of {} ms at most and a p99 of its ITL of {} ms at most; goodput is their share.",
        targets.ttft_ms, targets.itl_ms
    ));
    let mut all = Findings::default();
    let mut contests = Vec::new();
    for (place, &rate) in (0_u32..).zip(&arguments.rates) {
        let title = format!("Poisson arrivals, {rate} requests/s");
        let schedule = |round: u32| {
            let variant = 4 + (place * (arguments.rounds + 1) + round) * count;
            let arrival =
                |at_ms| Arrival { at_ms, prompt_tokens: words, completion_tokens: tokens };
            let at: Vec<Arrival> =
                arrivals::poisson(rate, count, variant)?.into_iter().map(arrival).collect();
            prompts::arriving(variant, &at)
        };
        let contest =
            Contest::run(&title, &mut contenders, arguments.rounds, Some(targets), schedule)?;
        let ttft = contest.expectations("TTFT p50", |figures| figures.ttft_ms.p50, |_| Aim::None);
        let words = Words { title, notes: notes.clone(), tells_noise: true };
        all.sections.push(contest.section(words, ttft)?);
        contests.push((rate, contest));
    }
    all.curves = goodput_curves(&contests);
    Ok(all)
}

/// For each contender its median goodput over the rates.
fn goodput_curves(contests: &[(f64, Contest)]) -> Vec<Curve> {
    let Some((_, first)) = contests.first() else { return Vec::new() };
    let names = first.contenders.iter().map(|contender| contender.name.as_str());
    let curve = |(place, name): (usize, &str)| {
        let point = |(rate, contest): &(f64, Contest)| {
            let rounds = contest.contenders.get(place)?.rounds.iter();
            let shares: Vec<f64> = rounds.filter_map(|figures| figures.goodput).collect();
            Some((*rate, Summary::of(&shares)?.median * 100.0))
        };
        Curve {
            title: format!("{name}: goodput, %"),
            over: "requests per second".to_owned(),
            points: contests.iter().filter_map(point).collect(),
            bound: Some(100.0),
        }
    };
    names.enumerate().map(curve).collect()
}

/// A trace's arrivals and lengths, scaled. Without the file the section says so.
pub(crate) fn trace(arguments: &Arguments, model: &Path) -> Result<Findings> {
    let title = "A trace of arrivals and lengths, scaled".to_owned();
    let skipped = match &arguments.trace {
        None => Some("Skipped: no trace was given.".to_owned()),
        Some(path) if !path.is_file() => {
            Some(format!("Skipped: there is no file {}.", path.display()))
        }
        Some(_) => None,
    };
    if let Some(note) = skipped {
        eprintln!("trace: {note}");
        return Ok(Findings { sections: vec![empty(title, note)], ..Findings::default() });
    }
    let arrivals = read_trace(arguments)?;
    let count = u32::try_from(arrivals.len())?;
    let (mut contenders, mut notes) = start(arguments, model, arriving_size())?;
    let tokens = arguments.max_tokens;
    warm_up(&mut contenders, &prompts::at_once(0, 4, 4, 64, tokens), &mut notes)?;
    let targets = arguments.targets();
    let contest =
        Contest::run("trace", &mut contenders, arguments.rounds, Some(targets), |round| {
            prompts::arriving(round * count, &arrivals)
        })?;
    notes.push(format!(
        "The first {count} requests, stretched to {} requests/s; lengths times {}, at most \
         {TRACE_PROMPT_TOKENS_MAX} words in and {TRACE_COMPLETION_TOKENS_MAX} tokens out. Good is \
         a TTFT of {} ms at most and a p99 of the ITL of {} ms at most.",
        arguments.trace_rate, arguments.trace_lengths, targets.ttft_ms, targets.itl_ms
    ));
    let ttft = |figures: &Figures| figures.ttft_ms.p50;
    let expectations = contest.expectations("TTFT p50", ttft, |_| Aim::None);
    let section = contest.section(Words { title, notes, tells_noise: true }, expectations)?;
    let panel = contest.panel("Trace: TTFT p50, ms", ttft);
    Ok(Findings { sections: vec![section], panels: vec![panel], curves: Vec::new() })
}

/// The trace that was given, scaled.
///
/// # Errors
/// When it can't be read, or is no trace.
pub(crate) fn read_trace(arguments: &Arguments) -> Result<Vec<Arrival>> {
    let path = arguments.trace.as_deref().context("no trace was given")?;
    let read = || {
        let trace = arrivals::parse_trace(&fs::read_to_string(path)?, arguments.trace_requests)?;
        let scale = Scale {
            per_second: arguments.trace_rate,
            lengths: arguments.trace_lengths,
            prompt_tokens_max: TRACE_PROMPT_TOKENS_MAX,
            completion_tokens_max: TRACE_COMPLETION_TOKENS_MAX,
        };
        arrivals::scale(&trace, scale)
    };
    read().with_context(|| format!("the trace {}", path.display()))
}

/// The most memory of processes that have filled the same context once.
pub(crate) fn memory(arguments: &Arguments, model: &Path) -> Result<Findings> {
    let size = Size { sequences: CLIENTS, context_tokens: CLIENTS * MEMORY_CELLS };
    let tokens = arguments.max_tokens;
    let schedule =
        |round| prompts::at_once(round * CLIENTS, CLIENTS, CLIENTS, MEMORY_WORDS, tokens);
    let (mut contenders, mut notes) = start(arguments, model, size)?;
    warm_up(&mut contenders, &schedule(0), &mut notes)?;
    let names: Vec<String> = contenders.iter().map(|client| client.name().to_owned()).collect();
    let measured = rounds::turns(names.len(), 0, arguments.rounds, |contender, round| {
        // A peak never falls: each round's is of a process of its own.
        let client = &mut contenders[contender];
        *client = arguments.peers.start_one(model, arguments.threads, size, &names[contender])?;
        let (done, seen) = serve(client, &schedule(round + 1))?;
        let figures = Figures::of(&done, seen, None);
        eprintln!("memory, round {round}, {}: {:?} MiB", names[contender], figures.peak_rss_mib);
        Ok(figures)
    })?;
    let contest = Contest::of(names, measured);
    notes.push(format!(
        "{CLIENTS} requests of {MEMORY_WORDS} words and {tokens} tokens out, at once, in a process \
         just started with {} cells.",
        size.context_tokens
    ));
    let peak = |figures: &Figures| figures.peak_rss_mib.unwrap_or(f64::NAN);
    let expectations = contest.expectations("peak RSS", peak, |other| match other {
        LLAMA_SERVER => Aim::AtMost(1.0),
        _ => Aim::None,
    });
    let title = "Peak memory at the same context".to_owned();
    let section = contest.section(Words { title, notes, tells_noise: true }, expectations)?;
    let panel = contest.panel("Peak RSS, MiB", peak);
    Ok(Findings { sections: vec![section], panels: vec![panel], curves: Vec::new() })
}

fn arriving_size() -> Size {
    Size { sequences: ARRIVING, context_tokens: ARRIVING * CELLS }
}

fn start(arguments: &Arguments, model: &Path, size: Size) -> Result<(Vec<Client>, Vec<String>)> {
    arguments.peers.start(model, arguments.threads, size)
}

/// A section of a part that was skipped.
fn empty(title: String, note: String) -> Section {
    let (columns, rows) = (vec!["contender".to_owned()], Vec::new());
    let data = serde_json::Value::Null;
    Section { title, columns, rows, expectations: Vec::new(), notes: vec![note], data }
}
