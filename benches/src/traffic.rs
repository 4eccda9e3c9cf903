//! What the contenders are asked, and what they say it took: the same for all of them, whatever
//! language they are in. The JSON of both is what `clients/llama_server.py` reads and writes.
//!
//! Every call with another `round` gives texts that nobody has been asked before, so that nothing
//! is carried over from an earlier round. The same round gives the same texts to every contender.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::workload::check_answers;

/// Sessions, and how they are served.
#[derive(Clone, Debug, Serialize)]
pub struct Traffic {
    /// What a turn is.
    pub form: Form,
    /// Requests that are made at once, at most.
    pub clients: u32,
    /// Tokens of each answer.
    pub max_tokens: u32,
    /// What the person says, turn by turn. A turn is asked with all that came before it, answers
    /// included. Turns that may be asked are asked first come, first served: a session's next one
    /// waits behind those of all others.
    pub sessions: Vec<Vec<String>>,
}

/// What a turn is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A text to be continued.
    Completion,
    /// A message of a chat.
    Chat,
}

/// What one contender did with some traffic.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Served {
    /// From the first request until the last answer's end.
    pub seconds: f64,
    /// One a turn, in the order in which they ended.
    pub answers: Vec<Answer>,
}

/// What one answer took, as its reader saw it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// Whose it is, in the traffic's order.
    pub session: u32,
    /// Which of the session's, from 0.
    pub turn: u32,
    /// From the request until the first text, in milliseconds.
    pub ttft_ms: f64,
    /// From the request until the end, in milliseconds.
    pub total_ms: f64,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Of those, the ones that were not computed.
    pub cached_tokens: u32,
    /// Tokens of the answer.
    pub completion_tokens: u32,
}

impl Traffic {
    /// Single requests: `prefix_words` words that all share, then `own_words` of their own, which
    /// say the same two over and over, so that the answer goes on for as long as it may.
    #[must_use]
    pub fn shared_prefix(
        requests: u32,
        prefix_words: u32,
        own_words: u32,
        round: u32,
    ) -> Vec<Vec<String>> {
        let prefix = words(prefix_words, round);
        let own = |request: u32| {
            let pair = pair(round * 97 + request);
            let spoken = (0..own_words).map(|at| pair[at as usize % 2]);
            spoken.collect::<Vec<&str>>().join(" ")
        };
        (0..requests).map(|request| vec![format!("{prefix} {}", own(request))]).collect()
    }

    /// Chats of four turns, each asking for more of one story than an answer can hold.
    #[must_use]
    pub fn stories(sessions: u32, round: u32) -> Vec<Vec<String>> {
        (0..sessions).map(|session| story(1000 * round + session)).collect()
    }

    /// How many requests it makes.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.sessions.iter().map(Vec::len).sum()
    }

    /// Refuses what can't be compared: missing answers, or many that ended early.
    ///
    /// # Errors
    /// Both.
    pub fn check(&self, served: &Served) -> Result<()> {
        let asked = self.requests();
        let wanted = asked as u64 * u64::from(self.max_tokens);
        check_answers((asked, served.answers.len()), (wanted, served.tokens()))
    }
}

impl Served {
    /// Tokens of all answers.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.answers.iter().map(|answer| u64::from(answer.completion_tokens)).sum()
    }

    /// The share of all prompts' tokens that were not computed, 0 to 1.
    #[must_use]
    pub fn cached_share(&self) -> f64 {
        let sum = |count: fn(&Answer) -> u32| {
            self.answers.iter().map(|answer| u64::from(count(answer))).sum::<u64>() as f64
        };
        sum(|answer| answer.cached_tokens) / sum(|answer| answer.prompt_tokens).max(1.0)
    }
}

/// Common words, nearly all of them one token with the space before.
const WORDS: [&str; 48] = [
    "time", "people", "water", "house", "light", "green", "stone", "road", "winter", "paper",
    "music", "glass", "river", "cloud", "hand", "table", "morning", "garden", "window", "letter",
    "story", "color", "number", "island", "market", "bridge", "engine", "forest", "summer",
    "mountain", "family", "night", "door", "school", "ship", "field", "horse", "bird", "tree",
    "king", "city", "bread", "clock", "moon", "wall", "fire", "voice", "book",
];

