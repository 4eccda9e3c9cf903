//! Logits to a token, for one sequence.
//!
//! Greedy sampling is one pass over the logits, without llama.cpp's array of candidates. All
//! else goes through a chain of llama.cpp's samplers in llama.cpp's order: top-k, top-p, min-p,
//! temperature, draw.

use std::ptr::NonNull;

use indwell_kernel::{SamplingParams, Token, TokenMask};
use llama_cpp_sys_2 as sys;

use crate::error::SampleError;

/// Draws the tokens of one sequence.
#[derive(Debug)]
pub struct Sampler {
    logprobs: bool,
    draw: Draw,
}

#[derive(Debug)]
enum Draw {
    Greedy,
    Chain { chain: Chain, candidates: Vec<sys::llama_token_data> },
}

/// A token with its log-probability, if it was asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// The token.
    pub token: Token,
    /// ln p(token) under the model: the logit less the logits' log-sum-exp, before any filter.
    pub logprob: Option<f32>,
}

impl Sampler {
    /// A sampler for a sequence on a vocabulary of `vocabulary_size` tokens.
    ///
    /// # Errors
    /// [`SampleError::NoSampler`] when llama.cpp can't make one.
    pub fn new(
        params: &SamplingParams,
        logprobs: bool,
        vocabulary_size: usize,
    ) -> Result<Self, SampleError> {
        let draw = if params.is_greedy() {
            Draw::Greedy
        } else {
            let candidates = Vec::with_capacity(vocabulary_size);
            Draw::Chain { chain: Chain::new(params)?, candidates }
        };
        Ok(Self { logprobs, draw })
    }

    /// Whether a draw is only a pass over the logits.
    #[must_use]
    pub fn is_cheap(&self) -> bool {
        matches!(self.draw, Draw::Greedy) && !self.logprobs
    }

    /// Draws a token from `logits`, one a vocabulary entry; only from those of `mask`, if there is
    /// one.
    ///
    /// # Errors
    /// [`SampleError::NotFinite`] for logits that hold NaN or nothing finite, and
    /// [`SampleError::NoCandidate`] when the mask and the filters leave nothing.
    pub fn draw(&mut self, logits: &[f32], mask: Option<&TokenMask>) -> Result<Drawn, SampleError> {
        // llama.cpp's samplers assume comparable logits; this also finds NaN.
        let likeliest = greedy(logits)?;
        let token = match &mut self.draw {
            Draw::Greedy => match mask {
                Some(mask) if !mask.allows(as_token(likeliest)) => greedy_of(logits, mask)?,
                _ => likeliest,
            },
            Draw::Chain { chain, candidates } => {
                let as_candidate =
                    |(id, &logit): (i32, &f32)| sys::llama_token_data { id, logit, p: 0.0 };
                candidates.clear();
                match mask {
                    None => candidates.extend((0..).zip(logits).map(as_candidate)),
                    Some(mask) => candidates.extend(mask.tokens().filter_map(|token| {
                        let logit = logits.get(usize::try_from(token.0).ok()?)?;
                        Some(as_candidate((token.0, logit)))
                    })),
                }
                if candidates.is_empty() {
                    return Err(SampleError::NoCandidate);
                }
                chain.apply(candidates)?
            }
        };
        let logprob = self.logprobs.then(|| logprob(logits, token));
        Ok(Drawn { token: as_token(token), logprob })
    }
}

fn as_token(index: usize) -> Token {
    Token(i32::try_from(index).unwrap_or(i32::MAX))
}

/// The index of the largest logit of those in `mask`; of several, the first.
fn greedy_of(logits: &[f32], mask: &TokenMask) -> Result<usize, SampleError> {
    let mut best = None;
    for (block, (values, &word)) in logits.chunks(32).zip(mask.words()).enumerate() {
        let largest = best.map_or(f32::NEG_INFINITY, |(largest, _)| largest);
        // Most words are empty, or the maximum of all their values is none to go for.
        if word == 0 || !values.iter().any(|&value| value > largest) {
            continue;
        }
        for (bit, &value) in values.iter().enumerate() {
            if word >> bit & 1 == 1 && best.is_none_or(|(largest, _)| value > largest) {
                best = Some((value, block * 32 + bit));
            }
        }
    }
    match best {
        Some((logit, index)) if logit.is_finite() => Ok(index),
        _ => Err(SampleError::NoCandidate),
    }
}

