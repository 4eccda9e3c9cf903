//! What every answer begins with: its name, its kind, when and by what it was made; and what it
//! took.

use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::Usage;

/// What the chunks of an answer have in common.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Stamp {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
    service_tier: &'static str,
    system_fingerprint: String,
}

impl Stamp {
    /// Of an answer that is made now by the model called `model`.
    pub(super) fn now(kind: Kind, model: String) -> Self {
        let (prefix, object) = kind.names();
        Self {
            id: fresh_id(prefix),
            object,
            created: unix_seconds(SystemTime::now()),
            model,
            service_tier: "default",
            system_fingerprint: fingerprint(),
        }
    }
}

/// What an answer is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Chat,
    ChatChunk,
    Completion,
}

impl Kind {
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Chat => ("chatcmpl-", "chat.completion"),
            Self::ChatChunk => ("chatcmpl-", "chat.completion.chunk"),
            Self::Completion => ("cmpl-", "text_completion"),
        }
    }
}

/// A name that was never given: the standard library's hash keys are random for each process and
/// differ for each state.
pub(super) fn fresh_id(prefix: &str) -> String {
    let [high, low] = [0_u8, 1].map(|half| RandomState::new().hash_one(half));
    format!("{prefix}{high:016x}{low:016x}")
}

/// Seconds since 1970.
pub(super) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What computes: this library's version and llama.cpp's build, in a few letters.
fn fingerprint() -> String {
    let build = format!("{}; {}", crate::VERSION, indwell_llama::build_id());
    format!("fp_{}", &blake3::hash(build.as_bytes()).to_hex()[..10])
}

/// What an answer took, in OpenAI's shape.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct WireUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct PromptDetails {
    cached_tokens: u64,
    audio_tokens: u64,
}

/// How many of the tokens were reasoning is not known: text is told apart, not tokens.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct CompletionDetails {
    audio_tokens: u64,
    accepted_prediction_tokens: u64,
    rejected_prediction_tokens: u64,
}

impl WireUsage {
    pub(super) fn add(&mut self, usage: &Usage) {
        self.prompt_tokens += u64::from(usage.prompt_tokens);
        self.completion_tokens += u64::from(usage.completion_tokens);
        self.total_tokens += u64::from(usage.prompt_tokens) + u64::from(usage.completion_tokens);
        self.prompt_tokens_details.cached_tokens += u64::from(usage.cached_tokens);
    }

    /// Without the tokens of the answer, where it is not told.
    pub(super) fn of_prompts_alone(self) -> Self {
        Self { completion_tokens: 0, total_tokens: self.prompt_tokens, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_not_given_twice() {
        let names: std::collections::HashSet<_> =
            (0..1000).map(|_| fresh_id("chatcmpl-")).collect();
        assert_eq!(names.len(), 1000);
        assert!(names.iter().all(|name| name.len() == "chatcmpl-".len() + 32));
    }
}
