//! Options that fit into a budget: what is not said gives way, what is said does not.

use indwell_llama::Allocated;

use super::{EngineConfig, EngineOptions};
use crate::memory::Bytes;
use crate::{Error, ErrorKind, Result};

/// Cells that are given up last: an engine with fewer could hardly answer a chat.
const CONTEXT_TOKENS_MIN: u32 = 512;
/// What a response cache that is kept in a folder needs in memory.
const KEPT_ANSWERS_BYTES_MIN: u64 = 1 << 20;
/// llama.cpp rounds cells up to a multiple of this, so fewer steps are no gain.
const CONTEXT_STEP: u32 = 256;
/// Of what is left for both caches, this share is for cached prefixes, whose bytes save more time.
const HOST_CACHE_SHARE: (u64, u64) = (3, 4);

/// What all that an engine takes has to fit into, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// `memory_bytes`.
    Budget(u64),
    /// What a limit of the process's address space leaves.
    AddressSpace(u64),
}

impl Bound {
    pub(crate) fn bytes(&self) -> u64 {
        match *self {
            Self::Budget(bytes) | Self::AddressSpace(bytes) => bytes,
        }
    }
}

impl EngineOptions {
    /// These options, with those that are not said cut so that all fits into `bound`: first the
    /// caches, then `context_tokens`, down to 512. `needs` says what an engine takes beside its
    /// caches; it grows with `context_tokens`.
    ///
    /// # Errors
    /// `out_of_memory` if what is said does not fit, and those of [`Self::validate`].
    pub(crate) fn within(
        &self,
        bound: Bound,
        trained_context_tokens: u32,
        needs: impl Fn(&EngineConfig) -> Allocated,
    ) -> Result<Self> {
        let mut fitted = self.clone();
        let at = |context_tokens: u32| {
            let tokens = Some(i64::from(context_tokens));
            let options = Self { context_tokens: tokens, ..self.clone() };
            Ok::<_, Error>(needs(&options.validate(trained_context_tokens)?))
        };
        let wanted = self.validate(trained_context_tokens)?;
        let caches = Caches::stated(self, &wanted);
        let room = bound.bytes().saturating_sub(caches.total());
        let most = wanted.scheduler.context_tokens;
        let mut needed = at(most)?;
        if needed.total_bytes() > room && self.context_tokens.is_none() {
            let least = self.context_tokens_least().min(most);
            needed = at(least)?;
            // Steps that fit, and steps that do not.
            let (mut fits, mut exceeds) = (least / CONTEXT_STEP, most.div_ceil(CONTEXT_STEP));
            while needed.total_bytes() <= room && exceeds - fits > 1 {
                let middle = fits.midpoint(exceeds);
                let tried = at(middle * CONTEXT_STEP)?;
                if tried.total_bytes() <= room {
                    (fits, needed) = (middle, tried);
                } else {
                    exceeds = middle;
                }
            }
            let fits = least.max(fits * CONTEXT_STEP);
            fitted.context_tokens = Some(fits.into());
        }
        if needed.total_bytes() > room {
            return Err(does_not_fit(bound, &needed, &caches));
        }
        caches.fill(room - needed.total_bytes(), &wanted, &mut fitted);
        Ok(fitted)
    }

    /// Cells that are given up last, those that other options speak of among them.
    fn context_tokens_least(&self) -> u32 {
        let stated = self.prefix_cache.tokens.and_then(|tokens| u32::try_from(tokens).ok());
        CONTEXT_TOKENS_MIN.max(stated.unwrap_or(0)).next_multiple_of(CONTEXT_STEP)
    }
}

/// What the caches are to have at least; `None` for one that takes what is left.
struct Caches {
    host: Option<u64>,
    response: Option<u64>,
    response_min: u64,
}

