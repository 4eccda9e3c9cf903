//! Tokens' bytes to whole characters, and stop strings.
//!
//! A character may be spread over tokens, and a stop string over characters and tokens. Text is
//! given out only when its characters are whole and it can no longer be the beginning of a stop
//! string, so a stream never shows half of either.

use encoding_rs::{Decoder, UTF_8};

/// Assembles the text of one answer.
#[derive(Debug)]
pub(crate) struct TextAssembler {
    decoder: SendDecoder,
    /// Decoded, but not given out.
    pending: String,
    stops: Vec<String>,
    /// Tokens within which a stop string does not end the answer.
    unheeded: u32,
    /// How much of what is pending was complete within them.
    passed: usize,
    stopped: bool,
}

/// Decodes UTF-8 incrementally, with U+FFFD for what is malformed.
struct SendDecoder(Decoder);

impl std::fmt::Debug for SendDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decoder")
    }
}

impl TextAssembler {
    /// An assembler that ends at the first of `stops`, none of which is empty, that is complete after
    /// more than `min_tokens` tokens.
    pub(crate) fn new(stops: Vec<String>, min_tokens: u32) -> Self {
        Self {
            decoder: SendDecoder(UTF_8.new_decoder_without_bom_handling()),
            pending: String::new(),
            stops,
            unheeded: min_tokens,
            passed: 0,
            stopped: false,
        }
    }

    /// Takes a token's bytes, and appends to `out` what can be given out.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut String) {
        self.decode(bytes, false);
        if self.unheeded > 0 {
            self.unheeded -= 1;
            self.release_passed(out);
            self.passed = self.pending.len();
        } else {
            self.release(out);
        }
    }

    /// The answer is over: gives out what was held back.
    pub(crate) fn finish(&mut self, out: &mut String) {
        self.decode(&[], true);
        if self.unheeded == 0 {
            self.release(out);
        }
        if !self.stopped {
            out.push_str(&self.pending);
            self.pending.clear();
        }
    }

    /// Whether a stop string was reached. Nothing is given out after it.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Gives out all that can't be part of a stop string that is complete later.
    fn release_passed(&mut self, out: &mut String) {
        let keep = self.stops.iter().map(|stop| overlap(&self.pending, stop)).max().unwrap_or(0);
        let gone = self.pending.len() - keep;
        out.extend(self.pending.drain(..gone));
        self.passed = self.passed.saturating_sub(gone);
    }

    /// Where the first stop string begins that was not complete within the minimum.
    fn stop_at(&self) -> Option<usize> {
        let found = self.stops.iter().filter_map(|stop| {
            let from = (self.passed + 1).saturating_sub(stop.len()).min(self.pending.len());
            let from = self.pending.ceil_char_boundary(from);
            self.pending[from..].find(stop.as_str()).map(|at| from + at)
        });
        found.min()
    }

    fn decode(&mut self, bytes: &[u8], last: bool) {
        let decoder = &mut self.decoder.0;
        let room = decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(bytes.len() * 3 + 4);
        self.pending.reserve(room);
        let (result, read, _) = decoder.decode_to_string(bytes, &mut self.pending, last);
        debug_assert!(result == encoding_rs::CoderResult::InputEmpty && read == bytes.len());
    }

    fn release(&mut self, out: &mut String) {
        if self.stopped {
            self.pending.clear();
            return;
        }
        if let Some(at) = self.stop_at() {
            out.push_str(&self.pending[..at]);
            self.pending.clear();
            self.stopped = true;
            return;
        }
        self.release_passed(out);
    }
}

