//! The bounded queue's policy: how much may wait, and what the caller is told when no more may.
//!
//! The gate counts requests from submission until they start to run or end. It knows no tokens
//! or texts, only sizes, and it is asked under the caller's lock, before anything is queued, so
//! that a full queue is an answer at once.

use std::time::Duration;

use crate::config::in_range;
use crate::{Invalid, Timestamp};

/// How much may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// Requests waiting at once.
    pub requests_max: u32,
    /// Prompt tokens waiting at once, all requests together.
    pub tokens_max: u32,
}

impl AdmissionLimits {
    /// Waiting requests when nothing is said.
    pub const REQUESTS_DEFAULT: u32 = 256;
    /// Waiting prompt tokens when nothing is said.
    pub const TOKENS_DEFAULT: u32 = 1 << 20;

    /// Checks both limits; `None` takes the default.
    ///
    /// # Errors
    /// [`Invalid`] for a limit below 1.
    pub fn validate(requests_max: Option<i64>, tokens_max: Option<i64>) -> Result<Self, Invalid> {
        Ok(Self {
            requests_max: in_range(
                "queue_requests_max",
                requests_max,
                Self::REQUESTS_DEFAULT,
                1 << 20,
            )?,
            tokens_max: in_range("queue_tokens_max", tokens_max, Self::TOKENS_DEFAULT, 1 << 30)?,
        })
    }
}

/// The queue is full: which bound, how full, and when to come back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue holds {value} of at most {limit} {what}: retry in about {retry_after:?}")]
pub struct Overload {
    /// "waiting requests" or "waiting prompt tokens".
    pub what: &'static str,
    /// What the queue would hold with this request.
    pub value: u64,
    /// The bound.
    pub limit: u64,
    /// About when there is room: the mean time between departures of late, as often as it takes.
    pub retry_after: Duration,
}

/// Counts what waits and refuses what is too much.
///
/// ```
/// use indwell_kernel::{AdmissionGate, AdmissionLimits, Timestamp};
///
/// let mut gate = AdmissionGate::new(AdmissionLimits { requests_max: 1, tokens_max: 100 });
/// assert!(gate.enter(20).is_ok());
/// assert!(gate.enter(20).is_err(), "one is waiting already");
/// gate.leave(20, Timestamp::default());
/// assert!(gate.enter(20).is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct AdmissionGate {
    limits: AdmissionLimits,
    requests: u32,
    tokens: u64,
    /// Mean time between requests leaving the queue, over the last few, once known.
    departure_interval: Option<Duration>,
    /// The last departure that left somebody waiting: time with an empty queue is no pace.
    last_departure: Option<Timestamp>,
}

/// The retry hint when no request has left the queue yet.
const RETRY_AFTER_UNKNOWN: Duration = Duration::from_millis(500);

impl AdmissionGate {
    /// An empty queue with `limits`.
    #[must_use]
    pub fn new(limits: AdmissionLimits) -> Self {
        Self { limits, requests: 0, tokens: 0, departure_interval: None, last_departure: None }
    }

    /// Takes a place for a request of `prompt_tokens`, to be given back with [`Self::leave`].
    /// A prompt larger than `tokens_max` may wait alone, else it could never run.
    ///
    /// # Errors
    /// [`Overload`] when the queue is full.
    pub fn enter(&mut self, prompt_tokens: u32) -> Result<(), Overload> {
        let requests = u64::from(self.requests) + 1;
        let tokens = self.tokens + u64::from(prompt_tokens);
        if requests > u64::from(self.limits.requests_max) {
            return Err(self.overload("waiting requests", requests, self.limits.requests_max, 1));
        }
        if tokens > u64::from(self.limits.tokens_max) && self.requests > 0 {
            let departures = self.departures_for(tokens - u64::from(self.limits.tokens_max));
            let limit = self.limits.tokens_max;
            return Err(self.overload("waiting prompt tokens", tokens, limit, departures));
        }
        self.requests += 1;
        self.tokens = tokens;
        Ok(())
    }

