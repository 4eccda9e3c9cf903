//! A checked request's last steps on its caller's thread: a place in the queue, then the worker.

use std::sync::Arc;
use std::time::Duration;

use indwell_kernel::{CacheUse, Goal, Request, SamplingParams, Timestamp, Token};

use crate::mailbox::mailbox;
use crate::shared::Shared;
use crate::text::TextAssembler;
use crate::worker::Job;
use crate::{Result, TokenStream};

/// A request that passed validation and has no name yet.
#[derive(Debug)]
pub(crate) struct Draft {
    /// Not empty, and within the engine's bounds.
    pub(crate) prompt: Vec<Token>,
    pub(crate) boundaries: Vec<u32>,
    pub(crate) goal: Goal,
    pub(crate) cache: CacheUse,
    pub(crate) max_tokens: u32,
    pub(crate) sampling: SamplingParams,
    pub(crate) logprobs: bool,
    pub(crate) stop: Vec<String>,
    pub(crate) timeout: Option<Duration>,
    /// When the call was made, before tokenizing.
    pub(crate) submitted: Timestamp,
}

impl Draft {
    /// Hands the request to the worker, if there is a place for it.
    ///
    /// # Errors
    /// `overloaded`, and an engine that is over.
    pub(crate) fn submit(self, shared: Arc<Shared>) -> Result<TokenStream> {
        let (events, receiver) = mailbox(shared.limits.stream_capacity as usize);
        let id = shared.next_request();
        let prompt_tokens =
            u32::try_from(self.prompt.len()).expect("a prompt is shorter than the context");
        let job = Job {
            request: Request {
                id,
                prompt: self.prompt,
                boundaries: self.boundaries,
                goal: self.goal,
                cache: self.cache,
                max_tokens: self.max_tokens,
                sampling: self.sampling,
                logprobs: self.logprobs,
                deadline: self.timeout.map(|timeout| self.submitted.after(timeout)),
            },
            prompt_tokens,
            text: TextAssembler::new(self.stop),
            events,
            submitted: self.submitted,
        };
        shared.gate.lock().enter(prompt_tokens)?;
        if let Err(error) = shared.submit(Box::new(job)) {
            shared.gate.lock().leave(prompt_tokens, shared.now());
            return Err(error);
        }
        Ok(TokenStream::new(receiver, id, shared))
    }
}
