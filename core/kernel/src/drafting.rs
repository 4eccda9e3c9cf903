//! Prompt lookup: what an answer may go on with, since its prompt or itself went on so before.
//!
//! A [`Drafter`] follows one request's tokens. The last tokens, four to two of them, are looked for
//! among all before; what came after them there is what is expected now. Every token of the answer
//! says whether the expectation was right, whether or not it was verified in a batch, so how far it
//! can be trusted is measured before anything is spent on it.
//!
//! It knows neither costs nor load: the scheduler weighs them ([`Weighing`]).

use std::num::NonZeroU32;

use crate::Token;

/// The shortest and longest ends of a text that are looked for.
const NGRAM_MIN: usize = 2;
const NGRAM_MAX: usize = 4;

/// Kinds of expectations, by how many tokens in a row were right: up to 2, 4, 8, 16, and more.
const KINDS: usize = 5;

/// How often each kind is taken to be right before anything is known of an answer.
const RIGHT_AT_FIRST: [f32; KINDS] = [0.3, 0.45, 0.6, 0.75, 0.85];

/// The weight of the newest token in an estimate.
const RATE: f32 = 1.0 / 8.0;

/// Places of an index, at most: 256 KiB. Of longer texts the older part is forgotten bit by bit.
const PLACES_MAX: usize = 1 << 16;

/// What one request's answer may go on with.
#[derive(Debug)]
pub(crate) struct Drafter {
    prompt_tokens: usize,
    /// By a hash of some tokens: the position after their latest appearance. What it says is compared
    /// with the tokens. Empty until it is needed.
    places: Vec<Option<NonZeroU32>>,
    /// How many tokens it has seen.
    followed: usize,
    /// The position of the token that is expected next.
    expected: Option<usize>,
    /// How many tokens before the expected one agree.
    run: usize,
    /// How often expectations turn out right, by kind.
    right: [f32; KINDS],
}

impl Drafter {
    /// For a request with so many tokens of prompt.
    pub(crate) fn new(prompt_tokens: usize) -> Self {
        Self {
            prompt_tokens,
            places: Vec::new(),
            followed: 0,
            expected: None,
            run: 0,
            right: RIGHT_AT_FIRST,
        }
    }

    /// Sees all of `tokens` that are new; those it has seen are the same as before. `length_max` is
    /// how many there will be at most.
    pub(crate) fn follow(&mut self, tokens: &[Token], length_max: usize) {
        if self.places.is_empty() {
            let each = NGRAM_MAX - NGRAM_MIN + 1;
            let places = length_max.saturating_mul(each).next_power_of_two().min(PLACES_MAX);
            self.places.resize(places, None);
        }
        for end in self.followed + 1..=tokens.len() {
            let before = &tokens[..end];
            if end > self.prompt_tokens {
                self.judge(before);
            }
            if end >= self.prompt_tokens && self.expected.is_none() {
                self.look_up(before);
            }
            self.enter(before);
        }
        self.followed = self.followed.max(tokens.len());
    }

    /// Gives its memory back; what it has learnt stays.
    pub(crate) fn forget(&mut self) {
        *self = Self { right: self.right, ..Self::new(self.prompt_tokens) };
    }

    /// How likely the `nth` token of a draft, from 0, is right if those before it are; 0 without a
    /// draft.
    pub(crate) fn likelihood(&self, nth: usize) -> f32 {
        if self.expected.is_some() { self.right[kind(self.run + nth)] } else { 0.0 }
    }

    /// The tokens that are expected after `tokens`, all of which it follows, for ever: where they
    /// reach the end, they begin again, as in a text that repeats itself.
    pub(crate) fn draft<'a>(&self, tokens: &'a [Token]) -> impl Iterator<Item = Token> + 'a {
        let repeated = self.expected.map_or(&[][..], |expected| &tokens[expected..]);
        repeated.iter().copied().cycle()
    }

    /// The last of `tokens` says whether it was expected.
    fn judge(&mut self, tokens: &[Token]) {
        let Some(expected) = self.expected else { return };
        let is_right = tokens.last() == Some(&tokens[expected]);
        let right = &mut self.right[kind(self.run)];
        *right += RATE * (f32::from(u8::from(is_right)) - *right);
        if is_right {
            self.expected = Some(expected + 1);
            self.run += 1;
        } else {
            self.expected = None;
        }
    }

    /// Looks for the end of `tokens` before it, the longest first.
    fn look_up(&mut self, tokens: &[Token]) {
        for length in (NGRAM_MIN..=NGRAM_MAX.min(tokens.len())).rev() {
            let end = &tokens[tokens.len() - length..];
            let Some(at) = self.places[self.place(end)] else { continue };
            let at = at.get() as usize;
            if at >= length && at < tokens.len() && &tokens[at - length..at] == end {
                (self.expected, self.run) = (Some(at), length);
                return;
            }
        }
    }

    /// Notes where the end of `tokens` is.
    fn enter(&mut self, tokens: &[Token]) {
        let at = u32::try_from(tokens.len()).ok().and_then(NonZeroU32::new);
        for length in NGRAM_MIN..=NGRAM_MAX.min(tokens.len()) {
            let place = self.place(&tokens[tokens.len() - length..]);
            self.places[place] = at;
        }
    }

    /// FNV-1a with its high half folded in; how many tokens there are counts.
    fn place(&self, tokens: &[Token]) -> usize {
        let hash = tokens.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, token| {
            (hash ^ u64::from(token.0.cast_unsigned())).wrapping_mul(0x0100_0000_01b3)
        });
        let hash = (hash ^ hash >> 32) & 0xffff_ffff;
        usize::try_from(hash).expect("32 bits fit") & (self.places.len() - 1)
    }
}

