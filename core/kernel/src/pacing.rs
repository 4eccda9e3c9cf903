//! Pacing: how much may go beside streams before they are seen to stutter.
//!
//! A step that computes a chunk of a prompt takes longer than one that only decodes, and every
//! stream waits for it: the time between a stream's tokens (ITL) is the step's. Chunked prefill
//! bounds the chunk by tokens ("Sarathi-Serve", Agrawal et al., OSDI 2024); how long those take
//! depends on the model and the machine, so a bound in tokens is right for none of them. [`Pacing`]
//! is told how long steps took, and bounds the chunk by time.
//!
//! Its model of a step of `n` streams and `m` tokens besides is `alone(n) + m · each`. `alone` is
//! learnt from steps that only decode, by powers of two of their tokens; `each` from the others. `each` is
//! less in a long chunk than in a short one, and grows with the length of what is attended to, so
//! it is an average that follows, and the chunk settles where the step takes as long as it may.

use std::time::Duration;

use crate::{Invalid, Plan};

/// How long a step may take while answers are streamed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ItlTarget {
    /// [`STRETCH`] times as long as without what goes beside them, or as long as a batch of 64 tokens
    /// takes where that is longer.
    #[default]
    Auto,
    /// So long, where streams alone take less.
    Within(Duration),
}

impl ItlTarget {
    /// The longest target: a minute.
    pub const MS_MAX: u16 = 60_000;

    /// A target in milliseconds, or [`Self::Auto`] without one.
    ///
    /// # Errors
    /// [`Invalid`] naming `itl_target_ms` when it is not from 1 to [`Self::MS_MAX`].
    pub fn validate(itl_target_ms: Option<i64>) -> Result<Self, Invalid> {
        let Some(value) = itl_target_ms else { return Ok(Self::Auto) };
        match u16::try_from(value) {
            Ok(ms @ 1..=Self::MS_MAX) => Ok(Self::Within(Duration::from_millis(ms.into()))),
            _ => Err(Invalid::new(
                "itl_target_ms",
                value,
                format!("from 1 to {}", Self::MS_MAX),
                "give the milliseconds that may lie between two tokens of a stream, or leave it out \
                 for a target by what the machine takes",
            )),
        }
    }
}

/// By how much a step may become longer than decoding alone, when nothing is said: streams slow down
/// visibly but don't stop, and a prompt gets more of the machine than they do.
pub const STRETCH: f64 = 2.5;

/// Batches are of a multiple of so many tokens, or of fewer: llama.cpp's flash attention on
/// processors takes queries by tiles of 64 (`GGML_FA_TILE_Q`), and a tile of 4 takes as long.
const TILE_TOKENS: usize = 64;

/// What a prompt gets of a step at least, however short the time, that it comes to its end. When
/// nothing is said it gets the rest of a tile: the same prompt in parts of 32 takes half as long
/// again, and of 16 more than that.
const TOKENS_MIN: usize = 16;

/// Below a tile, chunks are multiples of this: each length that differs from the last step's has the
/// backend lay out its graph anew.
const TOKENS_ROUND: usize = 8;

/// Classes of numbers of tokens: 1, 2, 3 to 4, 5 to 8, and so on to 256.
const CLASSES: usize = 9;

/// What steps took, and what may go beside streams by that.
#[derive(Clone, Debug)]
pub(crate) struct Pacing {
    target: ItlTarget,
    /// Seconds of a step that only decodes, by the class of its tokens.
    alone: [Average; CLASSES],
    /// Seconds of a token that goes beside streams.
    beside: Average,
    /// Seconds of a token in a step without streams: what is known until something went beside them.
    apart: Average,
}

/// A moving average of durations, in seconds. One that lasts very long was kept by something else:
/// it counts as no more than twice what was expected.
#[derive(Clone, Copy, Debug, Default)]
struct Average(Option<f64>);

impl Average {
    /// The weight of the newest.
    const RATE: f64 = 1.0 / 8.0;

