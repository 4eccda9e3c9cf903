//! A scheduler with a scripted backend, driven step by step, in terms of requests.

use std::collections::BTreeMap;

use indwell_kernel::testing::{ScriptedBackend, StepFault};
use indwell_kernel::{
    Backend, CacheUse, Chunk, Draws, End, FinishReason, Goal, Outcome, Output, Plan, PrefixConfig,
    Request, RequestId, Scheduler, SchedulerConfig, SchedulerOptions, SeqId, SequenceFailure,
    SnapshotPlace, StepError, Tier, Timestamp, Token, TokenScore,
};

/// One request's part of a batch: who, and how many tokens.
pub(crate) type Part = (RequestId, usize);

/// The rig.
pub(crate) struct Rig {
    pub(crate) scheduler: Scheduler,
    pub(crate) backend: ScriptedBackend,
    /// The last step's plan, and what it brought.
    pub(crate) plan: Plan,
    pub(crate) outcome: Outcome,
    submitted: u64,
    outputs: BTreeMap<RequestId, Vec<Output>>,
    /// What was asked of the other tiers.
    pub(crate) asked: Vec<Output>,
    /// Whether the next prompt is to be scored.
    scored: bool,
}

/// Bounds of 100 cells, 4 sequences, batches of 16 tokens and prefill chunks of 8.
pub(crate) fn bounds() -> SchedulerOptions {
    SchedulerOptions {
        context_tokens: Some(100),
        request_tokens_max: None,
        sequences_max: Some(4),
        batch_tokens: Some(16),
        prefill_chunk_tokens: Some(8),
        itl_target_ms: None,
    }
}

impl Rig {
    /// A rig with [`bounds`] and answers that never end by themselves.
    pub(crate) fn new() -> Self {
        Self::with(&bounds())
    }

    /// A rig with other bounds.
    pub(crate) fn with(options: &SchedulerOptions) -> Self {
        let config = options.validate().expect("valid bounds");
        Self::on(config, backend(&config, config.context_tokens))
    }

    /// A rig with [`bounds`] in which requests are admitted with `tokens` to grow by.
    pub(crate) fn growing(tokens: u32) -> Self {
        let config = bounds().validate().expect("valid bounds");
        let config = SchedulerConfig { growth_tokens: tokens, ..config };
        Self::on(config, backend(&config, config.context_tokens))
    }

    /// The same with a prefix cache, as [`Self::caching`].
    pub(crate) fn growing_and_caching(tokens: u32, residents: u32, idle_tokens_max: u32) -> Self {
        let config = caching(residents, idle_tokens_max);
        let config = SchedulerConfig { growth_tokens: tokens, ..config };
        Self::on(config, backend(&config, config.context_tokens))
    }

    /// A rig with [`bounds`] whose backend has only `cells` cells.
    pub(crate) fn short_of_cells(cells: u32) -> Self {
        let config = bounds().validate().expect("valid bounds");
        Self::on(config, backend(&config, cells))
    }

    /// A rig with [`bounds`] whose answers end by themselves after about `tokens` tokens.
    pub(crate) fn with_answers_of_about(tokens: u64) -> Self {
        let config = bounds().validate().expect("valid bounds");
        let backend = backend(&config, config.context_tokens);
        Self::on(config, backend.with_answers_of_about(tokens))
    }

    /// A rig with [`bounds`] whose backend forces up to `tokens` tokens after each sample.
    pub(crate) fn forcing(tokens: u64) -> Self {
        Self::forcing_with(&bounds(), tokens, u64::MAX)
    }

    /// The same with other bounds, and answers of about `answer_tokens` tokens.
    pub(crate) fn forcing_with(
        options: &SchedulerOptions,
        tokens: u64,
        answer_tokens: u64,
    ) -> Self {
        let config = options.validate().expect("valid bounds");
        let backend = backend(&config, config.context_tokens).with_answers_of_about(answer_tokens);
        Self::on(config, backend.with_forced_tokens(tokens))
    }

