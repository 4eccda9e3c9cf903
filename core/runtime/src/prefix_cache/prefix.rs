//! Keeping a prefix: computed ahead of the requests that begin with it, and pinned until its
//! handle is dropped.
//!
//! From its submission on, a prefix is unpinned exactly once: by its handle, or by whoever stopped
//! waiting for it. Giving up cancels first and unpins second, in this order on the command
//! channel, so it does not matter whether the worker has pinned it by then. Unpinning what is not
//! pinned does nothing.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use indwell_kernel::{CacheUse, Draws, Goal, RequestId};

use super::salted;
use crate::CacheMode;
use crate::message::Message;
use crate::options::{NamedOptions, OptionValue, PrefixOptions};
use crate::prompt::{ChatEnd, Conversation};
use crate::shared::{Command, Shared};
use crate::submission::Draft;
use crate::{Canceller, Error, ErrorKind, Event, Result, TokenStream, Wait};

/// A prefix that is about to be computed and kept: options first, then [`PrefixRequest::run`],
/// [`PrefixRequest::start`] or `.await`. Nothing happens before one of these.
#[derive(Debug)]
#[must_use = "a prefix is not computed until it is run, started or awaited"]
pub struct PrefixRequest {
    shared: Arc<Shared>,
    messages: Vec<Message>,
    options: PrefixOptions,
    /// The first option that could not be read.
    refused: Option<Error>,
}

/// A prefix that is kept for the requests that begin with it, until this is dropped.
///
/// It is the last thing to give way when memory is short. Where it must, it is restored from the
/// host tier at the next request that begins with it, if there is one.
#[derive(Debug)]
pub struct CachedPrefix {
    tokens: u32,
    _pinned: Pinned,
}

/// A prefix that is being computed: a future of its handle. Dropping it gives the prefix up.
#[derive(Debug)]
pub struct PendingPrefix {
    // Dropped in this order: a request that is still running ends before it is unpinned.
    stream: TokenStream,
    pinned: Option<Pinned>,
}

/// What is to be unpinned, whether it is pinned by now or not.
#[derive(Debug)]
struct Pinned {
    request: RequestId,
    shared: Arc<Shared>,
}

impl PrefixRequest {
    pub(crate) fn new(shared: Arc<Shared>, messages: Vec<Message>) -> Self {
        Self { shared, messages, options: PrefixOptions::default(), refused: None }
    }

    /// Keeps the prefix for requests with the same salt alone; see
    /// [`crate::Request::cache_salt`].
    pub fn cache_salt(mut self, salt: impl Into<String>) -> Self {
        self.options.cache_salt = Some(salt.into());
        self
    }

    /// How long computing it may take, queue included; then it fails as `deadline_exceeded`.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout_ms = Some(timeout.as_secs_f64() * 1000.0);
        self
    }

    /// Sets an option by its name, as callers without Rust's types do. A name or type that is
    /// not known fails the request when it is made.
    pub fn option(mut self, name: &str, value: impl Into<OptionValue>) -> Self {
        let set = self.options.set(name, value.into());
        self.refused = self.refused.or(set.err());
        self
    }

    /// Computes the prefix, and waits for it.
    ///
    /// # Errors
    /// Any [`crate::ErrorKind`] of a request; `unsupported` where there is no prefix cache.
    ///
    /// # Blocking
    /// Until the prefix is computed. In asynchronous code, `.await` the request instead.
    pub fn run(self) -> Result<CachedPrefix> {
        self.start()?.wait()
    }

    /// Has the prefix computed, without waiting for it.
    ///
    /// # Errors
    /// What can be told at once: `invalid_request`, `context_overflow`, `overloaded`,
    /// `unsupported`, and an engine that is over. What comes later comes from waiting.
    pub fn start(self) -> Result<PendingPrefix> {
        let shared = self.shared;
        let prompter = shared.prompter()?;
        if let Some(error) = self.refused {
            return Err(error);
        }
        let submitted = shared.now();
        let config = self.options.validate()?;
        let cache = salted(shared.namespace(), CacheMode::Use, config.cache_salt.as_deref());
        if cache == CacheUse::Bypass {
            return Err(no_cache());
        }
        let prompt = prompter.chat(&Conversation::of(&self.messages, ChatEnd::LastMessage))?.tokens;
        let draft = Draft {
            prompt,
            prompter,
            goal: Goal::Cache,
            cache,
            max_tokens: 1,
            draws: Draws::greedy().into(),
            prompt_logprobs: false,
            stop: Vec::new(),
            timeout: config.timeout,
            submitted,
            responses: None,
        };
        let stream = draft.submit(Arc::clone(&shared))?;
        let pinned = Pinned { request: stream.request(), shared };
        Ok(PendingPrefix { stream, pinned: Some(pinned) })
    }
}

