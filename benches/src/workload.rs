//! What is asked: prompts whose greedy answers go on for as long as they may.
//!
//! A prompt says one number over and over. A model that has seen "417 and 417 and 417 and ..."
//! goes on like that with a wide margin, so the answer neither ends early nor depends on what
//! shares its batch, and every contender gets the same number of tokens. A contender is asked no
//! prompt twice, lest an engine that remembers is measured remembering.

use anyhow::{Result, ensure};

/// Requests that are made at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// One prompt a request.
    pub prompts: Vec<String>,
    /// Tokens of each answer.
    pub max_tokens: u32,
}

/// How often a prompt says its number; with half as many, some answers of 128 tokens end early.
const REPEATS: usize = 10;

impl Workload {
    /// `streams` requests for `max_tokens` tokens each, with prompts from the `first`th on.
    #[must_use]
    pub fn repeating(streams: u32, max_tokens: u32, first: u32) -> Self {
        let prompts = (first..first + streams).map(prompt).collect();
        Self { prompts, max_tokens }
    }

    /// The tokens that all answers have together.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.prompts.len() as u64 * u64::from(self.max_tokens)
    }

    /// The workload as one line, as [clients](crate::client) read it: `max_tokens` and the
    /// prompts, with tabs between.
    #[must_use]
    pub fn to_line(&self) -> String {
        self.prompts.iter().fold(self.max_tokens.to_string(), |line, prompt| line + "\t" + prompt)
    }
}

/// The `index`th prompt. There are 900, with numbers of three digits.
fn prompt(index: u32) -> String {
    let number = (100 + index % 900).to_string();
    vec![number; REPEATS].join(" and ")
}

/// The share of the tokens asked for that answers must have. A chat's answers may end by
/// themselves, so a few are allowed to be short.
const ANSWERED_SHARE_MIN: f64 = 0.9;

/// Refuses what can't be compared: missing answers, or many that ended early. Each pair is what was
/// asked for, and what came.
///
/// # Errors
/// Both.
pub(crate) fn check_answers(requests: (usize, usize), tokens: (u64, u64)) -> Result<()> {
    let (asked, answered) = requests;
    ensure!(asked == answered, "{answered} of {asked} requests were answered");
    let (wanted, given) = tokens;
    ensure!(
        given as f64 >= wanted as f64 * ANSWERED_SHARE_MIN,
        "the answers have {given} tokens instead of {wanted}: too many ended early"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_prompt_comes_twice() {
        let prompts: HashSet<String> =
            (0..10).flat_map(|round| Workload::repeating(8, 1, round * 8).prompts).collect();
        assert_eq!(prompts.len(), 80);
    }

    #[test]
    fn a_workload_is_one_line() {
        let workload =
            Workload { prompts: vec!["1 2".to_owned(), "3 4".to_owned()], max_tokens: 9 };
        assert_eq!(workload.to_line(), "9\t1 2\t3 4");
        assert_eq!(workload.tokens(), 18);
    }
}
