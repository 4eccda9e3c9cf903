//! Each filter against its formula, written down plainly in double precision.

use super::*;

/// The tokens that a sampler keeps of `logits`, with their logits, by id.
fn kept(options: SamplingOptions, logits: &[f32]) -> Vec<(i32, f32)> {
    let options = SamplingOptions { temperature: options.temperature.or(Some(1.0)), ..options };
    let mut sampler = sampler(params(options), logits.len());
    sampler.candidates.fill(logits, None).expect("logits");
    sampler.filter().expect("something is kept");
    let mut kept: Vec<(i32, f32)> =
        sampler.candidates.left().iter().map(|candidate| (candidate.id, candidate.logit)).collect();
    kept.sort_by_key(|(id, _)| *id);
    kept
}

/// Logits with probabilities, likeliest first.
fn sorted(logits: &[f32]) -> Vec<(i32, f64, f64)> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |l: f32| (f64::from(l) - f64::from(largest)).exp();
    let sum: f64 = logits.iter().map(|&l| weight(l)).sum();
    let mut all: Vec<(i32, f64, f64)> =
        (0..).zip(logits).map(|(id, &l)| (id, f64::from(l), weight(l) / sum)).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all
}

fn entropy(sorted: &[(i32, f64, f64)]) -> f64 {
    sorted.iter().map(|(_, _, p)| if *p > 0.0 { -p * p.ln() } else { 0.0 }).sum()
}

/// The shortest beginning with more probability than `p`, or as much.
fn until(sorted: &[(i32, f64, f64)], p: f64) -> Vec<i32> {
    let mut sum = 0.0;
    let mut ids = Vec::new();
    for (id, _, share) in sorted {
        ids.push(*id);
        sum += share;
        if sum >= p {
            break;
        }
    }
    ids
}

/// Compares what is kept with a formula on random logits. At a limit the last bit of a sum decides,
/// so that now and then one token more or less is kept.
fn check(options: SamplingOptions, formula: impl Fn(&[(i32, f64, f64)]) -> Vec<i32>) {
    let mut unequal = 0;
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let count = [2, 7, 100, 1500, 3000][random.below(5)];
        let logits = random.logits(count);
        let kept: Vec<i32> = kept(options.clone(), &logits).iter().map(|(id, _)| *id).collect();
        let mut due = formula(&sorted(&logits));
        due.sort_unstable();
        let differs =
            |one: &[i32], other: &[i32]| one.iter().filter(|id| !other.contains(id)).count();
        let difference = differs(&kept, &due) + differs(&due, &kept);
        assert!(difference <= 1, "seed {seed}: {} kept, {} due", kept.len(), due.len());
        unequal += difference;
    }
    assert!(unequal <= 2, "{unequal} of 60 differ");
}

#[test]
fn top_k_keeps_the_k_largest() {
    for k in [1, 2, 40, 200, 5000] {
        let options = SamplingOptions { top_k: Some(k), ..Default::default() };
        let k = usize::try_from(k).expect("small");
        // One alone is greedy, which draws nothing.
        let options = if k == 1 {
            let samplers = Some(vec!["top_k".to_owned()]);
            SamplingOptions { samplers, ..options }
        } else {
            options
        };
        check(options, |all| all.iter().take(k).map(|(id, ..)| *id).collect());
    }
}

#[test]
fn top_p_keeps_the_smallest_set_with_so_much_probability() {
    for p in [0.05, 0.5, 0.9, 0.999] {
        check(SamplingOptions { top_p: Some(p), ..Default::default() }, |all| until(all, p));
    }
}

#[test]
fn min_p_keeps_what_has_a_share_of_the_largest() {
    for p in [0.001, 0.05, 0.5, 1.0] {
        check(SamplingOptions { min_p: Some(p), ..Default::default() }, |all| {
            let least = all[0].2 * p * (1.0 - 1e-9);
            all.iter().filter(|(_, _, share)| *share >= least).map(|(id, ..)| *id).collect()
        });
    }
}

#[test]
fn typical_p_keeps_what_is_about_as_surprising_as_the_whole() {
    for p in [0.1, 0.5, 0.95] {
        check(SamplingOptions { typical_p: Some(p), ..Default::default() }, |all| {
            let entropy = entropy(all);
            let mut by_distance = all.to_vec();
            let distance = |share: f64| (-share.ln() - entropy).abs();
            by_distance.sort_by(|a, b| distance(a.2).total_cmp(&distance(b.2)));
            until(&by_distance, p)
        });
    }
}

