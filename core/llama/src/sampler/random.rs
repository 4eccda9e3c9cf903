//! Random numbers that depend on a seed and a place in the answer, and on nothing else.
//!
//! So a draw is the same in every batch, after a preemption, and behind tokens that were forced and
//! not drawn. It is SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
//! 2014), set to its n-th number.

/// What a number is drawn for: each has a stream of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Purpose {
    /// The token.
    Token = 1,
    /// Whether the likeliest tokens are left out.
    Xtc = 2,
}

/// A number from 0, below 1, for the `position`-th token of an answer.
pub(super) fn uniform(seed: u32, purpose: Purpose, position: u32) -> f64 {
    const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
    let stream = mix(u64::from(seed) | (purpose as u64) << 32);
    let number = mix(stream.wrapping_add(GOLDEN_GAMMA.wrapping_mul(u64::from(position) + 1)));
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what an f64 holds")]
    let mantissa = (number >> 11) as f64;
    mantissa / 9_007_199_254_740_992.0 // 2^53
}

/// SplitMix64's finalizer.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Chi-squared over 16 cells, whose 99.99% quantile for 15 degrees of freedom is 44.3.
    fn chi_squared(numbers: impl Iterator<Item = f64>) -> f64 {
        let (mut counts, mut all) = ([0.0_f64; 16], 0.0);
        for number in numbers {
            assert!((0.0..1.0).contains(&number), "{number}");
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 15")]
            let cell = (number * 16.0) as usize;
            counts[cell] += 1.0;
            all += 1.0;
        }
        let expected = all / 16.0;
        counts.iter().map(|count| (count - expected).powi(2) / expected).sum()
    }

    #[test]
    fn numbers_are_uniform_along_answers_and_across_seeds() {
        for purpose in [Purpose::Token, Purpose::Xtc] {
            for seed in [0, 1, 2, 12345, u32::MAX - 1] {
                let along = chi_squared((0..20_000).map(|at| uniform(seed, purpose, at)));
                assert!(along < 44.3, "seed {seed}: {along}");
            }
            for position in [0, 1, 500] {
                let across = chi_squared((0..20_000).map(|seed| uniform(seed, purpose, position)));
                assert!(across < 44.3, "position {position}: {across}");
            }
        }
    }

    #[test]
    fn neighbours_are_independent() {
        // Of pairs along an answer and across seeds, each in a quarter of the square.
        type Pair = fn(u32) -> (f64, f64);
        let pairs: [(&str, Pair); 3] = [
            ("positions", |i| (of(7, i), of(7, i + 1))),
            ("seeds", |i| (of(i, 0), of(i + 1, 0))),
            ("purposes", |i| (of(i, 3), uniform(i, Purpose::Xtc, 3))),
        ];
        fn of(seed: u32, position: u32) -> f64 {
            uniform(seed, Purpose::Token, position)
        }
        for (name, pair) in pairs {
            let mut both = 0_u32;
            for i in 0..20_000 {
                let (a, b) = pair(i);
                both += u32::from(a < 0.5 && b < 0.5);
            }
            // Five standard deviations of a binomial with n = 20,000 and p = 0.25 are 306.
            assert!(both.abs_diff(5000) < 306, "{name}: {both}");
        }
    }

    #[test]
    fn a_place_has_its_number() {
        // Answers that were stored are found again by their seed: the numbers must not change.
        let at = |position| uniform(42, Purpose::Token, position).to_bits();
        assert_eq!(at(3), at(3));
        assert_ne!(at(3), at(4));
        assert_ne!(at(3), uniform(42, Purpose::Xtc, 3).to_bits());
    }
}
