//! Properties of what is validated and bounded: any options either give bounds that fit together
//! or a refusal that names the option, and the queue never holds more than it may.

use std::time::Duration;

use indwell_kernel::config::SEQUENCES_LIMIT;
use indwell_kernel::sampling::SEED_MAX;
use indwell_kernel::{
    AdmissionGate, AdmissionLimits, SamplingOptions, SchedulerConfig, SchedulerOptions, Timestamp,
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
    ) -> SchedulerOptions {
        SchedulerOptions {
            context_tokens,
            request_tokens_max,
            sequences_max,
            batch_tokens,
            prefill_chunk_tokens,
        }
    }
}

prop_compose! {
    fn sampling_options()(
        temperature in number(),
        top_k in option(),
        top_p in number(),
        min_p in number(),
        seed in option(),
    ) -> SamplingOptions {
        SamplingOptions { temperature, top_k, top_p, min_p, seed }
    }
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
                    prefix,
                } = config;
                prop_assert!(!prefix.is_on());
                prop_assert!((1..=context_tokens).contains(&request_tokens_max));
                prop_assert!((1..=SEQUENCES_LIMIT).contains(&sequences_max));
                prop_assert!(sequences_max <= batch_tokens);
                prop_assert!((1..=batch_tokens).contains(&prefill_chunk_tokens));
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
        match options.validate(fresh_seed) {
            Ok(params) => {
                let lukewarm = 1e-6_f32..=1e6;
                prop_assert!(params.temperature == 0.0 || lukewarm.contains(&params.temperature));
                prop_assert!(params.top_p > 0.0 && params.top_p <= 1.0);
                prop_assert!((0.0..=1.0).contains(&params.min_p));
                prop_assert!(i32::try_from(params.top_k).is_ok());
                prop_assert!(params.seed <= SEED_MAX);
            }
            Err(invalid) => {
                let given = match invalid.field {
                    "temperature" => options.temperature.is_some(),
                    "top_k" => options.top_k.is_some(),
                    "top_p" => options.top_p.is_some(),
                    "min_p" => options.min_p.is_some(),
                    "seed" => options.seed.is_some(),
                    other => return Err(TestCaseError::fail(format!("{other} is no option"))),
                };
                prop_assert!(given, "{} was left out", invalid.field);
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
