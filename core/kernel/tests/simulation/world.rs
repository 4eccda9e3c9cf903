//! One schedule: a scheduler, a scripted backend, callers who change their minds, and the checks
//! after every step. First turmoil, then calm, in which everything has to end.

mod steps;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use indwell_kernel::testing::{ScriptedBackend, VirtualClock};
use indwell_kernel::{
    AdmissionGate, CacheUse, Draws, FinishReason, Goal, Load, MemoryOp, Namespace, NamespaceField,
    Outcome, Output, Plan, Request, RequestId, Scheduler, SnapshotId, SnapshotPlace, Tier, Token,
};

use crate::ledger::{Cause, Ledger, Phase};
use crate::random::Random;
use crate::sabotage::Sabotage;
use crate::scenario::Scenario;
use crate::tally::Tally;

/// Everything that one schedule consists of.
pub(crate) struct World {
    random: Random,
    scenario: Scenario,
    sabotage: Option<Sabotage>,
    scheduler: Scheduler,
    backend: ScriptedBackend,
    gate: AdmissionGate,
    clock: VirtualClock,
    ledger: Ledger,
    plan: Plan,
    outcome: Outcome,
    /// Prompts to begin like.
    prompts: Vec<Vec<Token>>,
    /// Snapshots in the host's memory, which leave it some day.
    spilling: Vec<SnapshotId>,
    /// Snapshots that are on their way.
    fetches: Vec<SnapshotId>,
    /// Requests whose prefixes are to be unpinned some day.
    pins: Vec<RequestId>,
    /// The backend has panicked: it is not used any more.
    panicked: bool,
    tally: Tally,
    history: DefaultHasher,
}

impl World {
    /// The schedule of `seed`, driven as it should be or with a mistake.
    pub(crate) fn new(seed: u64, sabotage: Option<Sabotage>) -> Self {
        let mut random = Random::new(seed);
        let scenario = Scenario::draw(&mut random);
        let config = scenario.config;
        let mut backend = ScriptedBackend::new(&config, scenario.cells);
        backend.refuse_one_in(u64::from(scenario.refusals));
        Self {
            random,
            sabotage,
            scheduler: Scheduler::new(config),
            backend: backend
                .with_answers_of_about(scenario.answer_tokens)
                .with_repeats(scenario.says_again)
                .with_forced_tokens(scenario.forced_tokens),
            gate: AdmissionGate::new(scenario.queue),
            clock: VirtualClock::default(),
            ledger: Ledger::default(),
            plan: Plan::default(),
            outcome: Outcome::default(),
            prompts: Vec::new(),
            spilling: Vec::new(),
            fetches: Vec::new(),
            pins: Vec::new(),
            panicked: false,
            tally: Tally { schedules: 1, ..Tally::default() },
            history: DefaultHasher::new(),
            scenario,
        }
    }

    /// Runs the schedule to its end, or to the first thing that is wrong.
    pub(crate) fn run(mut self) -> Result<Tally, String> {
        for _ in 0..self.scenario.turmoil_turns {
            self.callers_act()?;
            self.pass_time()?;
            self.step()?;
            if self.panicked {
                return self.end_after_panic();
            }
        }
        self.calm_down();
        let turns_max = self.turns_max();
        let mut turns = 0;
        while let Some(&first) = self.ledger.live.keys().next() {
            if turns == turns_max {
                return Err(format!("{first} has waited for {turns_max} calm turns"));
            }
            self.pass_time()?;
            self.step()?;
            if self.plan.is_empty() && !self.ledger.live.is_empty() && self.fetches.is_empty() {
                return Err(format!("nothing is done for {first}"));
            }
            turns += 1;
        }
        self.check_nothing_is_left()
    }

