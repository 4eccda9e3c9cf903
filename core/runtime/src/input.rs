//! What a request asks: a chat or a text, and its tokens.

use crate::message::Message;
use crate::options::RequestConfig;
use crate::prompt::{ChatEnd, Conversation, Prompt, Prompter};
use crate::responses::questions::Text;
use crate::submission::Asked;
use crate::tools::offer::Offer;
use crate::{Error, Result, Role, Tool};

/// What a request is made of.
#[derive(Debug)]
pub(crate) enum Input {
    Messages(Vec<Message>),
    Prompt(String),
}

impl Input {
    /// # Errors
    /// `invalid_request` for options that do not go with it.
    pub(crate) fn check(&self, config: &RequestConfig) -> Result<()> {
        match self {
            Input::Messages(_) if config.parse_special => Err(Error::invalid(
                "parse_special",
                "true",
                "left out in a chat",
                "use complete() for prompts with control tokens of your own",
            )),
            Input::Messages(messages) if config.chat.continue_final_message => goes_on(messages),
            Input::Prompt(_) => match config.chat.first_set().or(config.tools.given) {
                Some(option) => Err(Error::invalid(
                    option,
                    "a value",
                    "left out in a completion",
                    "use chat(), which has a template",
                )),
                None => Ok(()),
            },
            Input::Messages(_) => Ok(()),
        }
    }

    /// The tools of a chat.
    ///
    /// # Errors
    /// `unsupported` where the engine has no form of calls.
    pub(crate) fn offer<'i>(
        &'i self,
        prompter: &'i Prompter,
        config: &'i RequestConfig,
    ) -> Result<Option<Offer<'i>>> {
        match self {
            Input::Messages(messages) => {
                Offer::new(messages, &config.tools, prompter.speech()).map(Some)
            }
            Input::Prompt(_) => Ok(None),
        }
    }

    /// Its tokens, with the tools of a chat.
    ///
    /// # Errors
    /// As those of [`Prompter::chat`] and [`Prompter::complete`].
    pub(crate) fn tokenize(
        &self,
        prompter: &Prompter,
        config: &RequestConfig,
        offer: Option<&Offer<'_>>,
    ) -> Result<Prompt> {
        match self.as_text(config, offer) {
            Text::Chat(chat) => prompter.chat(&chat),
            Text::Completion(prompt, parse_special) => {
                let tokens = prompter.complete(prompt, parse_special)?;
                Ok(Prompt { tokens, is_timeless: true })
            }
        }
    }

    /// What its tokens are made of.
    pub(crate) fn as_text<'i>(
        &'i self,
        config: &'i RequestConfig,
        offer: Option<&'i Offer<'i>>,
    ) -> Text<'i> {
        match (self, offer) {
            (Input::Messages(_), Some(offer)) => {
                Text::Chat(conversation(&offer.messages, offer.shown, config))
            }
            (Input::Messages(messages), None) => Text::Chat(conversation(messages, &[], config)),
            (Input::Prompt(prompt), _) => Text::Completion(prompt, config.parse_special),
        }
    }

    /// What is asked, as functions of the caller's see it.
    pub(crate) fn asked(&self, prompter: &Prompter, config: &RequestConfig) -> Asked {
        match self {
            Input::Prompt(prompt) => Asked { text: prompt.clone(), beside: None },
            Input::Messages(messages) => {
                let line = |message: &Message| format!("{}: {}", message.role, message.content);
                let text = messages.iter().map(line).collect::<Vec<_>>().join("\n");
                let own_template = prompter.given_template();
                let chat = conversation(messages, &config.tools.tools, config);
                Asked { text, beside: chat.beside_text(own_template) }
            }
        }
    }
}

fn conversation<'i>(
    messages: &'i [Message],
    tools: &'i [Tool],
    config: &'i RequestConfig,
) -> Conversation<'i> {
    let end = if config.chat.continue_final_message {
        ChatEnd::InLastMessage
    } else {
        ChatEnd::AnswerBegins
    };
    Conversation {
        tools,
        documents: &config.chat.documents,
        template_args: &config.chat.template_args,
        ..Conversation::of(messages, end)
    }
}

/// Whether the last message is one that an answer can go on with.
fn goes_on(messages: &[Message]) -> Result<()> {
    match messages.last() {
        // No messages at all is told with a message of its own.
        None => Ok(()),
        Some(last) if last.role == Role::Assistant && last.tool_calls.is_empty() => Ok(()),
        Some(last) => Err(Error::invalid(
            "continue_final_message",
            format!("a last message of role {}", last.role),
            "a last message of the assistant, without tool calls",
            "end the messages with the beginning of the answer, as the assistant's",
        )),
    }
}
