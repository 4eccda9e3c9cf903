//! The decisions of each step.
//!
//! [`Scheduler`] owns which requests wait, which run, and on which sequence, and the prefix
//! cache's tree. It knows tokens only as numbers, and neither texts nor readers. Its cycle:
//! [`Scheduler::submit`], [`Scheduler::cancel`], [`Scheduler::pause`] and [`Scheduler::expire`]
//! between steps; [`Scheduler::plan`]; then exactly one of [`Scheduler::commit`] and
//! [`Scheduler::fail`] for that plan; [`Scheduler::drain_outputs`] any time. Who has a clock says
//! with [`Scheduler::measured`] how long a step took.
//!
//! Invariants, checked by `audit` after every simulated step:
//! - the cells that running requests have beside what they share, those that a plan adds, and
//!   those of cached prefixes are together at most `context_tokens`;
//! - a sequence belongs to at most one request, and between steps it has at least one token
//!   that is not computed: there is always something to go on with;
//! - requests wait in order of arrival, preempted ones included;
//! - every submitted request gets exactly one `Ended`, and nothing after it.

#[cfg(feature = "testing")]
mod audit;
mod caching;
mod drafts;
mod planning;
mod preempting;
mod settling;
mod sharing;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use self::caching::Compaction;
pub use self::drafts::Drafts;
use self::drafts::Share;
pub use self::preempting::Preemptions;
use crate::pacing::Pacing;
use crate::prefix::{NodeId, PrefixTree};
use crate::sequence::Sequence;
use crate::{
    End, FinishReason, MemoryOp, Output, Plan, PrefixLoad, Request, RequestId, SchedulerConfig,
    SeqId, Timestamp,
};

/// Which requests wait, which run, and what the next step does.
#[derive(Debug)]
pub struct Scheduler {
    config: SchedulerConfig,
    /// In order of arrival, preempted requests included.
    waiting: VecDeque<Sequence>,
    /// By sequence id.
    running: Vec<Option<Sequence>>,
    /// `None` where the prefix cache is off.
    tree: Option<PrefixTree>,
    /// Pinned prefixes, by the requests that wanted them.
    pins: HashMap<RequestId, NodeId>,
    compaction: Compaction,
    /// The backend had no cells for what runs: nobody is admitted until a running request ends.
    cells_short: bool,
    /// Memory operations for the next plan.
    ops: Vec<MemoryOp>,
    outputs: VecDeque<Output>,
    arrivals: u64,
    /// Batches planned.
    batches: u64,
    preemptions: Preemptions,
    drafts: Drafts,
    pacing: Pacing,
    /// What the sequences of a batch get of its drafts; kept for its room.
    shares: Vec<Share>,
    /// A plan is out: only `commit` or `fail` may come next.
    step_open: bool,
}

/// How much the scheduler holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Requests with a sequence.
    pub running: u32,
    /// Requests without one.
    pub waiting: u32,
    /// Those of them that had one and gave way to others.
    pub preempted: u32,
    /// KV cells that hold computed tokens, cached ones included.
    pub cells_used: u32,
    /// How often requests gave way so far.
    pub preemptions: Preemptions,
    /// What drafts came to so far.
    pub drafts: Drafts,
    /// The prefix cache.
    pub prefix: PrefixLoad,
}

impl Scheduler {
    /// A scheduler with nothing to do.
    #[must_use]
    pub fn new(config: SchedulerConfig) -> Self {
        let tree =
            config.prefix.is_on().then(|| PrefixTree::new(config.prefix, config.sequences_max));
        Self {
            config,
            waiting: VecDeque::new(),
            running: (0..config.sequences_max).map(|_| None).collect(),
            tree,
            pins: HashMap::new(),
            compaction: Compaction::default(),
            cells_short: false,
            ops: Vec::new(),
            outputs: VecDeque::new(),
            arrivals: 0,
            batches: 0,
            preemptions: Preemptions::default(),
            drafts: Drafts::default(),
            pacing: Pacing::new(config.itl_target),
            shares: Vec::new(),
            step_open: false,
        }
    }

    /// Queues a request. The caller has validated it: a prompt that is not empty and shorter
    /// than `request_tokens_max`, and an id that was never used.
    pub fn submit(&mut self, request: Request) {
        debug_assert!(!request.prompt.is_empty(), "an empty prompt passed validation");
        debug_assert!(request.max_tokens > 0, "max_tokens 0 passed validation");
        debug_assert!(
            request.prompt.len() < self.config.request_tokens_max as usize,
            "a prompt that leaves no room for an answer passed validation"
        );
        let arrival = self.arrivals;
        self.arrivals += 1;
        self.waiting.push_back(Sequence::new(request, arrival, self.config.request_tokens_max));
    }

    /// Ends a request for its caller. Unknown and ended ids are nothing to do.
    pub fn cancel(&mut self, request: RequestId) {
        self.end(request, End::Cancelled);
    }