    fn callers_act(&mut self) -> Result<(), String> {
        if self.random.one_in(self.scenario.arrivals) {
            for _ in 0..self.random.within(1..=3) {
                self.arrive();
            }
        }
        if self.random.one_in(self.scenario.cancels)
            && let Some(request) = self.anybody()
        {
            self.scheduler.cancel(request);
            self.take_outputs(Cause::Cancel(request))?;
        }
        if self.random.one_in(self.scenario.finishes)
            && let Some(request) = self.anybody()
        {
            let reason = self.random.pick(&[FinishReason::Stop, FinishReason::Length]);
            self.scheduler.finish(request, reason);
            self.take_outputs(Cause::Finish(request, reason))?;
        }
        if self.random.one_in(self.scenario.pauses)
            && let Some(request) = self.anybody()
        {
            self.toggle_pause(request);
        }
        if self.random.one_in(self.scenario.faults.saturating_mul(20)) {
            self.lose_backend()?;
        }
        if self.random.one_in(10) && !self.pins.is_empty() {
            let request = self.pins.swap_remove(self.random.index(self.pins.len()));
            self.scheduler.unpin(request);
        }
        Ok(())
    }

    /// A caller comes, who maybe wants several answers.
    fn arrive(&mut self) {
        let longest = self.scenario.config.request_tokens_max - 1;
        let short = longest.min(self.random.pick(&[4, 30, u32::MAX]));
        let length = self.random.within(1..=short);
        let prompt = self.prompt(length);
        let several = self.random.one_in(self.scenario.several);
        for _ in 0..if several { self.random.within(2..=4) } else { 1 } {
            self.submit(prompt.clone());
        }
    }

    fn submit(&mut self, prompt: Vec<Token>) {
        let config = self.scenario.config;
        let length = u32::try_from(prompt.len()).expect("prompts are short");
        if self.gate.enter(length).is_err() {
            self.tally.refused += 1;
            return;
        }
        let wait = Duration::from_millis(u64::from(self.random.within(0..=80)));
        let goal =
            if self.random.one_in(self.scenario.pins) { Goal::Cache } else { Goal::Generate };
        let bypasses = goal == Goal::Generate && self.random.one_in(self.scenario.bypasses);
        let tenant = u8::from(self.random.one_in(4));
        let salted = Namespace::builder().field(NamespaceField::Salt, &[tenant]);
        let request = Request {
            id: RequestId(self.ledger.count),
            prompt,
            boundaries: (1..length).filter(|at| at % 7 == 0).collect(),
            goal,
            cache: if bypasses { CacheUse::Bypass } else { CacheUse::Use(salted.finish()) },
            max_tokens: self.random.within(1..=self.scenario.max_tokens),
            draws: Draws::greedy().into(),
            prompt_logprobs: goal == Goal::Generate && self.random.one_in(self.scenario.scored),
            deadline: self
                .random
                .one_in(self.scenario.deadlines)
                .then(|| self.clock.now().after(wait)),
        };
        if goal == Goal::Cache {
            self.pins.push(request.id);
        }
        self.ledger.open(&request, config.request_tokens_max);
        self.scheduler.submit(request);
        self.tally.requests += 1;
    }

    /// A prompt of `length` tokens, which begins as an earlier prompt or its answer, or anew.
    fn prompt(&mut self, length: u32) -> Vec<Token> {
        let length = length as usize;
        let mut prompt = Vec::new();
        if self.random.one_in(self.scenario.repeats) && !self.prompts.is_empty() {
            // Lately, most often: what is long ago has left every tier.
            let recent = self.prompts.len().min(self.random.pick(&[3, 3, usize::MAX]));
            let from = self.prompts.len() - 1 - self.random.index(recent);
            let answered = self.ledger.tokens_of_past(from).unwrap_or(&self.prompts[from]);
            let all = answered.len();
            let kept = if self.random.one_in(2) { all } else { self.random.index(all + 1) };
            prompt.extend_from_slice(&answered[..kept.min(length)]);
        }
        while prompt.len() < length {
            prompt.push(token(&mut self.random));
        }
        self.prompts.push(prompt.clone());
        prompt
    }

    /// Any request there ever was: the scheduler has to cope with ended ones, too.
    fn anybody(&mut self) -> Option<RequestId> {
        let count = usize::try_from(self.ledger.count).expect("few requests");
        (count > 0).then(|| RequestId(self.random.index(count) as u64))
    }

    fn toggle_pause(&mut self, request: RequestId) {
        let Some(entry) = self.ledger.live.get_mut(&request) else { return };
        entry.paused = !entry.paused;
        if !entry.paused {
            if self.sabotage != Some(Sabotage::ForgetsResume) {
                self.scheduler.resume(request);
            }
        } else if self.sabotage != Some(Sabotage::ForgetsPause) {
            self.scheduler.pause(request);
        }
    }