/// `count` words in an order of their own for each `round`.
#[must_use]
pub fn words(count: u32, round: u32) -> String {
    let mut random = Random::of(round);
    let chosen = (0..count).map(|_| WORDS[random.below(WORDS.len())]);
    chosen.collect::<Vec<&str>>().join(" ")
}

/// Two different words; the same two again only after 2,256 others.
fn pair(index: u32) -> [&'static str; 2] {
    let count = WORDS.len();
    let at = index as usize % (count * (count - 1));
    let (first, step) = (at % count, 1 + at / count);
    [WORDS[first], WORDS[(first + step) % count]]
}

fn story(index: u32) -> Vec<String> {
    let mut random = Random::of(index);
    let mut word = || WORDS[random.below(WORDS.len())];
    let (who, whom, where_to, thing) = (word(), word(), word(), word());
    // The first words differ, so that a session's own prefix is its own from the start.
    vec![
        format!(
            "Story {index}: write a long tale about a {who} and a {whom}. Begin on the day when \
             they meet near the {where_to}, and describe that place in detail."
        ),
        format!(
            "Go on with the tale. Tell in detail what the {who} says to the {whom} about the \
             {thing}, and how the {whom} answers."
        ),
        format!(
            "Go on. Something unexpected happens to the {thing} now; tell at length what it is \
             and what the {who} does about it."
        ),
        format!(
            "Now tell at length how the tale of the {whom} ends, and what all of them learned \
             from it at the {where_to}."
        ),
    ]
}

/// splitmix64: the same texts in every run.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// The random numbers of this seed.
    #[must_use]
    pub fn of(seed: u32) -> Self {
        Self((u64::from(seed) + 1).wrapping_mul(0xD1B5_4A32_D192_ED03))
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.bits() % limit as u64) as usize
    }

    /// A number from 0 to 1, 1 not included.
    pub fn share(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn requests_of_a_round_share_their_prefix_and_rounds_share_none() {
        let (one, two) = (Traffic::shared_prefix(8, 64, 6, 1), Traffic::shared_prefix(8, 64, 6, 2));
        let first_words = |text: &str| text.split(' ').take(64).collect::<Vec<_>>().join(" ");
        let prefixes: HashSet<String> =
            one.iter().map(|session| first_words(&session[0])).collect();
        assert_eq!(prefixes.len(), 1);
        assert_ne!(prefixes.iter().next(), Some(&first_words(&two[0][0])));
        let whole: HashSet<&String> = one.iter().flatten().collect();
        assert_eq!(whole.len(), 8, "each has words of its own");
        assert!(one[0][0].split(' ').count() == 70, "{}", one[0][0]);
    }

    #[test]
    fn pairs_are_of_different_words_and_all_differ() {
        let pairs: HashSet<[&str; 2]> = (0..2256).map(pair).collect();
        assert_eq!(pairs.len(), 2256);
        assert!(pairs.iter().all(|[first, second]| first != second));
    }

    #[test]
    fn stories_have_four_turns_and_none_comes_twice() {
        let stories = [Traffic::stories(16, 0), Traffic::stories(16, 1)].concat();
        assert!(stories.iter().all(|turns| turns.len() == 4));
        assert_eq!(stories.iter().map(|turns| &turns[0]).collect::<HashSet<_>>().len(), 32);
    }

    #[test]
    fn answers_that_are_missing_or_short_are_refused() {
        let traffic = Traffic {
            form: Form::Completion,
            clients: 2,
            max_tokens: 10,
            sessions: vec![vec!["a".to_owned()], vec!["b".to_owned()]],
        };
        let answer = Answer {
            session: 0,
            turn: 0,
            ttft_ms: 1.0,
            total_ms: 2.0,
            prompt_tokens: 4,
            cached_tokens: 3,
            completion_tokens: 10,
        };
        let served = |answers: &[Answer]| Served { seconds: 1.0, answers: answers.to_vec() };
        assert!(traffic.check(&served(&[answer, answer])).is_ok());
        assert!(traffic.check(&served(&[answer])).is_err());
        let short = Answer { completion_tokens: 5, ..answer };
        assert!(traffic.check(&served(&[answer, short])).is_err());
        assert!((served(&[answer, answer]).cached_share() - 0.75).abs() < 1e-12);
    }
}
