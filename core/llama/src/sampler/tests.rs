//! Drawing, from the outside: what is drawn how often, what never is, and what is the same again.
//! Random tests print their seeds with what failed.

mod formulas;
mod llama;
mod rules;
mod wild;

use indwell_kernel::{Mirostat, MirostatVersion, SamplingOptions, Surroundings, Temperature};

use super::*;

/// Random numbers of a test.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// From 0, below 1.
    pub(super) fn share(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 24) as f32
    }

    /// Logits as of a model: about normal, some standing out.
    pub(super) fn logits(&mut self, count: usize) -> Vec<f32> {
        let mut normal = || (0..6).map(|_| self.share()).sum::<f32>() - 3.0;
        let mut logits: Vec<f32> = (0..count).map(|_| 3.0 * normal()).collect();
        for _ in 0..count.div_ceil(200) {
            logits[self.below(count)] += 4.0 + 4.0 * self.share();
        }
        logits
    }
}

pub(super) fn lexicon(tokens: usize) -> Lexicon {
    Lexicon { tokens, suppressed: Vec::new(), pieces: None, breakers: Arc::default() }
}

pub(super) fn params(options: SamplingOptions) -> SamplingParams {
    let surroundings = Surroundings { fresh_seed: 1, max_tokens: 1000, vocabulary_tokens: 100_000 };
    options.validate(&surroundings).unwrap_or_else(|refused| panic!("{refused}"))
}

pub(super) fn draws(sampling: SamplingParams) -> Draws {
    Draws { sampling, ..Draws::greedy() }
}

pub(super) fn sampler(sampling: SamplingParams, tokens: usize) -> Sampler {
    Sampler::new(&draws(sampling), lexicon(tokens), &[], &[]).expect("a sampler")
}

fn draw(sampling: &SamplingParams, logits: &[f32]) -> Result<Drawn, SampleError> {
    let told = Draws { logprobs: Logprobs::Chosen, ..draws(sampling.clone()) };
    let mut sampler = Sampler::new(&told, lexicon(logits.len()), &[], &[]).expect("a sampler");
    sampler.draw(logits, None)
}

/// The next token of an answer.
pub(super) fn next(sampler: &mut Sampler, logits: &[f32]) -> Token {
    let token = sampler.draw(logits, None).expect("a token").token;
    sampler.take(token);
    token
}

