//! One number for all that an engine takes of memory, and what it takes now.

use std::fmt;

use indwell_llama::Allocated;

/// What an engine takes of memory, in bytes, all devices together. Weights that are mapped from
/// their file count in full, though the system can drop them and read them again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineMemory {
    /// What it may take: the option `memory_bytes`. `None` where nothing was said.
    pub budget_bytes: Option<u64>,
    /// The most that it can come to, both caches full: never more than the budget.
    pub limit_bytes: u64,
    /// The model's weights.
    pub weights_bytes: u64,
    /// Cells of the KV cache, used or not, and recurrent states.
    pub kv_bytes: u64,
    /// What computing a step takes, logits included.
    pub scratch_bytes: u64,
    /// Snapshots of cached prefixes in the host's memory.
    pub host_cache_bytes: u64,
    /// Stored answers and their questions.
    pub response_cache_bytes: u64,
}

impl EngineMemory {
    /// What the engine takes now, all together.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        let caches = self.host_cache_bytes.saturating_add(self.response_cache_bytes);
        self.weights_bytes
            .saturating_add(self.kv_bytes)
            .saturating_add(self.scratch_bytes)
            .saturating_add(caches)
    }
}

/// What does not change while an engine is open.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FixedMemory {
    pub(crate) budget_bytes: Option<u64>,
    pub(crate) model: Allocated,
    pub(crate) context: Allocated,
    pub(crate) host_cache_bytes_max: u64,
    pub(crate) response_cache_bytes_max: u64,
}

impl FixedMemory {
    /// What an open engine takes, with so much in its caches.
    pub(crate) fn open(&self, host_cache_bytes: u64, response_cache_bytes: u64) -> EngineMemory {
        let Self { model, context, .. } = self;
        let fixed = EngineMemory {
            budget_bytes: self.budget_bytes,
            limit_bytes: 0,
            weights_bytes: model.mapped_bytes.saturating_add(model.weights_bytes),
            kv_bytes: context.memory_bytes,
            scratch_bytes: context.scratch_bytes,
            host_cache_bytes: self.host_cache_bytes_max,
            response_cache_bytes: self.response_cache_bytes_max,
        };
        EngineMemory {
            limit_bytes: fixed.total_bytes(),
            host_cache_bytes,
            response_cache_bytes,
            ..fixed
        }
    }

    /// What is left of an engine that is over.
    pub(crate) fn over(&self) -> EngineMemory {
        EngineMemory { budget_bytes: self.budget_bytes, ..EngineMemory::default() }
    }
}

/// Bytes as people read them: `98.4 MiB`.
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["GiB", "MiB", "KiB"];
        let sizes = [1 << 30, 1 << 20, 1 << 10];
        match units.into_iter().zip(sizes).find(|&(_, size)| self.0 >= size) {
            Some((unit, size)) => write!(f, "{:.1} {unit}", self.0 as f64 / size as f64),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_the_largest_unit_that_fits() {
        let shown = [0, 1023, 1024, 103_180_000, 3 << 30].map(|bytes| Bytes(bytes).to_string());
        assert_eq!(shown, ["0 bytes", "1023 bytes", "1.0 KiB", "98.4 MiB", "3.0 GiB"]);
    }

    #[test]
    fn the_limit_is_what_is_fixed_and_both_caches_full() {
        let allocated = |mapped_bytes, weights_bytes, memory_bytes, scratch_bytes| Allocated {
            mapped_bytes,
            weights_bytes,
            memory_bytes,
            scratch_bytes,
        };
        let fixed = FixedMemory {
            budget_bytes: Some(2000),
            model: allocated(100, 20, 0, 0),
            context: allocated(0, 0, 300, 40),
            host_cache_bytes_max: 500,
            response_cache_bytes_max: 60,
        };
        let memory = fixed.open(5, 6);
        assert_eq!(memory.limit_bytes, 1020);
        assert_eq!(memory.total_bytes(), 471);
        assert_eq!((memory.weights_bytes, memory.kv_bytes, memory.scratch_bytes), (120, 300, 40));
        assert_eq!(fixed.over().total_bytes(), 0);
        assert_eq!(fixed.over().budget_bytes, Some(2000));
    }
}
