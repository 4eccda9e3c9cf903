//! What an answer depends on, as a digest.
//!
//! Two requests have the same key only if they have the same answer: [`REQUEST_FIELDS`] lists
//! every field of a request with what it does, and [`ResponseKey::of`] takes requests apart
//! field by field, so that a new one does not compile before it is classified. Fields are written
//! with a tag and a length, so that no two different requests are the same bytes.

use std::fmt;

use crate::sampling::{
    Dry, Mirostat, MirostatVersion, Penalties, SamplerKind, Temperature, TokenRules, Xtc,
};
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
    field("dynatemp_range", Effect::ChangesDraws),
    field("dynatemp_exponent", Effect::ChangesDraws),
    field("top_k", Effect::ChangesDraws),
    field("top_p", Effect::ChangesDraws),
    field("min_p", Effect::ChangesDraws),
    field("typical_p", Effect::ChangesDraws),
    field("top_n_sigma", Effect::ChangesDraws),
    field("xtc_probability", Effect::ChangesDraws),
    field("xtc_threshold", Effect::ChangesDraws),
    field("mirostat", Effect::ChangesDraws),
    field("mirostat_tau", Effect::ChangesDraws),
    field("mirostat_eta", Effect::ChangesDraws),
    field("seed", Effect::ChangesDraws),
    field("repeat_penalty", Effect::ChangesAnswer),
    field("repeat_last_n", Effect::ChangesAnswer),
    field("presence_penalty", Effect::ChangesAnswer),
    field("frequency_penalty", Effect::ChangesAnswer),
    field("dry_multiplier", Effect::ChangesAnswer),
    field("dry_base", Effect::ChangesAnswer),
    field("dry_allowed_length", Effect::ChangesAnswer),
    field("dry_penalty_last_n", Effect::ChangesAnswer),
    field("dry_sequence_breakers", Effect::ChangesAnswer),
    field("samplers", Effect::ChangesAnswer),
    field("logit_bias", Effect::ChangesAnswer),
    field("banned_strings", Effect::ChangesAnswer),
    field("ignore_eos", Effect::ChangesAnswer),
    field("min_tokens", Effect::ChangesAnswer),
    field("stop_tokens", Effect::ChangesAnswer),
    field("stop", Effect::ChangesAnswer),
    field("logprobs", Effect::ChangesAnswer),
    field("top_logprobs", Effect::ChangesAnswer),
    field("prompt_logprobs", Effect::ChangesAnswer),
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
    // What these do to the raw answer is in the prompt's tokens and in the constraint; the rest is
    // done by whoever reads it.
    field("tools", Effect::ChangesAnswer),
    field("tool_choice", Effect::ChangesAnswer),
    field("parallel_tool_calls", Effect::ChangesAnswer),
    field("separate_reasoning", Effect::ChangesNothing),
];

/// The parts of a key. Values are for ever: answers on disk are found by them.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Part {
    Namespace = 1,
    Prompt = 2,
    MaxTokens = 3,
    Greedy = 4,
    Logprobs = 6,
    Stop = 7,
    PromptLogprobs = 8,
    Constraint = 9,
    Seed = 20,
    Mirostat = 21,
    Sampler = 22,
    Count = 23,
    Floats = 24,
    Breaker = 25,
    BiasedToken = 26,
    Banned = 27,
    StopToken = 28,
    MinTokens = 29,
    IgnoreEos = 30,
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

    /// What draws always the same is written the same: [`SamplingParams::canonical`].
    fn sampling(&mut self, sampling: &SamplingParams) {
        let sampling = sampling.canonical();
        if sampling.is_greedy() {
            self.part(Part::Greedy, 0);
        } else {
            self.value(Part::Seed, &sampling.seed.to_le_bytes());
        }
        if let Some(Mirostat { version, tau, eta }) = sampling.mirostat {
            let version = match version {
                MirostatVersion::V1 => 1.0,
                MirostatVersion::V2 => 2.0,
            };
            self.floats(Part::Mirostat, &[version, tau, eta]);
        }
        for &kind in &sampling.order {
            self.sampler(kind, &sampling);
        }
        self.token_rules(&sampling.tokens);
    }

    /// A sampler that acts, in its place among the others.
    fn sampler(&mut self, kind: SamplerKind, sampling: &SamplingParams) {
        self.value(Part::Sampler, kind.as_str().as_bytes());
        match kind {
            SamplerKind::Penalties => {
                let Penalties { last_n, repeat, frequency, presence } = sampling.penalties;
                self.value(Part::Count, &last_n.to_le_bytes());
                self.floats(Part::Floats, &[repeat, frequency, presence]);
            }
            SamplerKind::Dry => {
                let Dry { multiplier, base, allowed_length, last_n, breakers } = &sampling.dry;
                self.value(Part::Count, &allowed_length.to_le_bytes());
                self.value(Part::Count, &last_n.to_le_bytes());
                self.floats(Part::Floats, &[*multiplier, *base]);
                self.part(Part::Count, breakers.len());
                for breaker in breakers {
                    self.value(Part::Breaker, breaker.as_bytes());
                }
            }
            SamplerKind::TopNSigma => self.floats(Part::Floats, &[sampling.top_n_sigma]),
            SamplerKind::TopK => self.value(Part::Count, &sampling.top_k.to_le_bytes()),
            SamplerKind::TypicalP => self.floats(Part::Floats, &[sampling.typical_p]),
            SamplerKind::TopP => self.floats(Part::Floats, &[sampling.top_p]),
            SamplerKind::MinP => self.floats(Part::Floats, &[sampling.min_p]),
            SamplerKind::Xtc => {
                let Xtc { probability, threshold } = sampling.xtc;
                self.floats(Part::Floats, &[probability, threshold]);
            }
            SamplerKind::Temperature => {
                let Temperature { value, range, exponent } = sampling.temperature;
                self.floats(Part::Floats, &[value, range, exponent]);
            }
        }
    }

    fn token_rules(&mut self, rules: &TokenRules) {
        let TokenRules { biases, banned, stop_tokens, min_tokens, ignore_eos } = rules;
        for (token, bias) in biases {
            self.value(Part::BiasedToken, &token.0.to_le_bytes());
            self.floats(Part::Floats, &[*bias]);
        }
        for text in banned {
            self.value(Part::Banned, text.as_bytes());
        }
        for token in stop_tokens {
            self.value(Part::StopToken, &token.0.to_le_bytes());
        }
        if *min_tokens > 0 {
            self.value(Part::MinTokens, &min_tokens.to_le_bytes());
        }
        if *ignore_eos {
            self.part(Part::IgnoreEos, 0);
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

    fn floats(&mut self, part: Part, values: &[f32]) {
        self.part(part, values.len());
        for value in values {
            // 0 has two signs and one meaning.
            self.hasher.update(&(value + 0.0).to_bits().to_le_bytes());
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
