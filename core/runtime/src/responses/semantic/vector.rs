//! What an embedding must be, and how far two are apart.
//!
//! Pure. Sums are kept in `f64`, whose range no sum of squares of `f32` leaves: a vector's squared
//! length is finite and above zero exactly if the vector has a direction.

use std::fmt;

/// Sums that are kept side by side, so that the processor need not wait for each.
const LANES: usize = 8;

/// Why numbers are not an embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoDirection {
    Empty,
    /// Not a number, or infinite.
    NotFinite,
    Zero,
}

/// A vector that others are compared with.
#[derive(Debug)]
pub(super) struct Asked {
    /// Converted once, not for each comparison.
    numbers: Vec<f64>,
    squared_length: f64,
}

impl Asked {
    pub(super) fn new(vector: &[f32]) -> Result<Self, NoDirection> {
        let squared_length = squared_length(vector)?;
        Ok(Self { numbers: vector.iter().copied().map(f64::from).collect(), squared_length })
    }

    /// The cosine distance to a vector of the same length, given its squared length: 0 in the same
    /// direction, 2 in opposite ones.
    ///
    /// The cosine is rounded to `f32`, as exact as embeddings are, so that vectors of the same
    /// direction are at 0 whatever their lengths.
    pub(super) fn distance(&self, other: &[f32], squared_length: f64) -> f32 {
        let cosine = dot(&self.numbers, other) / (self.squared_length * squared_length).sqrt();
        (1.0 - cosine as f32).clamp(0.0, 2.0)
    }
}

/// The squared length of a vector that has a direction.
pub(super) fn squared_length(vector: &[f32]) -> Result<f64, NoDirection> {
    let squared = dot(vector, vector);
    if vector.is_empty() {
        Err(NoDirection::Empty)
    } else if !squared.is_finite() {
        Err(NoDirection::NotFinite)
    } else if squared == 0.0 {
        Err(NoDirection::Zero)
    } else {
        Ok(squared)
    }
}

fn dot<T: Copy + Into<f64>>(a: &[T], b: &[f32]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane].into() * f64::from(b[lane]);
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| (*a).into() * f64::from(*b));
    sums.iter().sum::<f64>() + rest.sum::<f64>()
}

impl fmt::Display for NoDirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoDirection::Empty => "its vector is empty",
            NoDirection::NotFinite => "its vector has a number that is not finite",
            NoDirection::Zero => "its vector is zero",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(a: &[f32], b: &[f32]) -> f32 {
        let squared_length = squared_length(b).expect("a direction");
        Asked::new(a).expect("a direction").distance(b, squared_length)
    }

    #[test]
    fn distances_are_those_of_directions() {
        assert_eq!(distance(&[1.0, 0.0], &[0.0, 3.0]), 1.0);
        assert_eq!(distance(&[1.0, 0.0], &[-2.0, 0.0]), 2.0);
        assert!((distance(&[1.0, 0.0], &[1.0, 1.0]) - 0.292_893_2).abs() < 1e-6);
    }

    #[test]
    fn the_same_direction_is_at_zero_whatever_the_length() {
        let vector: Vec<f32> = (1..=387).map(|n| (n as f32 * 0.731).sin()).collect();
        for scale in [1.0, 3.0, 0.1, 1e-20, 1e20] {
            let scaled: Vec<f32> = vector.iter().map(|x| x * scale).collect();
            assert_eq!(distance(&vector, &scaled), 0.0, "{scale}");
        }
    }

    #[test]
    fn numbers_at_the_edges_of_f32_have_a_direction() {
        for edge in [f32::MAX, f32::MIN_POSITIVE, f32::from_bits(1)] {
            assert_eq!(distance(&[edge; 9], &[1.0; 9]), 0.0, "{edge}");
            assert_eq!(distance(&[edge; 9], &[-edge; 9]), 2.0, "{edge}");
        }
    }

    #[test]
    fn what_has_no_direction_is_told() {
        let nine = |last| [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, last];
        assert_eq!(squared_length(&[]), Err(NoDirection::Empty));
        assert_eq!(squared_length(&nine(0.0)), Err(NoDirection::Zero));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(squared_length(&nine(bad)), Err(NoDirection::NotFinite));
            assert_eq!(squared_length(&[bad, 1.0]), Err(NoDirection::NotFinite));
        }
    }
}