    fn pass_time(&mut self) -> Result<(), String> {
        let jump = if self.random.one_in(20) { 30 } else { 1 };
        self.clock.advance(Duration::from_millis(jump));
        let now = self.clock.now();
        if self.sabotage != Some(Sabotage::ForgetsDeadline) {
            self.scheduler.expire(now);
        }
        self.take_outputs(Cause::Expire(now))?;
        self.answer_fetches();
        let next = self.ledger.live.values().filter_map(|entry| entry.deadline).min();
        if self.scheduler.next_deadline() != next {
            return Err(format!("the next deadline is {next:?}"));
        }
        Ok(())
    }

    /// Lets some of the snapshots that are on their way arrive, or get lost.
    fn answer_fetches(&mut self) {
        let random = &mut self.random;
        for snapshot in std::mem::take(&mut self.spilling) {
            match random.within(0..=9) {
                0..=2 => self.scheduler.place_snapshot(snapshot, SnapshotPlace::Away),
                3 if random.one_in(self.scenario.losses) => {
                    self.backend.lose_snapshot(snapshot);
                    self.scheduler.place_snapshot(snapshot, SnapshotPlace::Lost);
                }
                4 => {}
                _ => self.spilling.push(snapshot),
            }
        }
        let (arrived, away): (Vec<_>, Vec<_>) =
            self.fetches.drain(..).partition(|_| random.one_in(2));
        self.fetches = away;
        for snapshot in arrived {
            if self.random.one_in(self.scenario.losses) {
                self.backend.lose_snapshot(snapshot);
                self.scheduler.place_snapshot(snapshot, SnapshotPlace::Lost);
            } else {
                let tier = self.random.pick(&[Tier::Host, Tier::Disk]);
                self.scheduler.place_snapshot(snapshot, SnapshotPlace::Ready(tier));
            }
        }
    }

    /// No more arrivals, faults or pauses.
    fn calm_down(&mut self) {
        self.scenario.faults = 0;
        self.scenario.panics = 0;
        self.backend.refuse_one_in(0);
        for request in self.pins.drain(..) {
            self.scheduler.unpin(request);
        }
        for (&request, entry) in &mut self.ledger.live {
            if std::mem::take(&mut entry.paused) {
                self.scheduler.resume(request);
            }
        }
    }

    /// A bound on the turns that all live requests take. Each turn computes a token of the earliest
    /// that goes on, or lacks the cells; a lack sets back one request, at most once for each sequence
    /// before one ends.
    fn turns_max(&self) -> usize {
        let tokens: usize = self.ledger.live.values().map(|entry| entry.tokens_max).sum();
        let residents = self.scenario.config.prefix.residents_max as usize;
        // A lack of cells evicts a cached prefix; a request waits for some snapshots, a turn or two.
        let cached = 40 + 3 * residents + self.scenario.config.context_tokens as usize;
        let each = tokens + self.scenario.config.sequences_max as usize + 2 + cached;
        (self.ledger.live.len() + 1) * each
    }

    /// The backend ends between two steps.
    fn lose_backend(&mut self) -> Result<(), String> {
        let running: Vec<RequestId> = self.lengths().into_iter().map(|(id, _)| id).collect();
        self.backend.lose_memory();
        self.scheduler.lose("scripted");
        self.take_outputs(Cause::Lose(running))?;
        self.check_all_is_lost()
    }

    fn check_all_is_lost(&mut self) -> Result<(), String> {
        self.tally.losses += 1;
        let load = self.scheduler.load();
        if (load.running, load.cells_used, load.prefix.residents) == (0, 0, 0) {
            return Ok(());
        }
        Err(format!("{load:?} is left of a memory that is gone"))
    }