    /// A rig with [`bounds`], 400 cells and answers that say again what they said, with drafts or
    /// without.
    pub(crate) fn repeating(drafts: bool) -> Self {
        let options = SchedulerOptions { context_tokens: Some(400), ..bounds() };
        let config = options.validate().expect("valid bounds");
        let config = SchedulerConfig { drafts, ..config };
        Self::on(config, backend(&config, config.context_tokens).with_repeats(true))
    }

    fn on(config: SchedulerConfig, backend: ScriptedBackend) -> Self {
        Self {
            scheduler: Scheduler::new(config),
            backend,
            plan: Plan::default(),
            outcome: Outcome::default(),
            submitted: 0,
            outputs: BTreeMap::new(),
            asked: Vec::new(),
            scored: false,
        }
    }

    /// A rig with [`bounds`] and a prefix cache with `residents` keepers, which saves what leaves.
    pub(crate) fn caching(residents: u32, idle_tokens_max: u32) -> Self {
        let config = caching(residents, idle_tokens_max);
        Self::on(config, backend(&config, config.context_tokens))
    }

    /// Submits a prompt of its own, to be shared as `cache` says.
    pub(crate) fn submit_prompt(
        &mut self,
        prompt: Vec<Token>,
        max_tokens: u32,
        cache: CacheUse,
    ) -> RequestId {
        self.submit_for(Goal::Generate, prompt, max_tokens, cache)
    }

    /// The same with the log-probabilities of the prompt's tokens.
    pub(crate) fn submit_scored(
        &mut self,
        prompt: Vec<Token>,
        max_tokens: u32,
        cache: CacheUse,
    ) -> RequestId {
        self.scored = true;
        let id = self.submit_for(Goal::Generate, prompt, max_tokens, cache);
        self.scored = false;
        id
    }

    /// The scores that `request` was told so far.
    pub(crate) fn scores(&mut self, request: RequestId) -> Vec<TokenScore> {
        let scores = |output: &Output| match output {
            Output::PromptLogprobs { scores, .. } => Some(scores.clone()),
            _ => None,
        };
        self.outputs_of(request).iter().filter_map(scores).flatten().collect()
    }

    /// Asks for a prefix to be kept.
    pub(crate) fn keep(&mut self, prompt: Vec<Token>, cache: CacheUse) -> RequestId {
        self.submit_for(Goal::Cache, prompt, 1, cache)
    }

    fn submit_for(
        &mut self,
        goal: Goal,
        prompt: Vec<Token>,
        max_tokens: u32,
        cache: CacheUse,
    ) -> RequestId {
        let id = RequestId(self.submitted);
        self.submitted += 1;
        self.scheduler.submit(Request {
            id,
            prompt,
            boundaries: Vec::new(),
            goal,
            cache,
            max_tokens,
            draws: Draws::greedy().into(),
            prompt_logprobs: self.scored,
            deadline: None,
        });
        id
    }

    /// Moves every snapshot out of the host's memory, into files.
    pub(crate) fn spill(&mut self) {
        for snapshot in self.scheduler.snapshots_coldest_first() {
            self.scheduler.place_snapshot(snapshot, SnapshotPlace::Away);
        }
    }

    /// Says of every snapshot that was asked for that it is in the host's memory.
    pub(crate) fn fetch(&mut self) {
        for asked in self.asked.drain(..) {
            if let Output::Fetch { snapshot } = asked {
                self.scheduler.place_snapshot(snapshot, SnapshotPlace::Ready(Tier::Host));
            }
        }
    }

    /// How much of its prompt `request` was spared, and from where.
    pub(crate) fn hit(&mut self, request: RequestId) -> Option<(u32, Tier)> {
        self.outputs_of(request).iter().find_map(|output| match output {
            Output::CacheHit { tokens, tier, .. } => Some((*tokens, *tier)),
            _ => None,
        })
    }

