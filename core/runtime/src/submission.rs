//! A checked request's last steps on its caller's thread: a stored answer, or the worker.

use std::sync::Arc;
use std::time::Duration;

use indwell_kernel::{
    CacheUse, Draws, Goal, Logprobs, Namespace, NamespaceField, Request, ResponseKey,
    ResponsePolicy, SemanticSpace, TimeToLive, Timestamp, Token,
};

use crate::mailbox::{Receiver, mailbox};
use crate::options::Choices;
use crate::prompt::Prompter;
use crate::responses::Responses;
use crate::responses::answer::{Serving, StoredAnswer};
use crate::responses::in_flight::{Entered, Role};
use crate::responses::semantic::{Memory, Question, judge};
use crate::responses::stats::Served;
use crate::shared::{Command, Shared};
use crate::stream::best::Best;
use crate::text::TextAssembler;
use crate::worker::{Job, Keyed};
use crate::{Error, Event, Result, Semantic, TokenStream};

/// A request that passed validation and has no name yet.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// Not empty, and within the engine's bounds.
    pub(crate) prompt: Vec<Token>,
    /// Knows where the prompt could be cut.
    pub(crate) prompter: Arc<Prompter>,
    pub(crate) goal: Goal,
    pub(crate) cache: CacheUse,
    pub(crate) max_tokens: u32,
    pub(crate) draws: Arc<Draws>,
    pub(crate) prompt_logprobs: bool,
    pub(crate) stop: Vec<String>,
    pub(crate) timeout: Option<Duration>,
    /// When the call was made, before tokenizing.
    pub(crate) submitted: Timestamp,
    /// `None` where it has nothing to do with stored answers.
    pub(crate) responses: Option<Answerable>,
}

/// A request that stored answers may serve, or whose answer is stored.
#[derive(Clone, Debug)]
pub(crate) struct Answerable {
    pub(crate) cache: Arc<Responses>,
    pub(crate) namespace: Namespace,
    pub(crate) policy: ResponsePolicy,
    pub(crate) ttl: Option<TimeToLive>,
    /// How an answer to another question may serve it, and the question's text.
    pub(crate) semantic: Option<(Semantic, Asked)>,
}

/// What is asked, for answers to questions that mean the same.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// What functions of the caller's compare.
    pub(crate) text: String,
    /// A digest of all that the prompt has beside this text; only questions with the same one are
    /// compared. `None` for nothing.
    pub(crate) beside: Option<[u8; 32]>,
}

/// A draft that became a request.
struct Submission {
    /// Without boundaries, which only the worker needs.
    request: Request,
    prompter: Arc<Prompter>,
    stop: Vec<String>,
    deadline: Option<Timestamp>,
    submitted: Timestamp,
    prompt_tokens: u32,
    shared: Arc<Shared>,
}

impl Draft {
    /// Submits the request once for each of its answers.
    ///
    /// # Errors
    /// As [`Self::submit`]: then none of them is computed.
    pub(crate) fn submit_choices(
        self,
        choices: Choices,
        shared: Arc<Shared>,
    ) -> Result<TokenStream> {
        if choices.computed == 1 {
            return self.submit(shared);
        }
        let told = self.draws.logprobs;
        let choice = |index| self.choice(index, choices).submit(Arc::clone(&shared));
        let streams = (0..choices.computed).map(choice).collect::<Result<Vec<_>>>()?;
        let best = choices.compares().then(|| Best::new(choices.told as usize, told.is_any()));
        Ok(TokenStream::of_choices(streams, best, shared))
    }

    /// The request for the answer at `index`.
    fn choice(&self, index: u32, choices: Choices) -> Self {
        let mut draws = Draws::clone(&self.draws);
        draws.sampling.seed = Choices::seed(draws.sampling.seed, index);
        if choices.compares() && !draws.logprobs.is_any() {
            draws.logprobs = Logprobs::Chosen;
        }
        // The prompt is the same for all.
        let prompt_logprobs = self.prompt_logprobs && index == 0;
        Self { draws: Arc::new(draws), prompt_logprobs, ..self.clone() }
    }

    /// Has a stored answer serve the request, or hands it to the worker, if there is a place for
    /// it.
    ///
    /// # Errors
    /// `overloaded`, `not_cached`, and an engine that is over.
    pub(crate) fn submit(self, shared: Arc<Shared>) -> Result<TokenStream> {
        let prompt_tokens =
            u32::try_from(self.prompt.len()).expect("a prompt is shorter than the context");
        let submission = Submission {
            request: Request {
                id: shared.next_request(),
                prompt: self.prompt,
                boundaries: Vec::new(),
                goal: self.goal,
                cache: self.cache,
                max_tokens: self.max_tokens,
                draws: self.draws,
                prompt_logprobs: self.prompt_logprobs,
                deadline: None,
            },
            prompter: self.prompter,
            stop: self.stop,
            deadline: self.timeout.map(|timeout| self.submitted.after(timeout)),
            submitted: self.submitted,
            prompt_tokens,
            shared,
        };
        match self.responses {
            None => submission.send(None, true),
            Some(answerable) => submission.answer(answerable),
        }
    }
}

