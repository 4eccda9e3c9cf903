//! Counts out of what test runners report.

mod junit;
mod libtest;
mod node;
mod tally;

pub(crate) use junit::read_folder as junit_folder;
pub(crate) use libtest::Counter as LibtestCounter;
pub(crate) use node::Counter as NodeCounter;
pub(crate) use tally::Tally;