    /// Submits a prompt of `length` tokens for up to `max_tokens` more.
    pub(crate) fn submit(&mut self, length: usize, max_tokens: u32) -> RequestId {
        self.submit_until(length, max_tokens, None)
    }

    /// The same, drawn in a way of its own.
    pub(crate) fn submit_drawn(&mut self, length: usize, max_tokens: u32, draws: Draws) {
        self.submit_request(length, |request| Request {
            max_tokens,
            draws: draws.into(),
            ..request
        });
    }

    /// Submits a request with a deadline.
    pub(crate) fn submit_until(
        &mut self,
        length: usize,
        max_tokens: u32,
        deadline: Option<Timestamp>,
    ) -> RequestId {
        self.submit_request(length, |request| Request { max_tokens, deadline, ..request })
    }

    /// Submits a prompt of `length` tokens as `shape` says, which gets a greedy request that uses no
    /// cache.
    fn submit_request(
        &mut self,
        length: usize,
        shape: impl FnOnce(Request) -> Request,
    ) -> RequestId {
        let id = RequestId(self.submitted);
        self.submitted += 1;
        self.scheduler.submit(shape(Request {
            id,
            prompt: prompt(id, length),
            boundaries: Vec::new(),
            goal: Goal::Generate,
            cache: CacheUse::Bypass,
            max_tokens: 1,
            draws: Draws::greedy().into(),
            prompt_logprobs: false,
            deadline: None,
        }));
        id
    }

    /// Runs one step and says what was in its batch.
    pub(crate) fn step(&mut self) -> Vec<Part> {
        self.run_step(None)
    }

    /// Runs one step whose batch fails with `error`, its first `partial` chunks computed.
    pub(crate) fn failing_step(&mut self, error: StepError, partial: usize) -> Vec<Part> {
        self.run_step(Some(StepFault::Step { error, partial }))
    }

    /// Runs one step in which the n-th sampled sequence fails alone.
    pub(crate) fn step_failing_sequence(&mut self, nth: usize) -> Vec<Part> {
        self.run_step(Some(StepFault::Sequence(nth)))
    }

    /// Steps until there is nothing to do.
    ///
    /// # Panics
    /// After 10,000 steps.
    pub(crate) fn run(&mut self) {
        for _ in 0..10_000 {
            self.step();
            if self.plan.is_empty() {
                return;
            }
        }
        panic!("the work does not end");
    }

    /// Steps until `request` has been told a token.
    pub(crate) fn step_until_decoding(&mut self, request: RequestId) {
        while self.answer(request).is_empty() {
            assert!(!self.step().is_empty(), "{request} gets nowhere");
        }
    }

    fn run_step(&mut self, fault: Option<StepFault>) -> Vec<Part> {
        self.scheduler.plan(&mut self.plan);
        self.check();
        if self.plan.is_empty() {
            return Vec::new();
        }
        if !self.plan.chunks.is_empty() {
            self.backend.script(fault);
        }
        let batch = self.plan.chunks.iter().map(|chunk| self.part(chunk)).collect();
        match self.backend.execute(&self.plan, &mut self.outcome) {
            Ok(()) => self.scheduler.commit(&self.plan, &self.outcome),
            Err(error) => self.scheduler.fail(&self.plan, &self.outcome, &error),
        }
        self.check();
        batch
    }

    /// Audits the scheduler and takes its outputs.
    fn check(&mut self) {
        self.scheduler.audit().expect("the scheduler's invariants hold");
        for output in self.scheduler.drain_outputs() {
            let (Output::Admitted { request }
            | Output::CacheHit { request, .. }
            | Output::Token { request, .. }
            | Output::PromptLogprobs { request, .. }
            | Output::Ended { request, .. }) = output
            else {
                self.asked.push(output);
                continue;
            };
            self.outputs.entry(request).or_default().push(output);
        }
    }

    fn part(&self, chunk: &Chunk) -> Part {
        let request = self.scheduler.request_on(chunk.seq).expect("a chunk belongs to a request");
        (request, chunk.tokens.len())
    }