#[test]
fn top_n_sigma_keeps_what_is_near_the_largest_logit() {
    for n in [0.5, 1.0, 3.0] {
        check(SamplingOptions { top_n_sigma: Some(n), ..Default::default() }, |all| {
            let count = all.len() as f64;
            let mean = all.iter().map(|(_, l, _)| l).sum::<f64>() / count;
            let variance = all.iter().map(|(_, l, _)| (l - mean).powi(2)).sum::<f64>() / count;
            let least = all[0].1 - n * variance.sqrt();
            all.iter().filter(|(_, l, _)| *l >= least).map(|(id, ..)| *id).collect()
        });
    }
}

#[test]
fn xtc_leaves_out_all_likely_tokens_but_the_last() {
    for threshold in [0.01, 0.05, 0.3] {
        let options = SamplingOptions {
            xtc_probability: Some(1.0),
            xtc_threshold: Some(threshold),
            ..Default::default()
        };
        check(options, |all| {
            let likely = all.iter().filter(|(_, _, share)| *share >= threshold).count();
            all.iter().skip(likely.saturating_sub(1)).map(|(id, ..)| *id).collect()
        });
    }
}

#[test]
fn xtc_acts_as_often_as_it_should() {
    let options = SamplingOptions {
        temperature: Some(1.0),
        xtc_probability: Some(0.3),
        seed: Some(5),
        ..Default::default()
    };
    let mut sampler = sampler(params(options), 2);
    let mut left_out = 0_u32;
    for _ in 0..10_000 {
        sampler.candidates.fill(&[1.0, 0.0], None).expect("logits");
        sampler.filter().expect("something is kept");
        left_out += u32::from(sampler.candidates.left().len() == 1);
        sampler.take(Token(0));
    }
    // Four standard deviations of a binomial with n = 10,000 and p = 0.3 are 183.
    assert!(left_out.abs_diff(3000) < 183, "{left_out}");
}

#[test]
fn temperature_divides_logits() {
    for temperature in [0.01, 0.7, 1.0, 40.0] {
        let logits = Random::new(9).logits(500);
        let options = SamplingOptions { temperature: Some(temperature), ..Default::default() };
        for ((_, told), &logit) in kept(options, &logits).iter().zip(&logits) {
            let due = f64::from(logit) / temperature;
            assert!((f64::from(*told) - due).abs() <= 1e-5 * due.abs().max(1.0));
        }
    }
}

#[test]
fn a_dynamic_temperature_follows_the_entropy() {
    for (range, exponent) in [(0.5, 1.0), (1.0, 2.0), (3.0, 0.5)] {
        for seed in 0..20 {
            let logits = Random::new(seed).logits(300);
            let options = SamplingOptions {
                temperature: Some(0.8),
                dynatemp_range: Some(range),
                dynatemp_exponent: Some(exponent),
                ..Default::default()
            };
            let all = sorted(&logits);
            let normalized = entropy(&all) / (all.len() as f64).ln();
            let least = (0.8 - range).max(0.0);
            let temperature = least + (0.8 + range - least) * normalized.powf(exponent);
            let told = kept(options, &logits);
            let largest = all[0].1;
            for ((_, told), &logit) in told.iter().zip(&logits) {
                // Only differences matter, and the largest is 0.
                let due = (f64::from(logit) - largest) / temperature;
                let error = (f64::from(*told) - due).abs();
                assert!(error <= 1e-3 * due.abs().max(1.0), "seed {seed}: {told} for {due}");
            }
        }
    }
}

#[test]
fn the_order_of_samplers_changes_what_is_kept() {
    let logits = Random::new(4).logits(400);
    let ordered = |names: &[&str]| {
        let options = SamplingOptions {
            temperature: Some(3.0),
            min_p: Some(0.1),
            samplers: Some(names.iter().map(ToString::to_string).collect()),
            ..Default::default()
        };
        kept(options, &logits).len()
    };
    let before = ordered(&["min_p", "temperature"]);
    let after = ordered(&["temperature", "min_p"]);
    // A flatter distribution keeps more.
    assert!(before < after, "{before} and {after}");
    let usual = SamplingOptions { temperature: Some(3.0), min_p: Some(0.1), ..Default::default() };
    assert_eq!(kept(usual, &logits).len(), before);
}
