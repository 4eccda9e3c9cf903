//! Properties of what is validated and bounded: any options either give bounds that fit together
//! or a refusal that names the option, and the queue never holds more than it may.

use std::time::Duration;

use indwell_kernel::config::SEQUENCES_LIMIT;
use indwell_kernel::sampling::{LOOKBACK_MAX, SEED_MAX};
use indwell_kernel::{
    AdmissionGate, AdmissionLimits, ItlTarget, Penalties, REQUEST_FIELDS, SamplingOptions,
    SchedulerConfig, SchedulerOptions, Surroundings, Timestamp,
};
use proptest::prelude::*;

/// An option left out, near its limits, or anything.
fn option() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![
        2 => Just(None),
        4 => (-2..600_i64).prop_map(Some),
        1 => any::<i64>().prop_map(Some),
    ]
}

fn number() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        2 => Just(None),
        4 => (-0.5..2.0_f64).prop_map(Some),
        2 => any::<f64>().prop_map(Some),
        1 => prop::sample::select(vec![0.0, -0.0, 1.0, f64::MIN_POSITIVE, f64::NAN, f64::INFINITY])
            .prop_map(Some),
    ]
}

prop_compose! {
    fn scheduler_options()(
        context_tokens in option(),
        request_tokens_max in option(),
        sequences_max in option(),
        batch_tokens in option(),
        prefill_chunk_tokens in option(),
        itl_target_ms in option(),
    ) -> SchedulerOptions {
        SchedulerOptions {
            context_tokens,
            request_tokens_max,
            sequences_max,
            batch_tokens,
            prefill_chunk_tokens,
            itl_target_ms,
        }
    }
}

/// Every option, each left out most of the time, so that some sets of them pass.
fn sampling_options() -> impl Strategy<Value = SamplingOptions> {
    let seldom = || prop_oneof![4 => Just(None), 1 => number()];
    let whole = || prop_oneof![4 => Just(None), 1 => option()];
    let ids = prop::collection::vec(prop_oneof![9 => 0..100_i64, 1 => any::<i64>()], 0..3);
    let biases = prop_oneof![9 => -2.0..2.0_f64, 1 => any::<f64>()];
    let biases = prop::collection::vec((0..120_i64, biases), 0..3);
    let name =
        prop::sample::select(vec!["penalties", "dry", "top_k", "temperature", "xtc", "heat"]);
    let samplers = prop::collection::vec(name.prop_map(str::to_owned), 0..4);
    let samplers = prop_oneof![4 => Just(None), 1 => samplers.prop_map(Some)];
    let first = (number(), option(), number(), number(), option(), whole());
    let numbers = prop::collection::vec(seldom(), 14);
    let wholes = prop::collection::vec(whole(), 4);
    (first, numbers, wholes, (ids, biases, samplers, any::<bool>())).prop_map(
        |((temperature, top_k, top_p, min_p, seed, mirostat), numbers, wholes, lists)| {
            let (stop_tokens, logit_bias, samplers, ignore_eos) = lists;
            SamplingOptions {
                temperature,
                dynatemp_range: numbers[0],
                dynatemp_exponent: numbers[1],
                top_k,
                top_p,
                min_p,
                typical_p: numbers[2],
                top_n_sigma: numbers[3],
                xtc_probability: numbers[4],
                xtc_threshold: numbers[5],
                dry_multiplier: numbers[6],
                dry_base: numbers[7],
                dry_allowed_length: wholes[0],
                dry_penalty_last_n: wholes[1],
                dry_sequence_breakers: None,
                repeat_penalty: numbers[8],
                repeat_last_n: wholes[2],
                presence_penalty: numbers[9],
                frequency_penalty: numbers[10],
                mirostat,
                mirostat_tau: numbers[11],
                mirostat_eta: numbers[12],
                samplers,
                logit_bias,
                banned_strings: Vec::new(),
                stop_tokens,
                min_tokens: wholes[3],
                ignore_eos: Some(ignore_eos),
                seed,
            }
        },
    )
}

