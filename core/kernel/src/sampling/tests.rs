//! What is refused, what is greedy, and what is the same.

use super::*;
use crate::Token;

const AROUND: Surroundings =
    Surroundings { fresh_seed: 7, max_tokens: 100, vocabulary_tokens: 1000 };

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn refused(options: &SamplingOptions) -> crate::Invalid {
    options.validate(&AROUND).expect_err("refused")
}

fn valid(options: SamplingOptions) -> SamplingParams {
    options.validate(&AROUND).unwrap_or_else(|refused| panic!("{refused}"))
}

#[test]
fn nothing_said_is_greedy() {
    let params = valid(SamplingOptions::default());
    assert!(params.is_greedy());
    assert_eq!(params.seed, 7);
    assert_eq!(params.looks_back(), 0);
    assert_eq!(params.canonical(), SamplingParams::greedy().canonical());
}

#[test]
fn values_outside_their_limits_are_refused_by_name() {
    let base = SamplingOptions::default;
    let nan = Some(f64::NAN);
    for (options, field) in [
        (SamplingOptions { temperature: nan, ..base() }, "temperature"),
        (SamplingOptions { temperature: Some(f64::INFINITY), ..base() }, "temperature"),
        (SamplingOptions { temperature: Some(-0.1), ..base() }, "temperature"),
        (SamplingOptions { dynatemp_range: Some(-1.0), ..base() }, "dynatemp_range"),
        (SamplingOptions { dynatemp_range: nan, ..base() }, "dynatemp_range"),
        (SamplingOptions { dynatemp_exponent: nan, ..base() }, "dynatemp_exponent"),
        (SamplingOptions { top_k: Some(-1), ..base() }, "top_k"),
        (SamplingOptions { top_p: Some(0.0), ..base() }, "top_p"),
        (SamplingOptions { top_p: Some(1.1), ..base() }, "top_p"),
        (SamplingOptions { top_p: nan, ..base() }, "top_p"),
        (SamplingOptions { min_p: Some(-0.1), ..base() }, "min_p"),
        (SamplingOptions { min_p: nan, ..base() }, "min_p"),
        (SamplingOptions { typical_p: Some(0.0), ..base() }, "typical_p"),
        (SamplingOptions { typical_p: nan, ..base() }, "typical_p"),
        (SamplingOptions { top_n_sigma: Some(-2.0), ..base() }, "top_n_sigma"),
        (SamplingOptions { top_n_sigma: nan, ..base() }, "top_n_sigma"),
        (SamplingOptions { xtc_probability: Some(1.5), ..base() }, "xtc_probability"),
        (SamplingOptions { xtc_probability: nan, ..base() }, "xtc_probability"),
        (SamplingOptions { xtc_threshold: nan, ..base() }, "xtc_threshold"),
        (SamplingOptions { dry_multiplier: Some(-1.0), ..base() }, "dry_multiplier"),
        (SamplingOptions { dry_multiplier: nan, ..base() }, "dry_multiplier"),
        (SamplingOptions { dry_base: Some(0.5), ..base() }, "dry_base"),
        (SamplingOptions { dry_base: nan, ..base() }, "dry_base"),
        (SamplingOptions { dry_allowed_length: Some(-1), ..base() }, "dry_allowed_length"),
        (SamplingOptions { dry_penalty_last_n: Some(-1), ..base() }, "dry_penalty_last_n"),
        (
            SamplingOptions { dry_sequence_breakers: Some(texts(&[""])), ..base() },
            "dry_sequence_breakers",
        ),
        (SamplingOptions { repeat_penalty: Some(0.0), ..base() }, "repeat_penalty"),
        (SamplingOptions { repeat_penalty: nan, ..base() }, "repeat_penalty"),
        (SamplingOptions { repeat_last_n: Some(1 << 40), ..base() }, "repeat_last_n"),
        (SamplingOptions { presence_penalty: nan, ..base() }, "presence_penalty"),
        (SamplingOptions { frequency_penalty: Some(1e7), ..base() }, "frequency_penalty"),
        (SamplingOptions { mirostat: Some(3), ..base() }, "mirostat"),
        (SamplingOptions { mirostat_tau: nan, ..base() }, "mirostat_tau"),
        (SamplingOptions { mirostat_eta: Some(-0.1), ..base() }, "mirostat_eta"),
        (SamplingOptions { samplers: Some(texts(&["heat"])), ..base() }, "samplers"),
        (SamplingOptions { samplers: Some(texts(&["xtc", "xtc"])), ..base() }, "samplers"),
        (SamplingOptions { logit_bias: vec![(1, f64::NAN)], ..base() }, "logit_bias"),
        (SamplingOptions { logit_bias: vec![(1, f64::INFINITY)], ..base() }, "logit_bias"),
        (SamplingOptions { logit_bias: vec![(1000, 1.0)], ..base() }, "logit_bias"),
        (SamplingOptions { logit_bias: vec![(-1, 1.0)], ..base() }, "logit_bias"),
        (SamplingOptions { logit_bias: vec![(1, 1.0); 5000], ..base() }, "logit_bias"),
        (SamplingOptions { banned_strings: texts(&[""]), ..base() }, "banned_strings"),
        (SamplingOptions { banned_strings: texts(&["a\u{fffd}"]), ..base() }, "banned_strings"),
        (SamplingOptions { banned_strings: vec!["x".repeat(1025)], ..base() }, "banned_strings"),
        (
            SamplingOptions { banned_strings: (0..257).map(|i| i.to_string()).collect(), ..base() },
            "banned_strings",
        ),
        (
            SamplingOptions {
                banned_strings: (0..17).map(|i| format!("{i}{}", "x".repeat(1000))).collect(),
                ..base()
            },
            "banned_strings",
        ),
        (SamplingOptions { stop_tokens: vec![1000], ..base() }, "stop_tokens"),
        (SamplingOptions { stop_tokens: (0..65).collect(), ..base() }, "stop_tokens"),
        (SamplingOptions { min_tokens: Some(-1), ..base() }, "min_tokens"),
        (SamplingOptions { min_tokens: Some(101), ..base() }, "min_tokens"),
        (SamplingOptions { seed: Some(-1), ..base() }, "seed"),
        (SamplingOptions { seed: Some(i64::from(u32::MAX)), ..base() }, "seed"),
    ] {
        let invalid = refused(&options);
        assert_eq!(invalid.field, field, "{invalid}");
        assert!(!invalid.remedy.is_empty() && !invalid.limit.is_empty(), "{invalid}");
    }
}

