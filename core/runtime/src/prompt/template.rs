//! The model's own chat template, in Jinja.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, ErrorKind as JinjaKind, context};

use super::ChatEnd;
use super::shield::ShieldedMessage;
use crate::{Error, ErrorKind, Result};

const NAME: &str = "chat";

/// Steps that rendering may take: a template that loops without end is an error, not a hang. A
/// template takes a few dozen a message.
const FUEL: u64 = 50_000_000;

/// A compiled chat template.
#[derive(Debug)]
pub(super) struct ChatTemplate {
    environment: Environment<'static>,
    bos: String,
    eos: String,
}

impl ChatTemplate {
    /// Compiles `source`, set up as Hugging Face `transformers` sets Jinja up: blocks trimmed,
    /// Python's methods on strings, lists and dictionaries, `raise_exception`.
    pub(super) fn compile(
        source: String,
        bos: String,
        eos: String,
    ) -> std::result::Result<Self, minijinja::Error> {
        let mut environment = Environment::new();
        environment
            .set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", raise_exception);
        environment.set_fuel(Some(FUEL));
        environment.add_template_owned(NAME, source)?;
        Ok(Self { environment, bos, eos })
    }

    /// The prompt's text for `messages`, up to `end`.
    ///
    /// # Errors
    /// `invalid_request` when the template refuses the messages, or fails on them.
    pub(super) fn render(&self, messages: &[ShieldedMessage<'_>], end: ChatEnd) -> Result<String> {
        let values = context! {
            messages => Value::from(Serde(messages)),
            add_generation_prompt => end == ChatEnd::AnswerBegins,
            bos_token => self.bos.as_str(),
            eos_token => self.eos.as_str(),
        };
        let rendered = self.environment.get_template(NAME).and_then(|t| t.render(values));
        rendered.map_err(|error| {
            let reason = error.detail().map_or_else(|| error.to_string(), str::to_owned);
            let details = crate::ErrorDetails {
                field: Some("messages".to_owned()),
                remedy: Some("give messages that the model's chat template allows".to_owned()),
                ..crate::ErrorDetails::default()
            };
            let message = format!("the model's chat template refuses these messages: {reason}");
            Error::with(ErrorKind::InvalidRequest, message, details, Some(Box::new(error)))
        })
    }
}

/// What templates call to refuse a conversation.
fn raise_exception(message: String) -> std::result::Result<Value, minijinja::Error> {
    Err(minijinja::Error::new(JinjaKind::InvalidOperation, message))
}
