//! How long it takes to find out which tokens may come next: the answers of `schemas` are followed
//! again, as the executor does, twice each.

use std::time::Instant;

use anyhow::{Context, Result};
use indwell_benches::document::{Aim, Expectation, Section};
use indwell_benches::percentile;
use indwell_kernel::{Matcher, Token};
use indwell_llama::Model;
use serde_json::json;

use crate::schemas::Found;

/// As in the executor.
const FORCED_TOKENS_MAX: usize = 512;

/// What following answers took, in microseconds.
#[derive(Default)]
struct Times {
    masks: Vec<f64>,
    /// Taking a token, and those that it forces.
    takes: Vec<f64>,
    starts: Vec<f64>,
    forced_tokens: usize,
}

/// Follows every answer twice: what the first has learnt of the lexer serves the second.
pub(crate) fn measure(found: &[Found], model: &Model) -> Result<Section> {
    let pieces = pieces(model);
    let mut rows = Vec::new();
    let mut data = Vec::new();
    let mut first_p50 = None;
    for name in ["first answer", "second answer"] {
        let mut times = Times::default();
        for one in found {
            if let (Some(constraint), Some(answer)) = (&one.constraint, &one.answer) {
                let begun = Instant::now();
                let mut matcher = constraint.start();
                times.starts.push(micros(begun));
                follow(&mut *matcher, &answer.text, &pieces, &mut times)
                    .with_context(|| one.name.clone())?;
            }
        }
        let tokens = times.masks.len() + times.forced_tokens;
        for (what, values) in
            [("mask", &times.masks), ("take and force", &times.takes), ("start", &times.starts)]
        {
            let at = |share| percentile(values.iter().copied(), share);
            first_p50.get_or_insert(at(0.5));
            rows.push(vec![
                name.to_owned(),
                what.to_owned(),
                values.len().to_string(),
                format!("{:.1}", at(0.5)),
                format!("{:.1}", at(0.99)),
                format!("{:.1}", at(1.0)),
                format!("{:.1}", values.iter().sum::<f64>() / tokens as f64),
            ]);
        }
        data.push(json!({
            "pass": name, "masks_us": times.masks, "takes_us": times.takes,
            "starts_us": times.starts, "forced_tokens": times.forced_tokens,
        }));
    }
    let columns = ["pass", "what", "count", "µs p50", "p99", "largest", "µs by all tokens"];
    let p50 = Expectation {
        what: "mask of a first answer, p50, µs".to_owned(),
        aim: Aim::AtMost(100.0),
        values: first_p50.into_iter().collect(),
    };
    Ok(Section {
        title: format!("Masks on a vocabulary of {} tokens", pieces.len()),
        columns: columns.map(str::to_owned).to_vec(),
        rows,
        expectations: vec![p50],
        notes: vec![
            "On one thread, while nothing is decoded. Forced tokens need no mask.".to_owned(),
        ],
        data: data.into(),
    })
}

fn pieces(model: &Model) -> Vec<Vec<u8>> {
    let vocabulary = model.vocabulary();
    let piece = |id: u32| {
        let mut bytes = Vec::new();
        vocabulary.append_piece(Token(id.cast_signed()), &mut bytes);
        bytes
    };
    (0..vocabulary.size()).map(piece).collect()
}

fn follow(
    matcher: &mut dyn Matcher,
    text: &str,
    pieces: &[Vec<u8>],
    times: &mut Times,
) -> Result<()> {
    let piece = |token: Token| pieces[token.0.cast_unsigned() as usize].as_slice();
    let mut rest = text.as_bytes();
    let mut forced = Vec::new();
    while !rest.is_empty() && !matcher.is_complete() {
        let begun = Instant::now();
        let mask = matcher.mask()?;
        times.masks.push(micros(begun));
        let fits = |token: &Token| !piece(*token).is_empty() && rest.starts_with(piece(*token));
        let Some(token) = mask.tokens().filter(fits).max_by_key(|token| piece(*token).len()) else {
            // The end of an answer that was cut short in the midst of a token.
            return Ok(());
        };
        forced.clear();
        let begun = Instant::now();
        matcher.take(token)?;
        matcher.force(FORCED_TOKENS_MAX, &mut forced)?;
        times.takes.push(micros(begun));
        times.forced_tokens += forced.len();
        for &token in std::iter::once(&token).chain(&forced) {
            rest = rest.strip_prefix(piece(token)).unwrap_or_default();
        }
    }
    Ok(())
}

fn micros(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e6
}