impl Caches {
    fn stated(options: &EngineOptions, config: &EngineConfig) -> Self {
        let is_on = config.prefix_cache.is_on();
        let host = options.prefix_cache.host_bytes.map(|_| config.prefix_cache.host_bytes);
        let answers = config.response_cache.as_ref();
        let response = options.response_cache.bytes.map(|_| answers.map_or(0, |a| a.bytes));
        let is_kept = answers.is_some_and(|answers| answers.dir.is_some());
        let response_min = if is_kept { KEPT_ANSWERS_BYTES_MIN } else { 0 };
        Self { host: host.or((!is_on).then_some(0)), response, response_min }
    }

    fn total(&self) -> u64 {
        self.host.unwrap_or(0).saturating_add(self.response.unwrap_or(self.response_min))
    }

    /// Shares out what is left, up to what each would have without a budget.
    fn fill(&self, left: u64, wanted: &EngineConfig, options: &mut EngineOptions) {
        let saturated = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
        let mut left = left;
        if self.host.is_none() {
            let (part, whole) = HOST_CACHE_SHARE;
            let share = if self.response.is_none() { left / whole * part } else { left };
            let bytes = share.min(wanted.prefix_cache.host_bytes);
            left -= bytes;
            options.prefix_cache.host_bytes = Some(saturated(bytes));
        }
        if self.response.is_none() {
            let most = wanted.response_cache.as_ref().map_or(0, |answers| answers.bytes);
            let bytes = self.response_min.saturating_add(left).min(most);
            options.response_cache.bytes = Some(saturated(bytes));
        }
    }
}

