//! What one schedule is made of: bounds, a backend and how often what happens, all from a seed.

use indwell_kernel::{AdmissionLimits, PrefixConfig, Reuse, SchedulerConfig, SchedulerOptions};

use crate::random::Random;

/// One schedule's circumstances. Rates are "once in so many turns"; 0 is never.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) config: SchedulerConfig,
    pub(crate) queue: AdmissionLimits,
    /// The backend's cells; fewer than `config.context_tokens` where its count differs from ours.
    pub(crate) cells: u32,
    /// An answer ends by itself about once in so many tokens.
    pub(crate) answer_tokens: u64,
    /// Tokens that are forced after a sample, at most.
    pub(crate) forced_tokens: u64,
    /// Whether answers say again what they said, as drafts need.
    pub(crate) says_again: bool,
    /// Turns in which requests arrive, readers change their minds and steps fail.
    pub(crate) turmoil_turns: u32,
    pub(crate) arrivals: u32,
    pub(crate) cancels: u32,
    pub(crate) finishes: u32,
    pub(crate) pauses: u32,
    pub(crate) faults: u32,
    /// Steps in which the backend panics, one in so many: the last of a schedule.
    pub(crate) panics: u32,
    /// Requests that come several at once with one prompt, one in so many.
    pub(crate) several: u32,
    /// Tokens of an answer, at most.
    pub(crate) max_tokens: u32,
    /// Requests with a deadline, one in so many.
    pub(crate) deadlines: u32,
    /// Requests that bypass the prefix cache, and that want no more than a prefix kept.
    pub(crate) bypasses: u32,
    pub(crate) pins: u32,
    /// Prompts that begin as an earlier one did, one in so many.
    pub(crate) repeats: u32,
    /// Memory operations that are refused, one in so many.
    pub(crate) refusals: u32,
    /// Snapshots that are lost when they are asked for, one in so many.
    pub(crate) losses: u32,
    /// Requests whose prompts are scored, one in so many.
    pub(crate) scored: u32,
}

impl Scenario {
    /// Draws the circumstances.
    pub(crate) fn draw(random: &mut Random) -> Self {
        let config = config(random);
        let short_of_cells = random.one_in(6);
        Self {
            config,
            queue: AdmissionLimits {
                requests_max: random.within(1..=12),
                tokens_max: random.within(1..=400),
            },
            cells: if short_of_cells {
                random.within(1..=config.context_tokens)
            } else {
                config.context_tokens
            },
            answer_tokens: u64::from(random.pick(&[2, 9, 40, u32::MAX])),
            forced_tokens: random.pick(&[0, 0, 3, 30]),
            says_again: random.one_in(2),
            turmoil_turns: random.within(5..=60),
            arrivals: random.pick(&[1, 2, 4, 9]),
            cancels: random.pick(&[0, 5, 20]),
            finishes: random.pick(&[0, 8, 30]),
            pauses: random.pick(&[0, 3, 12]),
            faults: random.pick(&[0, 0, 3, 10]),
            panics: random.pick(&[0, 0, 0, 0, 40]),
            several: random.pick(&[0, 3, 8]),
            max_tokens: random.pick(&[40, 40, 120]),
            deadlines: random.pick(&[0, 2, 6]),
            bypasses: random.pick(&[0, 3, 10]),
            pins: random.pick(&[0, 6, 20]),
            repeats: random.pick(&[1, 2, 0]),
            refusals: random.pick(&[0, 0, 0, 2, 10]),
            losses: random.pick(&[0, 2, 8]),
            scored: random.pick(&[0, 0, 3, 10]),
        }
    }
}

/// Small bounds, so that every limit is met within a few turns.
fn config(random: &mut Random) -> SchedulerConfig {
    let sequences = random.within(1..=6);
    // Not above what one step scores: what is left out for that would look forgotten.
    let widest = random.pick(&[24, 24, SchedulerConfig::SCORES_MAX]);
    let batch = random.within(sequences..=widest);
    let context = random.within(2..=160);
    let options = SchedulerOptions {
        context_tokens: Some(i64::from(context)),
        request_tokens_max: Some(i64::from(random.within(2..=context))),
        sequences_max: Some(i64::from(sequences)),
        batch_tokens: Some(i64::from(batch)),
        prefill_chunk_tokens: Some(i64::from(random.within(1..=batch))),
        itl_target_ms: random.pick(&[None, None, Some(1), Some(60)]),
    };
    let config = options.validate().expect("drawn within the limits");
    // The last is what reserves whole answers.
    let growth_tokens = random.pick(&[0, 0, 1, 4, 16, u32::MAX]);
    let prefix = prefix(random, context);
    // As on real memory: what can't be cut anywhere can't take drafts back.
    let drafts = prefix.reuse == Reuse::AnyPosition && !random.one_in(3);
    SchedulerConfig { growth_tokens, drafts, prefix, ..config }
}

fn prefix(random: &mut Random, context: u32) -> PrefixConfig {
    if random.one_in(4) {
        return PrefixConfig::OFF;
    }
    let exact = random.one_in(5);
    let idle_tokens_max = random.within(0..=context);
    PrefixConfig {
        reuse: if exact { Reuse::ExactEnds } else { Reuse::AnyPosition },
        residents_max: random.within(1..=6),
        idle_tokens_max,
        idle_tokens_beside_batch_max: random.within(0..=idle_tokens_max),
        snapshots: !exact && !random.one_in(3),
        worthwhile_tokens_min: random.pick(&[1, 4, 16]),
        drift_cells_min: random.pick(&[1, 10, 512]),
    }
}