fn random(temperature: f32, seed: u32) -> SamplingParams {
    let temperature = Temperature::fixed(temperature);
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
    let penalized = params(SamplingOptions { repeat_penalty: Some(1.1), ..Default::default() });
    for bad in [f32::NAN, f32::INFINITY] {
        let mut logits = vec![0.0; 300];
        logits[299] = bad;
        for params in [SamplingParams::greedy(), random(1.0, 1), penalized.clone()] {
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
    let penalized = params(SamplingOptions { repeat_penalty: Some(1.1), ..Default::default() });
    for greedy in [SamplingParams::greedy(), penalized] {
        let drawn = sampler(greedy, 100).draw(&logits, Some(&mask)).expect("a token");
        assert_eq!(drawn.token, Token(35));
    }
    for seed in 0..50 {
        let drawn = sampler(random(50.0, seed), 100).draw(&logits, Some(&mask)).expect("a token");
        assert!(mask.allows(drawn.token), "{:?}", drawn.token);
    }
    let nothing = TokenMask::from_words(vec![0; 4]);
    for params in [SamplingParams::greedy(), random(1.0, 1)] {
        let drawn = sampler(params, 100).draw(&logits, Some(&nothing));
        assert_eq!(drawn, Err(SampleError::NoCandidate));
    }
}

#[test]
fn tokens_that_the_model_rules_out_are_never_drawn() {
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
        let mut sampler = sampler(random(1.0, seed), 200);
        (0..20).map(|_| next(&mut sampler, &logits)).collect::<Vec<_>>()
    };
    assert_eq!(tokens(7), tokens(7));
    assert_ne!(tokens(7), tokens(8));
}

#[test]
fn draws_follow_the_probabilities() {
    // p = 0.75, 0.25 after top-k 2 of three tokens.
    let logits = [3.0_f32.ln(), 0.0, -1.0];
    let mut sampler = sampler(SamplingParams { top_k: 2, ..random(1.0, 42) }, 3);
    let mut counts = [0_u32; 3];
    for _ in 0..10_000 {
        counts[next(&mut sampler, &logits).0 as usize] += 1;
    }
    assert_eq!(counts[2], 0);
    // Three standard deviations of a binomial with n = 10,000 and p = 0.75 are 130.
    assert!(counts[0].abs_diff(7500) < 130, "{counts:?}");
}

#[test]
fn the_likeliest_tokens_are_told_before_any_filter() {
    let logits = [1.0, 4.0, 2.0, 3.0];
    let sampling = SamplingParams { top_k: 1, ..SamplingParams::greedy() };
    let told = Draws { logprobs: Logprobs::Top(3), ..draws(sampling) };
    let mut sampler = Sampler::new(&told, lexicon(4), &[], &[]).expect("a sampler");
    let drawn = sampler.draw(&logits, None).expect("a token");
    let top: Vec<i32> = drawn.top.iter().map(|one| one.token.0).collect();
    assert_eq!(top, [1, 3, 2]);
    assert_eq!(drawn.logprob, Some(drawn.top[0].logprob));
}

/// Everything that looks back, and everything random but Mirostat, which takes the place of some.
#[test]
fn a_resumed_answer_goes_on_as_if_it_had_not_stopped() {
    let options = SamplingOptions {
        temperature: Some(1.3),
        seed: Some(11),
        xtc_probability: Some(0.5),
        xtc_threshold: Some(0.01),
        repeat_penalty: Some(1.2),
        frequency_penalty: Some(0.1),
        repeat_last_n: Some(24),
        dry_multiplier: Some(0.8),
        dry_penalty_last_n: Some(40),
        min_p: Some(0.001),
        ..Default::default()
    };
    let sampling = params(options);
    let mut random = Random::new(3);
    let steps: Vec<Vec<f32>> = (0..120).map(|_| random.logits(60)).collect();
    let prompt: Vec<Token> = (0..100).map(|i| Token(i % 9)).collect();
    let tail = &prompt[prompt.len() - sampling.looks_back()..];
    let draws = draws(sampling);
    let open =
        |answer: &[Token]| Sampler::new(&draws, lexicon(60), tail, answer).expect("a sampler");
    let mut whole = open(&[]);
    let answer: Vec<Token> = steps.iter().map(|logits| next(&mut whole, logits)).collect();
    for at in [1, 17, 60, 119] {
        let mut resumed = open(&answer[..at]);
        let rest: Vec<Token> =
            steps[at..].iter().map(|logits| next(&mut resumed, logits)).collect();
        assert_eq!(rest, answer[at..], "resumed at {at}");
    }
}

#[test]
fn mirostat_goes_on_from_what_it_had_learnt() {
    for version in [MirostatVersion::V1, MirostatVersion::V2] {
        let mirostat = Some(Mirostat { version, tau: 3.0, eta: 0.1 });
        let draws = draws(SamplingParams { mirostat, ..random(1.0, 8) });
        let open =
            |answer: &[Token]| Sampler::new(&draws, lexicon(500), &[], answer).expect("a sampler");
        let mut random = Random::new(5);
        let steps: Vec<Vec<f32>> = (0..80).map(|_| random.logits(500)).collect();
        let mut whole = open(&[]);
        let (mut answer, mut learnt) = (Vec::new(), Vec::new());
        for logits in &steps {
            learnt.push(whole.mu().expect("it learns"));
            answer.push(next(&mut whole, logits));
        }
        let mut forgotten = 0;
        for at in [1, 17, 60, 79] {
            let rest = |mut sampler: Sampler| -> Vec<Token> {
                steps[at..].iter().map(|logits| next(&mut sampler, logits)).collect()
            };
            let mut resumed = open(&answer[..at]);
            forgotten += usize::from(rest(open(&answer[..at])) != answer[at..]);
            resumed.set_mu(learnt[at]);
            assert_eq!(rest(resumed), answer[at..], "{version:?} resumed at {at}");
        }
        assert!(forgotten > 0, "what {version:?} has learnt makes no difference here");
    }
}
