//! The tokens of questions, remembered by their texts.
//!
//! Finding tokens takes llama.cpp longer than finding a stored answer: tens of microseconds for a
//! few words, milliseconds for a thousand (it compiles regular expressions for every text). Texts
//! that come again are those of questions whose answers are stored, so only these are remembered.
//!
//! Invariant: at most as many bytes as were given. A text is found only in the namespace in which
//! it was remembered, so that no tenant can tell by the time what another one has asked.

use std::fmt;
use std::sync::Arc;

use indwell_kernel::{Namespace, Token};
use moka::sync::Cache;

use crate::Result;
use crate::prompt::{Conversation, Prompt};

/// What an entry costs beyond its tokens; what one of stored answers does, and the other half of a
/// pointer with a length.
const ENTRY_OVERHEAD_BYTES: usize = 280;

/// Keeps these digests apart from every other use of blake3.
const CONTEXT: &str = "indwell 2026-11 question key";

/// Tokens by digests of texts.
pub(super) struct Questions {
    /// `None` where there is no room.
    cache: Option<Cache<[u8; 32], Arc<[Token]>>>,
}

/// What tokens are made of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Text<'a> {
    /// A chat, with all that its template sees but the time.
    Chat(Conversation<'a>),
    /// A text, and whether control tokens' literals in it become those tokens.
    Completion(&'a str, bool),
}

impl Questions {
    pub(super) fn new(bytes: u64) -> Self {
        let cache = (bytes > 0).then(|| {
            Cache::builder()
                .max_capacity(bytes)
                .weigher(|_, tokens: &Arc<[Token]>| {
                    let bytes = size_of_val(&**tokens) + ENTRY_OVERHEAD_BYTES;
                    u32::try_from(bytes).unwrap_or(u32::MAX)
                })
                .build()
        });
        Self { cache }
    }

    /// The tokens of `text`, found by `find` if they are not remembered. Those that depend on the time
    /// never are.
    ///
    /// # Errors
    /// Those of `find`, which are not remembered.
    pub(super) fn tokens(
        &self,
        namespace: Namespace,
        text: Text<'_>,
        find: impl FnOnce() -> Result<Prompt>,
    ) -> Result<Vec<Token>> {
        let Some(cache) = &self.cache else { return Ok(find()?.tokens) };
        let key = key(namespace, text);
        if let Some(tokens) = cache.get(&key) {
            return Ok(tokens.to_vec());
        }
        let Prompt { tokens, is_timeless } = find()?;
        if is_timeless {
            cache.insert(key, Arc::from(&*tokens));
            cache.run_pending_tasks();
        }
        Ok(tokens)
    }

    /// What they weigh, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.cache.as_ref().map_or(0, Cache::weighted_size)
    }

    /// Forgets all, and gives the memory back.
    pub(super) fn clear(&self) {
        if let Some(cache) = &self.cache {
            cache.invalidate_all();
            cache.run_pending_tasks();
        }
    }
}

/// Each part with its length, so that no two different texts are the same bytes.
fn key(namespace: Namespace, text: Text<'_>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    part(namespace.as_bytes());
    match text {
        Text::Chat(chat) => {
            part(b"chat");
            chat.parts(part);
        }
        Text::Completion(prompt, parse_special) => {
            part(if parse_special { b"special" } else { b"plain" });
            part(prompt.as_bytes());
        }
    }
    *hasher.finalize().as_bytes()
}

