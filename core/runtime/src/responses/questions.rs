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

use crate::{Message, Result};

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
    /// Messages, up to where the assistant's answer begins.
    Chat(&'a [Message]),
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

    /// The tokens of `text`, found by `find` if they are not remembered.
    ///
    /// # Errors
    /// Those of `find`, which are not remembered.
    pub(super) fn tokens(
        &self,
        namespace: Namespace,
        text: Text<'_>,
        find: impl FnOnce() -> Result<Vec<Token>>,
    ) -> Result<Vec<Token>> {
        let Some(cache) = &self.cache else { return find() };
        let key = key(namespace, text);
        if let Some(tokens) = cache.get(&key) {
            return Ok(tokens.to_vec());
        }
        let tokens = find()?;
        cache.insert(key, Arc::from(&*tokens));
        cache.run_pending_tasks();
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
        Text::Chat(messages) => {
            part(b"chat");
            for message in messages {
                part(message.role.as_str().as_bytes());
                part(message.content.as_bytes());
            }
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
    use crate::{Error, assistant, user};

    fn namespace(salt: &[u8]) -> Namespace {
        Namespace::builder().field(NamespaceField::Salt, salt).finish()
    }

    fn found(questions: &Questions, salt: &[u8], text: Text<'_>) -> bool {
        let mut found = true;
        let tokens = questions.tokens(namespace(salt), text, || {
            found = false;
            Ok(vec![Token(1), Token(2)])
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
        let mut texts: Vec<Text<'_>> = chats.iter().map(|chat| Text::Chat(chat)).collect();
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