fn does_not_fit(bound: Bound, needed: &Allocated, caches: &Caches) -> Error {
    let least = needed.total_bytes().saturating_add(caches.total());
    let parts = [
        ("weights", needed.mapped_bytes.saturating_add(needed.weights_bytes)),
        ("KV cells", needed.memory_bytes),
        ("scratch", needed.scratch_bytes),
        ("caches", caches.total()),
    ];
    let parts = parts.map(|(name, bytes)| format!("{} for {name}", Bytes(bytes))).join(", ");
    let (raise, is, field) = match bound {
        Bound::Budget(budget) => (
            format!("give memory_bytes at least {least}"),
            format!("memory_bytes is {budget}"),
            Some("memory_bytes".to_owned()),
        ),
        Bound::AddressSpace(left) => (
            "raise the limit of the process's address space (`ulimit -v`)".to_owned(),
            format!("that limit leaves {} for them", Bytes(left)),
            None,
        ),
    };
    let remedy = format!(
        "{raise}, lower context_tokens, batch_tokens or the caches' bytes, or take a model with \
         smaller weights"
    );
    let message =
        format!("the engine needs {} of memory ({parts}), and {is}: {remedy}", Bytes(least));
    let details = crate::ErrorDetails {
        field,
        value: Some(bound.bytes().to_string()),
        limit: Some(format!("at least {least}")),
        remedy: Some(remedy),
        retry_after_ms: None,
    };
    Error::with(ErrorKind::OutOfMemory, message, details, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::NamedOptions;

    const MIB: u64 = 1 << 20;

    /// 100 MiB, and 32 KiB a cell.
    fn needs(config: &EngineConfig) -> Allocated {
        let cells = u64::from(config.scheduler.context_tokens);
        Allocated {
            weights_bytes: 90 * MIB,
            memory_bytes: cells << 15,
            scratch_bytes: 10 * MIB,
            ..Allocated::default()
        }
    }

    fn options(named: &[(&str, i64)]) -> EngineOptions {
        let mut options = EngineOptions::default();
        for &(name, value) in named {
            options.set(name, value.into()).expect("an option");
        }
        options
    }

    fn within(named: &[(&str, i64)], budget_mib: u64) -> Result<EngineConfig> {
        let trained = 1 << 20;
        options(named).within(Bound::Budget(budget_mib * MIB), trained, needs)?.validate(trained)
    }

    fn taken(config: &EngineConfig) -> u64 {
        let answers = config.response_cache.as_ref().map_or(0, |answers| answers.bytes);
        let needed = needs(config).total_bytes();
        needed + config.prefix_cache.host_bytes + answers
    }

    #[test]
    fn with_room_for_everything_nothing_changes() {
        let config = within(&[], 1 << 20).expect("it fits");
        let free = EngineOptions::default().validate(1 << 20).expect("defaults");
        assert_eq!(config.scheduler.context_tokens, free.scheduler.context_tokens);
        assert_eq!(config.prefix_cache, free.prefix_cache);
        assert_eq!(config.response_cache, free.response_cache);
    }

    #[test]
    fn caches_give_way_before_cells_do() {
        // 356 MiB beside the caches.
        let config = within(&[], 396).expect("it fits");
        assert_eq!(config.scheduler.context_tokens, 8192);
        assert_eq!(config.prefix_cache.host_bytes, 30 * MIB);
        assert_eq!(config.response_cache.expect("on").bytes, 10 * MIB);
        let config = within(&[], 356).expect("it fits");
        assert_eq!((config.scheduler.context_tokens, config.prefix_cache.host_bytes), (8192, 0));
        assert_eq!(config.response_cache, None);
    }

    #[test]
    fn whatever_the_budget_it_is_kept_and_well_used() {
        for budget in 116..=600 {
            let config = within(&[], budget).expect("it fits");
            let taken = taken(&config);
            assert!(taken <= budget * MIB, "{budget} MiB: {taken}");
            let cells = config.scheduler.context_tokens;
            assert!(cells == 8192 || taken + (256 << 15) > budget * MIB, "{budget} MiB: {cells}");
        }
    }

    #[test]
    fn what_is_said_does_not_give_way() {
        let said = [("context_tokens", 4096), ("host_cache_bytes", 20 << 20)];
        let config = within(&said, 248).expect("it fits exactly");
        assert_eq!(config.scheduler.context_tokens, 4096);
        assert_eq!(config.prefix_cache.host_bytes, 20 * MIB);
        let error = within(&said, 247).expect_err("a MiB less");
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        assert_eq!(error.details().field.as_deref(), Some("memory_bytes"));
        let least = format!("at least {}", 248 * MIB);
        assert_eq!(error.details().limit.as_deref(), Some(least.as_str()));
        assert!(error.message().contains("90.0 MiB for weights, 128.0 MiB for KV cells"));
        let tokens = [("prefix_cache_tokens", 1000)];
        assert_eq!(within(&tokens, 132).expect("1024 cells").scheduler.context_tokens, 1024);
        assert!(within(&tokens, 131).is_err());
    }

    #[test]
    fn too_little_for_any_engine_is_refused_with_what_it_takes() {
        let error = within(&[], 115).expect_err("512 cells take 116 MiB");
        assert_eq!(
            error.details().limit.as_deref(),
            Some(format!("at least {}", 116 * MIB).as_str())
        );
        let remedy = error.details().remedy.as_deref().expect("a remedy");
        assert!(remedy.contains("lower context_tokens"), "{remedy}");
    }

    #[test]
    fn a_limit_of_the_address_space_is_named_with_its_remedy() {
        let bound = Bound::AddressSpace(100 * MIB);
        let error = options(&[]).within(bound, 1 << 20, needs).expect_err("it is too little");
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        assert_eq!(error.details().field, None);
        assert!(error.message().contains("that limit leaves 100.0 MiB"), "{error}");
        assert!(error.details().remedy.as_deref().is_some_and(|text| text.contains("ulimit -v")));
    }

    #[test]
    fn answers_that_are_kept_in_a_folder_keep_some_memory() {
        let mut options = options(&[]);
        options.set("response_cache_dir", "answers".into()).expect("an option");
        let trained = 1 << 20;
        let fitted = options.within(Bound::Budget(117 * MIB), trained, needs).expect("it fits");
        let config = fitted.validate(trained).expect("valid");
        assert_eq!(config.response_cache.expect("on").bytes, KEPT_ANSWERS_BYTES_MIN);
    }
}