    fn add(&mut self, seconds: f64) {
        self.0 = Some(match self.0 {
            None => seconds,
            Some(mean) => mean + Self::RATE * (seconds.min(2.0 * mean) - mean),
        });
    }
}

impl Pacing {
    pub(crate) fn new(target: ItlTarget) -> Self {
        Self {
            target,
            alone: [Average::default(); CLASSES],
            beside: Average::default(),
            apart: Average::default(),
        }
    }

    /// Learns from a step that was executed.
    pub(crate) fn measured(&mut self, plan: &Plan, took: Duration) {
        let known = || plan.chunks.iter().map(|chunk| chunk.tokens.len() - chunk.drafts());
        let streams = known().filter(|&tokens| tokens == 1).count();
        let others = known().sum::<usize>() - streams;
        // With the streams' drafts.
        let tokens = plan.tokens.len();
        let took = took.as_secs_f64();
        if streams > 0 && others == 0 {
            self.alone[class(tokens)].add(took);
        } else if streams == 0 && others > 0 {
            self.apart.add(took / count(others));
        } else if others > 0
            && let Some(alone) = self.alone(streams)
        {
            // Never nothing: streams may have taken longer on their own, by chance.
            self.beside.add((took - alone).max(took / 16.0) / count(others));
        }
    }

    /// How many tokens may go beside so many streams, at most `tokens_max`; that many while nothing
    /// is known.
    pub(crate) fn tokens_beside(&self, streams: usize, tokens_max: usize) -> usize {
        let each = self.beside.0.or(self.apart.0);
        let (Some(alone), Some(each)) = (self.alone(streams), each) else { return tokens_max };
        let spare = match self.target {
            ItlTarget::Auto => alone * (STRETCH - 1.0),
            ItlTarget::Within(target) => target.as_secs_f64() - alone,
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of tokens, bounded below; casts saturate"
        )]
        let tokens = (spare / each).min(f64::from(u32::MAX)) as usize;
        let least = match self.target {
            ItlTarget::Auto => (streams + TOKENS_MIN).next_multiple_of(TILE_TOKENS) - streams,
            ItlTarget::Within(_) => TOKENS_MIN,
        };
        let tiles = (streams + tokens) / TILE_TOKENS * TILE_TOKENS;
        let whole = tiles.checked_sub(streams).filter(|&whole| whole >= TOKENS_MIN);
        whole.unwrap_or(tokens / TOKENS_ROUND * TOKENS_ROUND).max(least).min(tokens_max)
    }

    /// Seconds of a step of so many streams alone: as measured, or else as for the nearest number
    /// below that was, or above. More streams take longer, but less than by their number.
    fn alone(&self, streams: usize) -> Option<f64> {
        let class = class(streams);
        let below = self.alone[..=class].iter().rev().find_map(|average| average.0);
        below.or_else(|| self.alone[class..].iter().find_map(|average| average.0))
    }
}

fn class(streams: usize) -> usize {
    (streams.max(1).next_power_of_two().ilog2() as usize).min(CLASSES - 1)
}

