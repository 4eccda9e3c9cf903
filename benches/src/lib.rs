//! Measurements of Indwell. Each program in `src/bin` answers one question; here is what they
//! share.
//!
//! Whatever is compared is compared in one run and in turns: every contender measures once a
//! round, each round begins with another one, and a ratio is between two measurements of the same
//! round. What is told is the median over the rounds, with the smallest and the largest.
//!
//! | module | owns |
//! |---|---|
//! | [`workload`] | what is asked: prompts whose answers don't end early |
//! | [`rounds`] | contenders taking turns |
//! | [`comparison`] | their measurements, and what follows from them |
//! | [`client`] | a client in a process of its own |
//! | [`traffic`] | sessions that several clients ask |
//! | [`schedule`] | single requests with their arrivals, and their latencies token by token |
//! | [`arrivals`] | when requests arrive |
//! | [`contender`] | who serves them: an engine here, or llama-server |
//! | [`machine`] | what the processors did, ours and others' work apart |
//! | [`streams`] | an engine's streams, read all at once |
//! | [`small_model`] | a model file that makes a step cheap |
//! | [`report`] | JSON, Markdown |
//! | [`document`] | the same in sections, with what was expected |
//! | [`plot`] | SVG |
//! | [`requantized`] | a model file with other weights' types, kept |

pub mod arrivals;
pub mod client;
pub mod comparison;
pub mod contender;
pub mod document;
pub mod machine;
pub mod plot;
pub mod report;
pub mod requantized;
pub mod rounds;
pub mod schedule;
pub mod small_model;
pub mod streams;
pub mod traffic;
pub mod workload;

pub use client::Client;
pub use comparison::{Comparison, Measurement, Series, Summary, percentile};
pub use contender::Contender;
pub use document::{Aim, Document, Expectation, Section};
pub use schedule::Schedule;
pub use traffic::Traffic;
pub use workload::Workload;