impl Submission {
    /// Serves it by what is stored, being computed, or means the same; or has it computed.
    fn answer(self, answerable: Answerable) -> Result<TokenStream> {
        let Answerable { cache, namespace, policy, ttl, semantic } = answerable;
        let key = ResponseKey::of(namespace, &self.request, &self.stop);
        let found = policy.looks_up.then(|| cache.find(key)).flatten();
        if let Some(answer) = found {
            return Ok(self.serve(&cache, &answer));
        }
        let keyed = Keyed { key, namespace, policy, ttl, note: None };
        if let Some((semantic, asked)) = semantic.filter(|_| policy.looks_up)
            && !cache.in_flight.contains(key)
        {
            let Asked { text, beside } = asked;
            let within = beside.map_or(namespace, |beside| {
                let within =
                    Namespace::builder().field(NamespaceField::Within, namespace.as_bytes());
                within.field(NamespaceField::Beside, &beside).finish()
            });
            let space = SemanticSpace::of(within, &self.request, &self.stop);
            return self.ask(&cache, Question { semantic, space, text }, keyed);
        }
        if !policy.computes {
            cache.count(Served::Missed);
            return Err(Error::not_cached());
        }
        if policy.shares { self.send_once(&cache, keyed) } else { self.send(Some(keyed), true) }
    }

    /// A stored answer is the reply, without the worker.
    fn serve(self, cache: &Responses, answer: &StoredAnswer) -> TokenStream {
        cache.count(Served::Hit);
        let waited = self.shared.now().since(self.submitted);
        let events = answer.events(Serving {
            prompt_tokens: self.prompt_tokens,
            waited_ms: waited.as_secs_f64() * 1000.0,
            distance: None,
        });
        self.shared.count_end(&events.finished);
        TokenStream::new(Receiver::ready(events.into_events()), self.request.id, self.shared)
    }

    /// Hands it to the worker, to be computed once for all who ask the same at the same time.
    fn send_once(self, cache: &Responses, keyed: Keyed) -> Result<TokenStream> {
        let key = keyed.key;
        let entered = cache.in_flight.enter(
            key,
            (self, keyed),
            || cache.find(key),
            |(submission, keyed), role| submission.send(Some(keyed), role == Role::Leads),
        )?;
        Ok(match entered {
            Entered::Stored(answer, (submission, _)) => submission.serve(cache, &answer),
            Entered::Sent(stream) => stream,
        })
    }

    /// Has the worker hold it until the caller's functions have said whether an answer to another
    /// question serves it.
    fn ask(self, cache: &Arc<Responses>, question: Question, keyed: Keyed) -> Result<TokenStream> {
        let (id, commands) = (self.request.id, self.shared.commands());
        let stream = self.send_by(Some(keyed), true, Shared::hold)?;
        let memory: Arc<dyn Memory> = Arc::<Responses>::clone(cache);
        judge(question, memory, move |verdict| {
            // A worker that is gone needs to know nothing.
            let _ = commands.send(Command::Judged { request: id, verdict });
        });
        Ok(stream)
    }

    /// Hands it to the worker; `is_queued` if it takes a place in the queue.
    fn send(self, keyed: Option<Keyed>, is_queued: bool) -> Result<TokenStream> {
        self.send_by(keyed, is_queued, Shared::submit)
    }

    fn send_by(
        self,
        keyed: Option<Keyed>,
        is_queued: bool,
        send: impl FnOnce(&Shared, Box<Job>) -> Result<()>,
    ) -> Result<TokenStream> {
        let (shared, id, prompt_tokens) =
            (Arc::clone(&self.shared), self.request.id, self.prompt_tokens);
        if is_queued {
            shared.gate.lock().enter(prompt_tokens)?;
        }
        let (job, receiver) = self.job(keyed, is_queued);
        if let Err(error) = send(&shared, Box::new(job)) {
            if is_queued {
                shared.gate.lock().leave(prompt_tokens, shared.now());
            }
            return Err(error);
        }
        Ok(TokenStream::new(receiver, id, shared))
    }

    fn job(mut self, keyed: Option<Keyed>, is_queued: bool) -> (Job, Receiver<Event>) {
        if self.request.cache != CacheUse::Bypass {
            self.request.boundaries = self.prompter.boundaries(&self.request.prompt);
        }
        let min_tokens = self.request.draws.sampling.tokens.min_tokens;
        let (events, receiver) = mailbox(self.shared.limits.stream_capacity as usize);
        let job = Job {
            request: self.request,
            deadline: self.deadline,
            prompt_tokens: self.prompt_tokens,
            text: TextAssembler::new(self.stop, min_tokens),
            events,
            submitted: self.submitted,
            keyed,
            is_queued,
        };
        (job, receiver)
    }
}
