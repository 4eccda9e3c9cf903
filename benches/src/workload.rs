//! What is asked: prompts whose greedy answers go on for as long as they may.
//!
//! The prompts count. A model that has seen "41 42 43" goes on counting with a wide margin, so
//! the answer neither ends early nor depends on what shares its batch, and every contender gets
//! the same number of tokens. No two prompts of a run are the same, lest an engine that remembers
//! answers or prefixes is measured remembering.

use std::fmt::Write as _;

/// Requests that are made at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// One prompt a request.
    pub prompts: Vec<String>,
    /// Tokens of each answer.
    pub max_tokens: u32,
}

/// Numbers in a prompt.
const NUMBERS: u32 = 8;

impl Workload {
    /// The `turn`th workload of `streams` requests for `max_tokens` tokens each.
    #[must_use]
    pub fn counting(streams: u32, max_tokens: u32, turn: u32) -> Self {
        let prompts = (0..streams).map(|stream| counting_prompt(turn * streams + stream)).collect();
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

/// The `index`th prompt: "100 101 102 ...". Up to 700 prompts have three digits a number.
fn counting_prompt(index: u32) -> String {
    let first = 100 + index % 700;
    let mut prompt = first.to_string();
    for number in first + 1..first + NUMBERS {
        write!(prompt, " {number}").expect("a string can be written to");
    }
    prompt
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_prompt_comes_twice() {
        let prompts: HashSet<String> =
            (0..10).flat_map(|turn| Workload::counting(8, 1, turn).prompts).collect();
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
