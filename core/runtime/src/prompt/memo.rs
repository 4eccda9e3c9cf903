//! Prompts' tokens, remembered by their texts.
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

/// What an entry costs beyond its tokens; as much as a stored answer does.
const ENTRY_OVERHEAD_BYTES: usize = 256;

/// Keeps these digests apart from every other use of blake3.
const CONTEXT: &str = "indwell 2026-11 prompt memo key";

/// Tokens by digests of texts.
pub(super) struct Memo {
    /// `None` where there is no room.
    cache: Option<Cache<[u8; 32], Arc<[Token]>>>,
}

/// What tokens are made of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Text<'a> {
    /// Messages, up to where the assistant's answer begins.
    Chat(&'a [Message]),
    /// A text, and whether control tokens' literals in it become those tokens.
    Completion(&'a str, bool),
}

impl Memo {
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
        Ok(tokens)
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

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.cache.as_ref().map(Cache::weighted_size);
        f.debug_struct("Memo").field("bytes", &bytes).finish_non_exhaustive()
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

    fn found(memo: &Memo, salt: &[u8], text: Text<'_>) -> bool {
        let mut found = true;
        let tokens = memo.tokens(namespace(salt), text, || {
            found = false;
            Ok(vec![Token(1), Token(2)])
        });
        assert_eq!(tokens.expect("tokens"), [Token(1), Token(2)]);
        found
    }

    #[test]
    fn what_differs_in_anything_is_something_else() {
        let memo = Memo::new(1 << 20);
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
                assert!(!found(&memo, salt, *text), "{text:?}");
            }
        }
        for text in &texts {
            assert!(found(&memo, b"1", *text) && found(&memo, b"2", *text), "{text:?}");
        }
    }

    #[test]
    fn an_error_is_not_remembered_and_without_room_nothing_is() {
        let memo = Memo::new(1 << 20);
        let text = Text::Completion("a", false);
        assert!(memo.tokens(namespace(b"1"), text, || Err(Error::closed())).is_err());
        assert!(!found(&memo, b"1", text) && found(&memo, b"1", text));
        let none = Memo::new(0);
        assert!(!found(&none, b"1", text) && !found(&none, b"1", text));
    }

    #[test]
    fn it_stays_within_its_bytes() {
        let memo = Memo::new(10_000);
        for number in 0..1000 {
            found(&memo, b"1", Text::Completion(&number.to_string(), false));
        }
        let cache = memo.cache.as_ref().expect("there is room");
        cache.run_pending_tasks();
        assert!(cache.weighted_size() <= 10_000 && cache.entry_count() > 10);
    }
}
