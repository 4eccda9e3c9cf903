//! Logits to a token, for one answer.
//!
//! The order is llama.cpp's, or the caller's: what may not be said (a constraint's mask, bans, ends
//! that come too early) and biases; the samplers; the draw. Greedy sampling with nothing else asked
//! for is one pass over the logits, without llama.cpp's array of candidates. Draws depend on the seed
//! and on their place in the answer ([`random`]), so they are the same in every batch and after a
//! preemption; what else looks back (penalties, bans) does so at the tokens of the answer, which whoever
//! opens a sampler gives it. Mirostat's μ alone is in neither: it is read and set.
//!
//! | module | owns |
//! |---|---|
//! | `greedy` | the largest logit |
//! | `rules` | which tokens may come next, and biases |
//! | `bans` | texts that never appear |
//! | `history` | the last tokens; repetition, frequency and presence penalties |
//! | `dry` | penalties for going on with a repetition |
//! | `candidates` | what may still be drawn, in llama.cpp's form |
//! | `filters` | llama.cpp's own samplers, and what each needs |
//! | `mirostat` | Mirostat 1 and 2 |
//! | `random` | numbers by seed and place |
//! | `logprobs` | log-probabilities, and the likeliest tokens |

mod bans;
mod candidates;
mod dry;
mod filters;
mod greedy;
mod history;
pub(crate) mod logprobs;
mod mirostat;
mod random;
mod rules;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use indwell_kernel::{
    Draws, Logprobs, SamplerKind, SamplingParams, Token, TokenLogprob, TokenMask,
};

use self::candidates::Candidates;
pub use self::dry::Breakers;
use self::dry::Repeats;
use self::filters::Filter;
use self::history::{History, Repetition};
use self::mirostat::Surprise;
use self::random::{Purpose, uniform};
use self::rules::{Minimum, Rules};
use crate::error::SampleError;
use crate::model::Model;
use crate::pieces::Pieces;

/// What drawing needs of a vocabulary.
#[derive(Clone, Debug)]
pub struct Lexicon {
    /// How many tokens it has.
    pub tokens: usize,
    /// Tokens that are never drawn.
    pub suppressed: Vec<Token>,
    /// Its pieces, where bans or ends of answers need them.
    pub pieces: Option<Arc<Pieces>>,
    /// DRY's sequence breakers, where it acts.
    pub breakers: Arc<Breakers>,
}

impl Lexicon {
    /// What `params` need of a model's vocabulary.
    ///
    /// # Blocking
    /// The first that needs the pieces waits while they are written out: some 10 ms.
    #[must_use]
    pub fn of(model: &Model, params: &SamplingParams) -> Self {
        let vocabulary = model.vocabulary();
        let needs_breakers = params.acts(SamplerKind::Dry) && !params.dry.breakers.is_empty();
        Self {
            tokens: vocabulary.size() as usize,
            suppressed: vocabulary.suppressed(),
            pieces: Rules::need_pieces(&params.tokens).then(|| Arc::clone(model.pieces())),
            breakers: if needs_breakers {
                model.breakers(&params.dry.breakers)
            } else {
                Arc::default()
            },
        }
    }
}

/// Draws the tokens of one answer.
#[derive(Debug)]
pub struct Sampler {
    logprobs: Logprobs,
    is_greedy: bool,
    seed: u32,
    /// Tokens of the answer so far.
    said: u32,
    rules: Rules,
    history: History,
    /// In the order they act.
    steps: Vec<Step>,
    /// In place of a plain draw.
    surprise: Option<Surprise>,
    xtc_probability: f64,
    /// Logits that are edited, kept for their room.
    edited: Vec<f32>,
    candidates: Candidates,
}

/// A sampler that acts.
#[derive(Debug)]
enum Step {
    Repetition(Repetition),
    Repeats(Repeats),
    Filter(Filter),
}

/// A token with what was asked for of its probability.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The token.
    pub token: Token,
    /// ln p(token) under the model: the logit less the logits' log-sum-exp, before any filter.
    pub logprob: Option<f32>,
    /// The likeliest tokens in its place, likeliest first.
    pub top: Vec<TokenLogprob>,
}

