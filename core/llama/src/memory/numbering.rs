//! Which of llama.cpp's sequence numbers stand for the kernel's, and which are ours alone.
//!
//! In this order: the sequences that requests run on, one scratch sequence for copies, the
//! residents, and where residents are guarded, a guard for each. All are below 256, which
//! [`crate::residents_possible`] sees to.

use indwell_kernel::SeqId;
use llama_cpp_sys_2::llama_seq_id;

use crate::memory_kind::MemoryKind;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbering {
    running: u32,
    residents: u32,
    guarded: bool,
}

impl Numbering {
    pub(crate) fn new(kind: MemoryKind, running: u32, residents: u32) -> Self {
        let residents = crate::residents_possible(kind, running, residents);
        Self { running, residents, guarded: kind.is_guarded() }
    }

    /// How many residents there are.
    pub(crate) fn residents(self) -> u32 {
        self.residents
    }

    /// llama.cpp's `n_seq_max`. It sizes buffers, so it counts no more than it must: attention
    /// asks only of what is saved to be below it, which is the scratch sequence.
    pub(crate) fn llama_sequences(self, kind: MemoryKind) -> u32 {
        match (self.residents, kind.is_whole()) {
            (0, _) => self.running,
            (_, false) => self.running + 1,
            (residents, true) => self.running + 1 + residents,
        }
    }

    /// The number of `seq`, if this context has it.
    pub(crate) fn of(self, seq: SeqId) -> Option<Number> {
        if seq.0 < self.running {
            return Some(Number { seq: number(seq.0), guard: None });
        }
        let resident = seq.0 - self.running;
        (resident < self.residents).then(|| {
            let seq = self.running + 1 + resident;
            let guard = self.guarded.then(|| number(seq + self.residents));
            Number { seq: number(seq), guard }
        })
    }

    /// The scratch sequence, if there are residents and with them reasons to copy.
    pub(crate) fn scratch(self) -> Option<llama_seq_id> {
        (self.residents > 0).then(|| number(self.running))
    }
}

/// A sequence of llama.cpp's, and the one that guards its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) seq: llama_seq_id,
    pub(crate) guard: Option<llama_seq_id>,
}

impl Number {
    /// Both.
    pub(crate) fn each(self) -> impl Iterator<Item = llama_seq_id> {
        std::iter::once(self.seq).chain(self.guard)
    }
}

fn number(seq: u32) -> llama_seq_id {
    llama_seq_id::try_from(seq).expect("sequences are below 256")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_numbers_are_apart_and_below_256() {
        for kind in [MemoryKind::Attention, MemoryKind::SlidingWindow { window: 8 }] {
            let ids = Numbering::new(kind, 32, 1000);
            let mut seen: Vec<_> = (0..32 + ids.residents())
                .flat_map(|seq| ids.of(SeqId(seq)).expect("of this context").each())
                .chain(ids.scratch())
                .collect();
            let all = seen.len();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), all);
            assert!(seen.iter().all(|number| (0..256).contains(number)));
            assert_eq!(ids.of(SeqId(32 + ids.residents())), None);
            assert_eq!(ids.of(SeqId(u32::MAX)), None);
            assert_eq!(ids.llama_sequences(kind), 33);
        }
        assert_eq!(
            Numbering::new(MemoryKind::Hybrid, 4, 8).llama_sequences(MemoryKind::Hybrid),
            13
        );
        let none = Numbering::new(MemoryKind::Attention, 256, 8);
        assert_eq!((none.residents(), none.scratch()), (0, None));
    }
}
