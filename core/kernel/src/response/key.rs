//! What an answer depends on, as a digest.
//!
//! Two requests have the same key only if they have the same answer: [`REQUEST_FIELDS`] lists
//! every field of a request with what it does, and [`ResponseKey::of`] takes requests apart
//! field by field, so that a new one does not compile before it is classified. Fields are written
//! with a tag and a length, so that no two different requests are the same bytes.

use std::fmt;

use crate::{Draws, Logprobs, Namespace, Request, SamplingParams};

/// Keeps these digests apart from every other use of blake3.
const CONTEXT: &str = "indwell 2026-11 response cache key";

/// A digest of everything that an answer depends on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResponseKey([u8; 32]);

/// A digest of everything that an answer depends on but the prompt: prompts of the same space may
/// be close to each other, and only they.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SemanticSpace([u8; 32]);

/// What a field of a request does to its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Another value may give another answer: it is part of the key.
    ChangesAnswer,
    /// Only of what is drawn at random: part of the key, unless the request is greedy.
    ChangesDraws,
    /// The answer is the same, if it comes.
    ChangesNothing,
}

/// A field of a request, by the name that options have in every language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestField {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub effect: Effect,
}

const fn field(name: &'static str, effect: Effect) -> RequestField {
    RequestField { name, effect }
}

/// Every field of a request, classified. The prompt's text, its messages and how special tokens in
/// it are read all end in its tokens.
pub const REQUEST_FIELDS: &[RequestField] = &[
    field("prompt", Effect::ChangesAnswer),
    field("messages", Effect::ChangesAnswer),
    field("parse_special", Effect::ChangesAnswer),
    field("documents", Effect::ChangesAnswer),
    field("template_args", Effect::ChangesAnswer),
    field("continue_final_message", Effect::ChangesAnswer),
    field("max_tokens", Effect::ChangesAnswer),
    field("temperature", Effect::ChangesAnswer),
    field("top_k", Effect::ChangesDraws),
    field("top_p", Effect::ChangesDraws),
    field("min_p", Effect::ChangesDraws),
    field("seed", Effect::ChangesDraws),
    field("stop", Effect::ChangesAnswer),
    field("logprobs", Effect::ChangesAnswer),
    // Each of several answers has a key of its own, by its seed.
    field("n", Effect::ChangesDraws),
    field("best_of", Effect::ChangesDraws),
    field("json_schema", Effect::ChangesAnswer),
    field("json_object", Effect::ChangesAnswer),
    field("regex", Effect::ChangesAnswer),
    field("choice", Effect::ChangesAnswer),
    field("lark", Effect::ChangesAnswer),
    field("gbnf", Effect::ChangesAnswer),
    field("cache_salt", Effect::ChangesAnswer),
    field("cache", Effect::ChangesNothing),
    field("cache_ttl_ms", Effect::ChangesNothing),
    field("timeout_ms", Effect::ChangesNothing),
    field("semantic", Effect::ChangesNothing),
];

/// The parts of a key. Values are for ever: answers on disk are found by them.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Part {
    Namespace = 1,
    Prompt = 2,
    MaxTokens = 3,
    Greedy = 4,
    Sampling = 5,
    Logprobs = 6,
    Stop = 7,
    PromptLogprobs = 8,
    Constraint = 9,
}

impl ResponseKey {
    /// The key of a request's answer. `namespace` is that of the model and build, salted; `stop`
    /// are its stop strings, in any order.
    #[must_use]
    pub fn of(namespace: Namespace, request: &Request, stop: &[String]) -> Self {
        let mut digest = Digest::of_all_but_prompt(namespace, request, stop);
        digest.part(Part::Prompt, request.prompt.len());
        // Little endian, the same on every machine; in blocks, as the hash has a cost per call.
        let mut block = [0; 1024];
        for tokens in request.prompt.chunks(block.len() / 4) {
            for (bytes, token) in block.chunks_exact_mut(4).zip(tokens) {
                bytes.copy_from_slice(&token.0.to_le_bytes());
            }
            digest.hasher.update(&block[..tokens.len() * 4]);
        }
        Self(digest.finish())
    }

