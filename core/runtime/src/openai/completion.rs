//! Completions, OpenAI's older shape: what is asked, and the shapes of answers.

mod chunks;
mod whole;

use serde_json::{Map, Value};

pub(super) use self::chunks::CompletionChunks;
pub(super) use self::whole::CompletionWhole;
use super::call::Call;
use super::failure::{Failure, Read};
use super::fields::{Fields, wrong_type};

/// Prompts of one request at most: each is a request of the engine's.
const PROMPTS_MAX: usize = 128;
/// What OpenAI documents as the default.
const MAX_TOKENS: i64 = 16;

/// Texts that are to be continued.
#[derive(Debug)]
pub(super) struct CompletionCall {
    pub(super) asked: Asked,
    pub(super) call: Call,
}

/// What the shapes of answers depend on.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) prompts: Vec<String>,
    /// The prompt is part of the text.
    pub(super) echo: bool,
    /// Nothing is to follow it.
    pub(super) prompt_alone: bool,
}

impl CompletionCall {
    pub(super) fn of(mut fields: Fields) -> Read<Self> {
        let given = fields.take("prompt");
        let prompts = prompts(fields.required("prompt", given)?)?;
        if fields.text("suffix")?.is_some_and(|suffix| !suffix.is_empty()) {
            let text = "Text can't be filled in before a 'suffix' here: leave it out.";
            return Err(Failure::unsupported(text, "suffix"));
        }
        let mut options = Map::new();
        let echo = fields.flag("echo")?.unwrap_or(false);
        logprobs(&mut fields, echo, &mut options)?;
        let tokens = fields.whole("max_tokens")?.unwrap_or(MAX_TOKENS);
        // A token is computed that nobody hears of: the prompt's log-probabilities need none.
        let prompt_alone = echo && tokens == 0;
        let tokens = if prompt_alone { 1 } else { tokens };
        options.insert("max_tokens".to_owned(), tokens.into());
        let asked = Asked { prompts, echo, prompt_alone };
        Ok(Self { asked, call: Call::of(fields, options)? })
    }
}

/// A text, or several.
fn prompts(given: Value) -> Read<Vec<String>> {
    let values = match given {
        Value::String(prompt) => return Ok(vec![prompt]),
        Value::Array(values) => values,
        other => return Err(wrong_type("prompt", "a string or an array of strings", &other)),
    };
    if values.iter().any(|value| value.is_number() || value.is_array()) {
        let text = "A 'prompt' of token ids is not supported here: give it as text.";
        return Err(Failure::unsupported(text, "prompt"));
    }
    if !(1..=PROMPTS_MAX).contains(&values.len()) {
        let text = format!(
            "'prompt' is an array of {}, but must have 1 to {PROMPTS_MAX} texts: ask in several \
             requests.",
            values.len()
        );
        return Err(Failure::wrong(text, "prompt".to_owned(), "invalid_value"));
    }
    let text = |(index, value)| match value {
        Value::String(prompt) => Ok(prompt),
        other => Err(wrong_type(&format!("prompt[{index}]"), "a string", &other)),
    };
    values.into_iter().enumerate().map(text).collect()
}

/// A number of alternatives: 0 gives the chosen tokens alone.
fn logprobs(fields: &mut Fields, echo: bool, options: &mut Map<String, Value>) -> Read<()> {
    let Some(top) = fields.whole("logprobs")? else { return Ok(()) };
    options.insert("logprobs".to_owned(), true.into());
    if top != 0 {
        options.insert("top_logprobs".to_owned(), top.into());
    }
    if echo {
        options.insert("prompt_logprobs".to_owned(), true.into());
    }
    Ok(())
}