    /// Ends a request whose answer is complete though the model would go on, as a stop string
    /// demands.
    pub fn finish(&mut self, request: RequestId, reason: FinishReason) {
        self.end(request, End::Finished(reason));
    }

    /// Stops computing a request whose reader is behind. It keeps its cells until others need
    /// them, and its place in the queue. Unknown and ended ids are nothing to do.
    pub fn pause(&mut self, request: RequestId) {
        self.set_paused(request, Some(self.batches));
    }

    /// Goes on with a paused request. Unknown and ended ids are nothing to do.
    pub fn resume(&mut self, request: RequestId) {
        self.set_paused(request, None);
    }

    /// Ends every request whose deadline has passed.
    pub fn expire(&mut self, now: Timestamp) {
        let passed = |s: &Sequence| s.deadline.is_some_and(|deadline| deadline <= now);
        let expired: Vec<RequestId> =
            self.sequences().filter(|s| passed(s)).map(|s| s.request).collect();
        for request in expired {
            self.end(request, End::DeadlineExceeded);
        }
    }

    /// The earliest deadline of all requests.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.sequences().filter_map(|s| s.deadline).min()
    }

    /// How long executing `plan` took. What later steps do beside streams depends on it; without it
    /// `prefill_chunk_tokens` alone bounds that.
    pub fn measured(&mut self, plan: &Plan, took: Duration) {
        self.pacing.measured(plan, took);
    }

    /// What happened since the last call, in order.
    pub fn drain_outputs(&mut self) -> impl Iterator<Item = Output> + '_ {
        self.outputs.drain(..)
    }

    /// How much is running, waiting, computed and cached.
    #[must_use]
    pub fn load(&self) -> Load {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let prefix = self.tree.as_ref().map(PrefixTree::load).unwrap_or_default();
        let private: u32 = self.running.iter().flatten().map(Sequence::private_cells).sum();
        Load {
            running: count(self.running.iter().flatten().count()),
            waiting: count(self.waiting.len()),
            preempted: count(self.waiting.iter().filter(|s| s.preempted).count()),
            cells_used: private + prefix.resident_tokens,
            preemptions: self.preemptions,
            drafts: self.drafts,
            prefix,
        }
    }

    /// Every request that has not ended.
    pub fn live_requests(&self) -> impl Iterator<Item = RequestId> + '_ {
        self.sequences().map(|s| s.request)
    }

    fn sequences(&self) -> impl Iterator<Item = &Sequence> {
        self.waiting.iter().chain(self.running.iter().flatten())
    }

    fn set_paused(&mut self, request: RequestId, at: Option<u64>) {
        let mut sequences = self.running.iter_mut().flatten().chain(&mut self.waiting);
        if let Some(sequence) = sequences.find(|s| s.request == request) {
            sequence.paused_at = at;
        }
    }

    fn end(&mut self, request: RequestId, end: End) {
        if let Some(at) = self.waiting.iter().position(|s| s.request == request) {
            self.waiting.remove(at);
        } else if let Some(seq) = self.seq_of(request) {
            if !matches!(end, End::Failed(_)) {
                self.keep_computed(seq);
            }
            self.release(seq);
        } else {
            return;
        }
        self.outputs.push_back(Output::Ended { request, end });
    }

    fn seq_of(&self, request: RequestId) -> Option<SeqId> {
        let index =
            self.running.iter().position(|s| s.as_ref().is_some_and(|s| s.request == request))?;
        Some(SeqId(u32::try_from(index).expect("sequence ids are below 256")))
    }

    /// Cells that running requests need to go on for a while, beside those that they share.
    fn cells_wanted(&self) -> u32 {
        let growth = self.config.growth_tokens;
        let wanted = |s: &Sequence| s.cells_wanted(growth).saturating_sub(s.shared);
        self.running.iter().flatten().map(wanted).sum()
    }

    /// Takes the request off its sequence and frees the sequence's own cells, so that others may
    /// be admitted again.
    fn release(&mut self, seq: SeqId) -> Option<Sequence> {
        let mut sequence = self.running[seq.index()].take()?;
        if let (Some(tree), Some(lock)) = (&mut self.tree, sequence.lock.take()) {
            tree.unlock(lock);
        }
        sequence.shared = 0;
        self.cells_short = false;
        self.ops.push(MemoryOp::Release { seq });
        if let Some(tree) = &mut self.tree {
            tree.drop_distrusted(&mut self.ops);
        }
        Some(sequence)
    }

    /// Puts a request that was released back into the queue, by its arrival.
    fn requeue(&mut self, mut sequence: Sequence) {
        sequence.computed = 0;
        sequence.hit = None;
        if let Some(drafter) = &mut sequence.drafter {
            drafter.forget();
        }
        let place = self.waiting.partition_point(|s| s.arrival < sequence.arrival);
        self.waiting.insert(place, sequence);
    }
}
