//! Contenders taking turns.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;

use crate::{Measurement, Series};

/// Between two measurements: OpenMP's threads spin for some milliseconds after their last step.
const SETTLE: Duration = Duration::from_millis(50);

/// Measures every contender once a round, each round beginning with the next one.
///
/// `measure` is given the contender's place in `names` and the round. Rounds before the first one
/// that counts, `warm_up` of them, are measured and thrown away.
///
/// # Errors
/// The first that `measure` gives.
pub fn take_turns(
    names: &[&str],
    warm_up: u32,
    rounds: u32,
    measure: impl FnMut(usize, u32) -> Result<Measurement>,
) -> Result<Vec<Series>> {
    let measured = turns(names.len(), warm_up, rounds, measure)?;
    let series =
        |(name, measurements): (&&str, _)| Series { name: (*name).to_owned(), measurements };
    Ok(names.iter().zip(measured).map(series).collect())
}

/// [`take_turns`] for whatever is measured: for each contender what counts, round by round.
///
/// # Errors
/// The first that `measure` gives.
pub fn turns<T>(
    contenders: usize,
    warm_up: u32,
    rounds: u32,
    mut measure: impl FnMut(usize, u32) -> Result<T>,
) -> Result<Vec<Vec<T>>> {
    let mut measured: Vec<Vec<T>> = (0..contenders).map(|_| Vec::new()).collect();
    for round in 0..warm_up + rounds {
        for turn in 0..contenders {
            let contender = (turn + round as usize) % contenders;
            sleep(SETTLE);
            let measurement = measure(contender, round)?;
            if round >= warm_up {
                measured[contender].push(measurement);
            }
        }
    }
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_begins_with_another_contender() {
        let mut order = Vec::new();
        let series = take_turns(&["a", "b"], 1, 2, |contender, round| {
            order.push((round, contender));
            Ok(Measurement::of_tokens(u64::from(round), 1.0))
        })
        .expect("no error");
        assert_eq!(order, [(0, 0), (0, 1), (1, 1), (1, 0), (2, 0), (2, 1)]);
        let tokens: Vec<u64> = series[0].measurements.iter().map(|m| m.tokens).collect();
        assert_eq!(tokens, [1, 2]);
    }
}
