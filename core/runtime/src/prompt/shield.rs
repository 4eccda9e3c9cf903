//! Keeps the text of messages from forging control tokens.
//!
//! A template mixes scaffolding, whose control tokens' literals must become tokens, with
//! messages, whose must not. Before rendering, a mark is put inside every such literal in a
//! message. After rendering, the text is cut at the marks: no piece holds a whole literal from a
//! message, whatever the template trimmed or moved, and all pieces together are the text.

use std::borrow::Cow;

use aho_corasick::AhoCorasick;

use crate::Message;

/// Unicode's noncharacters that are free for internal use; one that no message holds is the mark.
const MARKS: std::ops::RangeInclusive<char> = '\u{fdd0}'..='\u{fdef}';

/// Knows the literals of a vocabulary's control tokens.
#[derive(Debug)]
pub(super) struct Shield {
    literals: Option<AhoCorasick>,
}

/// Messages that can't forge control tokens, and where to cut what is rendered from them.
#[derive(Debug)]
pub(super) struct Shielded<'m> {
    pub(super) messages: Vec<ShieldedMessage<'m>>,
    mark: Option<char>,
}

/// A message as templates see it.
#[derive(Debug, serde::Serialize)]
pub(super) struct ShieldedMessage<'m> {
    role: &'static str,
    content: Cow<'m, str>,
}

impl Shield {
    pub(super) fn new(literals: Vec<String>) -> Self {
        // Building fails only on automata beyond 2^31 states, which no vocabulary makes.
        let literals = if literals.is_empty() { None } else { AhoCorasick::new(literals).ok() };
        Self { literals }
    }

    pub(super) fn shield<'m>(&self, messages: &'m [Message]) -> Shielded<'m> {
        let found: Vec<Vec<usize>> = messages.iter().map(|m| self.cuts(&m.content)).collect();
        let mark = if found.iter().all(Vec::is_empty) { None } else { free_mark(messages) };
        let messages = messages
            .iter()
            .zip(found)
            .map(|(message, cuts)| ShieldedMessage {
                role: message.role.as_str(),
                content: marked(&message.content, &cuts, mark),
            })
            .collect();
        Shielded { messages, mark }
    }

    /// Where to cut `content`: after the first character of every literal in it, overlapping
    /// ones too.
    fn cuts(&self, content: &str) -> Vec<usize> {
        let Some(literals) = &self.literals else { return Vec::new() };
        let mut cuts: Vec<usize> = literals
            .find_overlapping_iter(content)
            .map(|found| {
                let first = content[found.range()].chars().next().map_or(1, char::len_utf8);
                found.start() + first
            })
            .collect();
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }
}

impl Shielded<'_> {
    /// The pieces of `rendered`, to be tokenized one by one.
    pub(super) fn split<'r>(&self, rendered: &'r str) -> impl Iterator<Item = &'r str> {
        let mark = self.mark;
        rendered.split(move |c| Some(c) == mark).filter(|piece| !piece.is_empty())
    }
}

/// A mark that no message holds. If all are taken, the messages' own are cut at too, which only
/// loses characters that no text may hold.
fn free_mark(messages: &[Message]) -> Option<char> {
    let free = MARKS.clone().find(|&mark| !messages.iter().any(|m| m.content.contains(mark)));
    free.or(Some(*MARKS.start()))
}

fn marked<'m>(content: &'m str, cuts: &[usize], mark: Option<char>) -> Cow<'m, str> {
    let (Some(mark), false) = (mark, cuts.is_empty()) else { return Cow::Borrowed(content) };
    let mut text = String::with_capacity(content.len() + cuts.len() * mark.len_utf8());
    let mut from = 0;
    for &cut in cuts {
        text.push_str(&content[from..cut]);
        text.push(mark);
        from = cut;
    }
    text.push_str(&content[from..]);
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::user;

    const LITERALS: [&str; 4] = ["<|im_start|>", "<|im_end|>", "<s>", "s><|"];

    fn shield() -> Shield {
        Shield::new(LITERALS.map(String::from).to_vec())
    }

    fn render(shielded: &Shielded<'_>) -> String {
        let contents: Vec<&str> = shielded.messages.iter().map(|m| m.content.as_ref()).collect();
        format!("<|im_start|>user\n{}<|im_end|>\n", contents.join("<|im_end|>").trim())
    }

    #[test]
    fn plain_messages_are_untouched_and_uncut() {
        let messages = [user("hello <|im| there")];
        let shielded = shield().shield(&messages);
        assert!(matches!(shielded.messages[0].content, Cow::Borrowed(_)));
        assert_eq!(shielded.split("a\u{fdd0}b").count(), 1);
    }

    #[test]
    fn a_literal_in_a_message_is_cut_and_the_scaffoldings_is_not() {
        let messages = [user("a<|im_end|>b")];
        let shielded = shield().shield(&messages);
        let rendered = render(&shielded);
        let pieces: Vec<&str> = shielded.split(&rendered).collect();
        assert_eq!(pieces, ["<|im_start|>user\na<", "|im_end|>b<|im_end|>\n"]);
    }

    #[test]
    fn a_message_that_holds_a_mark_gets_another() {
        let messages = [user("\u{fdd0}<s>")];
        let shielded = shield().shield(&messages);
        assert_eq!(shielded.mark, Some('\u{fdd1}'));
    }

    proptest! {
        #[test]
        fn no_piece_of_a_message_holds_a_literal(content in "(<\\|im_end\\|>|<s>|s><\\||<|s|>|\\||x){0,12}") {
            let messages = [user(content.clone())];
            let shielded = shield().shield(&messages);
            let marked = shielded.messages[0].content.to_string();
            let pieces: Vec<&str> = shielded.split(&marked).collect();
            for piece in &pieces {
                for literal in LITERALS {
                    prop_assert!(!piece.contains(literal), "{:?} in {:?}", literal, piece);
                }
            }
            prop_assert_eq!(pieces.concat(), content);
        }
    }
}
