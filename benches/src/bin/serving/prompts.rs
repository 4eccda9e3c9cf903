//! Prompts of which no two are alike, and the schedules made of them.

use anyhow::{Result, ensure};
use indwell_benches::Traffic;
use indwell_benches::arrivals::Arrival;
use indwell_benches::schedule::{Request, Schedule};

/// The words at a prompt's end that say the same two over and over, so that its answer goes on.
const REPEATING_WORDS: u32 = 24;

/// The `number`th prompt of `words` words, nearly all of them one token.
pub(crate) fn distinct(number: u32, words: u32) -> String {
    let own = words.min(REPEATING_WORDS);
    Traffic::shared_prefix(1, words - own, own, number).concat().concat()
}

/// `count` requests that are all there from the start, from the `first`th prompt on.
pub(crate) fn at_once(first: u32, count: u32, clients: u32, words: u32, tokens: u32) -> Schedule {
    let request =
        |number| Request { at_ms: None, prompt: distinct(number, words), max_tokens: tokens };
    Schedule { clients, requests: (first..first + count).map(request).collect() }
}

/// Requests that arrive whether or not others have ended, each with a caller of its own.
///
/// # Errors
/// No arrivals.
pub(crate) fn arriving(first: u32, arrivals: &[Arrival]) -> Result<Schedule> {
    ensure!(!arrivals.is_empty(), "no request arrives");
    let request = |(number, arrival): (u32, &Arrival)| Request {
        at_ms: Some(arrival.at_ms),
        prompt: distinct(number, arrival.prompt_tokens),
        max_tokens: arrival.completion_tokens,
    };
    let requests: Vec<Request> = (first..).zip(arrivals).map(request).collect();
    Ok(Schedule { clients: u32::try_from(requests.len())?, requests })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn prompts_differ_and_have_their_length() {
        let prompts: HashSet<String> = (0..200).map(|number| distinct(number, 64)).collect();
        assert_eq!(prompts.len(), 200);
        assert!(prompts.iter().all(|prompt| prompt.split_whitespace().count() == 64));
        assert_eq!(distinct(3, 5).split_whitespace().count(), 5);
    }

    #[test]
    fn nobody_waits_for_a_caller_where_arrivals_are_given() {
        let arrival = Arrival { at_ms: 5.0, prompt_tokens: 30, completion_tokens: 4 };
        let schedule = arriving(0, &[arrival, Arrival { at_ms: 9.0, ..arrival }]).expect("two");
        assert_eq!(schedule.clients, 2);
        assert_eq!(schedule.requests[1].at_ms, Some(9.0));
        assert!(arriving(0, &[]).is_err());
    }
}
