//! Chat completions: what is asked, and the shapes of answers.

mod chunks;
mod whole;

use serde_json::{Map, Value};

pub(super) use self::chunks::ChatChunks;
pub(super) use self::whole::ChatWhole;
use super::call::Call;
use super::failure::{Failure, Read};
use super::fields::Fields;
use super::{messages, tools};
use crate::Message;

/// How much a model is to think.
const EFFORTS: [&str; 6] = ["none", "minimal", "low", "medium", "high", "xhigh"];

/// A chat that is asked for.
#[derive(Debug)]
pub(super) struct ChatCall {
    pub(super) messages: Vec<Message>,
    pub(super) call: Call,
}

impl ChatCall {
    pub(super) fn of(mut fields: Fields) -> Read<Self> {
        let given = fields.list("messages")?;
        let messages = messages::messages(fields.required("messages", given)?)?;
        let mut options = Map::new();
        tools::tools(&mut fields, &mut options)?;
        tools::response_format(&mut fields, &mut options)?;
        max_tokens(&mut fields, &mut options)?;
        logprobs(&mut fields, &mut options)?;
        reasoning_effort(&mut fields, &mut options)?;
        Ok(Self { messages, call: Call::of(fields, options)? })
    }
}

/// It has an old name and a new one.
fn max_tokens(fields: &mut Fields, options: &mut Map<String, Value>) -> Read<()> {
    let Some(tokens) = fields.whole("max_completion_tokens")? else { return Ok(()) };
    if fields.take("max_tokens").is_some() {
        let text = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not \
                    supported.";
        let param = "max_tokens".to_owned();
        return Err(Failure::wrong(text, param, "invalid_parameter_combination"));
    }
    options.insert("max_tokens".to_owned(), tokens.into());
    Ok(())
}

fn logprobs(fields: &mut Fields, options: &mut Map<String, Value>) -> Read<()> {
    let logprobs = fields.flag("logprobs")?.unwrap_or(false);
    if let Some(top) = fields.whole("top_logprobs")? {
        if !logprobs {
            let text = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.";
            return Err(Failure::wrong(text, "top_logprobs".to_owned(), "invalid_value"));
        }
        options.insert("top_logprobs".to_owned(), top.into());
    }
    options.insert("logprobs".to_owned(), logprobs.into());
    Ok(())
}

/// Chat templates that know it have it as an argument.
fn reasoning_effort(fields: &mut Fields, options: &mut Map<String, Value>) -> Read<()> {
    let Some(effort) = fields.one_of("reasoning_effort", &EFFORTS)? else { return Ok(()) };
    let given = fields.take("template_args").or_else(|| fields.take("chat_template_kwargs"));
    let mut arguments = match given {
        Some(Value::Object(arguments)) => arguments,
        Some(other) => {
            return Err(super::fields::wrong_type("template_args", "an object", &other));
        }
        None => Map::new(),
    };
    arguments.entry("reasoning_effort").or_insert(Value::String(effort));
    options.insert("template_args".to_owned(), Value::Object(arguments));
    Ok(())
}