/// The length in bytes of the longest end of `text` that is a true beginning of `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    stop.char_indices()
        .map(|(length, _)| length)
        .rev()
        .find(|&length| text.ends_with(&stop[..length]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The pieces given out for `chunks`, and whether a stop string was reached.
    fn assemble(chunks: &[&[u8]], stops: &[&str]) -> (Vec<String>, bool) {
        assemble_after(0, chunks, stops)
    }

    fn assemble_after(min: u32, chunks: &[&[u8]], stops: &[&str]) -> (Vec<String>, bool) {
        let stops = stops.iter().map(ToString::to_string).collect();
        let mut assembler = TextAssembler::new(stops, min);
        let mut pieces = Vec::new();
        for chunk in chunks {
            let mut out = String::new();
            assembler.push(chunk, &mut out);
            pieces.push(out);
        }
        let mut out = String::new();
        assembler.finish(&mut out);
        pieces.push(out);
        (pieces, assembler.is_stopped())
    }

    #[test]
    fn characters_are_given_out_whole() {
        let llama = "🦙".as_bytes();
        let (pieces, _) = assemble(&[b"a", &llama[..1], &llama[1..3], &llama[3..]], &[]);
        assert_eq!(pieces, ["a", "", "", "🦙", ""]);
    }

    #[test]
    fn broken_and_cut_characters_become_replacements() {
        let (pieces, _) = assemble(&[b"a\xffb", &"é".as_bytes()[..1]], &[]);
        assert_eq!(pieces.concat(), "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn a_stop_string_across_tokens_is_never_half_given_out() {
        let (pieces, stopped) = assemble(&[b"one ", b"##", b"# two"], &["###"]);
        assert_eq!(pieces, ["one ", "", "", ""]);
        assert!(stopped);
    }

    #[test]
    fn what_only_begins_like_a_stop_string_is_given_out_later() {
        let (pieces, stopped) = assemble(&[b"a##", b"b", b"##"], &["###"]);
        assert_eq!(pieces, ["a", "##b", "", "##"]);
        assert!(!stopped);
    }

    #[test]
    fn the_first_of_several_stop_strings_counts() {
        let (pieces, _) = assemble(&[b"abcdef"], &["ef", "cd"]);
        assert_eq!(pieces.concat(), "ab");
    }

    #[test]
    fn a_stop_string_within_the_minimum_does_not_end_the_answer() {
        let (pieces, stopped) = assemble_after(2, &[b"a##", b"b", b"c##", b"d"], &["##"]);
        assert_eq!(pieces.concat(), "a##bc");
        assert!(stopped);
        let (pieces, stopped) = assemble_after(9, &[b"a##", b"b"], &["##"]);
        // The last of them could begin one that is complete later.
        assert_eq!(pieces, ["a#", "#b", ""]);
        assert!(!stopped);
    }

    #[test]
    fn a_stop_string_that_begins_within_the_minimum_and_ends_after_it_counts_whole() {
        let (pieces, stopped) = assemble_after(1, &[b"a#", b"#b"], &["##"]);
        assert_eq!(pieces, ["a", "", ""]);
        assert!(stopped);
    }

    proptest! {
        /// Whatever the minimum, what is given out is a beginning of the text, and no stop string that
        /// is complete after it is ever half given out.
        #[test]
        fn a_minimum_only_passes_over_what_is_complete_within_it(
            chunks in proptest::collection::vec("[ab#]{1,3}", 1..12),
            stops in proptest::collection::vec("[ab#]{1,4}", 1..4),
            min in 0_u32..8,
        ) {
            let bytes: Vec<&[u8]> = chunks.iter().map(|chunk| chunk.as_bytes()).collect();
            let texts: Vec<&str> = stops.iter().map(String::as_str).collect();
            let (pieces, stopped) = assemble_after(min, &bytes, &texts);
            let text = chunks.concat();
            let passed: usize = chunks.iter().take(min as usize).map(String::len).sum();
            // Of those that are complete first, the one that begins first.
            let complete = |end: usize| {
                let counts = |from: usize, stop: &&str| {
                    text[from..end].starts_with(*stop) && from + stop.len() > passed
                };
                (0..end).find(|&from| texts.iter().any(|stop| counts(from, stop)))
            };
            let ends = chunks.iter().scan(0, |end, chunk| {
                *end += chunk.len();
                Some(*end)
            });
            let due = ends.filter_map(complete).next();
            prop_assert_eq!(stopped, due.is_some());
            prop_assert_eq!(pieces.concat(), &text[..due.unwrap_or(text.len())]);
        }

        #[test]
        fn any_cut_of_the_bytes_gives_the_same_text(
            text in "[ab#🦙é]{0,40}",
            stop in "[ab#🦙]{1,4}",
            cuts in proptest::collection::vec(0_usize..160, 0..8),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            cuts.push(bytes.len());
            let mut from = 0;
            let chunks: Vec<&[u8]> = cuts.iter().map(|&to| {
                let chunk = &bytes[from..to];
                from = to;
                chunk
            }).collect();
            let (pieces, stopped) = assemble(&chunks, &[&stop]);
            let expected = text.find(&stop).map_or(text.as_str(), |at| &text[..at]);
            prop_assert_eq!(pieces.concat(), expected);
            prop_assert_eq!(stopped, text.contains(&stop));
        }
    }
}
