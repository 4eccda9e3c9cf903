//! Single requests with their arrivals, and what serving them took, token by token: the same for
//! every contender, whatever language its client is in. The JSON of both is what the programs
//! `clients/serve*` read and write.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::workload::check_answers;

/// Requests, and how they arrive.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Schedule {
    /// Callers, each of which makes one request at a time.
    pub clients: u32,
    /// In the order of their arrival.
    pub requests: Vec<Request>,
}

/// One prompt to be continued.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// When it arrives, in milliseconds from the start, whether or not a caller is free; `None`
    /// for as soon as one is.
    pub at_ms: Option<f64>,
    /// The text.
    pub prompt: String,
    /// Tokens of the answer.
    pub max_tokens: u32,
}

/// What a contender did with a schedule.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Done {
    /// From the start until the last answer's end.
    pub seconds: f64,
    /// One a request, in the order in which they ended.
    pub answers: Vec<Streamed>,
    /// Decode calls; `None` where the contender does not tell.
    pub steps: Option<u64>,
}

/// What one answer took, as its reader saw it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Streamed {
    /// Which request's it is, from 0.
    pub request: usize,
    /// When each piece of text came, in milliseconds from the arrival, or from the call of a
    /// request that has none.
    pub text_ms: Vec<f64>,
    /// When the stream ended, in the same milliseconds.
    pub total_ms: f64,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Of those, the ones that were not computed; `None` where the contender does not tell.
    pub cached_tokens: Option<u32>,
    /// Tokens of the answer.
    pub completion_tokens: u32,
}

impl Schedule {
    /// Refuses what can't be compared: missing answers, or many that ended early.
    ///
    /// # Errors
    /// Both.
    pub fn check(&self, done: &Done) -> Result<()> {
        let wanted = self.requests.iter().map(|request| u64::from(request.max_tokens)).sum();
        check_answers((self.requests.len(), done.answers.len()), (wanted, done.tokens()))
    }
}

impl Done {
    /// Tokens of all answers.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.answers.iter().map(|answer| u64::from(answer.completion_tokens)).sum()
    }

    /// The share of the answers, 0 to 1, that meet `targets`: the goodput by what was asked. 0 of
    /// none.
    #[must_use]
    pub fn goodput(&self, targets: Targets) -> f64 {
        let met = self.answers.iter().filter(|answer| answer.meets(targets)).count();
        met as f64 / self.answers.len().max(1) as f64
    }
}

/// What an answer must keep to be good.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Targets {
    /// The longest time to first token, in milliseconds.
    pub ttft_ms: f64,
    /// The longest of its inter-token latencies' 99th percentile, in milliseconds.
    pub itl_ms: f64,
}

impl Streamed {
    /// The time to first token (TTFT): until the first text, in milliseconds.
    #[must_use]
    pub fn ttft_ms(&self) -> f64 {
        self.text_ms.first().copied().unwrap_or(self.total_ms)
    }

    /// The inter-token latencies (ITL): between one text and the next, in milliseconds.
    pub fn itl_ms(&self) -> impl Iterator<Item = f64> + '_ {
        self.text_ms.windows(2).map(|pair| pair[1] - pair[0])
    }

    /// The time per output token (TPOT): from the first text until the last, by the tokens after
    /// the first, in milliseconds. `None` of an answer with fewer than two.
    #[must_use]
    pub fn tpot_ms(&self) -> Option<f64> {
        let (first, last) = (self.text_ms.first()?, self.text_ms.last()?);
        let later = self.completion_tokens.checked_sub(1).filter(|&later| later > 0)?;
        Some((last - first) / f64::from(later))
    }

    fn meets(&self, targets: Targets) -> bool {
        let itl = crate::percentile(self.itl_ms(), 0.99);
        self.ttft_ms() <= targets.ttft_ms && (itl.is_nan() || itl <= targets.itl_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streamed(text_ms: &[f64]) -> Streamed {
        Streamed {
            request: 0,
            text_ms: text_ms.to_vec(),
            total_ms: 100.0,
            prompt_tokens: 5,
            cached_tokens: None,
            completion_tokens: u32::try_from(text_ms.len()).expect("few"),
        }
    }

    #[test]
    fn latencies_are_vllms() {
        let answer = streamed(&[10.0, 12.0, 18.0]);
        assert_eq!(answer.ttft_ms(), 10.0);
        assert_eq!(answer.itl_ms().collect::<Vec<_>>(), [2.0, 6.0]);
        assert_eq!(answer.tpot_ms(), Some(4.0));
        assert_eq!(streamed(&[10.0]).tpot_ms(), None);
        assert_eq!(streamed(&[]).ttft_ms(), 100.0);
    }

    #[test]
    fn goodput_is_the_share_that_meets_both_targets() {
        let answers = vec![
            streamed(&[10.0, 12.0, 18.0]),
            streamed(&[10.0, 12.0, 19.0]),
            streamed(&[11.0, 12.0, 13.0]),
            streamed(&[10.0]),
        ];
        let done = Done { seconds: 1.0, answers, steps: None };
        assert_eq!(done.goodput(Targets { ttft_ms: 10.0, itl_ms: 6.0 }), 0.5);
        assert_eq!(Done::default().goodput(Targets { ttft_ms: 1.0, itl_ms: 1.0 }), 0.0);
    }

    #[test]
    fn missing_and_short_answers_are_refused() {
        let request = Request { at_ms: None, prompt: "a".to_owned(), max_tokens: 3 };
        let schedule = Schedule { clients: 1, requests: vec![request] };
        let done = |answers| Done { seconds: 1.0, answers, steps: None };
        assert!(schedule.check(&done(vec![streamed(&[1.0, 2.0, 3.0])])).is_ok());
        assert!(schedule.check(&done(vec![streamed(&[1.0, 2.0])])).is_err());
        assert!(schedule.check(&done(Vec::new())).is_err());
    }
}