/// The index of the largest logit; of several, the first.
fn greedy(logits: &[f32]) -> Result<usize, SampleError> {
    // Blocks first: the maximum of a block compiles to vector instructions, and only the block
    // that holds the maximum is searched.
    const BLOCK: usize = 256;
    let mut best = (f32::NEG_INFINITY, 0);
    let mut sum_of_nothing = 0.0_f32;
    for (block, values) in logits.chunks(BLOCK).enumerate() {
        let mut lanes = [f32::NEG_INFINITY; 8];
        let mut nans = [0.0_f32; 8];
        let (eights, rest) = values.as_chunks::<8>();
        for eight in eights {
            for lane in 0..8 {
                lanes[lane] = if eight[lane] > lanes[lane] { eight[lane] } else { lanes[lane] };
                // 0 for every number, NaN for NaN; infinities are kept out by the clamp.
                nans[lane] += eight[lane].clamp(-1.0, 1.0) * 0.0;
            }
        }
        for &value in rest {
            lanes[0] = if value > lanes[0] { value } else { lanes[0] };
            nans[0] += value.clamp(-1.0, 1.0) * 0.0;
        }
        let largest = lanes.into_iter().fold(f32::NEG_INFINITY, f32::max);
        sum_of_nothing += nans.into_iter().sum::<f32>();
        if largest > best.0 {
            best = (largest, block);
        }
    }
    if sum_of_nothing.is_nan() || !best.0.is_finite() {
        return Err(SampleError::NotFinite);
    }
    let start = best.1 * BLOCK;
    let within = logits[start..].iter().position(|&value| value == best.0);
    Ok(start + within.expect("the block holds its maximum"))
}

/// `ln softmax(logits)[token]`, summed in double precision against the largest logit.
fn logprob(logits: &[f32], token: usize) -> f32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| f64::from((logit - largest).exp())).sum();
    #[expect(clippy::cast_possible_truncation, reason = "callers are told an f32")]
    let log_sum = sum.ln() as f32;
    logits[token] - largest - log_sum
}

/// An owned chain of llama.cpp's samplers.
#[derive(Debug)]
struct Chain(NonNull<sys::llama_sampler>);

// SAFETY: a chain has no thread affinity, and `&mut self` keeps it to one thread at a time.
unsafe impl Send for Chain {}

impl Chain {
    fn new(params: &SamplingParams) -> Result<Self, SampleError> {
        // SAFETY: plain data in, an owned chain out, null on failure.
        let chain = unsafe {
            sys::llama_sampler_chain_init(sys::llama_sampler_chain_params { no_perf: true })
        };
        let chain = Self(NonNull::new(chain).ok_or(SampleError::NoSampler)?);
        // SAFETY: each init takes plain, validated values and gives an owned sampler.
        unsafe {
            if params.top_k > 0 {
                let k = i32::try_from(params.top_k).unwrap_or(i32::MAX);
                chain.add(sys::llama_sampler_init_top_k(k))?;
            }
            if params.top_p < 1.0 {
                chain.add(sys::llama_sampler_init_top_p(params.top_p, 1))?;
            }
            if params.min_p > 0.0 {
                chain.add(sys::llama_sampler_init_min_p(params.min_p, 1))?;
            }
            chain.add(sys::llama_sampler_init_temp(params.temperature))?;
            chain.add(sys::llama_sampler_init_dist(params.seed))?;
        }
        Ok(chain)
    }

    /// Adds `sampler`, which the chain then owns.
    ///
    /// # Safety
    /// `sampler` is null or an owned sampler of llama.cpp.
    unsafe fn add(&self, sampler: *mut sys::llama_sampler) -> Result<(), SampleError> {
        if sampler.is_null() {
            return Err(SampleError::NoSampler);
        }
        // SAFETY: the chain is alive, and takes the sampler over.
        unsafe { sys::llama_sampler_chain_add(self.0.as_ptr(), sampler) };
        Ok(())
    }

