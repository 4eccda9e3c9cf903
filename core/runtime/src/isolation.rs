//! llama.cpp in a process of its own, so that what ends it does not end the application.
//!
//! The cut is at the kernel's `Backend`: the scheduler, the caches, templates and tools stay here, and
//! the other process has the weights, the context, samplers and matchers. A step is one plan there and
//! one outcome back. What a model says of itself comes once, when it is loaded; texts become tokens
//! there, beside the steps. llama.cpp is not used in this process.
//!
//! | module | owns |
//! |---|---|
//! | [`program`] | which program serves |
//! | [`pipe`] | the two ends between the processes |
//! | [`frame`] | messages as bytes, each within bounds |
//! | [`message`] | what the processes say to each other |
//! | [`plan`] | a plan as it crosses |
//! | [`log`] | the worker's log lines, told here |
//! | [`serve`] | the worker's side: it loads, computes and answers |
//! | [`process`] | one worker from its start to its end: loading, reaping, why it ended |
//! | [`link`] | which worker there is now, and asking it |
//! | [`supervisor`] | the thread that reads what a worker says, and starts the next |
//! | [`backoff`] | how long to wait before that |
//! | [`backend`] | the kernel's `Backend` on all of these |
//! | [`model`] | a model that is elsewhere |
//!
//! Invariants: a worker is reaped, whatever ends it; it ends when its pipe does, so none outlives the
//! application; whatever comes through the pipe that is not as it should be ends the worker and
//! nothing else; a step that was under way is lost once, and the next one finds an empty memory.

mod backend;
mod backoff;
mod frame;
mod link;
mod log;
mod message;
mod model;
mod pipe;
mod plan;
mod process;
mod program;
mod serve;
mod supervisor;

use crate::{Error, Result};

pub(crate) use self::backend::RemoteBackend;
pub(crate) use self::link::Link;
pub(crate) use self::supervisor::{Loaded, Running};

pub use self::program::WORKER_VARIABLE;
pub use self::serve::serve_if_worker;

/// Where an engine computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isolation {
    /// In this process: what ends llama.cpp ends the application.
    #[default]
    InProcess,
    /// In a process of its own, which is started again when it ends.
    Process,
}

impl Isolation {
    /// All of them.
    const ALL: [Isolation; 2] = [Isolation::InProcess, Isolation::Process];

    /// Its name in every language.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Isolation::InProcess => "in_process",
            Isolation::Process => "process",
        }
    }

    /// The one of this name.
    ///
    /// # Errors
    /// `invalid_request` for another name.
    pub(crate) fn named(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|isolation| isolation.as_str() == name).ok_or_else(|| {
            Error::invalid(
                "isolation",
                format!("{name:?}"),
                "in_process or process",
                "use process to have llama.cpp in a process of its own, or leave it out",
            )
        })
    }
}
