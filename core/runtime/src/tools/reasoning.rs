//! Reasoning apart from the answer.
//!
//! Reasoning is what stands between two markers where the answer begins, or from its beginning up to
//! the second one where the prompt ended with the first. In the middle of an answer the markers are
//! text. Space around reasoning is left out. What comes out never depends on how the text was cut.

use super::cursor::{Found, find};

/// A form of reasoning.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Thoughts {
    /// What the engine option `reasoning_parser` calls it.
    pub(crate) name: &'static str,
    pub(crate) begin: &'static str,
    pub(crate) end: &'static str,
    /// Whether answers begin inside, whatever the prompt ends with.
    begins_inside: bool,
}

const fn thoughts(name: &'static str, begin: &'static str, end: &'static str) -> Thoughts {
    Thoughts { name, begin, end, begins_inside: false }
}

/// Every form. A template that writes the end of one knows it.
const THOUGHTS: &[Thoughts] = &[
    thoughts("think", "<think>", "</think>"),
    // For models whose template opens the block in a way that can't be seen, or whose answers
    // begin inside without any.
    Thoughts { begins_inside: true, ..thoughts("think_open", "<think>", "</think>") },
    thoughts("minimax_m3", "<mm:think>", "</mm:think>"),
    thoughts("seed_oss", "<seed:think>", "</seed:think>"),
    thoughts("mistral", "[THINK]", "[/THINK]"),
    thoughts("command_r7b", "<|START_THINKING|>", "<|END_THINKING|>"),
    thoughts("kimi", "◁think▷", "◁/think▷"),
    thoughts("apertus", "<|inner_prefix|>", "<|inner_suffix|>"),
    thoughts("exaone", "<thought>", "</thought>"),
    thoughts("reasoning", "<reasoning>", "</reasoning>"),
    thoughts("granite", "Here is my thought process:", "Here is my response:"),
];

impl Thoughts {
    /// The form of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Thoughts> {
        THOUGHTS.iter().find(|thoughts| thoughts.name == name)
    }

    /// The form that a chat template knows, if it knows one.
    pub(crate) fn find(template: &str) -> Option<&'static Thoughts> {
        THOUGHTS.iter().find(|thoughts| template.contains(thoughts.end))
    }

    /// Every name, for an error that lists them.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        THOUGHTS.iter().map(|thoughts| thoughts.name)
    }

    /// Whether an answer to a prompt with this end begins inside of reasoning.
    pub(crate) fn begin_inside(&self, prompt_end: &str) -> bool {
        self.begins_inside || prompt_end.trim_end().ends_with(self.begin)
    }
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Reasoning(String),
    /// Reasoning with its markers, where all of it is left in the text. No call is in it.
    Thought(String),
    Answer(String),
}

/// Separates one answer.
#[derive(Debug)]
pub(crate) struct ReasoningReader {
    thoughts: &'static Thoughts,
    state: State,
    held: String,
    /// Whether markers and space are left in the parts.
    whole: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing but space so far.
    Start,
    Inside {
        /// Whether something other than space was in it.
        some: bool,
    },
    /// Behind reasoning; only space so far.
    Behind,
    Answer,
}

impl ReasoningReader {
    /// A reader of an answer that begins `inside` of reasoning or not. With `whole`, all parts
    /// together are the text as it was.
    pub(crate) fn new(thoughts: &'static Thoughts, inside: bool, whole: bool) -> Self {
        let state = if inside { State::Inside { some: false } } else { State::Start };
        Self { thoughts, state, held: String::new(), whole }
    }

    /// Takes more of the answer's text, and gives what is clear.
    pub(crate) fn take(&mut self, text: &str) -> Vec<Part> {
        self.held.push_str(text);
        let mut parts = Vec::new();
        while self.step(&mut parts) {}
        parts
    }

    /// The answer is over: gives what is left.
    pub(crate) fn finish(&mut self) -> Vec<Part> {
        let mut parts = Vec::new();
        let held = std::mem::take(&mut self.held);
        match self.state {
            State::Inside { .. } if self.whole => thought(&held, &mut parts),
            State::Inside { some: false } => reasoning(held.trim(), &mut parts),
            State::Inside { some: true } => reasoning(held.trim_end(), &mut parts),
            State::Behind if !self.whole => {}
            State::Start | State::Behind | State::Answer => answer(held, &mut parts),
        }
        parts
    }

    /// Reads one thing; whether there may be another.
    fn step(&mut self, parts: &mut Vec<Part>) -> bool {
        match self.state {
            State::Start => self.start(parts),
            State::Inside { some } => self.inside(some, parts),
            State::Behind => {
                if !self.whole {
                    let space = self.held.len() - self.held.trim_start().len();
                    self.held.drain(..space);
                }
                let goes_on = !self.held.is_empty();
                if goes_on {
                    self.state = State::Answer;
                }
                goes_on
            }
            State::Answer => {
                answer(std::mem::take(&mut self.held), parts);
                false
            }
        }
    }

