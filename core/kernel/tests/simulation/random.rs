//! A small seeded generator (splitmix64), so that a schedule is its seed and nothing else.

use std::ops::RangeInclusive;

/// The generator's state.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The generator of `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits (Steele, Lea, Flood 2014, as published by Vigna).
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `range`. Its slight bias towards small numbers does not matter here.
    pub(crate) fn within(&mut self, range: RangeInclusive<u32>) -> u32 {
        let count = u64::from(range.end() - range.start()) + 1;
        range.start() + u32::try_from(self.bits() % count).expect("below the range's length")
    }

    /// An index below `length`, which is not 0.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        self.within(0..=u32::try_from(length - 1).expect("short lists")) as usize
    }

    /// True once in `times`; never if `times` is 0.
    pub(crate) fn one_in(&mut self, times: u32) -> bool {
        times > 0 && self.bits().is_multiple_of(u64::from(times))
    }

    /// One of `choices`, which are not empty.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }
}