#[test]
fn a_token_that_does_not_exist_is_told_with_the_vocabularys_size() {
    let options = SamplingOptions { logit_bias: vec![(5000, 1.0)], ..Default::default() };
    let told = refused(&options).to_string();
    assert!(told.contains("5000") && told.contains("1000 tokens"), "{told}");
}

#[test]
fn what_contradicts_itself_is_refused_by_name() {
    let drawn = || SamplingOptions { temperature: Some(0.8), ..Default::default() };
    let miro = || SamplingOptions { mirostat: Some(2), ..drawn() };
    let only = |names: &[&str]| SamplingOptions { samplers: Some(texts(names)), ..drawn() };
    let all = "top_k temperature".split(' ').collect::<Vec<_>>();
    for (options, field) in [
        (SamplingOptions { temperature: None, ..miro() }, "temperature"),
        (SamplingOptions { top_k: Some(40), ..miro() }, "top_k"),
        (SamplingOptions { top_p: Some(0.9), ..miro() }, "top_p"),
        (SamplingOptions { min_p: Some(0.1), ..miro() }, "min_p"),
        (SamplingOptions { typical_p: Some(0.9), ..miro() }, "typical_p"),
        (SamplingOptions { top_n_sigma: Some(1.0), ..miro() }, "top_n_sigma"),
        (SamplingOptions { xtc_probability: Some(0.5), ..miro() }, "xtc_probability"),
        (SamplingOptions { dry_multiplier: Some(0.8), ..miro() }, "dry_multiplier"),
        (SamplingOptions { repeat_penalty: Some(1.1), ..miro() }, "repeat_penalty"),
        (SamplingOptions { presence_penalty: Some(0.5), ..miro() }, "presence_penalty"),
        (SamplingOptions { dynatemp_range: Some(0.5), ..miro() }, "dynatemp_range"),
        (SamplingOptions { samplers: Some(texts(&all)), ..miro() }, "samplers"),
        (SamplingOptions { min_p: Some(0.1), ..only(&all) }, "min_p"),
        (SamplingOptions { frequency_penalty: Some(0.1), ..only(&all) }, "frequency_penalty"),
        (only(&["top_k"]), "temperature"),
        (
            SamplingOptions {
                ignore_eos: Some(true),
                min_tokens: Some(5),
                ..SamplingOptions::default()
            },
            "min_tokens",
        ),
    ] {
        let invalid = refused(&options);
        assert_eq!(invalid.field, field, "{invalid}");
    }
    // Neutral values ask for nothing, as clients send that state every option.
    valid(SamplingOptions {
        top_p: Some(1.0),
        presence_penalty: Some(0.0),
        xtc_threshold: Some(0.2),
        ..miro()
    });
    valid(SamplingOptions { temperature: Some(1.0), ..only(&["min_p"]) });
    valid(SamplingOptions { temperature: Some(0.0), ..only(&["min_p"]) });
}