    fn take_outputs(&mut self, cause: Cause) -> Result<(), String> {
        let mut outputs: Vec<Output> = self.scheduler.drain_outputs().collect();
        if let Some(sabotage) = self.sabotage {
            sabotage.spoil_outputs(&mut outputs);
        }
        for output in &outputs {
            record(output, &mut self.history);
            match output {
                Output::CacheHit { tokens, tier, .. } => {
                    self.tally.hits += 1;
                    *match tier {
                        Tier::Resident => &mut self.tally.resident_tokens,
                        Tier::Host | Tier::Disk => &mut self.tally.restored_tokens,
                    } += u64::from(*tokens);
                }
                Output::Fetch { snapshot } => self.fetches.push(*snapshot),
                _ => {}
            }
            if let Some(prompt_tokens) = self.ledger.take(output, &cause, &self.backend)? {
                self.gate.leave(prompt_tokens, self.clock.now());
            }
        }
        self.ledger.settle(&cause)?;
        let waiting = self.ledger.live.values().filter(|e| e.phase == Phase::Waiting).count();
        if self.gate.waiting() as usize != waiting {
            return Err(format!("{} at the gate, {waiting} wait", self.gate.waiting()));
        }
        self.scheduler.audit()
    }

    fn check_nothing_is_left(mut self) -> Result<Tally, String> {
        let opens = |op: &MemoryOp| matches!(op, MemoryOp::Open { .. });
        for request in 0..self.ledger.count {
            self.scheduler.unpin(RequestId(request));
        }
        // Each prefix may still be saved, evicted and moved once.
        let turns_max = 4 * self.scenario.config.context_tokens + 10;
        for turn in 0..=turns_max {
            self.step()?;
            if self.plan.ops.iter().any(opens) || !self.plan.chunks.is_empty() {
                return Err(format!("something is done for nobody: {:?}", self.plan));
            }
            if self.plan.is_empty() {
                break;
            }
            if turn == turns_max {
                return Err(format!("the cache is never done with itself: {:?}", self.plan));
            }
        }
        let load = self.scheduler.load();
        let Load { running, waiting, preempted, cells_used, prefix, .. } = load;
        if (running, waiting, preempted) != (0, 0, 0) || cells_used != prefix.resident_tokens {
            return Err(format!("{load:?} is left at the end"));
        }
        let idle_max = self.scenario.config.prefix.idle_tokens_max;
        if prefix.idle_tokens != prefix.resident_tokens || prefix.idle_tokens > idle_max {
            return Err(format!("{prefix:?} is left at the end of at most {idle_max}"));
        }
        let cells = self.backend.cells_used();
        if cells != cells_used as usize && !self.backend.has_refused() {
            return Err(format!("{cells} cells are left at the end instead of {cells_used}"));
        }
        Ok(self.tallied())
    }

    /// As a worker does whose backend has panicked: everybody who is left is told, and no step
    /// follows.
    fn end_after_panic(mut self) -> Result<Tally, String> {
        let left: Vec<RequestId> = self.scheduler.live_requests().collect();
        for request in left {
            self.scheduler.cancel(request);
            self.take_outputs(Cause::Cancel(request))?;
        }
        match self.ledger.live.keys().next() {
            Some(request) => Err(format!("{request} was not told that the backend panicked")),
            None => Ok(self.tallied()),
        }
    }

    fn tallied(mut self) -> Tally {
        let Load { preemptions, drafts, prefix, .. } = self.scheduler.load();
        self.tally.preemptions = preemptions.count;
        self.tally.drafted_tokens = drafts.drafted;
        self.tally.accepted_tokens = drafts.accepted;
        self.tally.resumed = preemptions.resumed;
        self.tally.recomputed_tokens = preemptions.recomputed_tokens;
        self.tally.evictions = prefix.evictions;
        self.tally.ends = self.ledger.ends;
        self.tally.history = self.history.finish();
        self.tally
    }
}

/// Adds `output` to the hash of all outputs.
fn record(output: &Output, history: &mut DefaultHasher) {
    match output {
        Output::Admitted { request } => (0, request).hash(history),
        Output::CacheHit { request, tokens, .. } => (3, request, tokens).hash(history),
        Output::Fetch { snapshot } => (4, snapshot).hash(history),
        Output::Forget { snapshot } => (5, snapshot).hash(history),
        Output::Token { request, token, .. } => (1, request, token).hash(history),
        Output::PromptLogprobs { request, scores } => (6, request, scores.len()).hash(history),
        Output::Ended { request, end } => (2, request, std::mem::discriminant(end)).hash(history),
    }
}

fn token(random: &mut Random) -> Token {
    Token(i32::try_from(random.within(0..=0xffff)).expect("16 bits fit"))
}