    /// How often `request` was said to be admitted.
    pub(crate) fn admissions(&mut self, request: RequestId) -> usize {
        self.outputs_of(request).iter().filter(|o| matches!(o, Output::Admitted { .. })).count()
    }

    /// The tokens that `request` was told so far.
    pub(crate) fn answer(&mut self, request: RequestId) -> Vec<Token> {
        let token = |output: &Output| match output {
            Output::Token { token, .. } => Some(*token),
            _ => None,
        };
        self.outputs_of(request).iter().filter_map(token).collect()
    }

    /// How `request` ended, if it has: its one and last output.
    pub(crate) fn end(&mut self, request: RequestId) -> Option<Ended> {
        let outputs = self.outputs_of(request);
        let ends: Vec<usize> =
            (0..outputs.len()).filter(|&at| matches!(outputs[at], Output::Ended { .. })).collect();
        let &[at] = ends.as_slice() else {
            assert!(ends.is_empty(), "{request} ended {} times", ends.len());
            return None;
        };
        assert_eq!(at + 1, outputs.len(), "something follows the end of {request}");
        let Output::Ended { end, .. } = &outputs[at] else { return None };
        Some(Ended::of(end))
    }

    fn outputs_of(&mut self, request: RequestId) -> &[Output] {
        self.check();
        self.outputs.entry(request).or_default()
    }

    /// What `request`, a prompt of `length`, answers with `count` tokens when it is alone.
    pub(crate) fn answer_alone(
        &self,
        request: RequestId,
        length: usize,
        count: usize,
    ) -> Vec<Token> {
        let mut tokens = prompt(request, length);
        for _ in 0..count {
            tokens.push(self.backend.next_token(&tokens).0);
        }
        tokens.split_off(length)
    }

    /// The sequence of a running request.
    pub(crate) fn seq_of(&self, request: RequestId) -> Option<SeqId> {
        let mut running = self.scheduler.computed_lengths().map(|(seq, _)| seq);
        running.find(|&seq| self.scheduler.request_on(seq) == Some(request))
    }

    /// The computed length of a running request.
    pub(crate) fn computed(&self, request: RequestId) -> Option<usize> {
        let seq = self.seq_of(request)?;
        self.scheduler.computed_lengths().find(|(s, _)| *s == seq).map(|(_, length)| length)
    }

    /// Requests with a sequence, and without one.
    pub(crate) fn running_and_waiting(&self) -> (u32, u32) {
        let load = self.scheduler.load();
        (load.running, load.waiting)
    }
}

/// How a request ended, in a form that compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Finished(FinishReason),
    Cached,
    Cancelled,
    DeadlineExceeded,
    Failed(SequenceFailure),
}

impl Ended {
    fn of(end: &End) -> Self {
        match end {
            End::Finished(reason) => Self::Finished(*reason),
            End::Cached => Self::Cached,
            End::Cancelled => Self::Cancelled,
            End::DeadlineExceeded => Self::DeadlineExceeded,
            End::Failed(failure) => Self::Failed((**failure).clone()),
        }
    }
}

/// [`bounds`] with a prefix cache.
fn caching(residents: u32, idle_tokens_max: u32) -> SchedulerConfig {
    SchedulerConfig {
        prefix: PrefixConfig {
            residents_max: residents,
            idle_tokens_max,
            idle_tokens_beside_batch_max: idle_tokens_max,
            snapshots: true,
            worthwhile_tokens_min: 4,
            ..PrefixConfig::OFF
        },
        ..bounds().validate().expect("valid bounds")
    }
}

fn backend(config: &SchedulerConfig, cells: u32) -> ScriptedBackend {
    ScriptedBackend::new(config, cells)
}

/// A prompt that no other request shares.
fn prompt(request: RequestId, length: usize) -> Vec<Token> {
    let first = i32::try_from(request.0).expect("few requests") * 1000;
    (first..).take(length).map(Token).collect()
}
