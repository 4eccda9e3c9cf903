//! One answer as it grows: tokens to text, text to the events of everybody who waits for it, and
//! the times of it.
//!
//! What was said so far is kept, so that callers who come later hear it from the beginning and slow
//! ones hear at once all that they missed. It ends as the answer that is stored.

use indwell_kernel::{
    Caller, End, FinishReason, Flight, Hold, Request, RequestId, Tier, Timestamp, Token, TokenScore,
};

use super::job::{Job, Keyed};
use crate::mailbox::{Delivery, Sender};
use crate::metrics::Metrics;
use crate::prompt::Prompter;
use crate::responses::Generation;
use crate::responses::answer::{SemanticNote, StoredAnswer};
use crate::text::TextAssembler;
use crate::{
    CacheTier, Event, Finished, PromptLogprob, PromptLogprobs, TextDelta, Timings, TokenLogprob,
    TopLogprob, Usage,
};

/// An answer in the making.
#[derive(Debug)]
pub(super) struct Answer {
    flight: Flight<Reader>,
    said: Said,
    text: TextAssembler,
    usage: Usage,
    uses_cache: bool,
    logprobs: bool,
    /// What it is stored by, and when it began.
    keyed: Option<(Keyed, Generation)>,
    admitted: Option<Timestamp>,
    first_token: Option<Timestamp>,
    last_token: Timestamp,
    /// A token's bytes; kept for its room.
    piece: Vec<u8>,
}

/// What was said so far.
#[derive(Debug, Default)]
struct Said {
    text: String,
    logprobs: Vec<TokenLogprob>,
    /// The prompt's, if they were asked for; complete before the first token.
    prompt: Vec<PromptLogprob>,
    prompt_is_complete: bool,
}

/// Who reads an answer, and how far it was told.
#[derive(Debug)]
pub(super) struct Reader {
    events: Sender<Event>,
    submitted: Timestamp,
    /// In bytes.
    text_told: usize,
    logprobs_told: usize,
    prompt_told: bool,
}

impl Reader {
    pub(super) fn new(events: Sender<Event>, submitted: Timestamp) -> Self {
        Self { events, submitted, text_told: 0, logprobs_told: 0, prompt_told: false }
    }

    /// Tells all that is new; whether the reader is behind now.
    fn tell(&mut self, said: &Said) -> bool {
        let prompt_is_new = said.prompt_is_complete && !self.prompt_told;
        let mut is_behind = false;
        if prompt_is_new {
            self.prompt_told = true;
            let tokens = said.prompt.clone();
            let event = Event::PromptLogprobs(PromptLogprobs { tokens });
            is_behind = self.events.send(event) == Delivery::Full;
        }
        self.tell_answer(said) || is_behind
    }

    fn tell_answer(&mut self, said: &Said) -> bool {
        let text = &said.text[self.text_told..];
        let logprobs = &said.logprobs[self.logprobs_told..];
        if text.is_empty() && logprobs.is_empty() {
            return false;
        }
        // An allocation a token for the text, and one for log-probabilities where they are asked
        // for: events belong to their readers.
        let delta = TextDelta { choice: 0, text: text.to_owned(), logprobs: logprobs.to_vec() };
        self.text_told = said.text.len();
        self.logprobs_told = said.logprobs.len();
        self.events.send(Event::Text(delta)) == Delivery::Full
    }

    /// The last that the reader hears.
    pub(super) fn finish(self, event: Event) {
        self.events.finish(event);
    }
}

impl Said {
    /// Nothing of an answer to this request. Of its prompt, the first token has nothing before it.
    fn about(request: &Request) -> Self {
        let first = request.prompt.first().filter(|_| request.prompt_logprobs);
        let first = first.map(|token| PromptLogprob { token: token.0, ..Default::default() });
        let prompt_is_complete = first.is_some() && request.prompt.len() == 1;
        Self { prompt: first.into_iter().collect(), prompt_is_complete, ..Self::default() }
    }
}