proptest! {
    #[test]
    fn bounds_fit_together_or_are_refused_by_name(options in scheduler_options()) {
        match options.validate() {
            Ok(config) => {
                let SchedulerConfig {
                    context_tokens,
                    request_tokens_max,
                    sequences_max,
                    batch_tokens,
                    prefill_chunk_tokens,
                    itl_target,
                    growth_tokens,
                    drafts,
                    prefix,
                } = config;
                prop_assert!(!prefix.is_on() && !drafts && growth_tokens > 0);
                prop_assert!((1..=context_tokens).contains(&request_tokens_max));
                prop_assert!((1..=SEQUENCES_LIMIT).contains(&sequences_max));
                prop_assert!(sequences_max <= batch_tokens);
                prop_assert!((1..=batch_tokens).contains(&prefill_chunk_tokens));
                let target = options.itl_target_ms.map_or(ItlTarget::Auto, |ms| {
                    ItlTarget::Within(Duration::from_millis(ms.unsigned_abs()))
                });
                prop_assert_eq!(itl_target, target);
                for (asked, got) in [
                    (options.context_tokens, context_tokens),
                    (options.sequences_max, sequences_max),
                    (options.batch_tokens, batch_tokens),
                    (options.prefill_chunk_tokens, prefill_chunk_tokens),
                ] {
                    prop_assert!(asked.is_none_or(|asked| asked == i64::from(got)));
                }
            }
            Err(invalid) => {
                let asked = match invalid.field {
                    "context_tokens" => options.context_tokens,
                    "request_tokens_max" => options.request_tokens_max,
                    "sequences_max" => options.sequences_max,
                    "batch_tokens" => options.batch_tokens,
                    "prefill_chunk_tokens" => options.prefill_chunk_tokens,
                    "itl_target_ms" => options.itl_target_ms,
                    other => return Err(TestCaseError::fail(format!("{other} is no option"))),
                };
                prop_assert_eq!(asked.map(|asked| asked.to_string()), Some(invalid.value));
                prop_assert!(!invalid.limit.is_empty() && !invalid.remedy.is_empty());
            }
        }
    }

    #[test]
    fn sampling_is_within_its_limits_or_is_refused_by_name(
        options in sampling_options(),
        fresh_seed in any::<u32>(),
    ) {
        let around = Surroundings { fresh_seed, max_tokens: 300, vocabulary_tokens: 100 };
        match options.validate(&around) {
            Ok(params) => {
                let lukewarm = 1e-6_f32..=1e6;
                let temperature = params.temperature.value;
                prop_assert!(temperature == 0.0 || lukewarm.contains(&temperature));
                for share in [params.top_p, params.typical_p] {
                    prop_assert!(share > 0.0 && share <= 1.0);
                }
                for share in [params.min_p, params.xtc.probability, params.xtc.threshold] {
                    prop_assert!((0.0..=1.0).contains(&share));
                }
                let Penalties { repeat, frequency, presence, .. } = params.penalties;
                prop_assert!(lukewarm.contains(&repeat));
                prop_assert!(frequency.abs() <= 1e6 && presence.abs() <= 1e6);
                prop_assert!(params.dry.base >= 1.0 && params.dry.base <= 1e6);
                prop_assert!((0.0..=1e6).contains(&params.dry.multiplier));
                prop_assert!((0.0..=1e6).contains(&params.top_n_sigma));
                prop_assert!(params.looks_back() <= LOOKBACK_MAX as usize);
                prop_assert!(i32::try_from(params.top_k).is_ok());
                prop_assert!(params.seed <= SEED_MAX);
                prop_assert!(params.tokens.min_tokens <= 300);
                prop_assert!(params.tokens.biases.is_sorted_by_key(|(token, _)| *token));
                for (token, bias) in &params.tokens.biases {
                    prop_assert!((0..100).contains(&token.0) && !bias.is_nan());
                }
                prop_assert!(params.mirostat.is_none() || temperature > 0.0);
                prop_assert_eq!(params.canonical().canonical(), params.canonical());
            }
            Err(invalid) => {
                let known = REQUEST_FIELDS.iter().any(|field| field.name == invalid.field);
                prop_assert!(known, "{} is no option", invalid.field);
                prop_assert!(!invalid.limit.is_empty() && !invalid.remedy.is_empty());
            }
        }
    }

    /// A positive length enters, anything else lets the longest waiting one leave.
    #[test]
    fn the_queue_stays_within_its_limits(
        requests_max in 1..6_u32,
        tokens_max in 1..200_u32,
        events in prop::collection::vec(-60..120_i32, 0..80),
    ) {
        let mut gate = AdmissionGate::new(AdmissionLimits { requests_max, tokens_max });
        let mut waiting: Vec<u32> = Vec::new();
        for (ms, event) in (0..).zip(events) {
            let tokens: u32 = waiting.iter().sum();
            if let Ok(length @ 1..) = u32::try_from(event) {
                let too_many = waiting.len() + 1 > requests_max as usize;
                let too_long = !waiting.is_empty() && tokens + length > tokens_max;
                match gate.enter(length) {
                    Ok(()) => {
                        prop_assert!(!too_many && !too_long);
                        waiting.push(length);
                    }
                    Err(overload) => {
                        prop_assert!(too_many || too_long);
                        prop_assert!(overload.value > overload.limit);
                        prop_assert!(overload.retry_after >= Duration::from_millis(1));
                    }
                }
            } else if !waiting.is_empty() {
                gate.leave(waiting.remove(0), Timestamp(Duration::from_millis(ms)));
            }
            prop_assert_eq!(gate.waiting() as usize, waiting.len());
        }
    }
}
