//! The pure decisions of the Indwell serving engine.
//!
//! This crate owns what is decided and none of what is done: no I/O, no threads, no clock, no
//! randomness, no unsafe code. Time and seeds are arguments. A [`Scheduler`] turns requests into
//! [`Plan`]s; something that implements [`Backend`] executes them; [`Scheduler::commit`] or
//! [`Scheduler::fail`] takes the result back. So scheduling, cancellation and failure can be
//! simulated by the million without a model (feature `testing`).
//!
//! One request, from submission to its end:
//!
//! ```
//! use indwell_kernel::testing::ScriptedBackend;
//! use indwell_kernel::{
//!     Backend, CacheUse, Draws, Goal, Outcome, Output, Plan, Request, RequestId, Scheduler,
//!     SchedulerOptions, Token,
//! };
//!
//! let config = SchedulerOptions::default().validate()?;
//! let mut backend = ScriptedBackend::new(&config, config.context_tokens);
//! let mut scheduler = Scheduler::new(config);
//! scheduler.submit(Request {
//!     id: RequestId(0),
//!     prompt: vec![Token(1), Token(2)],
//!     boundaries: Vec::new(),
//!     goal: Goal::Generate,
//!     cache: CacheUse::Bypass,
//!     max_tokens: 3,
//!     draws: Draws::greedy().into(),
//!     prompt_logprobs: false,
//!     deadline: None,
//! });
//!
//! let (mut plan, mut outcome) = (Plan::default(), Outcome::default());
//! let mut outputs = Vec::new();
//! loop {
//!     scheduler.plan(&mut plan);
//!     if plan.is_empty() {
//!         break;
//!     }
//!     match backend.execute(&plan, &mut outcome) {
//!         Ok(()) => scheduler.commit(&plan, &outcome),
//!         Err(error) => scheduler.fail(&plan, &outcome, &error),
//!     }
//!     outputs.extend(scheduler.drain_outputs());
//! }
//! assert!(matches!(
//!     outputs[..],
//!     [
//!         Output::Admitted { .. },
//!         Output::Token { .. },
//!         Output::Token { .. },
//!         Output::Token { .. },
//!         Output::Ended { .. },
//!     ]
//! ));
//! # Ok::<(), indwell_kernel::Invalid>(())
//! ```
//!
//! | module | owns |
//! |---|---|
//! | [`ids`] | newtypes for requests, sequences, tokens |
//! | [`time`] | a point in time as an argument |
//! | [`invalid`] | how a refused value is told |
//! | [`config`] | the scheduler's validated bounds |
//! | [`namespace`] | whose prefixes may be shared with whom |
//! | [`snapshot`] | computed tokens outside the backend's memory |
//! | [`sampling`] | validated sampling parameters |
//! | [`constraint`] | what an answer must be, and which tokens may come next |
//! | [`draws`] | how the tokens of one answer are drawn |
//! | [`admission`] | the bounded queue's policy |
//! | [`response`] | which answers may serve other requests |
//! | [`flight`] | one computation that several callers wait for |
//! | [`request`] | what the scheduler is asked, and how it ends |
//! | [`sequence`] | one request's tokens and how many of them are computed |
//! | `drafting` | what an answer may go on with, and whether to try it |
//! | [`prefix`] | which computed prefixes there are, and which leave first |
//! | [`pacing`] | how much may go beside streams |
//! | [`plan`] | what one step does |
//! | [`backend`] | who executes a plan |
//! | [`scheduler`] | the decisions of each step |

#![forbid(unsafe_code)]

pub mod admission;
pub mod backend;
pub mod config;
pub mod constraint;
mod drafting;
pub mod draws;
pub mod flight;
pub mod ids;
pub mod invalid;
pub mod namespace;
pub mod pacing;
pub mod plan;
pub mod prefix;
pub mod request;
pub mod response;
pub mod sampling;
pub mod scheduler;
pub mod sequence;
pub mod snapshot;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;

pub use admission::{AdmissionGate, AdmissionLimits, Overload};
pub use backend::{
    Backend, Condition, Ends, Outcome, Sample, SequenceFailure, StepError, TokenLogprob, TokenScore,
};
pub use config::{PrefixConfig, Reuse, SchedulerConfig, SchedulerOptions};
pub use constraint::{Constraint, ConstraintFailure, Matcher, TokenMask};
pub use draws::{Draws, Logprobs};
pub use flight::{Caller, Flight, Hold};
pub use ids::{RequestId, SeqId, SnapshotId, Token};
pub use invalid::Invalid;
pub use namespace::{Namespace, NamespaceBuilder, NamespaceField};
pub use pacing::ItlTarget;
pub use plan::{Chunk, MemoryOp, Plan};
pub use prefix::PrefixLoad;
pub use request::{CacheUse, End, FinishReason, Goal, Output, Request};
pub use response::{
    CacheMode, Effect, REQUEST_FIELDS, RequestField, ResponseKey, ResponsePolicy, SemanticSpace,
    TimeToLive,
};
pub use sampling::{
    Dry, Mirostat, MirostatVersion, Penalties, SamplerKind, SamplingOptions, SamplingParams,
    Surroundings, Temperature, TokenRules, Xtc,
};
pub use scheduler::{Drafts, Load, Preemptions, Scheduler};
pub use snapshot::{SnapshotKey, SnapshotPlace, Tier};
pub use time::Timestamp;
