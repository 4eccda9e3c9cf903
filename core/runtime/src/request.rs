//! A request's options, and its blocking and `Future` forms.

mod constraint;
mod sampling;
mod tools;

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use indwell_kernel::{Draws, Goal};

use crate::input::Input;
use crate::message::Message;
use crate::options::{Defaults, NamedOptions, OptionValue, RequestConfig, RequestOptions, Words};
use crate::prefix_cache::salted;
use crate::reply_fold::ReplyFold;
use crate::shared::Shared;
use crate::submission::{Answerable, Asked, Draft};
use crate::{CacheMode, Error, Reply, Result, Semantic, TokenStream};

/// A chat that is about to be asked.
pub type ChatRequest = Request<Chat>;
/// A text that is about to be continued.
pub type CompletionRequest = Request<Completion>;

/// A request that is about to be made: options first, then [`Request::run`],
/// [`Request::stream`] or `.await`. Nothing happens before one of these.
#[derive(Debug)]
#[must_use = "a request does nothing until it is run, streamed or awaited"]
pub struct Request<I> {
    shared: Arc<Shared>,
    input: Input,
    options: RequestOptions,
    /// The first option that could not be read.
    refused: Option<Error>,
    form: PhantomData<fn() -> I>,
}

/// Marks requests made of messages.
#[derive(Debug)]
pub enum Chat {}
/// Marks requests made of a text.
#[derive(Debug)]
pub enum Completion {}

impl Request<Chat> {
    pub(crate) fn chat(shared: Arc<Shared>, messages: Vec<Message>) -> Self {
        Self::new(shared, Input::Messages(messages))
    }
}

impl Request<Chat> {
    /// What answers may draw on, for templates that show documents: objects, most with `title` and
    /// `text`. Default: none.
    pub fn documents(mut self, documents: impl IntoIterator<Item = serde_json::Value>) -> Self {
        let documents = documents.into_iter().map(OptionValue::from).collect();
        self.set("documents", OptionValue::List(documents));
        self
    }

    /// A further variable of the model's chat template, such as `enable_thinking`; several calls add up.
    pub fn template_arg(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        let args = self.options.chat.template_args.get_or_insert_default();
        args.retain(|(other, _)| other != name);
        args.push((name.to_owned(), value.into()));
        self
    }

    /// Whether the answer goes on with the last message, which is the assistant's, where it ends.
    /// Default false: the answer is a message of its own.
    pub fn continue_final_message(mut self, continues: bool) -> Self {
        self.options.chat.continue_final_message = Some(continues);
        self
    }
}

impl Request<Completion> {
    pub(crate) fn completion(shared: Arc<Shared>, prompt: String) -> Self {
        Self::new(shared, Input::Prompt(prompt))
    }

    /// Whether control tokens' literals in the prompt (such as `<|im_end|>`) become those
    /// tokens. Default false: text from users can't forge them.
    pub fn parse_special(mut self, parse_special: bool) -> Self {
        self.options.parse_special = Some(parse_special);
        self
    }
}

impl<I> Request<I> {
    fn new(shared: Arc<Shared>, input: Input) -> Self {
        let options = RequestOptions::default();
        Self { shared, input, options, refused: None, form: PhantomData }
    }

    /// Tokens to generate at most; at least 1. Default: the engine's `default_max_tokens`.
    pub fn max_tokens(mut self, tokens: u32) -> Self {
        self.options.max_tokens = Some(tokens.into());
        self
    }

    /// Texts that end the answer and are not part of it; up to 64.
    pub fn stop(mut self, texts: impl IntoIterator<Item: Into<String>>) -> Self {
        self.options.stop = texts.into_iter().map(Into::into).collect();
        self
    }

