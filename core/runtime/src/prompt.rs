//! Messages and texts to the tokens of a prompt.
//!
//! Runs on the caller's thread. A chat is rendered by the model's own template; the template's
//! control tokens become tokens, and the same letters in anything that a caller gave stay text.
//!
//! | module | what |
//! |---|---|
//! | [`conversation`] | a chat as templates see it |
//! | [`template`] | chat templates |
//! | [`control`] | what only a template may write |
//! | [`clock`] | the date |

mod clock;
mod control;
mod conversation;
mod template;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use indwell_kernel::{Constraint, Token};
use indwell_llama::Grammar;

pub(crate) use self::conversation::Conversation;

use self::template::{ChatTemplate, Prompted, Specials};
use crate::jinja::Failure;
use crate::model::{Passage, Place, TextModel};
use crate::tools::dialect::Dialect;
use crate::tools::speech::Speech;
use crate::{Error, ErrorDetails, ErrorKind, Result};

/// More bytes than a token can stand for in any vocabulary we know: a text of more than this
/// many for each token of the context can't fit, and is refused without tokenizing it.
const TOKEN_BYTES_MAX: usize = 512;

/// Tokens at a prompt's end that are looked at for what the answer begins in.
const END_TOKENS: usize = 32;

/// Makes the prompts of one model.
#[derive(Debug)]
pub(crate) struct Prompter {
    model: Arc<dyn TextModel>,
    template: Template,
    /// Whether it was given in place of the model's own.
    is_given: bool,
    /// Used in its place where tools are given, if the model has one.
    tool_use: Option<Box<ChatTemplate>>,
    speech: Speech,
    request_tokens_max: u32,
}

/// Where a chat's prompt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChatEnd {
    /// Where the assistant's answer begins.
    AnswerBegins,
    /// After the last message, whoever speaks next.
    LastMessage,
    /// Where the last message's content ends: the answer goes on with it.
    InLastMessage,
}

/// A prompt's tokens.
#[derive(Debug)]
pub(crate) struct Prompt {
    pub(crate) tokens: Vec<Token>,
    /// Whether the same question has the same tokens at any time.
    pub(crate) is_timeless: bool,
}

/// The model's chat template, as far as there is one.
#[derive(Debug)]
enum Template {
    Ready(Box<ChatTemplate>),
    Missing,
    /// It can't be used here: the reason.
    Broken(String),
}

impl Prompter {
    /// Of a model, with its own chat template or with `chat_template` in place of it.
    ///
    /// # Errors
    /// `invalid_request` for a `chat_template` that is no template, and `out_of_memory` where there
    /// is no thread to read it on.
    pub(crate) fn new(
        model: Arc<dyn TextModel>,
        request_tokens_max: u32,
        chat_template: Option<String>,
    ) -> Result<Self> {
        let facts = model.facts();
        let specials = Specials {
            bos: facts.bos_text.clone(),
            eos: facts.eos_text.clone(),
            control: facts.control_literals.clone(),
            user_defined: facts.user_defined_literals.clone(),
        };
        let is_given = chat_template.is_some();
        let mut tool_use = None;
        let template = if let Some(source) = chat_template {
            let parsed = ChatTemplate::parse(source, specials);
            Template::Ready(Box::new(parsed.map_err(no_template)?))
        } else {
            let named = facts.tool_template.clone();
            tool_use = named
                .and_then(|source| ChatTemplate::parse(source, specials.clone()).ok())
                .map(Box::new);
            Template::of(facts.chat_template.clone(), specials)?
        };
        let speech = Speech::default();
        Ok(Self { model, template, is_given, tool_use, speech, request_tokens_max })
    }

    /// What binds an answer to `grammar`; errors as of [`TextModel::constraint`].
    pub(crate) fn constraint(&self, grammar: &Grammar) -> Result<Arc<dyn Constraint>> {
        self.model.constraint(grammar)
    }

    /// How many tokens the vocabulary has.
    pub(crate) fn vocabulary_tokens(&self) -> u32 {
        self.model.facts().vocabulary_size
    }

    /// The tokens of a short text, alone, none of them a control token.
    ///
    /// # Errors
    /// As [`TextModel::tokenize`].
    pub(crate) fn words_of(&self, text: &str) -> Result<Vec<Token>> {
        self.model.tokens_of(Passage { text, place: Place::Alone, parse_special: false })
    }

