//! `cargo xtask test`: every suite of every language, then one line that counts them.
//!
//! A suite that fails does not stop the others. The run fails if anything failed, or if a suite
//! ran nothing at all: a runner that finds no tests must not look like one that passed.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use console::style;

use crate::build;
use crate::demo;
use crate::progress;
use crate::reports::Tally;
use crate::setup::{self, Purpose};
use crate::stage;
use crate::suites::{Context, Suite};
use crate::workspace::Workspace;

/// Names a model file that the suites use in place of the default model.
const MODEL_VARIABLE: &str = "INDWELL_TEST_MODEL";

/// What came of one suite.
struct Outcome {
    suite: &'static str,
    tally: Tally,
    elapsed: Duration,
}

/// Runs the named suites, or all.
pub(crate) fn run(workspace: &Workspace, named: &[Suite]) -> Result<ExitCode> {
    let suites = if named.is_empty() { Suite::ALL } else { named };
    setup::run(workspace, Purpose::Test)?;
    let staged = stage::run(workspace, &build::run(workspace)?)?;
    if std::env::var_os(MODEL_VARIABLE).is_none() {
        demo::pull_model(workspace)?;
    }
    let context = Context { workspace, staged };
    let outcomes: Vec<Outcome> = suites.iter().map(|suite| run_one(*suite, &context)).collect();
    println!("{}", table(&outcomes));
    let total = total(&outcomes);
    println!("{}", total.line());
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_one(suite: Suite, context: &Context<'_>) -> Outcome {
    println!("\n{}", style(format!("== {} ==", suite.name())).bold());
    let started = Instant::now();
    let mut tally = Tally::default();
    if let Err(error) = suite.run(context, &mut tally) {
        tally.fail(format!("{error:#}"));
    } else if tally.is_empty() {
        tally.fail("ran no test");
    }
    Outcome { suite: suite.name(), tally, elapsed: started.elapsed() }
}

fn total(outcomes: &[Outcome]) -> Tally {
    let mut total = Tally::default();
    for outcome in outcomes {
        total.add(&outcome.tally);
    }
    total
}

fn table(outcomes: &[Outcome]) -> String {
    let mut text =
        format!("\n{:<10}{:>8}{:>8}{:>9}{:>9}\n", "suite", "passed", "failed", "skipped", "time");
    for Outcome { suite, tally, elapsed } in outcomes {
        text.push_str(&format!(
            "{suite:<10}{:>8}{:>8}{:>9}{:>9}\n",
            tally.passed,
            tally.failed,
            tally.skipped,
            progress::duration(*elapsed)
        ));
    }
    for Outcome { suite, tally, .. } in outcomes {
        for problem in &tally.problems {
            text.push_str(&format!("{} {suite}: {problem}\n", style("failed").red()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(suite: &'static str, passed: u64, problem: Option<&str>) -> Outcome {
        let mut tally = Tally { passed, ..Tally::default() };
        if let Some(problem) = problem {
            tally.fail(problem);
        }
        Outcome { suite, tally, elapsed: Duration::from_secs(75) }
    }

    #[test]
    fn table_has_a_row_for_each_suite_and_the_reasons_of_failures() {
        let outcomes = [outcome("rust", 312, None), outcome("node", 0, Some("ran no test"))];
        let table = console::strip_ansi_codes(&table(&outcomes)).into_owned();
        assert!(table.contains("rust           312       0        0    1m15s"), "{table}");
        assert!(table.contains("failed node: ran no test"), "{table}");
        assert_eq!(total(&outcomes).line(), "312 passed, 1 failed, 0 skipped");
    }
}