    /// How long the request may take, queue included; then it ends as `deadline_exceeded`.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout_ms = Some(timeout.as_secs_f64() * 1000.0);
        self
    }

    /// How many answers there are, 1 to 128. Default 1. They share the prompt, which is computed once
    /// where the prefix cache is on, and differ by their seeds: the first has the request's, each other
    /// the next one. Without anything random they are all the same.
    pub fn n(mut self, answers: u32) -> Self {
        self.options.n = Some(answers.into());
        self
    }

    /// Computes so many answers and tells the `n` best, by the mean log-probability of their tokens,
    /// once all are complete; at least `n`, at most 128. Default: as many as are told.
    pub fn best_of(mut self, answers: u32) -> Self {
        self.options.best_of = Some(answers.into());
        self
    }

    /// How it uses the caches. Default: it is answered from the response cache if it can be,
    /// shares prefixes otherwise, and leaves its own.
    pub fn cache(mut self, cache: CacheMode) -> Self {
        self.options.cache = Some(cache);
        self
    }

    /// Shares prefixes and answers with the requests of the same salt alone: a text of 1 to 1024
    /// bytes, one a tenant. Nobody else can tell by the time of an answer what was asked with it.
    /// Default: none, which is shared with all others without one. Without effect where the caches
    /// are bypassed.
    pub fn cache_salt(mut self, salt: impl Into<String>) -> Self {
        self.options.cache_salt = Some(salt.into());
        self
    }

    /// How long this answer is kept for the same questions. Default: the engine's
    /// `response_cache_ttl`.
    pub fn cache_ttl(mut self, ttl: Duration) -> Self {
        self.options.cache_ttl_ms = Some(ttl.as_secs_f64() * 1000.0);
        self
    }

    /// Lets the answer to an earlier question that means the same serve this one. Without effect
    /// where no stored answer could serve it: with [`CacheMode::Bypass`] and
    /// [`CacheMode::Refresh`], and where answers are random. Default: the same question only.
    pub fn semantic(mut self, semantic: Semantic) -> Self {
        self.options.semantic = Some(semantic);
        self
    }

    /// Sets an option by its name, as callers without Rust's types do. A name or type that is
    /// not known fails the request when it is made.
    pub fn option(mut self, name: &str, value: impl Into<OptionValue>) -> Self {
        self.set(name, value.into());
        self
    }

    /// The first option that can't be read is what the request fails with.
    fn set(&mut self, name: &str, value: OptionValue) {
        let set = self.options.set(name, value);
        if self.refused.is_none() {
            self.refused = set.err();
        }
    }

    /// Makes the request and waits for its whole answer.
    ///
    /// # Errors
    /// Any [`crate::ErrorKind`] of a request.
    ///
    /// # Blocking
    /// Until the request ends. In asynchronous code, `.await` the request instead.
    pub fn run(self) -> Result<Reply> {
        self.stream()?.reply()
    }

    /// Makes the request, and gives its events as they come.
    ///
    /// # Errors
    /// What can be told at once: `invalid_request`, `context_overflow`, `overloaded`,
    /// `unsupported`, and an engine that is over. What comes later is an event.
    pub fn stream(self) -> Result<TokenStream> {
        let shared = self.shared;
        let prompter = shared.prompter()?;
        if let Some(error) = self.refused {
            return Err(error);
        }
        let submitted = shared.now();
        let defaults =
            Defaults { max_tokens: shared.limits.default_max_tokens, fresh_seed: fresh_seed() };
        let words_of = |text: &str| prompter.words_of(text);
        let words = Words { count: prompter.vocabulary_tokens(), tokenize: &words_of };
        let config = self.options.validate(defaults, words)?;
        let asked = || self.input.asked(&prompter, &config);
        let responses = answerable(&shared, asked, &config)?;
        self.input.check(&config)?;
        let offer = self.input.offer(&prompter, &config)?;
        let prompt = match &responses {
            None => self.input.tokenize(&prompter, &config, offer.as_ref())?.tokens,
            Some(answerable) => {
                let text = self.input.as_text(&config, offer.as_ref());
                let find = || self.input.tokenize(&prompter, &config, offer.as_ref());
                answerable.cache.tokens(answerable.namespace, text, find)?
            }
        };
        let end = prompter.end_text(&prompt);
        let bound = config.grammar.as_ref();
        let constraint = match &offer {
            Some(offer) => offer.constraint(&prompter, &end, bound)?,
            None => bound.map(|grammar| prompter.constraint(grammar)).transpose()?,
        };
        let plan = offer.as_ref().and_then(|offer| offer.plan(&end));
        let cache = salted(shared.namespace(), config.cache, config.cache_salt.as_deref());
        let draft = Draft {
            prompt,
            prompter,
            goal: Goal::Generate,
            cache,
            max_tokens: config.max_tokens,
            draws: Arc::new(Draws {
                sampling: config.sampling,
                logprobs: config.logprobs,
                constraint,
            }),
            prompt_logprobs: config.prompt_logprobs,
            stop: config.stop,
            timeout: config.timeout,
            submitted,
            responses,
        };
        let stream = draft.submit_choices(config.choices, shared)?;
        Ok(stream.read_by(plan))
    }
}