    /// With tool calls and reasoning in the forms of these names; `None` finds them.
    ///
    /// # Errors
    /// `invalid_request` for a form that there is not.
    pub(crate) fn with_parsers(
        self,
        tool_parser: Option<&str>,
        reasoning_parser: Option<&str>,
    ) -> Result<Self> {
        let dialect = Dialect::of(self.template_source(), tool_parser, reasoning_parser)?;
        let speech = Speech::new(dialect, &*self.model)?;
        Ok(Self { speech, ..self })
    }

    /// How the model speaks of tools and reasoning.
    pub(crate) fn speech(&self) -> &Speech {
        &self.speech
    }

    /// The text that a prompt ends with, control tokens that the model's forms know included.
    pub(crate) fn end_text(&self, prompt: &[Token]) -> String {
        let mut bytes = Vec::new();
        for &token in &prompt[prompt.len().saturating_sub(END_TOKENS)..] {
            self.append_piece(token, &mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn can_chat(&self) -> bool {
        matches!(self.template, Template::Ready(_))
    }

    /// The source of the chat template in use, if there is one; of models with several, that for tools.
    pub(crate) fn template_source(&self) -> Option<&str> {
        let ready = match &self.template {
            Template::Ready(template) => Some(template),
            Template::Missing | Template::Broken(_) => None,
        };
        self.tool_use.as_ref().or(ready).map(|template| template.source())
    }

    /// The source of a template that was given in place of the model's own.
    pub(crate) fn given_template(&self) -> Option<&str> {
        self.template_source().filter(|_| self.is_given)
    }

    /// The prompt of a chat.
    ///
    /// # Errors
    /// `invalid_request` without messages, and where the template refuses them or runs into a
    /// limit; `unsupported` without a usable chat template; `context_overflow` for too many tokens.
    pub(crate) fn chat(&self, chat: &Conversation<'_>) -> Result<Prompt> {
        let template = match &self.tool_use {
            Some(template) if !chat.tools.is_empty() => template,
            _ => self.template()?,
        };
        if chat.messages.is_empty() {
            return Err(Error::invalid(
                "messages",
                "empty",
                "at least one message",
                "give the chat so far, with the person's message last",
            ));
        }
        self.check_bytes(chat.bytes())?;
        let prompted = template.render(chat, &clock::now)?;
        let tokens = self.tokens(&prompted, template)?;
        let tokens = self.check_tokens("messages", tokens)?;
        Ok(Prompt { tokens, is_timeless: !prompted.depends_on_time() })
    }

    fn tokens(&self, prompted: &Prompted, template: &ChatTemplate) -> Result<Vec<Token>> {
        // Only what the template wrote is the token that a prompt begins with.
        let mut own = prompted.chars().iter().take_while(|c| !c.is_given()).map(|c| c.letter());
        let bos = self.model.facts().bos_text.as_ref();
        let has_bos = bos.is_some_and(|bos| bos.chars().all(|c| own.next() == Some(c)));
        let first = if has_bos { Place::Alone } else { Place::Beginning };
        let places = std::iter::once(first).chain(std::iter::repeat(Place::Behind));
        let pieces = template.control.pieces(prompted.chars());
        let passages: Vec<Passage<'_>> = pieces
            .iter()
            .zip(places)
            .map(|(piece, place)| Passage {
                text: &piece.text,
                place,
                parse_special: piece.special,
            })
            .collect();
        Ok(self.model.tokenize(&passages)?.concat())
    }

    /// The prompt of a completion. Control tokens' literals stay text unless `parse_special`.
    ///
    /// # Errors
    /// `invalid_request` for an empty prompt, `context_overflow` for too many tokens.
    pub(crate) fn complete(&self, prompt: &str, parse_special: bool) -> Result<Vec<Token>> {
        if prompt.is_empty() {
            return Err(Error::invalid(
                "prompt",
                "empty",
                "at least one character",
                "give the text that the model is to continue",
            ));
        }
        self.check_bytes(prompt.len())?;
        let passage = Passage { text: prompt, place: Place::Beginning, parse_special };
        let tokens = self.model.tokens_of(passage)?;
        self.check_tokens("prompt", tokens)
    }

    /// Where a prompt could be cut for reuse: its lengths after each token that ends a turn.
    pub(crate) fn boundaries(&self, prompt: &[Token]) -> Vec<u32> {
        (1_u32..)
            .zip(prompt)
            .filter(|&(_, &token)| self.model.is_end_of_generation(token))
            .map(|(length, _)| length)
            .collect()
    }

    /// The bytes of `token`, appended. Control tokens have none, but for those that the model's
    /// forms of calls and reasoning are made of.
    pub(crate) fn append_piece(&self, token: Token, bytes: &mut Vec<u8>) {
        match self.speech.shown(token) {
            Some(text) => bytes.extend_from_slice(text.as_bytes()),
            None => self.model.append_piece(token, bytes),
        }
    }

    fn template(&self) -> Result<&ChatTemplate> {
        let message = match &self.template {
            Template::Ready(template) => return Ok(template),
            Template::Missing => format!("{} has no chat template", self.model.facts().name),
            Template::Broken(reason) => {
                format!("the chat template of {} can't be used: {reason}", self.model.facts().name)
            }
        };
        let remedy = "use complete() with a prompt of your own, or a model made for chat";
        Err(Error::remedied(ErrorKind::Unsupported, message, remedy))
    }

    fn check_bytes(&self, bytes: usize) -> Result<()> {
        let limit = (self.request_tokens_max as usize).saturating_mul(TOKEN_BYTES_MAX);
        if bytes > limit {
            let least = bytes / TOKEN_BYTES_MAX;
            return Err(self.overflow(format!("more than {least}")));
        }
        Ok(())
    }

    fn check_tokens(&self, field: &str, tokens: Vec<Token>) -> Result<Vec<Token>> {
        if tokens.is_empty() {
            return Err(Error::invalid(
                field,
                "no tokens",
                "text that the model's vocabulary knows",
                "give other text",
            ));
        }
        if tokens.len() >= self.request_tokens_max as usize {
            return Err(self.overflow(tokens.len().to_string()));
        }
        Ok(tokens)
    }

    fn overflow(&self, value: String) -> Error {
        let most = self.request_tokens_max.saturating_sub(1);
        let remedy = "shorten the prompt, or load the model with more context_tokens if it was \
                      trained for more";
        let details = ErrorDetails {
            field: Some("prompt".to_owned()),
            value: Some(value.clone()),
            limit: Some(format!("at most {most} tokens, to leave room for an answer")),
            remedy: Some(remedy.to_owned()),
            retry_after_ms: None,
        };
        let message = format!(
            "the prompt has {value} tokens, but at most {most} leave room for an answer: {remedy}"
        );
        Error::with(ErrorKind::ContextOverflow, message, details, None)
    }
}

impl Template {
    /// # Errors
    /// `out_of_memory` where there is no thread to read it on: it may be a good one.
    fn of(source: Option<String>, specials: Specials) -> Result<Self> {
        let Some(source) = source else { return Ok(Template::Missing) };
        match ChatTemplate::parse(source, specials) {
            Ok(template) => Ok(Template::Ready(Box::new(template))),
            Err(failure @ Failure::NoThread(_)) => Err(no_thread(failure)),
            Err(failure) => {
                tracing::warn!(%failure, "the model's chat template can't be used");
                Ok(Template::Broken(failure.to_string()))
            }
        }
    }
}

/// The system's want of a thread, which says nothing about a template.
fn no_thread(failure: Failure) -> Error {
    let remedy = "free memory, or raise the process's limits of threads and of address space";
    let details = ErrorDetails { remedy: Some(remedy.to_owned()), ..ErrorDetails::default() };
    let message = format!("{failure}: {remedy}");
    Error::with(ErrorKind::OutOfMemory, message, details, Some(Box::new(failure)))
}

/// What a caller hears of a chat template of its own.
fn no_template(failure: Failure) -> Error {
    if let Failure::NoThread(_) = failure {
        return no_thread(failure);
    }
    Error::invalid(
        "chat_template",
        failure.to_string(),
        "a Jinja template as Hugging Face transformers takes it",
        "correct it, or leave it out for the model's own",
    )
}