    /// Gives back the place of a request that starts to run or ends.
    pub fn leave(&mut self, prompt_tokens: u32, now: Timestamp) {
        debug_assert!(self.requests > 0, "more requests left the queue than entered it");
        self.requests = self.requests.saturating_sub(1);
        self.tokens = self.tokens.saturating_sub(u64::from(prompt_tokens));
        if let Some(last) = self.last_departure {
            // An exponential mean over about the last eight departures.
            let interval = now.since(last);
            let mean = self.departure_interval.map_or(interval, |mean| (mean * 7 + interval) / 8);
            self.departure_interval = Some(mean);
        }
        self.last_departure = (self.requests > 0).then_some(now);
    }

    /// Requests that wait.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.requests
    }

    /// How many requests have to leave until about `tokens` have, if all that wait are equally
    /// long; at most all of them.
    fn departures_for(&self, tokens: u64) -> u32 {
        let requests = u64::from(self.requests);
        let departures = (tokens * requests).div_ceil(self.tokens.max(1));
        u32::try_from(departures.min(requests)).unwrap_or(self.requests)
    }

    fn overload(&self, what: &'static str, value: u64, limit: u32, departures: u32) -> Overload {
        let interval = self
            .departure_interval
            .map_or(RETRY_AFTER_UNKNOWN, |mean| mean.max(Duration::from_millis(1)));
        let retry_after = interval.saturating_mul(departures.max(1));
        Overload { what, value, limit: u64::from(limit), retry_after }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn at(ms: u64) -> Timestamp {
        Timestamp(Duration::from_millis(ms))
    }

    #[test]
    fn a_full_queue_refuses_and_a_departure_makes_room() {
        let mut gate = AdmissionGate::new(AdmissionLimits { requests_max: 2, tokens_max: 100 });
        gate.enter(10).expect("first");
        gate.enter(10).expect("second");
        let overload = gate.enter(10).expect_err("full");
        assert_eq!((overload.value, overload.limit), (3, 2));
        gate.leave(10, at(5));
        gate.enter(10).expect("room again");
        assert_eq!(gate.waiting(), 2);
    }

    #[test]
    fn tokens_are_bounded_but_one_large_prompt_may_wait_alone() {
        let mut gate = AdmissionGate::new(AdmissionLimits { requests_max: 9, tokens_max: 100 });
        gate.enter(500).expect("alone");
        assert_eq!(gate.enter(1).expect_err("full").what, "waiting prompt tokens");
        gate.leave(500, at(1));
        gate.enter(60).expect("fits");
        assert!(gate.enter(60).is_err());
    }

    #[test]
    fn the_retry_hint_follows_the_pace_of_departures() {
        let mut gate = AdmissionGate::new(AdmissionLimits { requests_max: 2, tokens_max: 100 });
        gate.enter(1).expect("room");
        for ms in [0, 200, 400, 600] {
            gate.enter(1).expect("room");
            gate.leave(1, at(ms));
        }
        gate.enter(1).expect("room");
        assert_eq!(gate.enter(1).expect_err("full").retry_after, Duration::from_millis(200));
    }

    #[test]
    fn the_retry_hint_waits_for_as_many_departures_as_make_room_for_the_tokens() {
        let mut gate = AdmissionGate::new(AdmissionLimits { requests_max: 99, tokens_max: 100 });
        for _ in 0..3 {
            gate.enter(10).expect("room");
        }
        gate.leave(10, at(0));
        gate.leave(10, at(50));
        gate.leave(10, at(100));
        for _ in 0..10 {
            gate.enter(10).expect("room");
        }
        let retry_after = |tokens| gate.clone().enter(tokens).expect_err("full").retry_after;
        assert_eq!(retry_after(1), Duration::from_millis(50), "one departure");
        assert_eq!(retry_after(35), Duration::from_millis(200), "four");
        assert_eq!(retry_after(1000), Duration::from_millis(500), "all that wait");
    }

    #[test]
    fn an_idle_hour_does_not_count_in_the_retry_hint() {
        let mut gate = AdmissionGate::new(AdmissionLimits { requests_max: 2, tokens_max: 100 });
        gate.enter(1).expect("room");
        gate.leave(1, at(0));
        for ms in [3_600_000, 3_600_100] {
            gate.enter(1).expect("room");
            gate.enter(1).expect("room");
            gate.leave(1, at(ms));
            gate.leave(1, at(ms + 100));
        }
        gate.enter(1).expect("room");
        gate.enter(1).expect("room");
        assert_eq!(gate.enter(1).expect_err("full").retry_after, Duration::from_millis(100));
    }
}