/// How a request has to do with stored answers: `None` if it has not.
///
/// # Errors
/// `not_cached` where an answer has to be stored, but none are.
fn answerable(
    shared: &Shared,
    asked: impl FnOnce() -> Asked,
    config: &RequestConfig,
) -> Result<Option<Answerable>> {
    let policy = config.responses;
    if !policy.is_any() {
        return Ok(None);
    }
    let Some(cache) = shared.responses() else {
        return if policy.computes { Ok(None) } else { Err(Error::not_cached()) };
    };
    Ok(Some(Answerable {
        cache: Arc::clone(cache),
        namespace: cache.namespace(config.cache_salt.as_deref()),
        policy,
        ttl: config.cache_ttl,
        semantic: config.semantic.clone().map(|semantic| (semantic, asked())),
    }))
}

/// A seed nobody chose: the standard library's hash keys are random for each process and differ
/// for each state.
fn fresh_seed() -> u32 {
    use std::hash::{BuildHasher, RandomState};
    let bits = RandomState::new().hash_one(0_u8);
    u32::try_from(bits >> 32).expect("32 bits fit")
}

impl<I> IntoFuture for Request<I> {
    type Output = Result<Reply>;
    type IntoFuture = ReplyFuture<I>;

    fn into_future(self) -> ReplyFuture<I> {
        ReplyFuture { state: FutureState::New(Box::new(self)) }
    }
}

/// The whole answer of a request, to be awaited on any executor. The request is made at the
/// first poll; dropping the future cancels it.
#[derive(Debug)]
pub struct ReplyFuture<I> {
    state: FutureState<I>,
}

#[derive(Debug)]
enum FutureState<I> {
    New(Box<Request<I>>),
    Reading(Box<(TokenStream, ReplyFold)>),
    Done,
}

impl<I> Future for ReplyFuture<I> {
    type Output = Result<Reply>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            match std::mem::replace(&mut this.state, FutureState::Done) {
                FutureState::New(request) => {
                    let stream = request.stream()?;
                    let reading = (stream, ReplyFold::default());
                    this.state = FutureState::Reading(Box::new(reading));
                }
                FutureState::Reading(mut reading) => {
                    let (stream, fold) = &mut *reading;
                    match Pin::new(stream).poll_next(context) {
                        Poll::Pending => {
                            this.state = FutureState::Reading(reading);
                            return Poll::Pending;
                        }
                        Poll::Ready(None) => return Poll::Ready(Err(Error::cancelled())),
                        Poll::Ready(Some(event)) => match fold.take(event) {
                            Some(result) => return Poll::Ready(result),
                            None => this.state = FutureState::Reading(reading),
                        },
                    }
                }
                FutureState::Done => panic!("a future is not polled after it is ready"),
            }
        }
    }
}
