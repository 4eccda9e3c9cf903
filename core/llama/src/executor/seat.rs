//! A sequence's place in the executor: its sampler, its constraint's matcher, and what they bring in
//! a step.

use indwell_kernel::{Draws, Matcher, RequestId, SequenceFailure, Token, TokenLogprob, TokenScore};

use crate::error::SampleError;
use crate::sampler::{Drawn, logprobs};
use crate::{Batch, Context, Lexicon, Sampler};

/// Tokens that are forced after one sample, at most; what is left is forced after the next.
const FORCED_TOKENS_MAX: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Seat {
    /// Whose it is.
    pub(super) request: Option<RequestId>,
    sampler: Option<Sampler>,
    matcher: Option<Box<dyn Matcher>>,
    /// How many likely tokens are told with each.
    top: usize,
    /// Whether a token is drawn for it in this step.
    pub(super) draws: bool,
    /// Where its logits are in this step, one place after the other; each but the last with the
    /// draft that is in the next place.
    pub(super) rows: Vec<(Row, Option<Token>)>,
    pub(super) said: Vec<Said>,
    /// The tokens of its prompt that are scored in this step, each with the logits before it.
    pub(super) scoring: Vec<(Row, Token)>,
    pub(super) scored: Option<Result<Vec<TokenScore>, SequenceFailure>>,
    /// Why it takes no part in this step's batch though it was planned.
    pub(super) failure: Option<SequenceFailure>,
    /// Whether a share with it was refused in this step.
    pub(super) is_skipped: bool,
}

/// A row of the context's logits, valid until its next decode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    logits: *const f32,
    length: usize,
}

// SAFETY: points to floats that nobody writes between a decode and the next.
unsafe impl Send for Row {}

impl Row {
    /// The logits of the batch's token at `index`.
    pub(super) fn of(context: &mut Context, batch: &Batch, index: usize) -> Option<Self> {
        let row = context.logits(batch, index)?;
        Some(Self { logits: row.as_ptr(), length: row.len() })
    }

    fn logits(&self) -> &[f32] {
        // SAFETY: the row is of this step's logits, and no decode can run while the executor is
        // borrowed for sampling.
        unsafe { std::slice::from_raw_parts(self.logits, self.length) }
    }
}

/// What a sequence goes on with.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) drawn: Drawn,
    pub(super) forced: Vec<Token>,
    /// Whether its constraint lets nothing follow.
    pub(super) is_complete: bool,
    /// Mirostat's μ after it, if the answer is drawn by it.
    pub(super) mu: Option<f64>,
}

impl Seat {
    /// A request takes the seat; of its prompt the end is known, and `answer` is what it has said
    /// already.
    pub(super) fn open(
        &mut self,
        draws: &Draws,
        lexicon: Lexicon,
        prompt: &[Token],
        answer: &[Token],
    ) {
        match Sampler::new(draws, lexicon, prompt, answer) {
            Ok(sampler) => self.sampler = Some(sampler),
            Err(error) => self.failure = Some(sampling(error)),
        }
        self.top = draws.logprobs.top();
        if let Some(constraint) = &draws.constraint {
            let mut matcher = constraint.start();
            let taken = answer.iter().try_for_each(|&token| matcher.take(token));
            self.failure = self.failure.take().or(taken.err().map(SequenceFailure::from));
            self.matcher = Some(matcher);
        }
    }

    /// The answer goes on with Mirostat's μ where it was.
    pub(super) fn set_mu(&mut self, mu: Option<f64>) {
        if let (Some(sampler), Some(mu)) = (&mut self.sampler, mu) {
            sampler.set_mu(mu);
        }
    }

    pub(super) fn begin_step(&mut self) {
        self.is_skipped = false;
        self.draws = false;
        self.rows.clear();
        self.said.clear();
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

    /// Whether `token` ends the answer by the caller's wish.
    pub(super) fn is_stop_token(&self, token: Token) -> bool {
        self.sampler.as_ref().is_some_and(|sampler| sampler.is_stop_token(token))
    }

    /// What sampling for it costs, in logits that are looked at.
    pub(super) fn cost(&self) -> usize {
        // Sums of exponentials, candidates that are built and sorted, and a matcher that goes on are
        // reckoned as 32 passes.
        let scoring: usize = self.scoring.iter().map(|(row, _)| row.length * 32).sum();
        let is_cheap = self.sampler.as_ref().is_some_and(Sampler::is_cheap);
        let passes = if is_cheap && self.matcher.is_none() { 1 } else { 32 };
        scoring + self.rows.iter().map(|(row, _)| row.length * passes).sum::<usize>()
    }

    pub(super) fn sample(&mut self) {
        if !self.scoring.is_empty() {
            let top = self.top;
            let scores = self.scoring.drain(..).map(|(row, token)| {
                let (logprob, top) = logprobs::score(row.logits(), token, top).map_err(sampling)?;
                Ok(TokenScore { chosen: TokenLogprob { token, logprob }, top })
            });
            self.scored = Some(scores.collect());
        }
        // The first that is not the draft was drawn from all that is right, and ends it.
        for at in 0..self.rows.len() {
            let (row, draft) = self.rows[at];
            match self.say(row.logits()) {
                Ok(Some(said)) => {
                    let is_right = draft == Some(said.drawn.token) && said.forced.is_empty();
                    self.said.push(said);
                    if !is_right {
                        break;
                    }
                }
                Ok(None) => break,
                Err(failure) => {
                    self.failure = Some(failure);
                    break;
                }
            }
        }
        self.rows.clear();
    }

    fn say(&mut self, logits: &[f32]) -> Result<Option<Said>, SequenceFailure> {
        let Some(sampler) = &mut self.sampler else { return Ok(None) };
        let Some(matcher) = &mut self.matcher else {
            let drawn = sampler.draw(logits, None).map_err(sampling)?;
            sampler.take(drawn.token);
            let mu = sampler.mu();
            return Ok(Some(Said { drawn, forced: Vec::new(), is_complete: false, mu }));
        };
        let drawn = sampler.draw(logits, Some(matcher.mask()?)).map_err(sampling)?;
        sampler.take(drawn.token);
        matcher.take(drawn.token)?;
        let mut forced = Vec::new();
        if sampler.may_be_forced() {
            matcher.force(FORCED_TOKENS_MAX, &mut forced)?;
            forced.iter().for_each(|&token| sampler.take(token));
        }
        let (is_complete, mu) = (matcher.is_complete(), sampler.mu());
        Ok(Some(Said { drawn, forced, is_complete, mu }))
    }
}

fn sampling(error: SampleError) -> SequenceFailure {
    SequenceFailure::Sampling(error.to_string())
}
