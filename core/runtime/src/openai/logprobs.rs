//! Log-probabilities in the shapes of chats and of completions, with the tokens' texts.

use std::fmt::Write;
use std::sync::Arc;

use indwell_kernel::Token;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::prompt::Prompter;
use crate::shared::Shared;
use crate::{PromptLogprob, Result, TokenLogprob, TopLogprob};

/// Knows the bytes of tokens.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    shared: Arc<Shared>,
}

impl Tokens {
    pub(super) fn of(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }

    fn prompter(&self) -> Result<Arc<Prompter>> {
        self.shared.prompter()
    }
}

fn bytes_of(prompter: &Prompter, token: i32) -> Vec<u8> {
    let mut bytes = Vec::new();
    prompter.append_piece(Token(token), &mut bytes);
    bytes
}

/// The text of some bytes; those that are no whole characters as `\x` and two digits.
fn text_of(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").expect("a string takes all");
        }
    }
    text
}

/// A chat's log-probabilities.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct ChatLogprobs {
    content: Vec<ChatToken>,
    /// Nothing is ever refused.
    refusal: Option<()>,
}

#[derive(Clone, Debug, Serialize)]
struct ChatToken {
    #[serde(flatten)]
    chosen: ChatTop,
    top_logprobs: Vec<ChatTop>,
}

#[derive(Clone, Debug, Serialize)]
struct ChatTop {
    token: String,
    bytes: Vec<u8>,
    logprob: f32,
}

impl ChatLogprobs {
    /// # Errors
    /// An engine that is over.
    pub(super) fn of(tokens: &Tokens, logprobs: &[TokenLogprob]) -> Result<Self> {
        let prompter = tokens.prompter()?;
        let one = |token: i32, logprob: f32| {
            let bytes = bytes_of(&prompter, token);
            ChatTop { token: text_of(&bytes), bytes, logprob }
        };
        let content = logprobs.iter().map(|chosen| ChatToken {
            chosen: one(chosen.token, chosen.logprob),
            top_logprobs: chosen.top.iter().map(|top| one(top.token, top.logprob)).collect(),
        });
        Ok(Self { content: content.collect(), refusal: None })
    }
}

/// A completion's log-probabilities.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct CompletionLogprobs {
    tokens: Vec<String>,
    token_logprobs: Vec<Option<f32>>,
    top_logprobs: Vec<Option<Map<String, Value>>>,
    text_offset: Vec<usize>,
}

impl CompletionLogprobs {
    /// Those of the prompt, which begins the text, then those of the answer.
    ///
    /// # Errors
    /// An engine that is over.
    pub(super) fn of(
        tokens: &Tokens,
        prompt: &[PromptLogprob],
        answer: &[TokenLogprob],
        offset: &mut usize,
    ) -> Result<Self> {
        let prompter = tokens.prompter()?;
        let mut logprobs = Self::default();
        for token in prompt {
            logprobs.push(&prompter, (token.token, token.logprob, &token.top), offset);
        }
        for token in answer {
            logprobs.push(&prompter, (token.token, Some(token.logprob), &token.top), offset);
        }
        Ok(logprobs)
    }

    fn push(
        &mut self,
        prompter: &Prompter,
        (token, logprob, top): (i32, Option<f32>, &[TopLogprob]),
        offset: &mut usize,
    ) {
        let bytes = bytes_of(prompter, token);
        self.text_offset.push(*offset);
        // A character counts where it begins: it may end in another token.
        *offset += bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
        self.tokens.push(text_of(&bytes));
        self.token_logprobs.push(logprob);
        let top: Map<String, Value> = top
            .iter()
            .map(|top| (text_of(&bytes_of(prompter, top.token)), top.logprob.into()))
            .collect();
        self.top_logprobs.push((!top.is_empty()).then_some(top));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_characters_are_shown_as_such() {
        assert_eq!(text_of("né".as_bytes()), "né");
        assert_eq!(text_of(b"a\xf0\x9f"), "a\\xf0\\x9f");
        assert_eq!(text_of(b""), "");
    }
}
