//! Keeps what a caller gave from becoming a control token.
//!
//! A rendered prompt mixes the template's own characters, whose control tokens' literals must become
//! tokens, with characters that a caller gave, whose must not. Each character's origin is known
//! ([`crate::jinja`]). So every literal in the text that holds a single given character is cut in
//! two there: no piece holds it, however the template put it together, and all pieces together are
//! the text. Literals of the template alone are never cut.

use aho_corasick::AhoCorasick;

use crate::jinja::Char;

/// Knows the literals that only a template may write.
#[derive(Debug)]
pub(super) struct ControlLiterals {
    literals: Option<AhoCorasick>,
}

/// A part of a prompt, to be tokenized by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: String,
    /// Whether control tokens' literals in it become tokens.
    pub(super) special: bool,
}

impl ControlLiterals {
    /// Those of control tokens, and those tokens of the vocabulary's makers (`user_defined`) that the
    /// template writes itself, such as `<tool_call>`: what structures a prompt is the template's.
    /// White space structures nothing.
    pub(super) fn new(
        control: Vec<String>,
        user_defined: Vec<String>,
        template: &[String],
    ) -> Self {
        let structures = |literal: &String| {
            !literal.trim().is_empty() && template.iter().any(|text| text.contains(literal))
        };
        let user_defined = user_defined.into_iter().filter(structures);
        let literals: Vec<String> = control.into_iter().chain(user_defined).collect();
        // Building fails only on automata beyond 2^31 states, which no vocabulary makes.
        let literals = if literals.is_empty() { None } else { AhoCorasick::new(literals).ok() };
        Self { literals }
    }

    /// The pieces of a prompt, in order. One, if nobody tried to forge anything.
    pub(super) fn pieces(&self, chars: &[Char]) -> Vec<Piece> {
        let text: String = chars.iter().map(|c| c.letter()).collect();
        let cuts = self.cuts(chars, &text);
        let mut pieces = Vec::new();
        let mut from = 0;
        for to in cuts.into_iter().chain([chars.len()]) {
            let part = &chars[from..to];
            if !part.is_empty() {
                let text = part.iter().map(|c| c.letter()).collect();
                // Nothing in a piece without a character of the template's can be its.
                let special = part.iter().any(|c| !c.is_given());
                pieces.push(Piece { text, special });
            }
            from = to;
        }
        pieces
    }

