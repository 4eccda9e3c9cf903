//! What every request was promised, and whether the scheduler's outputs keep it: `Admitted` at
//! most once and first, then the tokens that the request gets alone, then one `Ended` for a
//! reason that exists.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use indwell_kernel::testing::ScriptedBackend;
use indwell_kernel::{
    CacheUse, End, FinishReason, Goal, Output, Request, RequestId, Sample, SequenceFailure,
    StepError, Timestamp, Token,
};

/// Why the scheduler was called, which says which ends are due.
#[derive(Clone, Debug)]
pub(crate) enum Cause {
    Cancel(RequestId),
    Finish(RequestId, FinishReason),
    Expire(Timestamp),
    Plan,
    /// With the requests whose own part failed.
    Commit(Vec<RequestId>),
    /// With the requests that took part.
    Fail(StepError, Vec<RequestId>),
    /// The backend is gone, and these requests were running.
    Lose(Vec<RequestId>),
}

/// How far a request that has not ended has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Waiting,
    Admitted,
}

/// One request as its caller sees it.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The prompt and the answer so far.
    pub(crate) tokens: Vec<Token>,
    pub(crate) prompt_tokens: usize,
    /// The length at which the answer is full.
    pub(crate) tokens_max: usize,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) paused: bool,
    pub(crate) phase: Phase,
    pub(crate) goal: Goal,
    pub(crate) cache: CacheUse,
    /// Tokens it was spared, once it was told.
    pub(crate) cached: Option<u32>,
    /// The first token of its prompt whose score is still to be told.
    pub(crate) scored: usize,
    /// What its sampler has learnt.
    pub(crate) mu: Option<f64>,
}

impl Entry {
    /// Whether only its newest token is not computed, with `computed` that are.
    pub(crate) fn is_decoding(&self, computed: usize) -> bool {
        self.tokens.len() > self.prompt_tokens && computed + 1 == self.tokens.len()
    }

    /// Whether more of its answer than its newest token is not computed.
    pub(crate) fn is_catching_up(&self, computed: usize) -> bool {
        computed >= self.prompt_tokens && computed + 1 < self.tokens.len()
    }

    fn prompt_length(&self) -> u32 {
        u32::try_from(self.prompt_tokens).expect("prompts are short")
    }
}

/// How often requests ended in which way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ends {
    pub(crate) stop: u64,
    pub(crate) length: u64,
    pub(crate) cached: u64,
    pub(crate) cancelled: u64,
    pub(crate) deadline: u64,
    pub(crate) failed: u64,
}

/// All requests of one schedule.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Those that have not ended, in order of arrival.
    pub(crate) live: BTreeMap<RequestId, Entry>,
    /// Those that have ended: with whom they shared, and what they had.
    past: Vec<(CacheUse, Vec<Token>)>,
    /// How many there were; their ids are below it.
    pub(crate) count: u64,
    pub(crate) ends: Ends,
}

impl Ledger {
    /// Enters a request that was submitted.
    pub(crate) fn open(&mut self, request: &Request, request_tokens_max: u32) {
        let answer = if request.goal == Goal::Generate { request.max_tokens as usize } else { 0 };
        let tokens_max = request.prompt.len() + answer;
        let entry = Entry {
            tokens: request.prompt.clone(),
            prompt_tokens: request.prompt.len(),
            tokens_max: tokens_max.min(request_tokens_max as usize),
            deadline: request.deadline,
            paused: false,
            phase: Phase::Waiting,
            goal: request.goal,
            cache: request.cache,
            cached: None,
            scored: if request.prompt_logprobs { 1 } else { request.prompt.len() },
            mu: None,
        };
        self.live.insert(request.id, entry);
        self.count += 1;
    }

