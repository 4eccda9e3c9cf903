//! Messages and texts to the tokens of a prompt.
//!
//! Runs on the caller's thread. A chat is rendered by the model's own template; the template's
//! control tokens become tokens, and the same letters inside a message stay text.

mod shield;
mod template;

use std::sync::Arc;

use indwell_kernel::{Constraint, Token};
use indwell_llama::{Grammar, Model};

use self::shield::Shield;
use self::template::ChatTemplate;
use crate::constraints::Constraints;
use crate::{Error, ErrorDetails, ErrorKind, Message, Result};

/// More bytes than a token can stand for in any vocabulary we know: a text of more than this
/// many for each token of the context can't fit, and is refused without tokenizing it.
const TOKEN_BYTES_MAX: usize = 512;

/// Makes the prompts of one model.
#[derive(Debug)]
pub(crate) struct Prompter {
    model: Arc<Model>,
    template: Template,
    shield: Shield,
    constraints: Constraints,
    request_tokens_max: u32,
}

/// Where a chat's prompt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChatEnd {
    /// Where the assistant's answer begins.
    AnswerBegins,
    /// After the last message, whoever speaks next.
    LastMessage,
}

/// The model's chat template, as far as there is one.
#[derive(Debug)]
enum Template {
    Ready(Box<ChatTemplate>),
    Missing,
    /// It does not compile here: the reason.
    Broken(String),
}

impl Prompter {
    pub(crate) fn new(model: Arc<Model>, request_tokens_max: u32) -> Self {
        let vocabulary = model.vocabulary();
        let template = match model.chat_template() {
            None => Template::Missing,
            Some(source) => {
                let bos = vocabulary.bos_text().unwrap_or_default();
                let eos = vocabulary.eos_text().unwrap_or_default();
                match ChatTemplate::compile(source, bos, eos) {
                    Ok(template) => Template::Ready(Box::new(template)),
                    Err(error) => {
                        tracing::warn!(%error, "the model's chat template can't be used");
                        Template::Broken(error.to_string())
                    }
                }
            }
        };
        let shield = Shield::new(vocabulary.control_literals());
        let constraints = Constraints::new(Arc::clone(&model));
        Self { model, template, shield, constraints, request_tokens_max }
    }

    /// What binds an answer to `grammar`; errors as of [`Constraints::get`].
    pub(crate) fn constraint(&self, grammar: &Grammar) -> Result<Arc<dyn Constraint>> {
        self.constraints.get(grammar)
    }

    pub(crate) fn can_chat(&self) -> bool {
        matches!(self.template, Template::Ready(_))
    }

    /// The prompt of a chat.
    ///
    /// # Errors
    /// `invalid_request` without messages, `unsupported` without a usable chat template,
    /// `context_overflow` for too many tokens.
    pub(crate) fn chat(&self, messages: &[Message], end: ChatEnd) -> Result<Vec<Token>> {
        let template = self.template()?;
        if messages.is_empty() {
            return Err(Error::invalid(
                "messages",
                "empty",
                "at least one message",
                "give the chat so far, with the person's message last",
            ));
        }
        self.check_bytes(messages.iter().map(Message::bytes).sum())?;
        let shielded = self.shield.shield(messages);
        let rendered = template.render(&shielded.messages, end)?;
        let vocabulary = self.model.vocabulary();
        let has_bos = vocabulary.bos_text().is_some_and(|bos| rendered.starts_with(&bos));
        let mut tokens = Vec::new();
        for (index, piece) in shielded.split(&rendered).enumerate() {
            let add_special = index == 0 && !has_bos;
            tokens.extend(vocabulary.tokenize(piece, add_special, true));
        }
        self.check_tokens("messages", tokens)
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
        let tokens = self.model.vocabulary().tokenize(prompt, true, parse_special);
        self.check_tokens("prompt", tokens)
    }

    /// Where a prompt could be cut for reuse: its lengths after each token that ends a turn.
    pub(crate) fn boundaries(&self, prompt: &[Token]) -> Vec<u32> {
        let vocabulary = self.model.vocabulary();
        (1_u32..)
            .zip(prompt)
            .filter(|&(_, &token)| vocabulary.is_end_of_generation(token))
            .map(|(length, _)| length)
            .collect()
    }

    /// The bytes of `token`, appended.
    pub(crate) fn append_piece(&self, token: Token, bytes: &mut Vec<u8>) {
        self.model.vocabulary().append_piece(token, bytes);
    }

    fn template(&self) -> Result<&ChatTemplate> {
        let message = match &self.template {
            Template::Ready(template) => return Ok(template),
            Template::Missing => format!("{} has no chat template", self.model.name()),
            Template::Broken(reason) => {
                format!("the chat template of {} can't be used: {reason}", self.model.name())
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

#[cfg(test)]
mod tests {
    use indwell_llama::ModelParams;

    use super::*;
    use crate::{assistant, system, user};

    fn prompter() -> Prompter {
        let path = std::env::var_os("INDWELL_TEST_MODEL").map_or_else(
            || crate::pull("smollm2-135m", &|_| {}).expect("the default model"),
            Into::into,
        );
        let model = Model::load(&path, ModelParams::default(), |_| {}).expect("a model");
        Prompter::new(Arc::new(model), 2048)
    }

    #[test]
    fn what_messages_begin_with_is_what_more_messages_begin_with() {
        let prompter = prompter();
        let mut messages = vec![system("Answer briefly."), user("Hello"), assistant("Hello!")];
        let mut shorter = Vec::new();
        for count in 1..=messages.len() {
            let end = ChatEnd::LastMessage;
            let prompt = prompter.chat(&messages[..count], end).expect("a prompt");
            assert!(prompt.starts_with(&shorter) && prompt.len() > shorter.len());
            shorter = prompt;
        }
        messages.push(user("What is a llama?"));
        let whole = prompter.chat(&messages, ChatEnd::AnswerBegins).expect("a prompt");
        assert!(whole.starts_with(&shorter));
        let ended = prompter.chat(&messages, ChatEnd::LastMessage).expect("a prompt");
        assert!(whole.starts_with(&ended) && whole.len() > ended.len(), "an answer begins");
    }

    #[test]
    fn a_prompt_can_be_cut_after_each_turn_and_nowhere_else() {
        let prompter = prompter();
        let messages = [system("Answer briefly."), user("Hello<|im_end|>")];
        let prompt = prompter.chat(&messages, ChatEnd::AnswerBegins).expect("a prompt");
        let boundaries = prompter.boundaries(&prompt);
        let ends = |token: Token| prompter.model.vocabulary().is_end_of_generation(token);
        assert_eq!(boundaries.len(), 2, "the letters in a message end nothing");
        assert!(boundaries.is_sorted());
        assert!(boundaries.iter().all(|&length| ends(prompt[length as usize - 1])));
        let text = prompter.complete("Hello<|im_end|>", false).expect("a prompt");
        assert_eq!(prompter.boundaries(&text), Vec::<u32>::new());
    }
}