/// What is told of a token's probability.
#[derive(Debug)]
pub(super) struct TokenProbability {
    pub(super) logprob: Option<f32>,
    pub(super) top: Vec<indwell_kernel::TokenLogprob>,
}

/// What a token did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The answer goes on.
    Ongoing,
    /// A stop string was reached.
    Stopped,
}

/// A complete answer.
#[derive(Debug)]
pub(super) struct Complete {
    /// What everybody who waited for it hears last, the leader first.
    pub(super) ends: Vec<(Reader, Event)>,
    /// What is to be stored, if it is.
    pub(super) stored: Option<ToStore>,
}

/// An answer to be stored.
#[derive(Debug)]
pub(super) struct ToStore {
    pub(super) keyed: Keyed,
    /// When its computation began.
    pub(super) generation: Generation,
    pub(super) answer: StoredAnswer,
}

impl Answer {
    /// The request for the scheduler, and its answer, which has not begun.
    pub(super) fn of(job: Job, generation: Generation) -> (Request, Self) {
        let shares = job.shares();
        let mut request = job.request;
        // A computation that nobody can share ends with its caller, and the scheduler does that.
        request.deadline = job.deadline.filter(|_| !shares);
        let deadline = job.deadline.filter(|_| shares);
        let reader = Reader::new(job.events, job.submitted);
        let answer = Self {
            flight: Flight::new(Caller::new(request.id, deadline, reader)),
            said: Said::about(&request),
            text: job.text,
            usage: Usage { prompt_tokens: job.prompt_tokens, ..Usage::default() },
            uses_cache: request.cache.namespace().is_some(),
            logprobs: request.draws.logprobs.is_any(),
            keyed: job.keyed.map(|keyed| (keyed, generation)),
            admitted: None,
            first_token: None,
            last_token: job.submitted,
            piece: Vec::new(),
        };
        (request, answer)
    }

    pub(super) fn prompt_tokens(&self) -> u32 {
        self.usage.prompt_tokens
    }

    /// Whether it takes part in the prefix cache.
    pub(super) fn uses_cache(&self) -> bool {
        self.uses_cache
    }