    /// Checks one output, which came of `cause`, and enters it. Says how many prompt tokens left
    /// the queue with it, if its request did.
    pub(crate) fn take(
        &mut self,
        output: &Output,
        cause: &Cause,
        oracle: &ScriptedBackend,
    ) -> Result<Option<u32>, String> {
        let (Output::Admitted { request }
        | Output::CacheHit { request, .. }
        | Output::Token { request, .. }
        | Output::PromptLogprobs { request, .. }
        | Output::Ended { request, .. }) = output
        else {
            return Ok(None);
        };
        if let Output::CacheHit { tokens, .. } = output {
            self.check_hit(*request, *tokens)?;
        }
        let Some(entry) = self.live.get_mut(request) else {
            return Err(format!("{request}: {output:?} for a request that ended or never was"));
        };
        let fault = |what: &str| Err(format!("{request}: {what} ({output:?} after {cause:?})"));
        match (output, entry.phase) {
            (Output::Admitted { .. }, Phase::Admitted) => fault("admitted twice"),
            (Output::Admitted { .. }, Phase::Waiting) => {
                entry.phase = Phase::Admitted;
                Ok(Some(entry.prompt_length()))
            }
            (Output::CacheHit { .. }, Phase::Waiting) => fault("a hit before admission"),
            (Output::CacheHit { tokens, .. }, Phase::Admitted) => {
                let twice = entry.cached.replace(*tokens).is_some();
                if twice || entry.tokens.len() > entry.prompt_tokens {
                    return fault("a hit that comes too late");
                }
                Ok(None)
            }
            (Output::Fetch { .. } | Output::Forget { .. }, _) => Ok(None),
            (Output::PromptLogprobs { scores, .. }, phase) => {
                for score in scores {
                    let at = entry.scored;
                    if phase == Phase::Waiting || at >= entry.prompt_tokens {
                        return fault("scores that nobody asked for");
                    }
                    if *score != oracle.score(&entry.tokens[..at], entry.tokens[at]) {
                        return fault("not the score that it gets alone");
                    }
                    entry.scored += 1;
                }
                Ok(None)
            }
            (Output::Token { .. }, _) if entry.scored < entry.prompt_tokens => {
                fault("a token before all scores")
            }
            (Output::Token { .. }, Phase::Waiting) => fault("a token before admission"),
            (Output::Token { token, .. }, Phase::Admitted) => {
                let (due, ends) = oracle.next_token(&entry.tokens);
                if ends || due != *token {
                    return fault("not the token that it gets alone");
                }
                entry.tokens.push(*token);
                Ok(None)
            }
            (Output::Ended { end, .. }, phase) => {
                if !is_due(*request, entry, end, cause, oracle) {
                    return fault("no reason for this end");
                }
                let length = entry.prompt_length();
                if let Some(entry) = self.live.remove(request) {
                    self.past.push((entry.cache, entry.tokens));
                }
                self.ends.count(end);
                Ok((phase == Phase::Waiting).then_some(length))
            }
        }
    }

    /// Checks that a request's sampler goes on from what it had learnt, whatever came between, and
    /// enters what it has learnt now.
    pub(crate) fn learn(
        &mut self,
        request: RequestId,
        sample: &Sample,
        oracle: &ScriptedBackend,
    ) -> Result<(), String> {
        let Some(entry) = self.live.get_mut(&request) else { return Ok(()) };
        let due = Some(oracle.mu_after(entry.mu, sample.token));
        if sample.mu != due {
            return Err(format!("{request} has learnt {:?} instead of {due:?}", sample.mu));
        }
        entry.mu = due;
        Ok(())
    }

    /// What the `nth` request that ended has come to, if as many have.
    pub(crate) fn tokens_of_past(&self, nth: usize) -> Option<&Vec<Token>> {
        self.past.get(nth).map(|(_, tokens)| tokens)
    }

