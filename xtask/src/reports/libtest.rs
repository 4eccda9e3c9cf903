//! Rust's runner: `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out`,
//! one line for each test program, and the like from programs with a runner of their own.

use super::Tally;

/// Adds up the result lines of one `cargo test`.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    tally: Tally,
}

impl Counter {
    /// Takes one line of output.
    pub(crate) fn line(&mut self, line: &str) {
        let Some(results) = line.trim().strip_prefix("test result: ") else {
            return;
        };
        // `ok. 12 passed; 1 ignored`: the first word is the verdict.
        for count in results.split(['.', ';']) {
            let mut words = count.split_whitespace();
            let (Some(number), Some(outcome)) = (words.next(), words.next()) else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            match outcome {
                "passed" => self.tally.passed += number,
                "failed" => self.tally.failed += number,
                "ignored" => self.tally.skipped += number,
                _ => {}
            }
        }
    }

    /// What was reported.
    pub(crate) fn finish(self) -> Tally {
        self.tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_add_up() {
        let mut counter = Counter::default();
        for line in [
            "running 5 tests",
            "test cancelled_sequence_returns_its_cells ... ok",
            "test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.02s",
            "test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.40s",
            "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
        ] {
            counter.line(line);
        }
        let tally = counter.finish();
        assert_eq!((tally.passed, tally.failed, tally.skipped), (6, 3, 1));
    }
}
