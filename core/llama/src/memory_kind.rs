//! What sort of memory a model keeps of its tokens, and what can therefore be shared and cut.
//!
//! It mirrors which memory llama.cpp makes for a model (`llama_model::create_memory`), as far as
//! it can be asked from outside. What is not known to share cells safely counts as unsupported:
//! the prefix cache is then off, and nothing else changes.

use indwell_kernel::Reuse;
use indwell_kernel::config::SEQUENCES_LIMIT;
use llama_cpp_sys_2 as sys;
use serde::{Deserialize, Serialize};

use crate::Model;

/// A sort of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MemoryKind {
    /// A cell for each token, in all layers.
    Attention,
    /// A cell for each token, but some layers look back no further than the window.
    SlidingWindow {
        /// How many tokens those layers look back.
        window: u32,
    },
    /// One state for a whole sequence, whatever its length.
    Recurrent,
    /// Attention in some layers, one state for a sequence in the others.
    Hybrid,
    /// Something whose sequences can't be shared safely.
    Unsupported,
}

/// Architectures with a memory of their own beside those that are known here: an index of keys,
/// compressed states, another model's cells.
const OF_THEIR_OWN: [&str; 11] = [
    "deepseek32",
    "deepseek4",
    "dflash",
    "dots3note",
    "eagle3",
    "gemma4-assistant",
    "glm-dsa",
    "glm5-next",
    "hy_v4",
    "minimax-m3",
    "qwen4exp",
];

impl MemoryKind {
    /// The sort of memory that `model` keeps.
    pub(crate) fn of(model: &Model) -> Self {
        let architecture = model.metadata("general.architecture").unwrap_or_default();
        // SAFETY: the model is loaded; these ask it for plain values.
        let (encodes, recurrent, hybrid, window) = unsafe {
            (
                sys::llama_model_has_encoder(model.as_ptr()),
                sys::llama_model_is_recurrent(model.as_ptr()),
                sys::llama_model_is_hybrid(model.as_ptr()),
                sys::llama_model_n_swa(model.as_ptr()),
            )
        };
        // What an encoder computed is no part of the memory.
        if encodes || OF_THEIR_OWN.contains(&architecture.as_str()) {
            MemoryKind::Unsupported
        } else if recurrent {
            MemoryKind::Recurrent
        } else if hybrid {
            MemoryKind::Hybrid
        } else {
            match u32::try_from(window) {
                Ok(0) | Err(_) => MemoryKind::Attention,
                Ok(window) => MemoryKind::SlidingWindow { window },
            }
        }
    }

    /// Where sequences can be shared; `None` if they can't be.
    #[must_use]
    pub fn reuse(self) -> Option<Reuse> {
        match self {
            MemoryKind::Attention | MemoryKind::SlidingWindow { .. } => Some(Reuse::AnyPosition),
            MemoryKind::Recurrent | MemoryKind::Hybrid => Some(Reuse::ExactEnds),
            MemoryKind::Unsupported => None,
        }
    }

    /// Whether the newest tokens of a sequence can be taken back, as drafts that were wrong are. Layers
    /// with a window lose nothing by it that an earlier token looks back at.
    #[must_use]
    pub fn takes_back(self) -> bool {
        matches!(self, MemoryKind::Attention | MemoryKind::SlidingWindow { .. })
    }

    /// What the prefix cache can do on it, in a line.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            MemoryKind::Attention => "prefix cache: any position (full attention)",
            MemoryKind::SlidingWindow { .. } => {
                "prefix cache: any position (sliding window, kept in full)"
            }
            MemoryKind::Recurrent => "prefix cache: where a prefix was kept (recurrent state)",
            MemoryKind::Hybrid => {
                "prefix cache: where a prefix was kept (attention and recurrent state)"
            }
            MemoryKind::Unsupported => "no prefix cache: this model's memory can't be shared",
        }
    }

    /// Whether a sequence is shared, saved and restored only whole.
    pub(crate) fn is_whole(self) -> bool {
        self.reuse() == Some(Reuse::ExactEnds)
    }

    /// Whether a resident needs a second sequence that holds its cells: llama.cpp takes cells
    /// that only one sequence holds for new tokens once they are out of that sequence's window.
    pub(crate) fn is_guarded(self) -> bool {
        matches!(self, MemoryKind::SlidingWindow { .. })
    }
}

/// How many resident sequences a context can have beside `sequences_max` running ones, at most
/// `wanted`: llama.cpp keeps 256 sequences apart, of which one is needed for copies, and each
/// resident takes one, or two where layers have a window.
///
/// ```
/// use indwell_llama::{MemoryKind, residents_possible};
///
/// assert_eq!(residents_possible(MemoryKind::Attention, 32, 1000), 223);
/// assert_eq!(residents_possible(MemoryKind::SlidingWindow { window: 512 }, 32, 1000), 111);
/// assert_eq!(residents_possible(MemoryKind::Attention, 256, 8), 0);
/// assert_eq!(residents_possible(MemoryKind::Unsupported, 32, 8), 0);
/// ```
#[must_use]
pub fn residents_possible(kind: MemoryKind, sequences_max: u32, wanted: u32) -> u32 {
    if kind.reuse().is_none() {
        return 0;
    }
    let free = SEQUENCES_LIMIT.saturating_sub(sequences_max).saturating_sub(1);
    wanted.min(if kind.is_guarded() { free / 2 } else { free })
}
