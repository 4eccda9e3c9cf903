//! Biases, bans, and what keeps an answer from ending.

use super::*;

/// Letters; 0 ends an answer.
fn pieces() -> Arc<Pieces> {
    Arc::new(Pieces::new(["", "a", "b", "c", "ab", "bc", "abc", "d"], vec![Token(0)]))
}

fn ruled(options: SamplingOptions) -> Sampler {
    let lexicon = Lexicon { pieces: Some(pieces()), ..lexicon(8) };
    Sampler::new(&draws(params(options)), lexicon, &[], &[]).expect("a sampler")
}

/// Logits that favour these tokens, the first most.
fn favouring(tokens: &[usize]) -> Vec<f32> {
    let mut logits: Vec<f32> = vec![0.0; 8];
    for (rank, &token) in (0_u8..).zip(tokens) {
        logits[token] = 10.0 - f32::from(rank);
    }
    logits
}

#[test]
fn biases_change_what_is_likeliest_and_never_is_never() {
    let options = SamplingOptions {
        logit_bias: vec![(1, 3.5), (2, f64::NEG_INFINITY)],
        ..Default::default()
    };
    let mut greedy = ruled(options.clone());
    // Token 1 overtakes 3 and 4; token 2 was likeliest.
    assert_eq!(next(&mut greedy, &favouring(&[2, 3, 4, 1])), Token(1));
    let drawn = SamplingOptions { temperature: Some(100.0), seed: Some(1), ..options };
    let mut drawn = ruled(drawn);
    let tokens: Vec<Token> = (0..500).map(|_| next(&mut drawn, &favouring(&[2]))).collect();
    assert!(!tokens.contains(&Token(2)));
    assert!(tokens.contains(&Token(7)));
}

#[test]
fn biases_shift_draws_by_their_exponential() {
    let options = SamplingOptions {
        temperature: Some(1.0),
        seed: Some(4),
        logit_bias: vec![(1, 3.0_f64.ln())],
        ..Default::default()
    };
    let mut sampler = Sampler::new(&draws(params(options)), lexicon(2), &[], &[]).expect("one");
    let ones = (0..10_000).filter(|_| next(&mut sampler, &[0.0, 0.0]) == Token(1)).count();
    // Four standard deviations of a binomial with n = 10,000 and p = 0.75 are 173.
    assert!(ones.abs_diff(7500) < 173, "{ones}");
}

#[test]
fn a_banned_text_is_kept_away_across_tokens() {
    let options = SamplingOptions { banned_strings: vec!["abc".to_owned()], ..Default::default() };
    let mut sampler = ruled(options);
    // "abc" itself is out, so "ab"; after it "c" and "bc"'s like are out, so "d".
    assert_eq!(next(&mut sampler, &favouring(&[6, 4])), Token(4));
    assert_eq!(next(&mut sampler, &favouring(&[3, 7])), Token(7));
    // After "a", "bc" would complete it.
    assert_eq!(next(&mut sampler, &favouring(&[1])), Token(1));
    assert_eq!(next(&mut sampler, &favouring(&[5, 2])), Token(2));
    assert_eq!(next(&mut sampler, &favouring(&[3, 5])), Token(5));
}

#[test]
fn a_resumed_answer_remembers_what_it_may_not_complete() {
    let options = SamplingOptions { banned_strings: vec!["abc".to_owned()], ..Default::default() };
    let lexicon = Lexicon { pieces: Some(pieces()), ..lexicon(8) };
    let draws = draws(params(options));
    let answer = [Token(7), Token(4)];
    let mut sampler = Sampler::new(&draws, lexicon, &[], &answer).expect("a sampler");
    assert_eq!(next(&mut sampler, &favouring(&[3, 7])), Token(7));
}

#[test]
fn an_answer_does_not_end_before_its_minimum() {
    let options =
        SamplingOptions { min_tokens: Some(2), stop_tokens: vec![3], ..Default::default() };
    let mut sampler = ruled(options);
    assert!(sampler.is_stop_token(Token(3)) && !sampler.is_stop_token(Token(1)));
    for _ in 0..2 {
        assert_eq!(next(&mut sampler, &favouring(&[0, 3, 1])), Token(1));
    }
    assert_eq!(next(&mut sampler, &favouring(&[0, 3, 1])), Token(0));
    assert_eq!(next(&mut sampler, &favouring(&[3, 1])), Token(3));
}

#[test]
fn a_minimum_gives_way_to_a_constraint_that_leaves_nothing_else() {
    let options = SamplingOptions { min_tokens: Some(5), ..Default::default() };
    for temperature in [0.0, 1.0] {
        let options = SamplingOptions { temperature: Some(temperature), ..options.clone() };
        let mut sampler = ruled(options);
        let only_end = TokenMask::from_words(vec![0b1]);
        let drawn = sampler.draw(&favouring(&[1]), Some(&only_end)).expect("the end");
        assert_eq!(drawn.token, Token(0));
        let more = TokenMask::from_words(vec![0b1001]);
        let drawn = sampler.draw(&favouring(&[0]), Some(&more)).expect("another");
        assert_eq!(drawn.token, Token(3));
    }
}

#[test]
fn the_models_own_end_can_be_ignored_and_the_callers_can_not() {
    let options =
        SamplingOptions { ignore_eos: Some(true), stop_tokens: vec![3], ..Default::default() };
    let mut sampler = ruled(options);
    for _ in 0..20 {
        assert_eq!(next(&mut sampler, &favouring(&[0, 2])), Token(2));
    }
    assert_eq!(next(&mut sampler, &favouring(&[0, 3])), Token(3));
}

#[test]
fn what_leaves_no_token_is_an_error() {
    let options = SamplingOptions {
        logit_bias: (0..8).map(|id| (id, f64::NEG_INFINITY)).collect(),
        ..Default::default()
    };
    for temperature in [0.0, 1.0] {
        let options = SamplingOptions { temperature: Some(temperature), ..options.clone() };
        let drawn = ruled(options).draw(&favouring(&[1]), None);
        assert_eq!(drawn, Err(SampleError::NoCandidate));
    }
}

#[test]
fn tokens_that_the_models_makers_suppress_are_never_drawn() {
    let lexicon = Lexicon { suppressed: vec![Token(2)], ..lexicon(8) };
    let mut greedy = Sampler::new(&Draws::greedy(), lexicon, &[], &[]).expect("a sampler");
    assert_eq!(next(&mut greedy, &favouring(&[2, 5])), Token(5));
}

#[test]
fn tokens_are_not_forced_where_they_might_be_against_the_rules() {
    let may = |options: SamplingOptions| ruled(options).may_be_forced();
    assert!(may(SamplingOptions::default()));
    assert!(may(SamplingOptions { logit_bias: vec![(1, 2.0)], ..Default::default() }));
    assert!(!may(SamplingOptions { banned_strings: vec!["x".to_owned()], ..Default::default() }));
    let never = vec![(1, f64::NEG_INFINITY)];
    assert!(!may(SamplingOptions { logit_bias: never, ..Default::default() }));
    let told = Draws { logprobs: Logprobs::Chosen, ..Draws::greedy() };
    let sampler = Sampler::new(&told, lexicon(8), &[], &[]).expect("a sampler");
    assert!(!sampler.may_be_forced());
}