impl fmt::Debug for Questions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Questions").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use indwell_kernel::NamespaceField;

    use super::*;
    use crate::prompt::ChatEnd;
    use crate::{Error, Message, Role, Tool, ToolCall, assistant, user};

    fn namespace(salt: &[u8]) -> Namespace {
        Namespace::builder().field(NamespaceField::Salt, salt).finish()
    }

    fn found(questions: &Questions, salt: &[u8], text: Text<'_>) -> bool {
        let mut found = true;
        let tokens = questions.tokens(namespace(salt), text, || {
            found = false;
            Ok(Prompt { tokens: vec![Token(1), Token(2)], is_timeless: true })
        });
        assert_eq!(tokens.expect("tokens"), [Token(1), Token(2)]);
        found
    }

    #[test]
    fn what_differs_in_anything_is_something_else() {
        let questions = Questions::new(1 << 20);
        let chats = [
            vec![user("ab")],
            vec![assistant("ab")],
            vec![user("a"), user("b")],
            vec![user("a"), assistant("b")],
            vec![user("ab"), user("")],
        ];
        let of = |chat| Conversation::of(chat, ChatEnd::AnswerBegins);
        let mut texts: Vec<Text<'_>> = chats.iter().map(|chat| Text::Chat(of(chat))).collect();
        for prompt in ["ab", "userab", ""] {
            texts.extend([Text::Completion(prompt, false), Text::Completion(prompt, true)]);
        }
        for salt in [b"1", b"2"] {
            for text in &texts {
                assert!(!found(&questions, salt, *text), "{text:?}");
            }
        }
        for text in &texts {
            assert!(found(&questions, b"1", *text) && found(&questions, b"2", *text), "{text:?}");
        }
    }

    /// Everything that a template sees, one after the other changed alone.
    #[test]
    fn chats_that_may_have_different_prompts_are_different() {
        let call = |id: &str, name: &str, arguments: &str| ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        };
        let messages: Vec<Vec<Message>> = vec![
            vec![user("a")],
            vec![user("a").name("b")],
            vec![user("a").name("")],
            vec![user("a").reasoning("b")],
            vec![user("a").tool_call_id("b")],
            vec![user("a").tool_calls([call("1", "f", "{}")])],
            vec![user("a").tool_calls([call("", "1f", "{}")])],
            vec![user("a").tool_calls([call("1", "f", "{} ")])],
            vec![user("a").tool_calls([call("1", "f", "{}"), call("2", "f", "{}")])],
            vec![Message::new(Role::Tool, "a")],
            vec![Message::new(Role::System, "a")],
        ];
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        let tools: Vec<Vec<Tool>> = vec![
            vec![Tool::new("f", json("{}"))],
            vec![Tool::new("g", json("{}"))],
            vec![Tool::new("f", json("{}")).description("")],
            vec![Tool::new("f", json("{}")).description("d")],
            vec![Tool::new("f", json(r#"{"a":1,"b":2}"#))],
            // Templates write keys in the order in which they were given.
            vec![Tool::new("f", json(r#"{"b":2,"a":1}"#))],
            vec![Tool::new("f", json("{}")), Tool::new("f", json("{}"))],
        ];
        let documents = [vec![json(r#"{"a":"b"}"#)], vec![json(r#"{"a":"b","c":1}"#)]];
        let args = ["true", "false", "\"true\"", "[true]"]
            .map(|value| vec![("enable_thinking".to_owned(), json(value))]);
        let other_arg = vec![("thinking".to_owned(), json("true"))];
        let base = Conversation::of(&messages[0], ChatEnd::AnswerBegins);
        let mut chats: Vec<Conversation<'_>> =
            messages.iter().map(|messages| Conversation { messages, ..base }).collect();
        chats.extend(tools.iter().map(|tools| Conversation { tools, ..base }));
        chats.extend(documents.iter().map(|documents| Conversation { documents, ..base }));
        chats.extend(args.iter().map(|template_args| Conversation { template_args, ..base }));
        chats.push(Conversation { template_args: &other_arg, ..base });
        chats.push(Conversation { end: ChatEnd::LastMessage, ..base });
        chats.push(Conversation { end: ChatEnd::InLastMessage, ..base });
        let questions = Questions::new(1 << 20);
        for chat in &chats {
            assert!(!found(&questions, b"1", Text::Chat(*chat)), "{chat:?}");
        }
        for chat in &chats {
            assert!(found(&questions, b"1", Text::Chat(*chat)), "{chat:?}");
        }
        // What means the same may be compared only where all but the text is the same.
        let beside: Vec<_> = chats.iter().map(|chat| chat.beside_text(None)).collect();
        assert_eq!(beside[0], None);
        for (index, one) in beside.iter().enumerate() {
            let same = beside.iter().filter(|other| *other == one).count();
            // A role is in the text.
            let plain = chats[index].messages[0]
                == Message::new(chats[index].messages[0].role, "a")
                && index < messages.len();
            assert_eq!(same, if plain { 3 } else { 1 }, "{:?}", chats[index]);
        }
        assert_ne!(base.beside_text(Some("{{ a }}")), base.beside_text(Some("{{ b }}")));
    }

    #[test]
    fn what_depends_on_the_time_is_found_anew_each_time() {
        let questions = Questions::new(1 << 20);
        let messages = [user("a")];
        let text = Text::Chat(Conversation::of(&messages, ChatEnd::AnswerBegins));
        for day in [1, 2] {
            let tokens = questions.tokens(namespace(b"1"), text, || {
                Ok(Prompt { tokens: vec![Token(day)], is_timeless: false })
            });
            assert_eq!(tokens.expect("tokens"), [Token(day)]);
        }
        assert_eq!(questions.bytes(), 0);
    }

    #[test]
    fn an_error_is_not_remembered_and_without_room_nothing_is() {
        let questions = Questions::new(1 << 20);
        let text = Text::Completion("a", false);
        assert!(questions.tokens(namespace(b"1"), text, || Err(Error::closed())).is_err());
        assert!(!found(&questions, b"1", text) && found(&questions, b"1", text));
        let none = Questions::new(0);
        assert!(!found(&none, b"1", text) && !found(&none, b"1", text));
    }

    #[test]
    fn it_stays_within_its_bytes() {
        let questions = Questions::new(10_000);
        for number in 0..1000 {
            found(&questions, b"1", Text::Completion(&number.to_string(), false));
        }
        assert!((5_000..=10_000).contains(&questions.bytes()));
        questions.clear();
        assert_eq!(questions.bytes(), 0);
        assert!(!found(&questions, b"1", Text::Completion("999", false)));
    }
}
