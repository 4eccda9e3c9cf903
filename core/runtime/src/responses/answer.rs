//! A complete answer as it is kept, and what it weighs.

use indwell_kernel::{FinishReason, Namespace, SemanticSpace};

use crate::{
    Event, Finished, PromptLogprob, PromptLogprobs, TextDelta, Timings, TokenLogprob, Usage,
};

/// A complete answer. What it took to compute is not part of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredAnswer {
    pub(crate) text: Box<str>,
    /// One for each token, if they were asked for.
    pub(crate) logprobs: Box<[TokenLogprob]>,
    /// One for each token of the prompt, if they were asked for.
    pub(crate) prompt_logprobs: Box<[PromptLogprob]>,
    pub(crate) reason: FinishReason,
    pub(crate) completion_tokens: u32,
    /// Whose it is: the engine's namespace, salted.
    pub(crate) namespace: Namespace,
    /// When it is stale: milliseconds since the Unix epoch.
    pub(crate) expires_ms: Option<u64>,
    /// What a question that means the same is found by.
    pub(crate) semantic: Option<Box<SemanticNote>>,
}

/// What is remembered of a question that was asked with [`crate::Semantic`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SemanticNote {
    /// Which questions it may be compared with.
    pub(crate) space: SemanticSpace,
    /// The question.
    pub(crate) text: Box<str>,
    /// What the caller's function made of it.
    pub(crate) vector: Box<[f32]>,
}

impl StoredAnswer {
    /// Whether it may be served at `now_ms`, in milliseconds since the Unix epoch.
    pub(crate) fn is_fresh(&self, now_ms: impl FnOnce() -> u64) -> bool {
        self.expires_ms.is_none_or(|expires_ms| now_ms() < expires_ms)
    }

    /// Bytes that it has on the heap, itself included.
    pub(crate) fn bytes(&self) -> usize {
        let note = self.semantic.as_ref().map_or(0, |note| {
            // Once here, once in the index.
            size_of::<SemanticNote>() + 2 * (note.text.len() + size_of_val(&*note.vector))
        });
        let tops = self.logprobs.iter().map(|one| &one.top);
        let tops = tops.chain(self.prompt_logprobs.iter().map(|one| &one.top));
        let tops: usize = tops.map(|top| size_of_val(&**top)).sum();
        let logprobs = size_of_val(&*self.logprobs) + size_of_val(&*self.prompt_logprobs) + tops;
        size_of::<Self>() + self.text.len() + logprobs + note
    }

    /// The events of a reply to a request with this usage and these times.
    pub(crate) fn events(&self, serving: Serving) -> Told {
        let usage = Usage {
            prompt_tokens: serving.prompt_tokens,
            completion_tokens: self.completion_tokens,
            cached_tokens: serving.prompt_tokens,
            cache: Some(serving.tier()),
            semantic_distance: serving.distance,
        };
        let delta =
            TextDelta { choice: 0, text: self.text.to_string(), logprobs: self.logprobs.to_vec() };
        let timings = Timings {
            queued_ms: serving.waited_ms,
            ttft_ms: serving.waited_ms,
            total_ms: serving.waited_ms,
            ..Timings::default()
        };
        let reason = self.reason.into();
        let tokens = self.prompt_logprobs.to_vec();
        let prompt = (!tokens.is_empty()).then(|| Event::PromptLogprobs(PromptLogprobs { tokens }));
        let finished = Event::Finished(Finished { reason, usage, timings });
        Told { prompt, text: Event::Text(delta), finished }
    }
}

/// A stored answer as a reader hears it.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) prompt: Option<Event>,
    pub(crate) text: Event,
    pub(crate) finished: Event,
}

impl Told {
    /// All of it, in order.
    pub(crate) fn into_events(self) -> impl Iterator<Item = Event> {
        self.prompt.into_iter().chain([self.text, self.finished])
    }
}

/// The request that a stored answer serves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Serving {
    pub(crate) prompt_tokens: u32,
    /// From the call until the answer was found.
    pub(crate) waited_ms: f64,
    /// How far its question is from the one that was answered, if they are not the same.
    pub(crate) distance: Option<f32>,
}

impl Serving {
    fn tier(&self) -> crate::CacheTier {
        match self.distance {
            None => crate::CacheTier::Response,
            Some(_) => crate::CacheTier::Semantic,
        }
    }
}