    fn start(&mut self, parts: &mut Vec<Part>) -> bool {
        let begin = self.thoughts.begin;
        let text = self.held.trim_start();
        let space = self.held.len() - text.len();
        if text.starts_with(begin) {
            let read = space + begin.len();
            if self.whole {
                thought(&self.held[..read], parts);
            }
            self.held.drain(..read);
            self.state = State::Inside { some: false };
        } else if begin.starts_with(text) {
            return false;
        } else {
            self.state = State::Answer;
        }
        true
    }

    fn inside(&mut self, some: bool, parts: &mut Vec<Part>) -> bool {
        let end = self.thoughts.end;
        let (at, ended) = match find(&self.held, &[end]) {
            Found::Whole(at, _) => (at, true),
            Found::Perhaps(at) => (at, false),
            Found::Nowhere => (self.held.len(), false),
        };
        if self.whole {
            let read = if ended { at + end.len() } else { at };
            thought(&self.held[..read], parts);
            self.held.drain(..read);
        } else {
            let text = &self.held[..at];
            let text = if some { text } else { text.trim_start() };
            let clear = text.trim_end();
            // The space at the end may be the last of it.
            let read = if ended { at + end.len() } else { at - (text.len() - clear.len()) };
            reasoning(clear, parts);
            let some = some || !clear.is_empty();
            self.held.drain(..read);
            self.state = State::Inside { some };
        }
        if ended {
            self.state = State::Behind;
        }
        ended
    }
}

fn reasoning(text: &str, parts: &mut Vec<Part>) {
    if !text.is_empty() {
        parts.push(Part::Reasoning(text.to_owned()));
    }
}

fn thought(text: &str, parts: &mut Vec<Part>) {
    if !text.is_empty() {
        parts.push(Part::Thought(text.to_owned()));
    }
}

fn answer(text: String, parts: &mut Vec<Part>) {
    if !text.is_empty() {
        parts.push(Part::Answer(text));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn think() -> &'static Thoughts {
        Thoughts::named("think").expect("a form")
    }

    /// Reasoning and answer of a text that comes in `chunks`.
    fn separate(chunks: &[&str], inside: bool, whole: bool) -> (String, String) {
        let mut reader = ReasoningReader::new(think(), inside, whole);
        let mut parts: Vec<Part> = chunks.iter().flat_map(|chunk| reader.take(chunk)).collect();
        parts.extend(reader.finish());
        let (mut reasoning, mut answer) = (String::new(), String::new());
        for part in parts {
            match part {
                Part::Reasoning(text) | Part::Thought(text) => reasoning.push_str(&text),
                Part::Answer(text) => answer.push_str(&text),
            }
        }
        (reasoning, answer)
    }

    #[test]
    fn reasoning_is_between_the_markers_where_the_answer_begins() {
        for (text, inside, reasoning, answer) in [
            ("<think>\na <b>\n</think>\n\nYes.", false, "a <b>", "Yes."),
            (" \n<think>a</think>b", false, "a", "b"),
            ("a</think>\nb</think>", true, "a", "b</think>"),
            ("\n\n</think>\n\nb", true, "", "b"),
            ("<think>a and then", false, "a and then", ""),
            ("Say <think>a</think>", false, "", "Say <think>a</think>"),
            ("<thin", false, "", "<thin"),
            ("  ", false, "", "  "),
            ("a </thin", true, "a </thin", ""),
        ] {
            assert_eq!(
                separate(&[text], inside, false),
                (reasoning.to_owned(), answer.to_owned()),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_prompt_that_opens_the_block_begins_the_answer_inside() {
        assert!(think().begin_inside("<|im_start|>assistant\n<think>\n"));
        assert!(!think().begin_inside("<|im_start|>assistant\n<think>\n\n</think>\n\n"));
        assert!(Thoughts::named("think_open").expect("a form").begin_inside(""));
    }

    proptest! {
        #[test]
        fn any_cut_separates_the_same_and_whole_loses_nothing(
            pieces in proptest::collection::vec(
                prop_oneof![
                    Just("<think>"), Just("</think>"), Just("<"), Just("</th"), Just("think>"),
                    Just(" "), Just("\n"), Just("a"), Just("é"),
                ],
                0..12,
            ),
            inside in any::<bool>(),
        ) {
            let text = pieces.concat();
            let whole = separate(&[&text], inside, false);
            prop_assert_eq!(separate(&pieces, inside, false), whole.clone());
            let chars: Vec<String> = text.chars().map(String::from).collect();
            let chars: Vec<&str> = chars.iter().map(String::as_str).collect();
            prop_assert_eq!(separate(&chars, inside, false), whole);
            let (reasoning, answer) = separate(&chars, inside, true);
            prop_assert_eq!(reasoning + &answer, text);
        }
    }
}
