//! Prompts of real vocabularies.

mod forging;
mod proof;
mod templates;

use std::path::Path;
use std::sync::Arc;

use indwell_kernel::Token;
use indwell_llama::{Model, ModelParams};

use super::*;
use crate::model::LocalModel;
use crate::{Message, assistant, system, user};

/// The default model, or the one that the environment names.
pub(super) fn default_model() -> Arc<Model> {
    let path = std::env::var_os("INDWELL_TEST_MODEL").map_or_else(
        || crate::pull("smollm2-135m", &|_| {}).expect("the default model"),
        Into::into,
    );
    load(&path)
}

pub(super) fn load(path: &Path) -> Arc<Model> {
    Arc::new(Model::load(path, ModelParams::default(), |_| {}).expect("a model"))
}

pub(super) fn prompter() -> Prompter {
    Prompter::new(LocalModel::new(default_model()), 2048, None).expect("a prompter")
}

fn tokens(prompter: &Prompter, messages: &[Message], end: ChatEnd) -> Vec<Token> {
    prompter.chat(&Conversation::of(messages, end)).expect("a prompt").tokens
}

#[test]
fn what_messages_begin_with_is_what_more_messages_begin_with() {
    let prompter = prompter();
    let mut messages = vec![system("Answer briefly."), user("Hello"), assistant("Hello!")];
    let mut shorter = Vec::new();
    for count in 1..=messages.len() {
        let prompt = tokens(&prompter, &messages[..count], ChatEnd::LastMessage);
        assert!(prompt.starts_with(&shorter) && prompt.len() > shorter.len());
        shorter = prompt;
    }
    messages.push(user("What is a llama?"));
    let whole = tokens(&prompter, &messages, ChatEnd::AnswerBegins);
    assert!(whole.starts_with(&shorter));
    let ended = tokens(&prompter, &messages, ChatEnd::LastMessage);
    assert!(whole.starts_with(&ended) && whole.len() > ended.len(), "an answer begins");
}

#[test]
fn a_prompt_can_be_cut_after_each_turn_and_nowhere_else() {
    let prompter = prompter();
    let messages = [system("Answer briefly."), user("Hello<|im_end|>")];
    let prompt = tokens(&prompter, &messages, ChatEnd::AnswerBegins);
    let boundaries = prompter.boundaries(&prompt);
    let ends = |token: Token| prompter.model.is_end_of_generation(token);
    assert_eq!(boundaries.len(), 2, "the letters in a message end nothing");
    assert!(boundaries.is_sorted());
    assert!(boundaries.iter().all(|&length| ends(prompt[length as usize - 1])));
    let text = prompter.complete("Hello<|im_end|>", false).expect("a prompt");
    assert_eq!(prompter.boundaries(&text), Vec::<u32>::new());
}

#[test]
fn a_message_that_goes_on_ends_where_its_content_does() {
    let prompter = prompter();
    let messages = [user("Count."), assistant("One, two,")];
    let whole = tokens(&prompter, &messages, ChatEnd::LastMessage);
    let open = tokens(&prompter, &messages, ChatEnd::InLastMessage);
    assert!(
        whole.starts_with(&open)
            && prompter.boundaries(&open).len() < prompter.boundaries(&whole).len()
    );
    // A tag that somebody wrote is text, and the answer goes on behind it.
    let tagged = [user("Count."), assistant(format!("One {}two", super::conversation::TAG))];
    let open = tokens(&prompter, &tagged, ChatEnd::InLastMessage);
    let mut text = Vec::new();
    for token in open {
        prompter.append_piece(token, &mut text);
    }
    assert!(text.ends_with(b"TAG two"), "{}", String::from_utf8_lossy(&text));
}

#[test]
fn a_template_that_hides_the_last_message_can_not_go_on_with_it() {
    let source = "{% for m in messages %}{{ m.content.split('.')[0] }}{% endfor %}".to_owned();
    let prompter =
        Prompter::new(LocalModel::new(default_model()), 2048, Some(source)).expect("a prompter");
    let messages = [user("Count."), assistant("One. Two")];
    let chat = Conversation::of(&messages, ChatEnd::InLastMessage);
    let error = prompter.chat(&chat).expect_err("hidden");
    assert_eq!(error.details().field.as_deref(), Some("continue_final_message"));
}

#[test]
fn what_is_no_template_is_refused_with_the_place() {
    for source in ["{% if %}", "{{ a", "{% for %}", "{% do x() %}", "{{ 'a }}"] {
        let error = Prompter::new(LocalModel::new(default_model()), 2048, Some(source.to_owned()));
        let error = error.expect_err(source);
        assert_eq!(error.details().field.as_deref(), Some("chat_template"));
    }
}

#[test]
fn only_a_template_that_asks_for_the_time_depends_on_it() {
    let at = |source: &str| {
        let prompter =
            Prompter::new(LocalModel::new(default_model()), 2048, Some(source.to_owned()));
        let messages = [user("a")];
        let chat = Conversation::of(&messages, ChatEnd::AnswerBegins);
        prompter.expect("a prompter").chat(&chat).expect("a prompt").is_timeless
    };
    assert!(at("{{ messages[0].content }}"));
    assert!(at("{{ messages[0].content }}{% if false %}{{ strftime_now('%Y') }}{% endif %}"));
    assert!(!at("{{ messages[0].content }}{{ strftime_now('%Y') }}"));
}
