//! Which tokens and texts an answer may hold, and which end it.

use serde::{Deserialize, Serialize};

use super::limits::{MAGNITUDE_MAX, count, texts};
use super::options::{SamplingOptions, Surroundings};
use crate::{Invalid, Token};

/// Biased tokens at most; a text stands for each of its tokens.
pub const BIASES_MAX: usize = 4096;
/// Tokens that end an answer at most, beside the model's own.
pub const STOP_TOKENS_MAX: usize = 64;
/// Banned strings at most.
pub const BANS_MAX: usize = 256;
/// Bytes of a banned string at most.
pub const BAN_BYTES_MAX: usize = 1024;
/// Bytes of all banned strings at most: what is looked at for each token of the answer.
pub const BANS_BYTES_MAX: usize = 16 * 1024;

/// Which tokens and texts an answer may hold, and which end it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenRules {
    /// What is added to logits, by token, ascending; −∞ for tokens that are never drawn.
    pub biases: Vec<(Token, f32)>,
    /// Texts that never appear in the answer; sorted, each once.
    pub banned: Vec<String>,
    /// Tokens that end the answer and are no part of it, beside the model's own; ascending.
    pub stop_tokens: Vec<Token>,
    /// Nothing ends the answer before it has so many tokens.
    pub min_tokens: u32,
    /// The model does not end the answer.
    pub ignore_eos: bool,
}

impl TokenRules {
    pub(super) fn of(
        options: &SamplingOptions,
        surroundings: &Surroundings,
    ) -> Result<Self, Invalid> {
        let rules = Self {
            biases: biases(&options.logit_bias, surroundings)?,
            banned: banned(&options.banned_strings)?,
            stop_tokens: stop_tokens(&options.stop_tokens, surroundings)?,
            min_tokens: count(
                "min_tokens",
                options.min_tokens.unwrap_or(0),
                i32::MAX as u32,
                "give the number of tokens that the answer has at least, or leave it out",
            )?,
            ignore_eos: options.ignore_eos.unwrap_or(false),
        };
        if rules.min_tokens > surroundings.max_tokens {
            return Err(Invalid::new(
                "min_tokens",
                rules.min_tokens,
                format!("at most max_tokens, which is {}", surroundings.max_tokens),
                "raise max_tokens or lower min_tokens",
            ));
        }
        if rules.ignore_eos && rules.min_tokens > 0 {
            return Err(Invalid::new(
                "min_tokens",
                rules.min_tokens,
                "left out with ignore_eos",
                "leave out one of them: with ignore_eos the model never ends the answer",
            ));
        }
        Ok(rules)
    }
}

/// # Errors
/// [`Invalid`] for an id that the vocabulary does not have.
fn token(field: &'static str, id: i64, surroundings: &Surroundings) -> Result<Token, Invalid> {
    let size = surroundings.vocabulary_tokens;
    i32::try_from(id).ok().filter(|&id| id >= 0 && id.unsigned_abs() < size).map(Token).ok_or_else(
        || {
            Invalid::new(
                field,
                format!("token {id}"),
                format!("a token of the model, from 0 to {}", size.saturating_sub(1)),
                format!("give ids of this model's vocabulary, which has {size} tokens"),
            )
        },
    )
}

/// Of a token that is named more than once, the biases add up, as in llama.cpp.
fn biases(given: &[(i64, f64)], surroundings: &Surroundings) -> Result<Vec<(Token, f32)>, Invalid> {
    const FIELD: &str = "logit_bias";
    if given.len() > BIASES_MAX {
        return Err(Invalid::new(
            FIELD,
            format!("{} biased tokens", given.len()),
            format!("at most {BIASES_MAX} tokens"),
            "bias fewer tokens; each text counts as all of its tokens",
        ));
    }
    let mut all = Vec::with_capacity(given.len());
    for &(id, bias) in given {
        let known = bias == f64::NEG_INFINITY || bias.abs() <= MAGNITUDE_MAX;
        if !known {
            return Err(Invalid::new(
                FIELD,
                format!("{bias} for token {id}"),
                format!("numbers from -{MAGNITUDE_MAX} to {MAGNITUDE_MAX}, or false"),
                "use false for a token that is never to be drawn",
            ));
        }
        all.push((token(FIELD, id, surroundings)?, bias));
    }
    // Sums in one order, so that the same biases are the same sum.
    all.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut sums: Vec<(Token, f64)> = Vec::with_capacity(all.len());
    for (token, bias) in all {
        match sums.last_mut() {
            Some((last, sum)) if *last == token => *sum += bias,
            _ => sums.push((token, bias)),
        }
    }
    sums.retain(|(_, bias)| *bias != 0.0);
    #[expect(clippy::cast_possible_truncation, reason = "f32 is what llama.cpp samples with")]
    let sums = sums.into_iter().map(|(token, bias)| (token, bias as f32)).collect();
    Ok(sums)
}

fn banned(given: &[String]) -> Result<Vec<String>, Invalid> {
    const FIELD: &str = "banned_strings";
    let banned = texts(FIELD, given, (BANS_MAX, BAN_BYTES_MAX))?;
    let bytes: usize = banned.iter().map(String::len).sum();
    if bytes > BANS_BYTES_MAX {
        return Err(Invalid::new(
            FIELD,
            format!("{bytes} bytes"),
            format!("at most {BANS_BYTES_MAX} bytes together"),
            "ban fewer or shorter texts",
        ));
    }
    // It stands for bytes that are no text, which are not known before they are said.
    if banned.iter().any(|text| text.contains(char::REPLACEMENT_CHARACTER)) {
        return Err(Invalid::new(
            FIELD,
            "a text with U+FFFD",
            "texts without the replacement character",
            "leave it out: it stands for broken characters",
        ));
    }
    Ok(banned)
}

fn stop_tokens(given: &[i64], surroundings: &Surroundings) -> Result<Vec<Token>, Invalid> {
    const FIELD: &str = "stop_tokens";
    if given.len() > STOP_TOKENS_MAX {
        return Err(Invalid::new(
            FIELD,
            format!("a list of {}", given.len()),
            format!("at most {STOP_TOKENS_MAX} tokens"),
            "give fewer of them",
        ));
    }
    let tokens: Result<Vec<Token>, Invalid> =
        given.iter().map(|&id| token(FIELD, id, surroundings)).collect();
    let mut tokens = tokens?;
    tokens.sort_unstable();
    tokens.dedup();
    Ok(tokens)
}
