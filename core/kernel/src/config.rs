//! The scheduler's bounds: raw options in, one validated config out.

use crate::{Invalid, ItlTarget};

/// The largest number of sequences llama.cpp keeps apart (`LLAMA_MAX_SEQ`).
pub const SEQUENCES_LIMIT: u32 = 256;

/// The scheduler's bounds as a caller states them; `None` takes the default.
#[derive(Clone, Debug, Default)]
pub struct SchedulerOptions {
    /// KV cells shared by all sequences, one per token. At least 1.
    pub context_tokens: Option<i64>,
    /// The longest single request, prompt and answer, in tokens; never above `context_tokens`.
    pub request_tokens_max: Option<i64>,
    /// Requests computed at once, 1 to 256. Default 32.
    pub sequences_max: Option<i64>,
    /// Tokens of one decode call (llama.cpp's `n_batch` and `n_ubatch`). Default 512.
    pub batch_tokens: Option<i64>,
    /// Prompt tokens of one step while other sequences are decoding. Default 256.
    pub prefill_chunk_tokens: Option<i64>,
    /// Milliseconds that a step may take while other sequences are decoding, 1 to 60,000; fewer
    /// prompt tokens are computed in it than `prefill_chunk_tokens` where they would take longer.
    /// Default: [`ItlTarget::Auto`].
    pub itl_target_ms: Option<i64>,
}

/// What the backend's memory can share and cut, found out at load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// At any position: attention.
    AnyPosition,
    /// Only whole, at the length it was kept at: recurrent and hybrid memory.
    ExactEnds,
}

/// The prefix cache's bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixConfig {
    /// What the memory can do.
    pub reuse: Reuse,
    /// Sequences that keep prefixes resident, besides those that requests run on; 0 turns the
    /// prefix cache off.
    pub residents_max: u32,
    /// Resident tokens that no running request uses, pinned ones not counted.
    pub idle_tokens_max: u32,
    /// The same while anything is computed, which every idle cell slows down; at most
    /// `idle_tokens_max`.
    pub idle_tokens_beside_batch_max: u32,
    /// Whether what leaves the memory is saved to other tiers first.
    pub snapshots: bool,
    /// Fewer tokens than this are computed rather than waited for or saved; at least 1.
    pub worthwhile_tokens_min: u32,
    /// The memory's extent may be this many cells above those in use, and half as many again,
    /// before cells are moved together.
    pub drift_cells_min: u32,
}

impl PrefixConfig {
    /// No prefix cache.
    pub const OFF: Self = Self {
        reuse: Reuse::AnyPosition,
        residents_max: 0,
        idle_tokens_max: 0,
        idle_tokens_beside_batch_max: 0,
        snapshots: false,
        worthwhile_tokens_min: Self::WORTHWHILE_TOKENS_DEFAULT,
        drift_cells_min: Self::DRIFT_CELLS_DEFAULT,
    };

    /// Fewer tokens take no longer to compute than the turns of waiting for them.
    pub const WORTHWHILE_TOKENS_DEFAULT: u32 = 16;

    /// Two pads of 256 cells, in which attention's extent grows.
    pub const DRIFT_CELLS_DEFAULT: u32 = 512;

    /// Whether there is a prefix cache.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.residents_max > 0
    }
}

/// Validated bounds: `1 ≤ sequences_max ≤ batch_tokens` and
/// `1 ≤ prefill_chunk_tokens ≤ batch_tokens` hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedulerConfig {
    /// KV cells shared by all sequences.
    pub context_tokens: u32,
    /// The longest single request, prompt and answer.
    pub request_tokens_max: u32,
    /// Requests computed at once.
    pub sequences_max: u32,
    /// Tokens of one decode call.
    pub batch_tokens: u32,
    /// Prompt tokens of one step while other sequences are decoding.
    pub prefill_chunk_tokens: u32,
    /// How long a step may take while other sequences are decoding.
    pub itl_target: ItlTarget,
    /// A request is admitted if all that run, and it, could grow by so many tokens.
    pub growth_tokens: u32,
    /// Whether answers are drafted by prompt lookup where that is worth it. Off after validation: the
    /// memory has to be able to take tokens back.
    pub drafts: bool,
    /// The prefix cache. Off after validation: what it can be is known when the model is loaded.
    pub prefix: PrefixConfig,
}

impl SchedulerConfig {
    /// KV cells when nothing is said.
    pub const CONTEXT_TOKENS_DEFAULT: u32 = 8192;
    /// Sequences when nothing is said.
    pub const SEQUENCES_DEFAULT: u32 = 32;
    /// Batch tokens when nothing is said.
    pub const BATCH_TOKENS_DEFAULT: u32 = 512;
    /// Prefill chunk when nothing is said.
    pub const PREFILL_CHUNK_DEFAULT: u32 = 256;
    /// Prompt tokens that one step scores at most, all sequences together. Each needs a row of
    /// logits, a number a token of the vocabulary.
    pub const SCORES_MAX: u32 = 32;
    /// Drafts of one sequence that one step verifies, at most. Each needs a row of logits too, in
    /// place of scores.
    pub const DRAFTS_MAX: u32 = 8;
}