    /// The digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key with this digest, as it was once written down.
    #[must_use]
    pub fn from_bytes(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl SemanticSpace {
    /// The space of a request's prompt; arguments as for [`ResponseKey::of`].
    #[must_use]
    pub fn of(namespace: Namespace, request: &Request, stop: &[String]) -> Self {
        Self(Digest::of_all_but_prompt(namespace, request, stop).finish())
    }

    /// The digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The space with this digest, as it was once written down.
    #[must_use]
    pub fn from_bytes(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

struct Digest {
    hasher: blake3::Hasher,
}

impl Digest {
    fn of_all_but_prompt(namespace: Namespace, request: &Request, stop: &[String]) -> Self {
        // Without `..`: a new field does not compile before it is classified, here and in
        // `REQUEST_FIELDS`.
        let Request {
            prompt: _,
            max_tokens,
            draws,
            prompt_logprobs,
            // Only answers have keys; prefixes have none.
            goal: _,
            // Where prompts may be cut, and which cached ones are used, changes no answer.
            boundaries: _,
            cache: _,
            id: _,
            deadline: _,
        } = request;
        let mut digest = Self { hasher: blake3::Hasher::new_derive_key(CONTEXT) };
        digest.value(Part::Namespace, namespace.as_bytes());
        digest.value(Part::MaxTokens, &max_tokens.to_le_bytes());
        let Draws { sampling, logprobs, constraint } = &**draws;
        digest.logprobs(*logprobs);
        digest.value(Part::PromptLogprobs, &[u8::from(*prompt_logprobs)]);
        if let Some(constraint) = constraint {
            digest.value(Part::Constraint, &constraint.digest());
        }
        digest.sampling(sampling);
        digest.stop(stop);
        digest
    }

    fn logprobs(&mut self, logprobs: Logprobs) {
        let told = match logprobs {
            Logprobs::None => [0, 0],
            Logprobs::Chosen => [1, 0],
            Logprobs::Top(count) => [2, count],
        };
        self.value(Part::Logprobs, &told);
    }

    fn sampling(&mut self, sampling: &SamplingParams) {
        // What nothing is drawn by has no effect: `is_greedy`.
        if sampling.is_greedy() {
            self.part(Part::Greedy, 0);
            return;
        }
        // A seed is one whoever chose it.
        let SamplingParams { temperature, top_k, top_p, min_p, seed, seeded: _ } = sampling;
        self.part(Part::Sampling, 5);
        for value in [temperature, top_p, min_p] {
            // 0 has two signs and one meaning.
            self.hasher.update(&(value + 0.0).to_bits().to_le_bytes());
        }
        for value in [top_k, seed] {
            self.hasher.update(&value.to_le_bytes());
        }
    }

    /// Whichever comes first in the text ends the answer, and it is not told which: a set.
    fn stop(&mut self, stop: &[String]) {
        let mut stop: Vec<&str> = stop.iter().map(String::as_str).collect();
        stop.sort_unstable();
        stop.dedup();
        for text in stop {
            self.value(Part::Stop, text.as_bytes());
        }
    }

    fn value(&mut self, part: Part, value: &[u8]) {
        self.part(part, value.len());
        self.hasher.update(value);
    }

    fn part(&mut self, part: Part, length: usize) {
        self.hasher.update(&[part as u8]);
        self.hasher.update(&(length as u64).to_le_bytes());
    }

    fn finish(&self) -> [u8; 32] {
        *self.hasher.finalize().as_bytes()
    }
}

impl fmt::Debug for ResponseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "ResponseKey({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

impl fmt::Debug for SemanticSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "SemanticSpace({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}
