//! The questions whose answers are asked for again and again.

use indwell_benches::traffic::{Form, words};

/// Tokens of each answer.
pub(crate) const MAX_TOKENS: u32 = 64;
/// Cells of the engines that answer: the longest question fits.
pub(crate) const CONTEXT_TOKENS: u32 = 2048;

/// A question, and what it is called.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    pub(crate) text: String,
    /// One in so many is asked, as each takes longer.
    pub(crate) one_in: u32,
}

/// Short, longer, long, and a chat. The answer to each goes on for as long as it may: it says the
/// same two words over and over.
pub(crate) fn questions() -> [Question; 4] {
    let completion = |name, count| {
        let text = repeated(&words(2, count), count);
        Question { name, form: Form::Completion, text, one_in: count.div_ceil(100) }
    };
    let asked = "Tell a long tale about a green horse that lives near the river.".to_owned();
    [
        completion("10 tokens", 10),
        completion("100 tokens", 100),
        completion("1000 tokens", 1000),
        Question { name: "a chat", form: Form::Chat, text: asked, one_in: 1 },
    ]
}

/// The words of `text` over and over, `count` in all.
fn repeated(text: &str, count: u32) -> String {
    let words = text.split(' ').cycle().take(count as usize);
    words.collect::<Vec<&str>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_as_long_as_they_are_called() {
        let lengths = questions().map(|question| question.text.split(' ').count());
        assert_eq!(lengths, [10, 100, 1000, 13]);
    }
}
