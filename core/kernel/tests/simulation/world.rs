//! One schedule: a scheduler, a scripted backend, callers who change their minds, and the checks
//! after every step. First turmoil, then calm, in which everything has to end.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use indwell_kernel::testing::{ScriptedBackend, StepFault, VirtualClock};
use indwell_kernel::{
    AdmissionGate, Backend, CacheUse, Draws, FinishReason, Goal, Load, MemoryOp, Namespace,
    NamespaceField, Outcome, Output, Plan, Request, RequestId, Scheduler, SnapshotId,
    SnapshotPlace, StepError, Tier, Token,
};

use crate::ledger::{Cause, Ledger, Phase};
use crate::random::Random;
use crate::rules;
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
                self.submit();
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

    fn submit(&mut self) {
        let config = self.scenario.config;
        let longest = config.request_tokens_max - 1;
        let short = longest.min(self.random.pick(&[4, 30, u32::MAX]));
        let length = self.random.within(1..=short);
        if self.gate.enter(length).is_err() {
            self.tally.refused += 1;
            return;
        }
        let wait = Duration::from_millis(u64::from(self.random.within(0..=80)));
        let prompt = self.prompt(length);
        let length = u32::try_from(prompt.len()).expect("prompts are short");
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
            max_tokens: self.random.within(1..=40),
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
            self.scheduler.resume(request);
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

    /// A bound on the turns that all live requests take. Each turn computes a token or lacks the
    /// cells; a lack sets back one request, at most once for each sequence before one ends.
    fn turns_max(&self) -> usize {
        let tokens: usize = self.ledger.live.values().map(|entry| entry.tokens_max).sum();
        let residents = self.scenario.config.prefix.residents_max as usize;
        // A lack of cells evicts a cached prefix; a request waits for some snapshots, a turn or two.
        let cached = 40 + 3 * residents + self.scenario.config.context_tokens as usize;
        let each = tokens + self.scenario.config.sequences_max as usize + 2 + cached;
        (self.ledger.live.len() + 1) * each
    }

    /// Plans, executes and settles one step, and checks it from all sides.
    fn step(&mut self) -> Result<(), String> {
        self.scheduler.plan(&mut self.plan);
        self.take_outputs(Cause::Plan)?;
        if self.plan.is_empty() {
            return Ok(());
        }
        rules::check_plan(&self.plan, &self.scheduler, &self.scenario.config, &self.ledger)?;
        self.tally.chunked_prefills +=
            self.plan.chunks.iter().filter(|chunk| chunk.outputs == 0).count() as u64;
        let fails_after = self.script_fault();
        if let Some(sabotage) = self.sabotage {
            sabotage.spoil_plan(&mut self.plan);
        }
        self.tally.steps += 1;
        let in_flight = self.scheduler.waiting_for_prefix();
        self.tally.shared_in_flight += in_flight;
        let result = self.backend.execute(&self.plan, &mut self.outcome);
        self.tally.refused_operations += self.outcome.refused.len() as u64;
        self.tally.saves += self.outcome.saved.len() as u64;
        let forced = self.outcome.samples.iter().map(|sample| sample.forced.len() as u64);
        self.tally.forced_tokens += forced.sum::<u64>();
        self.spilling.extend(&self.outcome.saved);
        let compacts = |op: &&MemoryOp| matches!(op, MemoryOp::Compact { .. });
        self.tally.compactions += self.plan.ops.iter().filter(compacts).count() as u64;
        let all_cells = self.scenario.cells == self.scenario.config.context_tokens;
        let as_reserved = all_cells && !self.backend.has_refused();
        if result == Err(StepError::NoCells) && fails_after.is_none() && as_reserved {
            return Err("more cells were needed than reserved".to_owned());
        }
        if let Err(StepError::Lost(_)) = result {
            return self.fail_all(&StepError::Lost("scripted".to_owned()));
        }
        let chunks = if result.is_ok() { self.plan.chunks.len() } else { fails_after.unwrap_or(0) };
        rules::check_memory(
            &self.plan,
            &self.outcome,
            &self.scheduler,
            &self.ledger,
            &self.backend,
            chunks,
        )?;
        match result {
            Ok(()) => self.commit(),
            Err(error) => self.fail(error),
        }
    }

    /// Maybe lets the coming batch fail, and says how many of its chunks are computed even so.
    fn script_fault(&mut self) -> Option<usize> {
        if self.plan.chunks.is_empty() || !self.random.one_in(self.scenario.faults) {
            return None;
        }
        let chunks = self.plan.chunks.len();
        let error = match self.random.within(0..=13) {
            0..=3 => StepError::NoCells,
            4..=6 => StepError::Aborted,
            7..=9 => StepError::Fatal("scripted".to_owned()),
            10 => StepError::Lost("scripted".to_owned()),
            _ => {
                let sampled = self.random.index(chunks);
                self.backend.script(Some(StepFault::Sequence(sampled)));
                return None;
            }
        };
        let partial = self.random.index(chunks + 1);
        self.backend.script(Some(StepFault::Step { error, partial }));
        Some(partial)
    }

    fn commit(&mut self) -> Result<(), String> {
        let failed =
            self.outcome.failures.iter().filter_map(|(s, _)| self.scheduler.request_on(*s));
        let cause = Cause::Commit(failed.collect());
        if let Some(sabotage) = self.sabotage {
            sabotage.spoil_outcome(&mut self.outcome, &mut self.random);
        }
        self.scheduler.commit(&self.plan, &self.outcome);
        self.take_outputs(cause)
    }

    fn fail(&mut self, error: StepError) -> Result<(), String> {
        self.tally.failed_steps += 1;
        if self.sabotage == Some(Sabotage::CommitsFailedStep) {
            return self.commit();
        }
        let before = self.lengths();
        let refused: Vec<RequestId> = rules::refused_requests(&self.plan, &self.outcome)
            .filter_map(|seq| self.scheduler.request_on(seq))
            .collect();
        let participants: Vec<RequestId> = self
            .plan
            .chunks
            .iter()
            .filter_map(|c| self.scheduler.request_on(c.seq))
            .filter(|request| !refused.contains(request))
            .collect();
        let evictions = self.scheduler.load().prefix.evictions;
        self.scheduler.fail(&self.plan, &self.outcome, &error);
        self.take_outputs(Cause::Fail(error.clone(), participants.clone()))?;
        let after = self.lengths();
        let gone: Vec<RequestId> =
            before.iter().filter(|b| !after.contains(b)).map(|(request, _)| *request).collect();
        let mut due = match error {
            StepError::Aborted => Vec::new(),
            // Keeping what the one that gives way has computed may evict something as well.
            StepError::NoCells
                if self.scheduler.load().prefix.evictions > evictions
                    && gone.iter().all(|request| refused.contains(request)) =>
            {
                Vec::new()
            }
            StepError::NoCells => participants.iter().max().copied().into_iter().collect(),
            StepError::Fatal(_) | StepError::Lost(_) => participants,
        };
        let gave_way = !due.is_empty();
        due.extend(refused);
        due.sort_unstable();
        if gone != due || after.len() + gone.len() != before.len() {
            return Err(format!("{gone:?} lost their cells instead of {due:?} after {error:?}"));
        }
        if error == StepError::NoCells && gave_way {
            let preempted = gone.iter().filter(|id| self.ledger.live.contains_key(id)).count();
            if preempted == 0 && before.len() > 1 {
                return Err(format!("{gone:?} failed for lack of cells, but was not alone"));
            }
            self.tally.preemptions += preempted as u64;
        }
        Ok(())
    }

    /// The backend ends between two steps.
    fn lose_backend(&mut self) -> Result<(), String> {
        let running: Vec<RequestId> = self.lengths().into_iter().map(|(id, _)| id).collect();
        self.backend.lose_memory();
        self.scheduler.lose("scripted");
        self.take_outputs(Cause::Lose(running))?;
        self.check_all_is_lost()
    }

    /// The backend ended in a step.
    fn fail_all(&mut self, error: &StepError) -> Result<(), String> {
        let running: Vec<RequestId> = self.lengths().into_iter().map(|(id, _)| id).collect();
        self.scheduler.fail(&self.plan, &self.outcome, error);
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

    /// The running requests with their computed lengths, in order of arrival.
    fn lengths(&self) -> Vec<(RequestId, usize)> {
        let lengths = self.scheduler.computed_lengths();
        let mut lengths: Vec<_> = lengths
            .filter_map(|(seq, length)| Some((self.scheduler.request_on(seq)?, length)))
            .collect();
        lengths.sort_unstable();
        lengths
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
        let Load { running, waiting, cells_used, prefix } = load;
        if (running, waiting) != (0, 0) || cells_used != prefix.resident_tokens {
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
        self.tally.evictions = prefix.evictions;
        self.tally.ends = self.ledger.ends;
        self.tally.history = self.history.finish();
        Ok(self.tally)
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