#[expect(clippy::cast_precision_loss, reason = "a batch's tokens")]
fn count(tokens: usize) -> f64 {
    tokens as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SeqId, Token};

    /// A step of `streams` decodes and a chunk of `others` tokens.
    fn step(streams: u32, others: usize) -> Plan {
        let mut plan = Plan::default();
        for seq in 0..streams {
            plan.push(SeqId(seq), 7, &[Token(1)], 1);
        }
        if others > 0 {
            plan.push(SeqId(streams), 0, &vec![Token(2); others], 0);
        }
        plan
    }

    /// A machine on which a step takes 100 ms, 2 ms a stream and 1 ms a token besides.
    fn took(streams: u32, others: usize) -> Duration {
        let streams = if streams > 0 { 100 + 2 * u64::from(streams) } else { 0 };
        Duration::from_millis(streams + others as u64)
    }

    fn learnt(target: ItlTarget, steps: &[(u32, usize)]) -> Pacing {
        let mut pacing = Pacing::new(target);
        for &(streams, others) in steps {
            pacing.measured(&step(streams, others), took(streams, others));
        }
        pacing
    }

    fn within(milliseconds: u64) -> ItlTarget {
        ItlTarget::Within(Duration::from_millis(milliseconds))
    }

    #[test]
    fn what_is_not_known_bounds_nothing() {
        assert_eq!(learnt(ItlTarget::Auto, &[]).tokens_beside(4, 256), 256);
        assert_eq!(learnt(ItlTarget::Auto, &[(4, 0)]).tokens_beside(4, 256), 256);
        assert_eq!(learnt(ItlTarget::Auto, &[(0, 100)]).tokens_beside(4, 256), 256);
    }

    #[test]
    fn a_step_takes_as_long_as_it_may() {
        // Four streams take 108 ms; 162 more are for a prompt: two tiles with the streams.
        let known = [(0, 100), (4, 0)];
        assert_eq!(learnt(ItlTarget::Auto, &known).tokens_beside(4, 256), 124);
        assert_eq!(learnt(within(330), &known).tokens_beside(4, 256), 188);
        assert_eq!(learnt(within(330), &known).tokens_beside(4, 100), 100);
    }

    #[test]
    fn less_than_a_tile_is_computed_only_where_it_was_asked_for() {
        let known = [(0, 100), (4, 0)];
        let pacing = learnt(within(150), &known);
        assert_eq!(pacing.tokens_beside(4, 256), 40);
        // A token takes so long that there is time for none.
        let slow = |target| {
            let mut pacing = learnt(target, &[(4, 0)]);
            pacing.measured(&step(0, 10), Duration::from_secs(10));
            pacing
        };
        assert_eq!(slow(ItlTarget::Auto).tokens_beside(4, 256), 60);
        assert_eq!(slow(ItlTarget::Auto).tokens_beside(60, 256), 68, "not the last four of a tile");
    }

    #[test]
    fn a_prompt_always_gets_on() {
        let pacing = learnt(within(1), &[(0, 100), (4, 0)]);
        assert_eq!(pacing.tokens_beside(4, 256), TOKENS_MIN);
        assert_eq!(pacing.tokens_beside(4, 3), 3);
    }

    #[test]
    fn what_went_beside_streams_counts_more_than_what_went_without() {
        // In a long batch of its own a token takes half as long.
        let mut pacing = learnt(ItlTarget::Auto, &[(4, 0)]);
        pacing.measured(&step(0, 512), Duration::from_millis(256));
        assert_eq!(pacing.tokens_beside(4, 512), 316);
        for _ in 0..20 {
            let beside = pacing.tokens_beside(4, 512);
            pacing.measured(&step(4, beside), took(4, beside));
            pacing.measured(&step(0, 512), Duration::from_millis(256));
        }
        assert_eq!(pacing.tokens_beside(4, 512), 124);
    }

    #[test]
    fn streams_are_told_apart_by_their_number() {
        let pacing = learnt(within(250), &[(0, 100), (1, 0), (32, 0)]);
        assert_eq!(pacing.tokens_beside(1, 256), 127, "102 ms alone");
        assert_eq!(pacing.tokens_beside(32, 256), 32, "164 ms");
        assert_eq!(pacing.tokens_beside(20, 256), 44, "as 17 to 32");
        assert_eq!(pacing.tokens_beside(3, 256), 125, "as one");
        assert_eq!(pacing.tokens_beside(200, 256), 56, "as 32");
    }

    #[test]
    fn one_step_that_was_held_up_changes_little() {
        let mut pacing = learnt(ItlTarget::Auto, &[(0, 100), (4, 0)]);
        pacing.measured(&step(4, 0), Duration::from_secs(5));
        assert!(pacing.tokens_beside(4, 256) <= 188, "{pacing:?}");
    }
}
