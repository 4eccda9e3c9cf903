//! How many answers a request has.

use indwell_kernel::sampling::SEED_MAX;

use crate::{Error, Result};

/// Answers to one request at most, those that are not told included.
pub(crate) const CHOICES_MAX: u32 = 128;

/// How many answers a request has, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choices {
    /// How many are told.
    pub(crate) told: u32,
    /// How many are computed; at least as many.
    pub(crate) computed: u32,
}

impl Choices {
    /// `n` answers, the best of `best_of`.
    ///
    /// # Errors
    /// `invalid_request` for numbers outside 1 to 128, and for `best_of` below `n`.
    pub(crate) fn of(n: Option<i64>, best_of: Option<i64>) -> Result<Self> {
        let told = count("n", n.unwrap_or(1))?;
        let computed = best_of.map_or(Ok(told), |best_of| count("best_of", best_of))?;
        if computed < told {
            return Err(Error::invalid(
                "best_of",
                computed.to_string(),
                format!("at least n, which is {told}"),
                "give best_of the number of answers to choose from, or leave it out",
            ));
        }
        Ok(Self { told, computed })
    }

    /// Whether answers are compared, and only the best told.
    pub(crate) fn compares(self) -> bool {
        self.computed > self.told
    }

    /// The seed of the choice at `index`: the request's own for the first, the next one for each
    /// other.
    pub(crate) fn seed(seed: u32, index: u32) -> u32 {
        let seed = (u64::from(seed) + u64::from(index)) % (u64::from(SEED_MAX) + 1);
        u32::try_from(seed).expect("below the modulus")
    }
}

fn count(field: &str, count: i64) -> Result<u32> {
    u32::try_from(count).ok().filter(|count| (1..=CHOICES_MAX).contains(count)).ok_or_else(|| {
        Error::invalid(
            field,
            count.to_string(),
            format!("from 1 to {CHOICES_MAX}"),
            "ask for fewer answers, or ask several times",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_answers_are_checked_alone_and_together() {
        assert_eq!(Choices::of(None, None).expect("one"), Choices { told: 1, computed: 1 });
        let best = Choices::of(Some(2), Some(5)).expect("the best two of five");
        assert_eq!((best, best.compares()), (Choices { told: 2, computed: 5 }, true));
        assert!(!Choices::of(Some(3), Some(3)).expect("all three").compares());
        for (n, best_of, field) in [
            (Some(0), None, "n"),
            (Some(129), None, "n"),
            (None, Some(0), "best_of"),
            (Some(3), Some(2), "best_of"),
        ] {
            let error = Choices::of(n, best_of).expect_err(field);
            assert_eq!(error.details().field.as_deref(), Some(field));
        }
    }

    #[test]
    fn seeds_follow_each_other_and_stay_seeds() {
        assert_eq!([0, 1, 2].map(|index| Choices::seed(7, index)), [7, 8, 9]);
        assert_eq!(Choices::seed(SEED_MAX, 1), 0);
    }
}