impl Sampler {
    /// A sampler for an answer to `prompt`, of which the last tokens are enough, that has come to
    /// `answer` so far.
    ///
    /// # Errors
    /// [`SampleError::NoSampler`] when llama.cpp can't make one.
    pub fn new(
        draws: &Draws,
        lexicon: Lexicon,
        prompt: &[Token],
        answer: &[Token],
    ) -> Result<Self, SampleError> {
        let params = draws.sampling.canonical();
        let mut steps = Vec::with_capacity(params.order.len());
        for &kind in &params.order {
            steps.push(match kind {
                SamplerKind::Penalties => Step::Repetition(Repetition::new(params.penalties)),
                SamplerKind::Dry => {
                    let breakers = Arc::clone(&lexicon.breakers);
                    Step::Repeats(Repeats::new(params.dry.clone(), breakers))
                }
                _ => match Filter::new(kind, &params)? {
                    Some(filter) => Step::Filter(filter),
                    None => continue,
                },
            });
        }
        let mut sampler = Self {
            logprobs: draws.logprobs,
            is_greedy: params.is_greedy(),
            seed: params.seed,
            said: 0,
            history: History::new(params.looks_back()),
            steps,
            surprise: params.mirostat.map(|mirostat| Surprise::new(mirostat, lexicon.tokens)),
            xtc_probability: params.xtc.probability.into(),
            rules: Rules::new(&params.tokens, lexicon.suppressed, lexicon.pieces),
            edited: Vec::new(),
            candidates: Candidates::default(),
        };
        prompt.iter().for_each(|&token| sampler.remember(token));
        answer.iter().for_each(|&token| sampler.take(token));
        Ok(sampler)
    }

    /// Mirostat's μ so far, in bits: all that is learnt from draws and not told by their tokens.
    /// `None` without Mirostat.
    #[must_use]
    pub fn mu(&self) -> Option<f64> {
        self.surprise.as_ref().map(Surprise::mu)
    }

    /// Goes on with μ as [`Self::mu`] told it of another sampler for the same answer. Without
    /// Mirostat there is nothing to do.
    pub fn set_mu(&mut self, mu: f64) {
        if let Some(surprise) = &mut self.surprise {
            surprise.set_mu(mu);
        }
    }

    /// Whether a draw is only a pass over the logits.
    #[must_use]
    pub fn is_cheap(&self) -> bool {
        self.is_plain() && !self.logprobs.is_any()
    }

    fn is_plain(&self) -> bool {
        self.is_greedy && self.steps.is_empty() && self.rules.are_silent(self.said)
    }

    /// Whether tokens that a constraint forces may be taken without asking: not where each has a
    /// log-probability to be told, or may be banned.
    #[must_use]
    pub fn may_be_forced(&self) -> bool {
        !self.logprobs.is_any() && !self.rules.may_forbid()
    }

    /// Whether `token` ends the answer by the caller's wish, and is no part of it.
    #[must_use]
    pub fn is_stop_token(&self, token: Token) -> bool {
        self.rules.ends(token)
    }

    /// The answer goes on with `token`, drawn or forced.
    pub fn take(&mut self, token: Token) {
        self.said = self.said.saturating_add(1);
        self.rules.take(token);
        self.remember(token);
    }

    fn remember(&mut self, token: Token) {
        for step in &mut self.steps {
            if let Step::Repetition(repetition) = step {
                repetition.count(token, &self.history);
            }
        }
        self.history.push(token);
    }

