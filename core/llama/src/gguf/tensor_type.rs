//! The types of weights that ggml knows, with how they are stored.

use std::fmt;

/// A type of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TensorType(u32);

/// How a type is stored and what can be done with it.
struct Layout {
    code: u32,
    name: &'static str,
    /// Weights of a block: a row is a whole number of these.
    block: u64,
    /// Bytes of a block.
    bytes: u64,
    /// Whether ggml multiplies by it and looks rows of it up.
    is_weight: bool,
}

/// As in `ggml_type` and `type_traits` (ggml.h, ggml.c). Numbers that are missing were given back.
/// A test compares it with the llama.cpp that is linked.
const LAYOUTS: [Layout; 35] = [
    weight(0, "f32", 1, 4),
    weight(1, "f16", 1, 2),
    weight(2, "q4_0", 32, 18),
    weight(3, "q4_1", 32, 20),
    weight(6, "q5_0", 32, 22),
    weight(7, "q5_1", 32, 24),
    weight(8, "q8_0", 32, 34),
    // Only results in between have these two: `vec_dot` is null, or rows can't be looked up.
    other(9, "q8_1", 32, 36),
    weight(10, "q2_K", 256, 84),
    weight(11, "q3_K", 256, 110),
    weight(12, "q4_K", 256, 144),
    weight(13, "q5_K", 256, 176),
    weight(14, "q6_K", 256, 210),
    other(15, "q8_K", 256, 292),
    weight(16, "iq2_xxs", 256, 66),
    weight(17, "iq2_xs", 256, 74),
    weight(18, "iq3_xxs", 256, 98),
    weight(19, "iq1_s", 256, 50),
    weight(20, "iq4_nl", 32, 18),
    weight(21, "iq3_s", 256, 110),
    weight(22, "iq2_s", 256, 82),
    weight(23, "iq4_xs", 256, 136),
    other(24, "i8", 1, 1),
    other(25, "i16", 1, 2),
    other(26, "i32", 1, 4),
    other(27, "i64", 1, 8),
    other(28, "f64", 1, 8),
    weight(29, "iq1_m", 256, 56),
    weight(30, "bf16", 1, 2),
    weight(34, "tq1_0", 256, 54),
    weight(35, "tq2_0", 256, 66),
    weight(39, "mxfp4", 32, 17),
    weight(40, "nvfp4", 64, 36),
    weight(41, "q1_0", 128, 18),
    weight(42, "q2_0", 64, 18),
];

const fn weight(code: u32, name: &'static str, block: u64, bytes: u64) -> Layout {
    Layout { code, name, block, bytes, is_weight: true }
}

const fn other(code: u32, name: &'static str, block: u64, bytes: u64) -> Layout {
    Layout { code, name, block, bytes, is_weight: false }
}

impl TensorType {
    /// 32-bit floats.
    pub const F32: Self = Self(0);
    /// 16-bit floats.
    pub const F16: Self = Self(1);
    /// 32-bit whole numbers.
    pub const I32: Self = Self(26);

    /// The type of that number in a file, if it is known.
    #[must_use]
    pub fn of(code: u32) -> Option<Self> {
        LAYOUTS.iter().any(|layout| layout.code == code).then_some(Self(code))
    }

    /// All that are known.
    pub fn all() -> impl Iterator<Item = Self> {
        LAYOUTS.iter().map(|layout| Self(layout.code))
    }

    /// Its number in a file.
    #[must_use]
    pub fn code(self) -> u32 {
        self.0
    }

    /// How many weights a block has: a row is a whole number of blocks.
    #[must_use]
    pub fn block(self) -> u64 {
        self.layout().block
    }

    /// The bytes of a block.
    #[must_use]
    pub fn block_bytes(self) -> u64 {
        self.layout().bytes
    }

    /// Whether a matrix of it can be multiplied by, and its rows looked up.
    #[must_use]
    pub fn is_weight(self) -> bool {
        self.layout().is_weight
    }

    fn layout(self) -> &'static Layout {
        let found = LAYOUTS.iter().find(|layout| layout.code == self.0);
        found.expect("made of a known number")
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.layout().name)
    }
}