impl CachedPrefix {
    /// How many tokens it has, the chat template's included.
    #[must_use]
    pub fn tokens(&self) -> u32 {
        self.tokens
    }

    /// Lets go of it, as dropping does: it stays cached as any other prefix, and gives way as one.
    /// Never blocks.
    pub fn unpin(self) {
        drop(self);
    }
}

impl PendingPrefix {
    /// Waits for it.
    ///
    /// # Errors
    /// What the request failed with; `cancelled` if it was cancelled.
    ///
    /// # Blocking
    /// Until the prefix is computed.
    pub fn wait(mut self) -> Result<CachedPrefix> {
        loop {
            let event = self.stream.next_blocking().unwrap_or(Event::Cancelled);
            if let Some(result) = self.take(event) {
                return result;
            }
        }
    }

    /// Waits for it at most `timeout`; `None` if it is not there by then. Once there was a
    /// result, another look gives `cancelled`.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn wait_timeout(&mut self, timeout: Duration) -> Option<Result<CachedPrefix>> {
        match self.stream.next_timeout(timeout) {
            Wait::Event(event) => self.take(event),
            Wait::TimedOut => None,
            Wait::Ended => self.take(Event::Cancelled),
        }
    }

    /// A handle that gives it up from elsewhere.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        self.stream.canceller()
    }

    fn take(&mut self, event: Event) -> Option<Result<CachedPrefix>> {
        match event {
            Event::Finished(end) => Some(
                self.pinned
                    .take()
                    .map(|pinned| CachedPrefix { tokens: end.usage.prompt_tokens, _pinned: pinned })
                    .ok_or_else(Error::cancelled),
            ),
            Event::Cancelled => Some(Err(Error::cancelled())),
            Event::Failed(error) => Some(Err(error)),
            // A prefix has no text.
            _ => None,
        }
    }
}

impl Future for PendingPrefix {
    type Output = Result<CachedPrefix>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            match Pin::new(&mut this.stream).poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(event) => {
                    if let Some(result) = this.take(event.unwrap_or(Event::Cancelled)) {
                        return Poll::Ready(result);
                    }
                }
            }
        }
    }
}

impl IntoFuture for PrefixRequest {
    type Output = Result<CachedPrefix>;
    type IntoFuture = PrefixFuture;

    fn into_future(self) -> PrefixFuture {
        PrefixFuture(FutureState::New(Box::new(self)))
    }
}

/// A prefix's handle, to be awaited on any executor. The request is made at the first poll;
/// dropping the future gives the prefix up.
#[derive(Debug)]
pub struct PrefixFuture(FutureState);

#[derive(Debug)]
enum FutureState {
    New(Box<PrefixRequest>),
    Pending(Box<PendingPrefix>),
    Done,
}

impl Future for PrefixFuture {
    type Output = Result<CachedPrefix>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let FutureState::New(_) = this.0
            && let FutureState::New(request) = std::mem::replace(&mut this.0, FutureState::Done)
        {
            this.0 = FutureState::Pending(Box::new(request.start()?));
        }
        let FutureState::Pending(pending) = &mut this.0 else {
            panic!("a future is not polled after it is ready");
        };
        let polled = Pin::new(&mut **pending).poll(context);
        if polled.is_ready() {
            this.0 = FutureState::Done;
        }
        polled
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.shared.send(Command::Unpin(self.request));
    }
}

fn no_cache() -> Error {
    Error::remedied(
        ErrorKind::Unsupported,
        "this engine has no prefix cache",
        "load the model with prefix_cache_tokens above 0, if its memory can keep prefixes",
    )
}
