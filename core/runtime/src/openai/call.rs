//! What every request for an answer has in common: how it is to be streamed, and the options.
//!
//! OpenAI's fields that are options of ours by the same name, and all other options of ours, go
//! through the one table of options; so do some names that other engines have for them. Fields
//! that change nothing are accepted; those that can't be honoured are refused; all others are
//! unknown.

use serde_json::{Map, Value};

use super::failure::{Failure, Read};
use super::fields::Fields;
use crate::OptionValue;
use crate::options::{NamedOptions, RequestOptions};

/// What OpenAI documents as the default; ours is 0.
const TEMPERATURE: f64 = 1.0;
/// OpenAI's seeds are any whole number, ours those below this one.
const SEEDS: i64 = 4_294_967_295;
/// Fields that change no answer: who asks, what for, how urgently.
const WITHOUT_EFFECT: [&str; 9] = [
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "metadata",
    "service_tier",
    "verbosity",
    "prediction",
    "moderation",
];
/// Other engines' names of our options.
const OTHER_NAMES: [(&str, &str); 8] = [
    ("chat_template_kwargs", "template_args"),
    ("repetition_penalty", "repeat_penalty"),
    ("stop_token_ids", "stop_tokens"),
    ("typical", "typical_p"),
    ("guided_json", "json_schema"),
    ("guided_regex", "regex"),
    ("guided_choice", "choice"),
    ("guided_grammar", "gbnf"),
];

/// How a request is to be answered.
#[derive(Debug)]
pub(super) struct Call {
    /// As server-sent events.
    pub(super) stream: bool,
    /// With the usage as the last of them.
    pub(super) include_usage: bool,
    /// By our names.
    options: Map<String, Value>,
}

impl Call {
    /// Takes what remains of `fields`; `options` has what was made of others.
    pub(super) fn of(mut fields: Fields, mut options: Map<String, Value>) -> Read<Self> {
        let stream = fields.flag("stream")?.unwrap_or(false);
        let include_usage = stream_options(&mut fields, stream)?;
        for name in WITHOUT_EFFECT {
            let _ = fields.take(name);
        }
        refuse_what_is_not_here(&mut fields)?;
        if let Some(seed) = fields.whole("seed")? {
            options.insert("seed".to_owned(), seed.rem_euclid(SEEDS).into());
        }
        for (name, value) in fields.rest() {
            let ours = OTHER_NAMES.iter().find(|(other, _)| *other == name);
            let ours = ours.map_or(name.as_str(), |(_, ours)| ours).to_owned();
            let is_option = RequestOptions::NAMES.contains(&ours.as_str());
            if !is_option || ours == "prompt_logprobs" {
                let text = format!("Unrecognized request argument supplied: {name}");
                return Err(Failure::wrong(text, name, "unknown_parameter"));
            }
            if value.is_null() {
                continue;
            }
            if options.contains_key(&ours) {
                let text = format!("'{name}' says a second time what another field says.");
                return Err(Failure::wrong(text, name, "invalid_parameter_combination"));
            }
            options.insert(ours, value);
        }
        options.entry("temperature").or_insert_with(|| TEMPERATURE.into());
        Ok(Self { stream, include_usage, options })
    }

    /// The options by our names.
    pub(super) fn options(&mut self) -> impl Iterator<Item = (String, OptionValue)> {
        std::mem::take(&mut self.options).into_iter().map(|(name, value)| (name, value.into()))
    }

    /// How many answers there are to each prompt, where that is a number that there can be.
    pub(super) fn choices(&self) -> u32 {
        let choices = self.options.get("n").and_then(Value::as_u64);
        choices.and_then(|choices| choices.try_into().ok()).unwrap_or(1)
    }

    /// Whether `option` is given as true.
    pub(super) fn is_set(&self, option: &str) -> bool {
        self.options.get(option) == Some(&Value::Bool(true))
    }
}

/// Whether the usage is to be streamed.
fn stream_options(fields: &mut Fields, stream: bool) -> Read<bool> {
    let Some(mut options) = fields.object("stream_options")? else { return Ok(false) };
    if !stream {
        let text = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(Failure::wrong(text, "stream_options".to_owned(), "invalid_value"));
    }
    let include_usage = options.flag("include_usage")?.unwrap_or(false);
    // It would hide the lengths of chunks from who watches a network; there is none.
    options.flag("include_obfuscation")?;
    options.finish()?;
    Ok(include_usage)
}

fn refuse_what_is_not_here(fields: &mut Fields) -> Read<()> {
    if fields.flag("store")? == Some(true) {
        let text = "Answers are not stored for later retrieval here: leave 'store' out.";
        return Err(Failure::unsupported(text, "store"));
    }
    let modalities = fields.list("modalities")?.unwrap_or_default();
    if modalities.iter().any(|modality| modality != "text") {
        let text = "This model writes text alone: leave 'modalities' out, or give [\"text\"].";
        return Err(Failure::unsupported(text, "modalities"));
    }
    for name in ["audio", "web_search_options"] {
        if fields.take(name).is_some() {
            let text = format!("'{name}' is not supported here: leave it out.");
            return Err(Failure::unsupported(text, name));
        }
    }
    Ok(())
}