fn kind(run: usize) -> usize {
    let doublings = run.saturating_sub(1).checked_ilog2().unwrap_or(0) as usize;
    doublings.min(KINDS - 1)
}

/// What a batch costs with a token more, relative to a batch of one token: on two processor cores, 4 to 8
/// tokens take 2 to 3 times as long as one, and this is above that. A device with more to spare is cheaper,
/// and then fewer drafts are made than could be.
const TOKEN_COST: f32 = 0.4;

/// By how much a draft has to be worth more than it costs.
const MARGIN: f32 = 1.15;

/// Whether one more draft token makes a batch bring more tokens for its cost. A batch of `n` tokens
/// costs `1 + TOKEN_COST (n − 1)`, and brings a token for each of its sequences and as many more as
/// drafts are expected to be right. The more sequences a batch has, the surer a draft has to be, until
/// none is sure enough.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weighing {
    cost: f32,
    brings: f32,
}

impl Weighing {
    /// A batch of so many sequences with a token each.
    pub(crate) fn of(sequences: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "at most 256")]
        let brings = sequences as f32;
        Self { cost: 1.0 + TOKEN_COST * (brings - 1.0), brings }
    }

    /// Whether a draft token that is right with this likelihood is worth its cost.
    pub(crate) fn is_worth(&self, likelihood: f32) -> bool {
        likelihood * self.cost > MARGIN * TOKEN_COST * self.brings
    }

    /// The batch has it.
    pub(crate) fn add(&mut self, likelihood: f32) {
        self.cost += TOKEN_COST;
        self.brings += likelihood;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(ids: &[i32]) -> Vec<Token> {
        ids.iter().copied().map(Token).collect()
    }

    fn drafted(prompt: &[i32], answer: &[i32], count: usize) -> Vec<Token> {
        let mut drafter = Drafter::new(prompt.len());
        let all = tokens(&[prompt, answer].concat());
        drafter.follow(&all, 100);
        drafter.draft(&all).take(count).collect()
    }

    #[test]
    fn what_came_after_the_longest_end_is_expected() {
        let prompt = [1, 2, 3, 4, 50, 3, 4, 60, 9];
        assert_eq!(drafted(&prompt, &[3, 4], 2), tokens(&[60, 9]), "the latest");
        assert_eq!(drafted(&prompt, &[2, 3, 4], 2), tokens(&[50, 3]), "the longest");
        assert_eq!(drafted(&prompt, &[7, 4], 2), [], "one token is no sign");
    }

    #[test]
    fn a_text_that_repeats_itself_goes_on_repeating() {
        assert_eq!(drafted(&[8, 9], &[5, 6, 7, 5, 6], 7), tokens(&[7, 5, 6, 7, 5, 6, 7]));
        assert_eq!(drafted(&[5, 5, 5], &[], 3), tokens(&[5, 5, 5]));
    }

    #[test]
    fn it_makes_no_difference_when_tokens_are_seen() {
        let all: Vec<Token> = (0..300).map(|at| Token(at * at % 7)).collect();
        let mut at_once = Drafter::new(40);
        at_once.follow(&all, 300);
        let mut one_by_one = Drafter::new(40);
        (1..=all.len()).for_each(|end| one_by_one.follow(&all[..end], 300));
        assert_eq!(at_once.expected, one_by_one.expected);
        assert_eq!(at_once.right, one_by_one.right);
        assert_eq!(at_once.run, one_by_one.run);
    }

    #[test]
    fn trust_is_learnt_from_what_is_said() {
        let mut drafter = Drafter::new(0);
        let repeats: Vec<Token> = (0..200).map(|at| Token(at % 20)).collect();
        drafter.follow(&repeats, 1000);
        assert!(drafter.likelihood(0) > 0.95, "{:?}", drafter.right);
        // After the same two tokens comes something else each time.
        let mut drafter = Drafter::new(0);
        let misleading: Vec<Token> =
            (0..200).flat_map(|at| [Token(1), Token(2), Token(100 + at)]).collect();
        drafter.follow(&misleading[..599], 1000);
        assert!(drafter.likelihood(0) < 0.05, "{:?}", drafter.right);
    }

    #[test]
    fn memory_is_bounded_and_given_back() {
        let mut drafter = Drafter::new(0);
        let long: Vec<Token> = (0..200_000).map(Token).collect();
        drafter.follow(&long, long.len());
        assert_eq!(drafter.places.len(), PLACES_MAX);
        drafter.forget();
        assert_eq!(drafter.places.capacity(), 0);
        drafter.follow(&long, long.len());
    }

    #[test]
    fn the_more_sequences_run_the_surer_a_draft_has_to_be() {
        let surest = |sequences| {
            (0..=100).map(|p| p as f32 / 100.0).find(|&p| Weighing::of(sequences).is_worth(p))
        };
        let alone = surest(1).expect("worth it alone");
        let beside = surest(4).expect("worth it beside some");
        assert!(alone < beside, "{alone} {beside}");
        assert_eq!(surest(16), None);
        // Each costs the same, and the next is less likely to count.
        let mut weighing = Weighing::of(1);
        let mut count = 0;
        let mut likelihood = 0.9;
        while weighing.is_worth(likelihood) {
            weighing.add(likelihood);
            likelihood *= 0.9;
            count += 1;
        }
        assert!((2..8).contains(&count), "{count}");
    }
}
