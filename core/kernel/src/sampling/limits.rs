//! Numbers within their limits, and the words that refuse others.

use std::ops::RangeInclusive;

use crate::Invalid;

/// The largest magnitude of temperatures, penalties and biases: what is computed from finite
/// logits with these stays finite.
pub(super) const MAGNITUDE_MAX: f64 = 1e6;

/// `value` as llama.cpp samples with it, if it is within `limits`.
#[expect(clippy::cast_possible_truncation, reason = "f32 is what llama.cpp samples with")]
pub(super) fn number(
    field: &'static str,
    value: f64,
    limits: RangeInclusive<f64>,
    remedy: &'static str,
) -> Result<f32, Invalid> {
    if limits.contains(&value) {
        // 0 has two signs and one meaning.
        return Ok(value as f32 + 0.0);
    }
    let limit = format!("a finite number from {} to {}", limits.start(), limits.end());
    Err(Invalid::new(field, value, limit, remedy))
}

/// A probability above 0, which keeps at least one token.
#[expect(clippy::cast_possible_truncation, reason = "f32 is what llama.cpp samples with")]
pub(super) fn share(
    field: &'static str,
    value: Option<f64>,
    remedy: &'static str,
) -> Result<f32, Invalid> {
    match value.unwrap_or(1.0) {
        // A value that f32 rounds to 0 would leave no token at all.
        p if p > 0.0 && p <= 1.0 => Ok((p as f32).max(f32::MIN_POSITIVE)),
        p => Err(Invalid::new(field, p, "above 0 and at most 1", remedy)),
    }
}

/// A whole number from 0 to `max`.
pub(super) fn count(
    field: &'static str,
    value: i64,
    max: u32,
    remedy: &'static str,
) -> Result<u32, Invalid> {
    u32::try_from(value)
        .ok()
        .filter(|&count| count <= max)
        .ok_or_else(|| Invalid::new(field, value, format!("from 0 to {max}"), remedy))
}

/// Texts of which there are not too many, none empty and none too long; sorted, each once.
pub(super) fn texts(
    field: &'static str,
    texts: &[String],
    (count_max, bytes_max): (usize, usize),
) -> Result<Vec<String>, Invalid> {
    if texts.len() > count_max {
        return Err(Invalid::new(
            field,
            format!("a list of {}", texts.len()),
            format!("at most {count_max} texts"),
            "give fewer of them",
        ));
    }
    if let Some(bad) = texts.iter().find(|text| !(1..=bytes_max).contains(&text.len())) {
        return Err(Invalid::new(
            field,
            format!("a text of {} bytes", bad.len()),
            format!("texts of 1 to {bytes_max} bytes"),
            "leave out empty texts and shorten long ones",
        ));
    }
    let mut texts = texts.to_vec();
    texts.sort_unstable();
    texts.dedup();
    Ok(texts)
}