impl SchedulerOptions {
    /// Checks every bound and fills in the defaults.
    ///
    /// ```
    /// use indwell_kernel::SchedulerOptions;
    ///
    /// let options = SchedulerOptions { sequences_max: Some(300), ..Default::default() };
    /// let invalid = options.validate().unwrap_err();
    /// assert_eq!((invalid.field, invalid.value.as_str()), ("sequences_max", "300"));
    /// assert_eq!(invalid.limit, "from 1 to 256");
    /// ```
    ///
    /// # Errors
    /// [`Invalid`] for a value outside its limits or for bounds that contradict each other.
    pub fn validate(&self) -> Result<SchedulerConfig, Invalid> {
        let context_tokens = in_range(
            "context_tokens",
            self.context_tokens,
            SchedulerConfig::CONTEXT_TOKENS_DEFAULT,
            1 << 30,
        )?;
        let sequences_max = in_range(
            "sequences_max",
            self.sequences_max,
            SchedulerConfig::SEQUENCES_DEFAULT,
            SEQUENCES_LIMIT,
        )?;
        let batch_tokens = in_range(
            "batch_tokens",
            self.batch_tokens,
            SchedulerConfig::BATCH_TOKENS_DEFAULT.max(sequences_max),
            1 << 16,
        )?;
        if batch_tokens < sequences_max {
            return Err(Invalid::new(
                "batch_tokens",
                batch_tokens,
                format!("at least sequences_max, which is {sequences_max}"),
                "raise batch_tokens or lower sequences_max: each decoding sequence takes one token of a step",
            ));
        }
        let prefill_chunk_tokens = in_range(
            "prefill_chunk_tokens",
            self.prefill_chunk_tokens,
            SchedulerConfig::PREFILL_CHUNK_DEFAULT.min(batch_tokens),
            batch_tokens,
        )?;
        let request_tokens_max =
            in_range("request_tokens_max", self.request_tokens_max, context_tokens, 1 << 30)?
                .min(context_tokens);
        Ok(SchedulerConfig {
            context_tokens,
            request_tokens_max,
            sequences_max,
            batch_tokens,
            prefill_chunk_tokens,
            itl_target: ItlTarget::validate(self.itl_target_ms)?,
            growth_tokens: growth_tokens(context_tokens, sequences_max),
            drafts: false,
            prefix: PrefixConfig::OFF,
        })
    }
}

/// A quarter of a sequence's even share of the cells, within bounds: enough that a request which
/// has just been admitted does not give way at once, and that room is made seldom; little beside
/// a whole answer.
fn growth_tokens(context_tokens: u32, sequences_max: u32) -> u32 {
    (context_tokens / sequences_max / 4).clamp(16, 256)
}

/// `value`, or `default` where it is `None`, if it is in `1..=max`.
///
/// # Errors
/// [`Invalid`] naming `field` when it is not.
pub fn in_range(
    field: &'static str,
    value: Option<i64>,
    default: u32,
    max: u32,
) -> Result<u32, Invalid> {
    let value = value.unwrap_or_else(|| i64::from(default));
    match u32::try_from(value) {
        Ok(checked) if (1..=max).contains(&checked) => Ok(checked),
        _ => Err(Invalid::new(
            field,
            value,
            format!("from 1 to {max}"),
            format!("give {field} a value from 1 to {max}, or leave it out for {default}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid() {
        let config = SchedulerOptions::default().validate().expect("defaults");
        assert_eq!(config.sequences_max, 32);
        assert_eq!(config.request_tokens_max, config.context_tokens);
    }

    #[test]
    fn refusals_name_the_field_and_the_limit() {
        for (options, field) in [
            (SchedulerOptions { sequences_max: Some(0), ..Default::default() }, "sequences_max"),
            (SchedulerOptions { sequences_max: Some(257), ..Default::default() }, "sequences_max"),
            (SchedulerOptions { context_tokens: Some(-1), ..Default::default() }, "context_tokens"),
            (SchedulerOptions { batch_tokens: Some(8), ..Default::default() }, "batch_tokens"),
            (
                SchedulerOptions { prefill_chunk_tokens: Some(513), ..Default::default() },
                "prefill_chunk_tokens",
            ),
            (SchedulerOptions { itl_target_ms: Some(0), ..Default::default() }, "itl_target_ms"),
        ] {
            let invalid = options.validate().expect_err(field);
            assert_eq!(invalid.field, field);
            assert!(!invalid.remedy.is_empty());
        }
    }

    #[test]
    fn a_request_never_outgrows_the_context() {
        let options = SchedulerOptions {
            context_tokens: Some(100),
            request_tokens_max: Some(5000),
            ..Default::default()
        };
        assert_eq!(options.validate().expect("valid").request_tokens_max, 100);
    }
}
