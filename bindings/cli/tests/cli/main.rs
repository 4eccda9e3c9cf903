//! The program as its users see it: output, errors, exit codes, Ctrl-C. Needs the default model:
//! its path in `INDWELL_TEST_MODEL`, or else its alias, which is fetched if it is not there.

mod answers;
mod chats;
#[cfg(unix)]
mod client;
mod commands;
mod interrupts;
mod program;
mod refusals;
mod responses;
#[cfg(unix)]
mod serving;
mod structures;
mod tools;
