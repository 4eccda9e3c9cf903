//! The counts of a suite.

use std::process::ExitStatus;

/// Tests and checks by outcome, and what to say about those that did not run as tests.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Ran and succeeded.
    pub(crate) passed: u64,
    /// Ran and failed, or could not run.
    pub(crate) failed: u64,
    /// Ignored, skipped or to be done.
    pub(crate) skipped: u64,
    /// One line for each failure that no runner reported.
    pub(crate) problems: Vec<String>,
}

impl Tally {
    /// Counts a failure that no runner reported.
    pub(crate) fn fail(&mut self, problem: impl Into<String>) {
        self.failed += 1;
        self.problems.push(problem.into());
    }

    /// Counts a check that either succeeds or fails.
    pub(crate) fn check(&mut self, outcome: anyhow::Result<()>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(error) => self.fail(format!("{error:#}")),
        }
    }

    /// Adds what a runner reported. One that ends badly without naming a failure crashed, and one
    /// that reports nothing ran nothing: either counts as one.
    pub(crate) fn runner(&mut self, name: &str, status: ExitStatus, reported: &Self) {
        self.add(reported);
        if !status.success() && reported.failed == 0 {
            self.fail(format!("{name} ended with {status} and named no failed test"));
        } else if reported.is_empty() {
            self.fail(format!("{name} ran no test"));
        }
    }

    /// Adds another tally's counts and problems.
    pub(crate) fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.problems.extend(other.problems.iter().cloned());
    }

    /// Whether nothing ran, or all that there was got skipped.
    pub(crate) fn is_empty(&self) -> bool {
        self.passed + self.failed == 0
    }

    /// The line that ends a run.
    pub(crate) fn line(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(script: &str) -> ExitStatus {
        std::process::Command::new("sh").args(["-c", script]).status().unwrap()
    }

    fn reported(passed: u64, failed: u64) -> Tally {
        Tally { passed, failed, ..Tally::default() }
    }

    #[test]
    fn crashed_runner_counts_as_a_failure() {
        let mut tally = Tally::default();
        tally.runner("pytest", status("exit 139"), &reported(12, 0));
        assert_eq!((tally.passed, tally.failed), (12, 1));
        assert!(tally.problems[0].contains("pytest"));
    }

    #[test]
    fn failure_that_the_runner_named_is_not_counted_twice() {
        let mut tally = Tally::default();
        tally.runner("pytest", status("exit 1"), &reported(12, 2));
        assert_eq!((tally.passed, tally.failed), (12, 2));
    }

    #[test]
    fn runner_without_tests_counts_as_a_failure() {
        let mut tally = Tally::default();
        tally.runner("node", status("exit 0"), &Tally::default());
        assert_eq!(tally.line(), "0 passed, 1 failed, 0 skipped");
        assert_eq!(tally.problems, ["node ran no test"]);
    }
}
