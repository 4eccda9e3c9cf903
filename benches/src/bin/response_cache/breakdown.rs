//! What of a hit is spent on what, in Rust?
//!
//! The kernel's key can be had alone, on the same prompt. The rest of the time until the stream is
//! there is options, finding the prompt's tokens by its text, the look-up, and copying the answer
//! into events; then these are folded into a reply. Beside it, what a hit is spared: the
//! vocabulary's tokenizing.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, ensure};
use indwell::{CacheTier, Engine, Reply, TokenStream};
use indwell_benches::document::{Section, cell};
use indwell_benches::percentile;
use indwell_benches::traffic::Form;
use indwell_kernel::{CacheUse, Draws, Goal, Namespace, Request, RequestId, ResponseKey, Token};
use indwell_llama::{Model, ModelParams};
use serde::Serialize;

use crate::questions::{CONTEXT_TOKENS, MAX_TOKENS, Question, questions};
use crate::{Arguments, Found, Plots};

/// Medians of one round, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
struct Parts {
    /// What a hit is spared. `None` of a chat: what its template gives can't be had alone.
    tokenizing_us: Option<f64>,
    key_us: f64,
    /// Until the stream is there, the key included.
    stream_us: f64,
    /// From the stream to the reply.
    reply_us: f64,
}

/// One question.
#[derive(Debug, Serialize)]
struct Asked {
    question: &'static str,
    prompt_tokens: usize,
    /// One a round.
    rounds: Vec<Parts>,
}

/// Measures every question's parts, once a round.
///
/// # Errors
/// When the engine fails, or computes what it should not.
pub(crate) fn measure(arguments: &Arguments) -> Result<Found> {
    let engine = Engine::builder(arguments.model.as_str())
        .context_tokens(CONTEXT_TOKENS)
        .threads(arguments.threads)
        .build()?;
    let model = Model::load(&engine.model().path, ModelParams::default(), |_| {})?;
    let mut all = Vec::new();
    for question in questions() {
        let first = stream(&engine, &question)?.reply()?;
        let prompt_tokens = first.usage.prompt_tokens as usize;
        let rounds: Vec<Parts> = (0..arguments.rounds)
            .map(|_| parts(&engine, &model, &question, &first, arguments.hits / question.one_in))
            .collect::<Result<_>>()?;
        eprintln!("breakdown, {}: {:?}", question.name, rounds.last());
        all.push(Asked { question: question.name, prompt_tokens, rounds });
    }
    Ok(Found { section: section(&all)?, plots: Plots::default() })
}

fn stream(engine: &Engine, question: &Question) -> indwell::Result<TokenStream> {
    match question.form {
        Form::Completion => engine.complete(question.text.as_str()).max_tokens(MAX_TOKENS).stream(),
        Form::Chat => engine.chat(question.text.as_str()).max_tokens(MAX_TOKENS).stream(),
    }
}

fn parts(
    engine: &Engine,
    model: &Model,
    question: &Question,
    first: &Reply,
    times: u32,
) -> Result<Parts> {
    let (mut stream_us, mut reply_us) = (Vec::new(), Vec::new());
    for _ in 0..times {
        let started = Instant::now();
        let stream = stream(engine, question)?;
        stream_us.push(us(started));
        let started = Instant::now();
        let reply = stream.reply()?;
        reply_us.push(us(started));
        let is_hit = reply.usage.cache == Some(CacheTier::Response);
        ensure!(is_hit && reply.text == first.text, "it was computed: {reply:?}");
    }
    let tokenize = || model.vocabulary().tokenize(&question.text, true, false);
    let tokenizing_us = (question.form == Form::Completion).then(|| median_us(times, tokenize));
    let request = request(first.usage.prompt_tokens);
    let namespace = Namespace::builder().finish();
    Ok(Parts {
        tokenizing_us,
        key_us: median_us(times, || ResponseKey::of(namespace, &request, &[])),
        stream_us: percentile(stream_us, 0.5),
        reply_us: percentile(reply_us, 0.5),
    })
}

/// A request with a prompt of so many tokens; the key takes as long whichever they are.
fn request(prompt_tokens: u32) -> Request {
    Request {
        id: RequestId(0),
        prompt: (0..prompt_tokens).map(|at| Token(at.cast_signed())).collect(),
        boundaries: Vec::new(),
        goal: Goal::Generate,
        cache: CacheUse::Bypass,
        max_tokens: MAX_TOKENS,
        draws: Draws::greedy().into(),
        prompt_logprobs: false,
        deadline: None,
    }
}

fn median_us<T>(times: u32, mut work: impl FnMut() -> T) -> f64 {
    let once = |_| {
        let started = Instant::now();
        black_box(work());
        us(started)
    };
    percentile((0..times).map(once), 0.5)
}

fn us(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1e6
}

fn section(all: &[Asked]) -> Result<Section> {
    let columns =
        ["question", "prompt tokens", "key", "rest until the stream", "reply", "sum", "tokenizing"];
    let row = |asked: &Asked| {
        let values = |of: &dyn Fn(&Parts) -> Option<f64>| -> String {
            let values: Option<Vec<f64>> = asked.rounds.iter().map(of).collect();
            values.map_or_else(|| "unknown".to_owned(), |values| cell(&values, 1))
        };
        let rest = |parts: &Parts| parts.stream_us - parts.key_us;
        vec![
            asked.question.to_owned(),
            asked.prompt_tokens.to_string(),
            values(&|parts| Some(parts.key_us)),
            values(&|parts| Some(rest(parts))),
            values(&|parts| Some(parts.reply_us)),
            values(&|parts| Some(parts.stream_us + parts.reply_us)),
            values(&|parts| parts.tokenizing_us),
        ]
    };
    Ok(Section {
        title: "What a hit in Rust is spent on, in microseconds".to_owned(),
        columns: columns.map(str::to_owned).to_vec(),
        rows: all.iter().map(row).collect(),
        expectations: Vec::new(),
        notes: vec![
            "Medians of each part measured alone, so they add up only nearly. `rest until the \
             stream`: options, the prompt's tokens found by its text, the look-up, and the answer \
             copied into events. `reply`: these folded into one. `tokenizing` is what the tokens \
             would take otherwise; it is not part of the sum."
                .to_owned(),
        ],
        data: serde_json::to_value(all)?,
    })
}
