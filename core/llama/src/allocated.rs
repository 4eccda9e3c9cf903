//! How many bytes llama.cpp has allocated, and for what: it says so in its log and nowhere else.

use serde::{Deserialize, Serialize};

/// Bytes of one load, or of one context, on all devices together. Read from lines such as
/// `load_tensors: CPU_Mapped model buffer size = 86.51 MiB`, so each buffer is off by 5 KiB at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocated {
    /// Weights that are read through a mapping of their file: the system can drop them from memory
    /// and read them again.
    pub mapped_bytes: u64,
    /// Weights that were copied: to a device, or into another order for the processor.
    pub weights_bytes: u64,
    /// The cells of the context's memory: keys and values, recurrent states.
    pub memory_bytes: u64,
    /// What computing a batch takes, logits included.
    pub scratch_bytes: u64,
}

impl Allocated {
    /// All of it.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        [self.mapped_bytes, self.weights_bytes, self.memory_bytes, self.scratch_bytes]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// Adds what a line of llama.cpp's log says was allocated. Other lines say nothing.
    pub(crate) fn add(&mut self, line: &str) {
        let Some((owner, bytes)) = buffer(line) else { return };
        let part = match owner {
            Owner::Mapped => &mut self.mapped_bytes,
            Owner::Weights => &mut self.weights_bytes,
            Owner::Memory => &mut self.memory_bytes,
            Owner::Scratch => &mut self.scratch_bytes,
        };
        *part = part.saturating_add(bytes);
    }
}

/// Whose a buffer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Mapped,
    Weights,
    Memory,
    Scratch,
}

/// The buffer that a line is about: `function: DEVICE WHAT buffer size = NUMBER MiB`.
fn buffer(line: &str) -> Option<(Owner, u64)> {
    let (before, after) = line.split_once(" buffer size = ")?;
    let mib: f64 = after.trim().strip_suffix("MiB")?.trim_end().parse().ok()?;
    let (_, buffer) = before.split_once(": ")?;
    let (device, what) = buffer.trim().split_once(' ')?;
    let owner = match what.trim() {
        "model" if device.ends_with("_Mapped") => Owner::Mapped,
        "model" => Owner::Weights,
        "compute" | "output" => Owner::Scratch,
        what if ["KV", "RS"].contains(&what) || what.ends_with(" state") => Owner::Memory,
        _ => return None,
    };
    let bytes = (mib * 1024.0 * 1024.0).round();
    if !(0.0..1e18).contains(&bytes) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range, above")]
    Some((owner, bytes as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn of(lines: &[&str]) -> Allocated {
        let mut allocated = Allocated::default();
        lines.iter().for_each(|line| allocated.add(line));
        allocated
    }

    #[test]
    fn every_buffer_has_its_owner() {
        let allocated = of(&[
            "load_tensors:   CPU_Mapped model buffer size =     2.00 MiB",
            "load_tensors:   CPU_REPACK model buffer size =     3.00 MiB",
            "load_tensors:        CUDA0 model buffer size =     4.00 MiB",
            "llama_kv_cache:        CPU KV buffer size =     5.50 MiB",
            "llama_memory_recurrent:        CPU RS buffer size =     1.00 MiB",
            "dsv4:      CUDA0 DSV4 compressed state buffer size =     1.00 MiB",
            "llama_context:        CPU  output buffer size =     6.00 MiB",
            "sched_reserve:        CPU compute buffer size =     7.00 MiB",
        ]);
        assert_eq!(allocated.mapped_bytes, 2 * MIB);
        assert_eq!(allocated.weights_bytes, 7 * MIB);
        assert_eq!(allocated.memory_bytes, 15 * MIB / 2);
        assert_eq!(allocated.scratch_bytes, 13 * MIB);
    }

    #[test]
    fn lines_about_anything_else_say_nothing() {
        let lines = [
            "",
            "buffer size = ",
            "x: CPU KV buffer size = MiB",
            "x: CPU KV buffer size = nan MiB",
            "x: CPU KV buffer size = -1.00 MiB",
            "x: CPU KV buffer size = 1.00 GiB",
            "x: CPU LoRA buffer size = 1.00 MiB",
            "CPU KV buffer size = 1.00 MiB",
        ];
        assert_eq!(of(&lines), Allocated::default());
    }
}
