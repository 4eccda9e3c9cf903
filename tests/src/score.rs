//! How likely an answer is when it is computed alone: one token at a time, one sequence, with
//! no engine around it.

use std::path::Path;
use std::sync::Arc;

use indwell::TokenLogprob;
use indwell_kernel::{SeqId, Token};
use indwell_llama::{Batch, Context, ContextParams, Model, ModelParams};

const CONTEXT_TOKENS: u32 = 1024;
const SEQ: SeqId = SeqId(0);

/// The most that a token's log-probability may differ between an answer computed in a batch and
/// the same tokens computed alone.
///
/// llama.cpp's kernels depend on the batch's shape: products with one row and with several take
/// different code, and flash attention splits its sums by the number of rows. On weights of 4
/// bits this moved logits of the default model by up to 0.49 where we measured it, and a
/// log-probability moves by at most twice the largest change of a logit. Answers mixed up between
/// callers are further off by several units, as a test of `concurrency` shows.
const DIFFERENCE_MAX: f32 = 1.0;

/// The most by which another token may be likelier, computed alone, than the one that was taken
/// in the batch: both tokens' log-probabilities may have moved.
const MARGIN_MAX: f32 = 2.0 * DIFFERENCE_MAX;

/// Computes answers alone, on a context of its own.
#[derive(Debug)]
pub struct Scorer {
    model: Arc<Model>,
    context: Context,
    batch: Batch,
}

/// How an answer computed elsewhere compares with what is computed here. Log-probabilities are
/// natural logarithms.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    /// The largest difference between a token's log-probability there and here.
    pub difference: f32,
    /// The largest margin by which another token is likelier here than the one chosen there.
    pub margin: f32,
}

impl Score {
    /// Whether the answer may be the one that is computed alone: both differences are within what
    /// other batches bring about.
    #[must_use]
    pub fn agrees(self) -> bool {
        self.difference <= DIFFERENCE_MAX && self.margin <= MARGIN_MAX
    }

    /// The worse of two, difference and margin each.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        Self {
            difference: self.difference.max(other.difference),
            margin: self.margin.max(other.margin),
        }
    }
}

impl Scorer {
    /// A scorer on the model at `path`.
    ///
    /// # Panics
    /// When it can't be loaded.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        let model = Model::load(path, ModelParams::default(), |_| {}).expect("the model");
        let model = Arc::new(model);
        let params = ContextParams {
            context_tokens: CONTEXT_TOKENS,
            batch_tokens: CONTEXT_TOKENS,
            sequences_max: 1,
            residents_max: 0,
            threads: 2,
            flash_attention: None,
        };
        let context = Context::new(Arc::clone(&model), params).expect("a context");
        Self { model, context, batch: Batch::new(CONTEXT_TOKENS as usize) }
    }

    /// Scores `answer` as the greedy continuation of `prompt`.
    ///
    /// # Panics
    /// When they are longer than 1024 tokens together.
    #[must_use]
    pub fn score(&mut self, prompt: &str, answer: &[TokenLogprob]) -> Score {
        self.context.release(SEQ);
        let prompt = self.model.vocabulary().tokenize(prompt, true, false);
        let mut logits = self.decode(0, &prompt);
        let mut score = Score::default();
        for (position, chosen) in (prompt.len()..).zip(answer) {
            let log_sum = log_sum_exp(&logits);
            let best = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max) - log_sum;
            let logprob = logits[usize::try_from(chosen.token).expect("a token")] - log_sum;
            score.difference = score.difference.max((logprob - chosen.logprob).abs());
            score.margin = score.margin.max(best - logprob);
            logits = self.decode(position, &[Token(chosen.token)]);
        }
        score
    }

    /// The log-probability of each token of a prompt but the first, after those before it.
    ///
    /// # Panics
    /// When they are more than 1024.
    #[must_use]
    pub fn prompt(&mut self, tokens: &[i32]) -> Vec<f32> {
        self.context.release(SEQ);
        let pairs = tokens.iter().zip(&tokens[1..]).enumerate();
        pairs
            .map(|(position, (&token, &next))| {
                let logits = self.decode(position, &[Token(token)]);
                logits[usize::try_from(next).expect("a token")] - log_sum_exp(&logits)
            })
            .collect()
    }

    /// Computes `tokens` from `position` on; the logits after the last one.
    fn decode(&mut self, position: usize, tokens: &[Token]) -> Vec<f32> {
        self.batch.clear();
        for (at, &token) in tokens.iter().enumerate() {
            let position = u32::try_from(position + at).expect("a short text");
            let last = at + 1 == tokens.len();
            self.batch.push(SEQ, position, token, last).expect("a short text");
        }
        self.context.decode(&mut self.batch).expect("computed");
        self.context.logits(&self.batch, tokens.len() - 1).expect("asked for").to_vec()
    }
}

fn log_sum_exp(logits: &[f32]) -> f32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| f64::from((logit - largest).exp())).sum();
    #[expect(clippy::cast_possible_truncation, reason = "compared with an f32")]
    let log_sum = sum.ln() as f32;
    largest + log_sum
}