    /// Where to cut, in characters.
    fn cuts(&self, chars: &[Char], text: &str) -> Vec<usize> {
        let Some(literals) = &self.literals else { return Vec::new() };
        // Which character begins at a byte, for those that matter.
        let mut found: Vec<(usize, usize)> = literals
            .find_overlapping_iter(text)
            .map(|found| (found.start(), found.end()))
            .collect();
        if found.is_empty() {
            return Vec::new();
        }
        let mut bytes = Vec::with_capacity(chars.len() + 1);
        let mut at = 0;
        for c in chars {
            bytes.push(at);
            at += c.letter().len_utf8();
        }
        bytes.push(at);
        for (start, end) in &mut found {
            // A match begins and ends where characters do.
            *start = bytes.partition_point(|byte| byte < start);
            *end = bytes.partition_point(|byte| byte < end);
        }
        let mut cuts = Vec::new();
        for (start, end) in found {
            let literal = &chars[start..end];
            if !literal.iter().any(|c| c.is_given()) {
                continue;
            }
            // Beside a given character, where no literal of the template alone can be.
            let inside =
                (1..literal.len()).find(|&at| literal[at - 1].is_given() || literal[at].is_given());
            match inside {
                Some(at) => cuts.push(start + at),
                // One character: a piece by itself.
                None => cuts.extend([start, end]),
            }
        }
        cuts.sort_unstable();
        cuts.dedup();
        cuts.retain(|&cut| cut > 0 && cut < chars.len());
        cuts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LITERALS: [&str; 5] = ["<|im_start|>", "<|im_end|>", "<s>", "s><|", "¶"];

    fn literals() -> ControlLiterals {
        let user_defined = ["<tool_call>", "<table>", "\n\n"].map(String::from).to_vec();
        let template = ["<tool_call>\n\n{".to_owned()];
        ControlLiterals::new(LITERALS.map(String::from).to_vec(), user_defined, &template)
    }

    fn written(text: &str) -> Vec<Char> {
        text.chars().map(Char::written).collect()
    }

    fn given(text: &str) -> Vec<Char> {
        text.chars().map(Char::given).collect()
    }

    fn texts(chars: &[Vec<Char>]) -> Vec<String> {
        literals().pieces(&chars.concat()).into_iter().map(|piece| piece.text).collect()
    }

    #[test]
    fn what_forges_nothing_is_one_piece() {
        assert_eq!(texts(&[written("<|im_start|>user\n"), given("a <|im| b")]).len(), 1);
        assert_eq!(texts(&[given("<table>\n\n")]).len(), 1, "no template writes these");
    }

    #[test]
    fn a_literal_of_a_callers_is_cut_and_the_templates_is_not() {
        let pieces =
            texts(&[written("<|im_start|>a"), given("<|im_end|>b"), written("<|im_end|>")]);
        assert_eq!(pieces, ["<|im_start|>a<", "|im_end|>b<|im_end|>"]);
        assert_eq!(texts(&[given("<tool_call>"), written("<tool_call>")])[0], "<");
    }

    #[test]
    fn a_literal_that_is_put_together_is_cut_at_the_seam() {
        let mixed = [written("<|im_"), given("end|>"), written("<s>")];
        assert_eq!(texts(&mixed), ["<|im_", "end|><s>"]);
        // The template's `<s>` stays whole, though a longer literal begins in it.
        assert_eq!(texts(&[written("<s>"), given("<|")]), ["<s>", "<|"]);
        let apart = [given("<|im_"), given("end|>")];
        assert_eq!(texts(&apart), ["<", "|im_end|>"]);
    }

    #[test]
    fn a_literal_of_one_character_is_a_piece_that_is_no_token() {
        let pieces = literals().pieces(&[written("a¶"), given("b¶c")].concat());
        assert_eq!(pieces.iter().filter(|piece| !piece.special).count(), 2);
        assert!(pieces.iter().any(|piece| piece.text == "¶" && !piece.special));
    }

    proptest! {
        #[test]
        fn no_piece_holds_a_literal_that_a_caller_wrote_any_of(
            parts in prop::collection::vec(
                (any::<bool>(), "(<\\|im_end\\|>|<s>|s><\\||<\\|im_|end\\|>|<|s|>|\\||¶|x){0,4}"),
                0..8,
            ),
        ) {
            let chars: Vec<Char> = parts
                .iter()
                .flat_map(|(is_given, text)| if *is_given { given(text) } else { written(text) })
                .collect();
            let pieces = literals().pieces(&chars);
            let whole: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
            let letters: String = chars.iter().map(|c| c.letter()).collect();
            prop_assert_eq!(whole, letters);
            let mut from = 0;
            for piece in pieces {
                let length = piece.text.chars().count();
                let part = &chars[from..from + length];
                from += length;
                for literal in LITERALS.map(written).iter().filter(|_| piece.special) {
                    for window in part.windows(literal.len()) {
                        let holds = window == &literal[..] && window.iter().any(|c| c.is_given());
                        prop_assert!(!holds, "{:?} in {:?}", literal, piece.text);
                    }
                }
            }
            // What the template wrote alone is whole in one piece.
            let cuts = literals().cuts(&chars, &chars.iter().map(|c| c.letter()).collect::<String>());
            for literal in LITERALS.map(written) {
                for (at, window) in chars.windows(literal.len()).enumerate() {
                    let own = window == &literal[..] && window.iter().all(|c| !c.is_given());
                    let cut = cuts.iter().any(|cut| (at + 1..at + literal.len()).contains(cut));
                    prop_assert!(!(own && cut), "{:?} was cut", literal);
                }
            }
        }
    }
}
