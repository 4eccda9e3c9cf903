//! Whatever passes validation, on whatever logits: a token that may be drawn, or an error, and never an
//! assertion of llama.cpp's, which would end the process.

use super::*;

fn options(random: &mut Random) -> SamplingOptions {
    let mut some =
        |values: &[f64]| (random.below(3) == 0).then(|| values[random.below(values.len())]);
    let temperature = some(&[0.0, 1e-6, 0.5, 1.0, 30.0, 1e6]).or(Some(0.9));
    let mut options = SamplingOptions {
        temperature,
        dynatemp_range: some(&[0.5, 2.0, 1e6]),
        dynatemp_exponent: some(&[0.0, 1.0, 7.0, 40.0, 1e6]),
        top_p: some(&[1e-30, 0.1, 0.9]),
        min_p: some(&[1e-30, 0.05, 1.0]),
        typical_p: some(&[1e-30, 0.3, 0.9]),
        top_n_sigma: some(&[1e-9, 1.0, 1e6]),
        xtc_probability: some(&[0.5, 1.0]),
        xtc_threshold: some(&[0.0, 0.01, 0.5]),
        dry_multiplier: some(&[0.8, 1e6]),
        dry_base: some(&[1.0, 1.75, 1e6]),
        repeat_penalty: some(&[1e-6, 1.1, 1e6]),
        presence_penalty: some(&[-1e6, 0.5, 1e6]),
        frequency_penalty: some(&[-1e6, 0.5, 1e6]),
        ..Default::default()
    };
    let top_k = [0, 1, 2, 40, 300, i64::from(i32::MAX)][random.below(6)];
    options.top_k = Some(top_k);
    options.dry_allowed_length = Some([0, 1, 2, 60_000][random.below(4)]);
    options.seed = Some(i64::try_from(random.below(1000)).expect("small"));
    if random.below(2) == 0 {
        let mut names: Vec<String> =
            SamplerKind::DEFAULT_ORDER.iter().map(ToString::to_string).collect();
        for at in (1..names.len()).rev() {
            names.swap(at, random.below(at + 1));
        }
        options.samplers = Some(names);
    }
    if random.below(5) == 0 {
        options = SamplingOptions {
            temperature: Some(0.8),
            mirostat: Some(1 + i64::from(random.below(2) == 0)),
            mirostat_tau: Some([0.0, 5.0, 100.0][random.below(3)]),
            mirostat_eta: Some([0.0, 0.1, 100.0][random.below(3)]),
            ..Default::default()
        };
    }
    let bias = [-1e6, 1e6, f64::NEG_INFINITY][random.below(3)];
    options.logit_bias = vec![(i64::try_from(random.below(5)).expect("small"), bias)];
    options
}

fn logits(random: &mut Random) -> Vec<f32> {
    let count = [1, 2, 5, 129, 1025, 2000][random.below(6)];
    let mut logits = match random.below(4) {
        0 => vec![2.5; count],
        1 => random.logits(count).into_iter().map(|l| l * 1e30).collect(),
        _ => random.logits(count),
    };
    for _ in 0..random.below(4) {
        let bad = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 0.0];
        logits[random.below(count)] = bad[random.below(bad.len())];
    }
    logits
}

#[test]
fn whatever_is_valid_draws_what_may_be_drawn_or_fails() {
    let (mut drawn, mut refused) = (0, 0);
    for seed in 0..3000 {
        let mut random = Random::new(seed);
        let options = options(&mut random);
        let sampling = params(options.clone());
        let mut sampler = sampler(sampling.clone(), 2000);
        for _ in 0..4 {
            let logits = logits(&mut random);
            let masked = random.below(3) == 0;
            let mask = masked
                .then(|| TokenMask::from_words((0..63).map(|_| random.next() as u32).collect()));
            match sampler.draw(&logits, mask.as_ref()) {
                Ok(Drawn { token, .. }) => {
                    drawn += 1;
                    let logit = logits[token.0 as usize];
                    let biased = sampling.tokens.biases.iter().find(|(t, _)| *t == token);
                    let never = biased.is_some_and(|(_, bias)| *bias == f32::NEG_INFINITY);
                    assert!(logit > f32::NEG_INFINITY && !never, "seed {seed}: {options:?}");
                    assert!(mask.is_none_or(|mask| mask.allows(token)), "seed {seed}");
                    sampler.take(token);
                }
                Err(SampleError::NotFinite | SampleError::NoCandidate) => refused += 1,
                Err(error) => panic!("seed {seed}: {error}"),
            }
        }
    }
    assert!(drawn > 4000 && refused > 1000, "{drawn} drawn, {refused} refused");
}

#[test]
fn nan_anywhere_is_an_error_with_any_options() {
    for seed in 0..500 {
        let mut random = Random::new(seed);
        let sampling = params(options(&mut random));
        let mut logits = random.logits(400);
        logits[random.below(400)] = f32::NAN;
        let drawn = sampler(sampling, 400).draw(&logits, None);
        assert_eq!(drawn, Err(SampleError::NotFinite), "seed {seed}");
    }
}