    /// Filters `candidates` and draws one: its token id as an index.
    fn apply(&mut self, candidates: &mut Vec<sys::llama_token_data>) -> Result<usize, SampleError> {
        let mut array = sys::llama_token_data_array {
            data: candidates.as_mut_ptr(),
            size: candidates.len(),
            selected: -1,
            sorted: false,
        };
        // SAFETY: the chain is alive; the array describes `candidates`, whose logits hold no NaN.
        unsafe { sys::llama_sampler_apply(self.0.as_ptr(), &raw mut array) };
        let selected = usize::try_from(array.selected).map_err(|_| SampleError::NoCandidate)?;
        if selected >= array.size || array.data.is_null() {
            return Err(SampleError::NoCandidate);
        }
        // SAFETY: `data` (which a sampler may have replaced) holds `size` candidates.
        let id = unsafe { (*array.data.add(selected)).id };
        usize::try_from(id).map_err(|_| SampleError::NoCandidate)
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // SAFETY: owned and freed once; frees its samplers too.
        unsafe { sys::llama_sampler_free(self.0.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(params: &SamplingParams, logits: &[f32]) -> Result<Drawn, SampleError> {
        Sampler::new(params, true, logits.len()).expect("a sampler").draw(logits, None)
    }

    fn random(temperature: f32, seed: u32) -> SamplingParams {
        SamplingParams { temperature, seed, ..SamplingParams::greedy() }
    }

    #[test]
    fn greedy_takes_the_first_of_the_largest() {
        let mut logits = vec![0.0; 1000];
        logits[613] = 3.0;
        logits[900] = 3.0;
        let drawn = draw(&SamplingParams::greedy(), &logits).expect("a token");
        assert_eq!(drawn.token, Token(613));
        let expected = 3.0 - (998.0 + 2.0 * 3.0_f64.exp()).ln() as f32;
        assert!((drawn.logprob.expect("asked for") - expected).abs() < 1e-5);
    }

    #[test]
    fn logits_that_are_no_numbers_are_refused() {
        for bad in [f32::NAN, f32::INFINITY] {
            let mut logits = vec![0.0; 300];
            logits[299] = bad;
            for params in [SamplingParams::greedy(), random(1.0, 1)] {
                assert_eq!(draw(&params, &logits), Err(SampleError::NotFinite), "{bad}");
            }
        }
        let nothing = vec![f32::NEG_INFINITY; 300];
        assert_eq!(draw(&SamplingParams::greedy(), &nothing), Err(SampleError::NotFinite));
        assert!(draw(&SamplingParams::greedy(), &[]).is_err());
    }

    #[test]
    fn only_tokens_of_the_mask_are_drawn() {
        let logits: Vec<f32> = (0..100_u8).map(f32::from).collect();
        let mask = TokenMask::from_words(vec![1 << 7 | 1 << 9, 1 << 3, 0, 0]);
        let mut greedy = Sampler::new(&SamplingParams::greedy(), false, 100).expect("a sampler");
        let drawn = greedy.draw(&logits, Some(&mask)).expect("a token");
        assert_eq!(drawn.token, Token(35));
        for seed in 0..50 {
            let mut sampler = Sampler::new(&random(50.0, seed), false, 100).expect("a sampler");
            let drawn = sampler.draw(&logits, Some(&mask)).expect("a token");
            assert!(mask.allows(drawn.token), "{:?}", drawn.token);
        }
        let nothing = TokenMask::from_words(vec![0; 4]);
        for params in [SamplingParams::greedy(), random(1.0, 1)] {
            let mut sampler = Sampler::new(&params, false, 100).expect("a sampler");
            let drawn = sampler.draw(&logits, Some(&nothing));
            assert_eq!(drawn, Err(SampleError::NoCandidate));
        }
    }

    #[test]
    fn masked_tokens_are_never_drawn() {
        let mut logits = vec![f32::NEG_INFINITY; 300];
        logits[17] = -5.0;
        for seed in 0..50 {
            assert_eq!(draw(&random(1.5, seed), &logits).expect("a token").token, Token(17));
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_tokens() {
        let logits: Vec<f32> = (0_u8..200).map(|i| f32::from(i % 7)).collect();
        let tokens = |seed| {
            let mut sampler = Sampler::new(&random(1.0, seed), false, 200).expect("a sampler");
            (0..20).map(|_| sampler.draw(&logits, None).expect("a token").token).collect::<Vec<_>>()
        };
        assert_eq!(tokens(7), tokens(7));
        assert_ne!(tokens(7), tokens(8));
    }

    #[test]
    fn draws_follow_the_probabilities() {
        // p = 0.75, 0.25 after top-k 2 of three tokens.
        let logits = [3.0_f32.ln(), 0.0, -1.0];
        let params = SamplingParams { top_k: 2, ..random(1.0, 42) };
        let mut sampler = Sampler::new(&params, false, 3).expect("a sampler");
        let mut counts = [0_u32; 3];
        for _ in 0..10_000 {
            counts[sampler.draw(&logits, None).expect("a token").token.0 as usize] += 1;
        }
        assert_eq!(counts[2], 0);
        // Three standard deviations of a binomial with n = 10,000 and p = 0.75 are 130.
        assert!(counts[0].abs_diff(7500) < 130, "{counts:?}");
    }
}