    /// Draws a token from `logits`, one a vocabulary entry; only from those of `mask`, if there is
    /// one. Where it leaves nothing but an end, a minimum of tokens does not keep it from coming.
    ///
    /// # Errors
    /// [`SampleError::NotFinite`] for logits that hold NaN or nothing finite, and
    /// [`SampleError::NoCandidate`] when the mask and what is banned leave nothing.
    pub fn draw(&mut self, logits: &[f32], mask: Option<&TokenMask>) -> Result<Drawn, SampleError> {
        let token = match self.choose(logits, mask, Minimum::Heeded) {
            Err(SampleError::NoCandidate)
                if mask.is_some() && self.rules.have_minimum(self.said) =>
            {
                self.choose(logits, mask, Minimum::Lifted)?
            }
            chosen => chosen?,
        };
        if !self.logprobs.is_any() {
            return Ok(Drawn { token, logprob: None, top: Vec::new() });
        }
        let (logprob, top) = logprobs::score(logits, token, self.logprobs.top())?;
        Ok(Drawn { token, logprob: Some(logprob), top })
    }

    fn choose(
        &mut self,
        logits: &[f32],
        mask: Option<&TokenMask>,
        minimum: Minimum,
    ) -> Result<Token, SampleError> {
        // What follows assumes comparable logits; this also finds NaN.
        let likeliest = greedy::largest(logits)?;
        if self.is_plain() {
            return match mask {
                Some(mask) if !mask.allows(as_token(likeliest)) => {
                    greedy::largest_of(logits, mask).map(as_token)
                }
                _ => Ok(as_token(likeliest)),
            };
        }
        let logits = if self.rules.are_silent(self.said) && !self.is_greedy {
            logits
        } else {
            self.edited.clear();
            self.edited.extend_from_slice(logits);
            self.rules.edit(&mut self.edited, self.said, minimum);
            &self.edited
        };
        if self.is_greedy {
            return self.choose_greedily(mask);
        }
        self.candidates.fill(logits, mask)?;
        self.filter()?;
        let share = uniform(self.seed, Purpose::Token, self.said);
        Ok(match &mut self.surprise {
            Some(surprise) => surprise.draw(&mut self.candidates, share),
            None => self.candidates.draw(share).0,
        })
    }

    /// The likeliest of the edited logits, after penalties.
    fn choose_greedily(&mut self, mask: Option<&TokenMask>) -> Result<Token, SampleError> {
        let edited = &mut self.edited;
        let mut edit = |token: Token, change: &dyn Fn(f32) -> f32| {
            if let Some(logit) = usize::try_from(token.0).ok().and_then(|at| edited.get_mut(at)) {
                *logit = change(*logit);
            }
        };
        for step in &mut self.steps {
            match step {
                Step::Repetition(repetition) => {
                    for (&token, &count) in repetition.counts() {
                        edit(token, &|logit| repetition.penalized(logit, count));
                    }
                }
                Step::Repeats(repeats) => {
                    let said = self.history.last(repeats.looks_back());
                    for (&token, penalty) in repeats.penalties(said) {
                        edit(token, &|logit| logit - penalty);
                    }
                }
                Step::Filter(_) => {}
            }
        }
        let likeliest = match mask {
            Some(mask) => greedy::largest_of(edited, mask),
            // Logits were finite before what is banned was left out.
            None => greedy::largest(edited).map_err(|_| SampleError::NoCandidate),
        };
        likeliest.map(as_token)
    }

    /// Lets the samplers act on the candidates, in their order.
    fn filter(&mut self) -> Result<(), SampleError> {
        let candidates = &mut self.candidates;
        for step in &mut self.steps {
            match step {
                Step::Repetition(repetition) => {
                    let change = |logit, &count: &u32| repetition.penalized(logit, count);
                    candidates.edit(repetition.counts(), change);
                    candidates.settle()?;
                }
                Step::Repeats(repeats) => {
                    let said = self.history.last(repeats.looks_back());
                    candidates.edit(repeats.penalties(said), |logit, penalty| logit - penalty);
                    candidates.settle()?;
                }
                Step::Filter(filter) => {
                    let skips = filter.kind() == SamplerKind::Xtc
                        && uniform(self.seed, Purpose::Xtc, self.said) >= self.xtc_probability;
                    if !skips {
                        filter.apply(candidates)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn as_token(index: usize) -> Token {
    Token(i32::try_from(index).unwrap_or(i32::MAX))
}