    /// What it is stored by, and when it began.
    pub(super) fn keyed(&self) -> Option<&Keyed> {
        self.keyed.as_ref().map(|(keyed, _)| keyed)
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

    /// Who waits for it.
    pub(super) fn flight(&mut self) -> &mut Flight<Reader> {
        &mut self.flight
    }

    /// Who waits for it, for looking.
    pub(super) fn callers(&self) -> &Flight<Reader> {
        &self.flight
    }

    /// Someone else waits for it too, and hears it from the beginning.
    pub(super) fn join(&mut self, caller: Caller<Reader>) {
        self.flight.join(caller);
        self.tell();
    }

    /// The question is to be found by what it means, as one of the callers wants.
    pub(super) fn remember(&mut self, note: Box<SemanticNote>) {
        if let Some((keyed, _)) = &mut self.keyed {
            keyed.note.get_or_insert(note);
        }
    }

    /// A caller has read.
    pub(super) fn catch_up(&mut self, caller: RequestId) {
        self.flight.catch_up(caller, |reader| reader.tell(&self.said));
    }

    /// Whether computing has to pause or to go on, if that changed.
    pub(super) fn hold(&mut self) -> Option<Hold> {
        self.flight.hold()
    }

    /// Whether a stop string was reached: tokens that come after it are not told.
    pub(super) fn is_stopped(&self) -> bool {
        self.text.is_stopped()
    }

    /// Measures how long its readers waited for the token that comes now.
    pub(super) fn measure(&self, metrics: &Metrics, now: Timestamp) {
        // At first that is when the request came.
        let waited = now.since(self.last_token);
        match self.first_token {
            None => metrics.first_token(waited),
            Some(_) => metrics.next_token(waited),
        }
    }

    /// Some of the prompt's tokens have their log-probabilities.
    pub(super) fn scores(&mut self, scores: Vec<TokenScore>) {
        let told = scores.into_iter().map(|TokenScore { chosen, top }| PromptLogprob {
            token: chosen.token.0,
            logprob: Some(chosen.logprob),
            top: likeliest(&top),
        });
        self.said.prompt.extend(told);
        self.said.prompt_is_complete = self.said.prompt.len() == self.usage.prompt_tokens as usize;
        self.tell();
    }

    pub(super) fn token(
        &mut self,
        token: Token,
        told: TokenProbability,
        prompter: &Prompter,
        now: Timestamp,
    ) -> Told {
        self.first_token.get_or_insert(now);
        self.last_token = now;
        self.usage.completion_tokens += 1;
        self.piece.clear();
        prompter.append_piece(token, &mut self.piece);
        self.text.push(&self.piece, &mut self.said.text);
        if let Some(logprob) = told.logprob.filter(|_| self.logprobs) {
            let top = likeliest(&told.top);
            self.said.logprobs.push(TokenLogprob { token: token.0, logprob, top });
        }
        self.tell();
        if self.text.is_stopped() { Told::Stopped } else { Told::Ongoing }
    }

    fn tell(&mut self) {
        self.flight.tell(|reader| reader.tell(&self.said));
    }

    /// The answer is complete: everybody has heard the rest.
    pub(super) fn finish(mut self, reason: FinishReason, now: Timestamp) -> Complete {
        self.text.finish(&mut self.said.text);
        let reason = if self.text.is_stopped() { FinishReason::Stop } else { reason };
        let times =
            Times { admitted: self.admitted, first: self.first_token, last: self.last_token };
        let mut ends = Vec::new();
        for (at, caller) in self.flight.land().enumerate() {
            let mut reader = caller.reader;
            reader.tell(&self.said);
            let usage = if at == 0 { self.usage } else { shared(self.usage) };
            let timings = times.of(reader.submitted, now);
            let finished = Finished { reason: reason.into(), usage, timings };
            ends.push((reader, Event::Finished(finished)));
        }
        let keyed = self.keyed.filter(|(keyed, _)| keyed.policy.keeps(&End::Finished(reason)));
        let stored = keyed.map(|(mut keyed, generation)| {
            let answer = StoredAnswer {
                text: self.said.text.into_boxed_str(),
                logprobs: self.said.logprobs.into_boxed_slice(),
                prompt_logprobs: self.said.prompt.into_boxed_slice(),
                reason,
                completion_tokens: self.usage.completion_tokens,
                namespace: keyed.namespace,
                expires_ms: None,
                semantic: keyed.note.take(),
            };
            ToStore { keyed, generation, answer }
        });
        Complete { ends, stored }
    }

    /// Everybody who waits, the leader first.
    pub(super) fn into_readers(self) -> impl ExactSizeIterator<Item = Reader> {
        self.flight.land().map(|caller| caller.reader)
    }
}

fn likeliest(top: &[indwell_kernel::TokenLogprob]) -> Box<[TopLogprob]> {
    top.iter().map(|one| TopLogprob { token: one.token.0, logprob: one.logprob }).collect()
}

/// The usage of a caller who shared the computation of another.
fn shared(leader: Usage) -> Usage {
    Usage { cached_tokens: leader.prompt_tokens, cache: Some(CacheTier::Response), ..leader }
}

/// When what happened.
struct Times {
    admitted: Option<Timestamp>,
    first: Option<Timestamp>,
    last: Timestamp,
}

impl Times {
    /// The times of a caller; for what was over when it came, it waited not at all.
    fn of(&self, submitted: Timestamp, now: Timestamp) -> Timings {
        let admitted = self.admitted.unwrap_or(now).max(submitted);
        let first = self.first.unwrap_or(now).max(admitted);
        Timings {
            queued_ms: ms(submitted, admitted),
            prefill_ms: ms(admitted, first),
            ttft_ms: ms(submitted, first),
            decode_ms: ms(first, self.last.max(first)),
            total_ms: ms(submitted, now),
        }
    }
}

fn ms(from: Timestamp, to: Timestamp) -> f64 {
    to.since(from).as_secs_f64() * 1000.0
}
