//! The suites that `cargo xtask test` runs, one module for each.
//!
//! A suite prepares what it needs beyond the build (environments, packages), shows its runner's
//! output as it comes, and adds what the runner reports to a [`Tally`]. An error means that the
//! suite could not go on, not that a test failed.

pub(crate) mod environment;
pub(crate) mod kotlin;
mod lint;
mod node;
pub(crate) mod python;
mod rust;
pub(crate) mod stamp;

use anyhow::Result;
use clap::ValueEnum;

use crate::reports::Tally;
use crate::stage::Staged;
use crate::workspace::Workspace;

/// What a suite works with.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// The checkout.
    pub(crate) workspace: &'a Workspace,
    /// Where the native libraries are.
    pub(crate) staged: Staged,
}

/// One language's tests, or the checks of the sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// Every Rust test: unit, integration, simulation, conformance, tidiness, documentation
    Rust,
    /// Formatting, clippy, documentation links, feature unification
    Lint,
    /// The wheel: stubtest, mypy, pytest
    Python,
    /// The npm package: tsc, node --test
    Node,
    /// The JVM package, through Maven
    Kotlin,
}

impl Suite {
    /// In the order in which they run: those that depend on least first.
    pub(crate) const ALL: &'static [Self] =
        &[Self::Rust, Self::Lint, Self::Python, Self::Node, Self::Kotlin];

    /// How the command line and the table call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Lint => "lint",
            Self::Python => "python",
            Self::Node => "node",
            Self::Kotlin => "kotlin",
        }
    }

    /// Runs it to its end.
    pub(crate) fn run(self, context: &Context<'_>, tally: &mut Tally) -> Result<()> {
        match self {
            Self::Rust => rust::run(context, tally),
            Self::Lint => lint::run(context, tally),
            Self::Python => python::run(context, tally),
            Self::Node => node::run(context, tally),
            Self::Kotlin => kotlin::run(context, tally),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_runs_by_default_under_its_own_name() {
        assert_eq!(Suite::ALL, Suite::value_variants());
        for suite in Suite::ALL {
            assert_eq!(Suite::from_str(suite.name(), false), Ok(*suite));
        }
    }
}