#[test]
fn only_what_has_an_effect_is_left() {
    let drawn = || SamplingOptions { temperature: Some(0.8), seed: Some(1), ..Default::default() };
    let same = |one: SamplingOptions, other: SamplingOptions| {
        let (one, other) = (valid(one).canonical(), valid(other).canonical());
        assert_eq!(one.canonical(), one, "is canonical itself");
        one == other
    };
    let greedy = SamplingOptions::default;
    // Greedy answers are not drawn.
    assert!(same(greedy(), SamplingOptions { top_p: Some(0.5), seed: Some(3), ..greedy() }));
    assert!(same(greedy(), SamplingOptions { xtc_probability: Some(0.5), ..greedy() }));
    assert!(same(greedy(), SamplingOptions { top_k: Some(1), ..drawn() }));
    // What penalties and biases change is the answer.
    assert!(!same(greedy(), SamplingOptions { repeat_penalty: Some(1.1), ..greedy() }));
    assert!(!same(greedy(), SamplingOptions { logit_bias: vec![(1, 1.0)], ..greedy() }));
    // Parameters of what is off.
    assert!(same(greedy(), SamplingOptions { repeat_last_n: Some(9), ..greedy() }));
    assert!(same(greedy(), SamplingOptions { dry_base: Some(2.0), ..greedy() }));
    assert!(same(drawn(), SamplingOptions { xtc_threshold: Some(0.3), ..drawn() }));
    assert!(same(drawn(), SamplingOptions { mirostat_tau: Some(3.0), ..drawn() }));
    let xtc = |threshold| SamplingOptions {
        xtc_probability: Some(0.5),
        xtc_threshold: Some(threshold),
        ..drawn()
    };
    assert!(same(drawn(), xtc(0.6)));
    assert!(!same(drawn(), xtc(0.4)));
    // The order matters among those that act.
    let ordered = |names: &[&str]| SamplingOptions {
        samplers: Some(texts(names)),
        top_k: Some(5),
        min_p: Some(0.1),
        ..drawn()
    };
    let usual = SamplingOptions { top_k: Some(5), min_p: Some(0.1), ..drawn() };
    assert!(same(usual.clone(), ordered(&["xtc", "top_k", "min_p", "temperature"])));
    assert!(!same(usual, ordered(&["min_p", "top_k", "temperature"])));
    // The same rules, written otherwise.
    let bias = |bias: &[(i64, f64)]| SamplingOptions { logit_bias: bias.to_vec(), ..greedy() };
    assert!(same(bias(&[(1, 0.1), (2, 1.0), (1, 0.7)]), bias(&[(2, 1.0), (1, 0.7), (1, 0.1)])));
    assert!(same(bias(&[(3, 0.0), (4, -0.0)]), greedy()));
    let banned = |texts: Vec<String>| SamplingOptions { banned_strings: texts, ..greedy() };
    assert!(same(banned(texts(&["b", "a", "b"])), banned(texts(&["a", "b"]))));
    let stops =
        |stop_tokens: &[i64]| SamplingOptions { stop_tokens: stop_tokens.to_vec(), ..greedy() };
    assert!(same(stops(&[5, 3, 5]), stops(&[3, 5])));
}

#[test]
fn one_candidate_is_greedy_only_where_nothing_random_comes_first() {
    let one = |names: Option<&[&str]>| {
        valid(SamplingOptions {
            temperature: Some(1.0),
            top_k: Some(1),
            xtc_probability: names.map(|_| 0.5),
            samplers: names.map(texts),
            ..Default::default()
        })
    };
    assert!(one(None).is_greedy());
    assert!(!one(Some(&["xtc", "top_k"])).is_greedy());
}

#[test]
fn never_and_any_number_is_never() {
    let options = SamplingOptions {
        logit_bias: vec![(7, 5.0), (7, f64::NEG_INFINITY)],
        ..Default::default()
    };
    assert_eq!(valid(options).tokens.biases, [(Token(7), f32::NEG_INFINITY)]);
}

#[test]
fn the_longest_look_back_of_what_acts_counts() {
    let options = SamplingOptions {
        dry_multiplier: Some(0.8),
        dry_penalty_last_n: Some(300),
        repeat_last_n: Some(500),
        ..Default::default()
    };
    assert_eq!(valid(options.clone()).looks_back(), 300);
    let both = SamplingOptions { presence_penalty: Some(1.0), ..options };
    assert_eq!(valid(both).looks_back(), 500);
}

#[test]
fn a_fresh_seed_is_never_the_one_llama_takes_for_random() {
    let around = Surroundings { fresh_seed: u32::MAX, ..AROUND };
    assert_eq!(SamplingOptions::default().validate(&around).expect("valid").seed, SEED_MAX);
}
