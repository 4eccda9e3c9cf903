//! A sequence's place in the executor: its sampler, its constraint's matcher, and what they bring in
//! a step.

use indwell_kernel::{Draws, Matcher, SequenceFailure, Token};

use crate::Sampler;
use crate::error::SampleError;
use crate::sampler::Drawn;

/// Tokens that are forced after one sample, at most; what is left is forced after the next.
const FORCED_TOKENS_MAX: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Seat {
    sampler: Option<Sampler>,
    matcher: Option<Box<dyn Matcher>>,
    /// Whether tokens that must come are taken without drawing.
    forces: bool,
    /// Whether a token is drawn for it in this step.
    pub(super) draws: bool,
    /// Where its logits are in this step.
    pub(super) row: Option<Row>,
    pub(super) said: Option<Result<Said, SequenceFailure>>,
    /// Why it takes no part in this step's batch though it was planned.
    pub(super) failure: Option<SequenceFailure>,
    /// Whether a share with it was refused in this step.
    pub(super) is_skipped: bool,
}

/// A row of the context's logits, valid until its next decode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) logits: *const f32,
    pub(super) length: usize,
}

// SAFETY: points to floats that nobody writes between a decode and the next.
unsafe impl Send for Row {}

/// What a sequence goes on with.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) drawn: Drawn,
    pub(super) forced: Vec<Token>,
    /// Whether its constraint lets nothing follow.
    pub(super) is_complete: bool,
}

impl Seat {
    /// A request takes the seat; `answer` is what it has said already.
    pub(super) fn open(&mut self, draws: &Draws, answer: &[Token], vocabulary_size: usize) {
        match Sampler::new(&draws.sampling, draws.logprobs.is_any(), vocabulary_size) {
            Ok(sampler) => self.sampler = Some(sampler),
            Err(error) => self.failure = Some(sampling(error)),
        }
        // A token that is not drawn has no log-probability.
        self.forces = !draws.logprobs.is_any();
        if let Some(constraint) = &draws.constraint {
            let mut matcher = constraint.start();
            let taken = answer.iter().try_for_each(|&token| matcher.take(token));
            self.failure = self.failure.take().or(taken.err().map(SequenceFailure::from));
            self.matcher = Some(matcher);
        }
    }

    pub(super) fn begin_step(&mut self) {
        self.is_skipped = false;
        self.draws = false;
    }

    pub(super) fn takes_part(&self) -> bool {
        self.failure.is_none() && !self.is_skipped
    }

    pub(super) fn needs_mask(&self) -> bool {
        self.draws && self.matcher.is_some()
    }

    /// Finds out what its constraint allows next, so that drawing need not.
    pub(super) fn prepare_mask(&mut self) {
        if let Some(matcher) = &mut self.matcher {
            // A failure comes again when a token is drawn, and is told then.
            let _ = matcher.mask();
        }
    }

    /// What drawing for it costs, in logits that are looked at.
    pub(super) fn cost(&self) -> usize {
        let Some(row) = self.row else { return 0 };
        let is_cheap = self.sampler.as_ref().is_some_and(Sampler::is_cheap);
        // A chain builds and sorts candidates, and a matcher goes on: reckoned as 32 passes.
        if is_cheap && self.matcher.is_none() { row.length } else { row.length * 32 }
    }

    pub(super) fn sample(&mut self) {
        let Some(row) = self.row.take() else { return };
        // SAFETY: the executor pointed the row at this step's logits, and no decode can run while
        // it is borrowed for sampling.
        let logits = unsafe { std::slice::from_raw_parts(row.logits, row.length) };
        self.said = self.say(logits).transpose();
    }

    fn say(&mut self, logits: &[f32]) -> Result<Option<Said>, SequenceFailure> {
        let Some(sampler) = &mut self.sampler else { return Ok(None) };
        let Some(matcher) = &mut self.matcher else {
            let drawn = sampler.draw(logits, None).map_err(sampling)?;
            return Ok(Some(Said { drawn, forced: Vec::new(), is_complete: false }));
        };
        let drawn = sampler.draw(logits, Some(matcher.mask()?)).map_err(sampling)?;
        matcher.take(drawn.token)?;
        let mut forced = Vec::new();
        if self.forces {
            matcher.force(FORCED_TOKENS_MAX, &mut forced)?;
        }
        let is_complete = matcher.is_complete();
        Ok(Some(Said { drawn, forced, is_complete }))
    }
}

fn sampling(error: SampleError) -> SequenceFailure {
    SequenceFailure::Sampling(error.to_string())
}
