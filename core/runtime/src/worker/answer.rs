//! One request's answer as it grows: tokens to text, text to events, and the times of it.

use indwell_kernel::{FinishReason, Request, Tier, Timestamp, Token};

use super::Job;
use crate::mailbox::{Delivery, Sender};
use crate::prompt::Prompter;
use crate::text::TextAssembler;
use crate::{Event, Finished, TextDelta, Timings, TokenLogprob, Usage};

/// An answer in the making.
#[derive(Debug)]
pub(super) struct Answer {
    events: Sender,
    text: TextAssembler,
    usage: Usage,
    uses_cache: bool,
    logprobs: bool,
    submitted: Timestamp,
    admitted: Option<Timestamp>,
    first_token: Option<Timestamp>,
    last_token: Timestamp,
    /// A token's bytes; kept for its room.
    piece: Vec<u8>,
}

/// What a token did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The answer goes on.
    Ongoing,
    /// It goes on, but its reader is behind.
    ReaderBehind,
    /// A stop string was reached.
    Stopped,
}

impl Answer {
    /// The request for the scheduler, and its answer, which has not begun.
    pub(super) fn of(job: Job) -> (Request, Self) {
        let answer = Self {
            events: job.events,
            text: job.text,
            usage: Usage { prompt_tokens: job.prompt_tokens, ..Usage::default() },
            uses_cache: job.request.cache.namespace().is_some(),
            logprobs: job.request.logprobs,
            submitted: job.submitted,
            admitted: None,
            first_token: None,
            last_token: job.submitted,
            piece: Vec::new(),
        };
        (job.request, answer)
    }

    pub(super) fn prompt_tokens(&self) -> u32 {
        self.usage.prompt_tokens
    }

    /// Whether it takes part in the prefix cache.
    pub(super) fn uses_cache(&self) -> bool {
        self.uses_cache
    }

    /// `tokens` of the prompt were cached, the slowest of them in `tier`.
    pub(super) fn cache_hit(&mut self, tokens: u32, tier: Tier) {
        self.usage.cached_tokens = tokens;
        self.usage.cache = Some(tier.into());
    }

    pub(super) fn is_admitted(&self) -> bool {
        self.admitted.is_some()
    }

    pub(super) fn admitted(&mut self, now: Timestamp) {
        self.admitted = Some(now);
    }

    pub(super) fn token(
        &mut self,
        token: Token,
        logprob: Option<f32>,
        prompter: &Prompter,
        now: Timestamp,
    ) -> Told {
        self.first_token.get_or_insert(now);
        self.last_token = now;
        self.usage.completion_tokens += 1;
        self.piece.clear();
        prompter.append_piece(token, &mut self.piece);
        let mut text = String::new();
        self.text.push(&self.piece, &mut text);
        let logprobs = logprob.filter(|_| self.logprobs).map(|logprob| {
            // An allocation a token, for those who ask for log-probabilities only.
            vec![TokenLogprob { token: token.0, logprob }]
        });
        let delivery = self.send(text, logprobs.unwrap_or_default());
        match delivery {
            _ if self.text.is_stopped() => Told::Stopped,
            Delivery::Full => Told::ReaderBehind,
            Delivery::Room => Told::Ongoing,
        }
    }

    /// Gives out what was held back, and makes the terminal event.
    pub(super) fn finish(&mut self, reason: FinishReason, now: Timestamp) -> Event {
        let mut text = String::new();
        self.text.finish(&mut text);
        self.send(text, Vec::new());
        let reason = if self.text.is_stopped() { FinishReason::Stop } else { reason };
        Event::Finished(Finished { reason, usage: self.usage, timings: self.timings(now) })
    }

    pub(super) fn send_terminal(self, event: Event) {
        self.events.finish(event);
    }

    fn send(&self, text: String, logprobs: Vec<TokenLogprob>) -> Delivery {
        if text.is_empty() && logprobs.is_empty() {
            return Delivery::Room;
        }
        self.events.send(Event::Text(TextDelta { text, logprobs }))
    }

    fn timings(&self, now: Timestamp) -> Timings {
        let admitted = self.admitted.unwrap_or(now);
        let first_token = self.first_token.unwrap_or(now);
        let ms = |from: Timestamp, to: Timestamp| to.since(from).as_secs_f64() * 1000.0;
        Timings {
            queued_ms: ms(self.submitted, admitted),
            prefill_ms: ms(admitted, first_token),
            ttft_ms: ms(self.submitted, first_token),
            decode_ms: ms(first_token, self.last_token.max(first_token)),
            total_ms: ms(self.submitted, now),
        }
    }
}