    /// Checks that somebody in the same namespace had the tokens that `request` was spared.
    fn check_hit(&self, request: RequestId, tokens: u32) -> Result<(), String> {
        let fault =
            |what: &str| Err(format!("{request}: {tokens} tokens are said to be cached {what}"));
        let Some(entry) = self.live.get(&request) else { return fault("for nobody") };
        if tokens == 0 || tokens as usize >= entry.prompt_tokens {
            return fault("of a prompt that leaves fewer or nothing to compute");
        }
        let prefix = &entry.tokens[..tokens as usize];
        let others = self.live.iter().filter(|(id, _)| **id != request);
        let others = others.map(|(_, other)| (other.cache, &other.tokens));
        let mut had = others.chain(self.past.iter().map(|(cache, tokens)| (*cache, tokens)));
        if entry.cache == CacheUse::Bypass
            || !had.any(|(cache, other)| cache == entry.cache && other.starts_with(prefix))
        {
            return fault("that nobody it shares with has had");
        }
        Ok(())
    }

    /// Whether all ends have come that `cause` makes due.
    pub(crate) fn settle(&self, cause: &Cause) -> Result<(), String> {
        let overdue = self.live.iter().find(|(id, entry)| match cause {
            Cause::Cancel(cancelled) => *id == cancelled,
            Cause::Finish(finished, _) => *id == finished,
            Cause::Expire(now) => entry.deadline.is_some_and(|deadline| deadline <= *now),
            Cause::Commit(failed) => {
                failed.contains(id)
                    || (entry.goal == Goal::Generate && entry.tokens.len() >= entry.tokens_max)
            }
            Cause::Fail(StepError::Fatal(_), participants) => participants.contains(id),
            Cause::Lose(running) => running.contains(id),
            Cause::Plan | Cause::Fail(..) => false,
        });
        match overdue {
            Some((id, _)) => Err(format!("{id} goes on after {cause:?}")),
            None => Ok(()),
        }
    }
}

impl AddAssign for Ends {
    fn add_assign(&mut self, other: Self) {
        self.stop += other.stop;
        self.length += other.length;
        self.cached += other.cached;
        self.cancelled += other.cancelled;
        self.deadline += other.deadline;
        self.failed += other.failed;
    }
}

impl Ends {
    fn count(&mut self, end: &End) {
        *match end {
            End::Finished(FinishReason::Stop) => &mut self.stop,
            End::Finished(FinishReason::Length) => &mut self.length,
            End::Cached => &mut self.cached,
            End::Cancelled => &mut self.cancelled,
            End::DeadlineExceeded => &mut self.deadline,
            End::Failed(_) => &mut self.failed,
        } += 1;
    }
}

fn is_due(
    id: RequestId,
    entry: &Entry,
    end: &End,
    cause: &Cause,
    oracle: &ScriptedBackend,
) -> bool {
    match (end, cause) {
        (End::Cancelled, Cause::Cancel(cancelled)) => id == *cancelled,
        (End::Finished(reason), Cause::Finish(finished, why)) => id == *finished && reason == why,
        (End::Finished(FinishReason::Length), Cause::Commit(_)) => {
            entry.tokens.len() == entry.tokens_max
        }
        (End::Finished(FinishReason::Stop), Cause::Commit(_)) => oracle.next_token(&entry.tokens).1,
        (End::DeadlineExceeded, Cause::Expire(now)) => {
            entry.deadline.is_some_and(|deadline| deadline <= *now)
        }
        (End::Cached, Cause::Commit(_)) => entry.goal == Goal::Cache,
        (End::Failed(why), Cause::Commit(_)) if **why == SequenceFailure::NotCached => {
            entry.goal == Goal::Cache
        }
        (End::Failed(why), Cause::Commit(failed)) => {
            let scripted = |text: &String| text.starts_with("scripted");
            failed.contains(&id)
                && matches!(&**why, SequenceFailure::Sampling(text) | SequenceFailure::Compute(text)
                    if scripted(text))
        }
        (End::Failed(why), Cause::Fail(StepError::Fatal(_), participants)) => {
            participants.contains(&id) && **why == SequenceFailure::Compute("scripted".to_owned())
        }
        (End::Failed(why), Cause::Lose(running)) => {
            running.contains(&id) && **why == SequenceFailure::Lost("scripted".to_owned())
        }
        (End::Failed(why), Cause::Fail(StepError::NoCells, participants)) => {
            participants == &[id] && **why == SequenceFailure::NoCells
        }
        _ => false,
    }
}
