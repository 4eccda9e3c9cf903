//! A model's chat templates, rendered as Hugging Face `transformers` renders them.

use super::control::ControlLiterals;
use super::conversation::{Arguments, Conversation, TAG};
use super::{ChatEnd, no_thread};
use crate::jinja::{Char, Clock, Failure, Given, Limit, Rendered, Template};
use crate::{Error, ErrorDetails, ErrorKind, Result};

/// One chat template, and what only it may write.
#[derive(Debug)]
pub(super) struct ChatTemplate {
    source: String,
    template: Template,
    pub(super) control: ControlLiterals,
    /// `bos_token` and the like, as far as the vocabulary has them.
    specials: Vec<(&'static str, String)>,
}

/// What a template's vocabulary says.
#[derive(Clone, Debug, Default)]
pub(super) struct Specials {
    pub(super) bos: Option<String>,
    pub(super) eos: Option<String>,
    /// Literals of control tokens.
    pub(super) control: Vec<String>,
    /// Literals of tokens that the vocabulary's makers added as text.
    pub(super) user_defined: Vec<String>,
}

/// A prompt's characters.
#[derive(Debug)]
pub(super) struct Prompted {
    rendered: Rendered,
    /// How many of them are the prompt.
    length: usize,
}

impl ChatTemplate {
    /// Parses `source`.
    ///
    /// # Errors
    /// The reason in words.
    pub(super) fn parse(source: String, specials: Specials) -> std::result::Result<Self, Failure> {
        let template = Template::parse(&source)?;
        let Specials { bos, eos, control, user_defined } = specials;
        let control = ControlLiterals::new(control, user_defined, template.literals());
        let named = [("bos_token", bos), ("eos_token", eos)];
        let specials = named.into_iter().filter_map(|(name, text)| Some((name, text?))).collect();
        Ok(Self { source, template, control, specials })
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// The prompt of a chat; `clock` tells the time.
    ///
    /// # Errors
    /// `invalid_request` where the template refuses the chat, fails on it, or runs into a limit.
    pub(super) fn render(&self, chat: &Conversation<'_>, clock: Clock<'_>) -> Result<Prompted> {
        let calls = chat.messages.iter().any(|message| !message.tool_calls.is_empty());
        let rendered = match self.rendered(chat, Arguments::Objects, clock) {
            // Some templates were written for arguments that are text.
            Err(failure @ Failure::Wrong(_)) if calls => {
                self.rendered(chat, Arguments::Texts, clock).map_err(|_| failure)
            }
            other => other,
        };
        let rendered = rendered.map_err(refused)?;
        let length = match chat.end {
            ChatEnd::InLastMessage => {
                let message = chat.messages.last().map_or("", |message| &message.content);
                end_of_message(rendered.chars(), message)?
            }
            ChatEnd::AnswerBegins | ChatEnd::LastMessage => rendered.chars().len(),
        };
        Ok(Prompted { rendered, length })
    }

    fn rendered(
        &self,
        chat: &Conversation<'_>,
        arguments: Arguments,
        clock: Clock<'_>,
    ) -> std::result::Result<Rendered, Failure> {
        let values = || {
            let mut values = chat.values(arguments)?;
            for (name, text) in &self.specials {
                if !chat.template_args.iter().any(|(other, _)| other == name) {
                    values.set(name, &Given::Own(text.clone()))?;
                }
            }
            Ok(values)
        };
        self.template.render(values, clock)
    }
}

impl Prompted {
    pub(super) fn chars(&self) -> &[Char] {
        &self.rendered.chars()[..self.length]
    }

    /// Whether the same chat has another prompt at another time.
    pub(super) fn depends_on_time(&self) -> bool {
        self.rendered.asked_time
    }
}

/// Where the last message ends that is to go on, as `transformers` finds it: at the tag, and without
/// the white space before it if the template trimmed the tag's own.
fn end_of_message(chars: &[Char], message: &str) -> Result<usize> {
    let tag: Vec<Char> = TAG.chars().map(Char::tag).collect();
    let trimmed = &tag[..tag.len() - 1];
    let is_tag = |at: &usize| chars[*at..].starts_with(trimmed) && chars[*at].is_tag();
    let text: String = chars.iter().map(|c| c.letter()).collect();
    let found = (0..chars.len()).rev().find(is_tag).filter(|_| text.contains(message.trim()));
    let Some(at) = found else {
        return Err(Error::invalid(
            "continue_final_message",
            "true",
            "a last message that the model's chat template shows as it is",
            "let the model begin its answer itself, or give a chat_template that shows the message",
        ));
    };
    if chars[at..].starts_with(&tag) {
        return Ok(at);
    }
    let space = |c: &Char| c.letter().is_whitespace();
    Ok(chars[..at].iter().rposition(|c| !space(c)).map_or(0, |last| last + 1))
}

fn refused(failure: Failure) -> Error {
    let (reason, details) = match &failure {
        Failure::Raised(reason) => (
            format!("the model's chat template refuses these messages: {reason}"),
            ErrorDetails {
                field: Some("messages".to_owned()),
                remedy: Some("give messages that the model's chat template allows".to_owned()),
                ..ErrorDetails::default()
            },
        ),
        Failure::Wrong(reason) => (
            format!("the model's chat template fails on these messages: {reason}"),
            ErrorDetails {
                field: Some("messages".to_owned()),
                remedy: Some("give messages that the model's chat template allows".to_owned()),
                ..ErrorDetails::default()
            },
        ),
        Failure::NoThread(_) => return no_thread(failure),
        Failure::Limit(Limit { of, most }) => {
            let remedy = "give fewer or shorter messages, or another chat_template";
            (
                format!("the chat template was stopped: it needs more than {most} {of}; {remedy}"),
                ErrorDetails {
                    field: Some("chat_template".to_owned()),
                    limit: Some(format!("at most {most} {of}")),
                    remedy: Some(remedy.to_owned()),
                    ..ErrorDetails::default()
                },
            )
        }
    };
    Error::with(ErrorKind::InvalidRequest, reason, details, Some(Box::new(failure)))
}
