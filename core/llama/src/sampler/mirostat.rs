//! Mirostat 1 and 2: which tokens are kept follows from how surprising the answer may be now.
//!
//! Formulas as in llama.cpp (`llama_sampler_mirostat_apply`, `llama_sampler_mirostat_v2_apply`), with
//! which they are compared in tests. Its own are not used, for they draw from generators that can't be
//! set to a place in the answer, and the first casts a k beyond an `int` to one, so that an answer
//! which may be ever more surprising becomes greedy for good.
//!
//! μ is learnt from all earlier draws of the answer and begins at 2τ. It is not in the answer's tokens:
//! whoever opens a sampler anew for an answer that has begun sets it.

use indwell_kernel::{Mirostat, MirostatVersion, Token};

use super::candidates::Candidates;

/// Tokens from which the distribution's shape is estimated (llama.cpp's m).
const ESTIMATED_FROM: usize = 100;

/// Mirostat on one answer.
#[derive(Debug)]
pub(super) struct Surprise {
    mirostat: Mirostat,
    /// How surprising the next token may be, in bits.
    mu: f64,
    vocabulary_tokens: usize,
}

impl Surprise {
    pub(super) fn new(mirostat: Mirostat, vocabulary_tokens: usize) -> Self {
        Self { mirostat, mu: 2.0 * f64::from(mirostat.tau), vocabulary_tokens }
    }

    pub(super) fn mu(&self) -> f64 {
        self.mu
    }

    pub(super) fn set_mu(&mut self, mu: f64) {
        self.mu = mu;
    }

    /// Draws one of `candidates` by `share`, a random number from 0, below 1, and learns from it.
    pub(super) fn draw(&mut self, candidates: &mut Candidates, share: f64) -> Token {
        self.keep(candidates);
        let (token, probability) = candidates.draw(share);
        let surprise = -probability.log2();
        self.mu -= f64::from(self.mirostat.eta) * (surprise - f64::from(self.mirostat.tau));
        token
    }

    /// Leaves out what is too surprising.
    pub(super) fn keep(&self, candidates: &mut Candidates) {
        match self.mirostat.version {
            MirostatVersion::V1 => {
                candidates.sort();
                let k = self.count(candidates);
                candidates.keep_largest(k);
            }
            MirostatVersion::V2 => {
                let largest = f64::from(candidates.largest());
                let weights =
                    candidates.left().iter().map(|c| (f64::from(c.logit) - largest).exp());
                let sum: f64 = weights.sum();
                // −log2 p ≤ μ, with p = exp(l − largest) / sum.
                let least = largest + sum.ln() - self.mu * std::f64::consts::LN_2;
                let least = least.min(largest);
                candidates.keep(|candidate| f64::from(candidate.logit) >= least);
            }
        }
    }

    /// How many tokens version 1 keeps of candidates whose logits descend:
    /// `((s − 1) 2^μ / (1 − n^(1 − s)))^(1 / s)`, `s` being the exponent of the power law through the
    /// likeliest.
    fn count(&self, candidates: &Candidates) -> usize {
        let left = candidates.left();
        let (mut sum_tb, mut sum_tt) = (0.0, 0.0);
        for (i, pair) in (1..).zip(left.windows(2)).take(ESTIMATED_FROM - 1) {
            let t = f64::ln(f64::from(i + 1) / f64::from(i));
            let b = f64::from(pair[0].logit) - f64::from(pair[1].logit);
            sum_tb += t * b;
            sum_tt += t * t;
        }
        if sum_tt == 0.0 {
            return 1;
        }
        let s: f64 = sum_tb / sum_tt;
        let epsilon = s - 1.0;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let n = self.vocabulary_tokens as f64;
        let norm = if epsilon.abs() < 1e-9 { n.ln() } else { (1.0 - n.powf(-epsilon)) / epsilon };
        let k = (self.mu.exp2() / norm).powf(1.0 / s);
        if k.is_nan() {
            return 1;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let k = k as usize;
        k.clamp(1, left.len())
    }
}
