//! One step of a schedule: the plan, its execution with what may go wrong in it, and the checks.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use indwell_kernel::testing::{SCRIPTED_PANIC, StepFault};
use indwell_kernel::{Backend, MemoryOp, Outcome, RequestId, StepError};

use super::World;
use crate::ledger::Cause;
use crate::rules;
use crate::sabotage::Sabotage;

impl World {
    /// Plans, executes and settles one step, and checks it from all sides.
    pub(super) fn step(&mut self) -> Result<(), String> {
        let ran: Vec<RequestId> = rules::running(&self.scheduler).collect();
        self.scheduler.plan(&mut self.plan);
        self.take_outputs(Cause::Plan)?;
        rules::check_who_gave_way(&ran, &self.plan, &self.scheduler, &self.ledger)?;
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
        let (backend, plan, outcome) = (&mut self.backend, &self.plan, &mut self.outcome);
        let executed = catch_unwind(AssertUnwindSafe(|| backend.execute(plan, outcome)));
        let Ok(result) = executed else { return self.unwind(executed.err()) };
        self.tally.refused_operations += self.outcome.refused.len() as u64;
        self.tally.saves += self.outcome.saved.len() as u64;
        let forced = self.outcome.samples.iter().map(|sample| sample.forced.len() as u64);
        self.tally.forced_tokens += forced.sum::<u64>();
        self.spilling.extend(&self.outcome.saved);
        let compacts = |op: &&MemoryOp| matches!(op, MemoryOp::Compact { .. });
        self.tally.compactions += self.plan.ops.iter().filter(compacts).count() as u64;
        let all_cells = self.scenario.cells == self.scenario.config.context_tokens;
        let as_counted = all_cells && !self.backend.has_refused();
        if result == Err(StepError::NoCells) && fails_after.is_none() && as_counted {
            return Err("more cells were needed than there are".to_owned());
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
        let chunks = self.plan.chunks.len();
        if chunks == 0 {
            return None;
        }
        if self.random.one_in(self.scenario.panics) {
            let done = self.random.index(self.plan.ops.len() + chunks + 1);
            self.backend.script(Some(StepFault::Panic { done }));
            return None;
        }
        if !self.random.one_in(self.scenario.faults) {
            return None;
        }
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
        let took = Duration::from_micros(self.random.pick(&[0, 1, 800, 3_000, 20_000, 5_000_000]));
        self.scheduler.measured(&self.plan, took);
        let beside = self.scheduler.tokens_beside(1);
        self.tally.paced += u64::from(beside < self.scenario.config.prefill_chunk_tokens as usize);
        let failed =
            self.outcome.failures.iter().filter_map(|(s, _)| self.scheduler.request_on(*s));
        let cause = Cause::Commit(failed.collect());
        if let Some(sabotage) = self.sabotage {
            sabotage.spoil_outcome(&mut self.outcome, &mut self.random);
        }
        for sample in &self.outcome.samples {
            if let Some(request) = self.scheduler.request_on(sample.seq) {
                self.ledger.learn(request, sample, &self.backend)?;
            }
        }
        self.tally.computed_tokens += self.plan.tokens.len() as u64;
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
            StepError::NoCells => self.gives_way(&before, &refused).into_iter().collect(),
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
            self.tally.mismatches += preempted as u64;
        }
        Ok(())
    }

    /// The backend ended in a step.
    fn fail_all(&mut self, error: &StepError) -> Result<(), String> {
        let running: Vec<RequestId> = self.lengths().into_iter().map(|(id, _)| id).collect();
        self.scheduler.fail(&self.plan, &self.outcome, error);
        self.take_outputs(Cause::Lose(running))?;
        self.check_all_is_lost()
    }

    /// The running requests with their computed lengths, in order of arrival.
    pub(super) fn lengths(&self) -> Vec<(RequestId, usize)> {
        let lengths = self.scheduler.computed_lengths();
        let mut lengths: Vec<_> = lengths
            .filter_map(|(seq, length)| Some((self.scheduler.request_on(seq)?, length)))
            .collect();
        lengths.sort_unstable();
        lengths
    }

    /// The backend has panicked. What it was told of is over, as after a fatal error; what a panic of
    /// the backend's own checks says is wrong.
    fn unwind(&mut self, panic: Option<Box<dyn Any + Send>>) -> Result<(), String> {
        if let Some(panic) = panic
            && panic.downcast_ref::<&str>() != Some(&SCRIPTED_PANIC)
        {
            resume_unwind(panic);
        }
        if self.sabotage == Some(Sabotage::HidesPanic) {
            return self.fail(StepError::Aborted);
        }
        self.tally.panics += 1;
        self.panicked = true;
        let participants: Vec<RequestId> =
            self.plan.chunks.iter().filter_map(|c| self.scheduler.request_on(c.seq)).collect();
        let error = StepError::Fatal("scripted".to_owned());
        self.scheduler.fail(&self.plan, &Outcome::default(), &error);
        self.take_outputs(Cause::Fail(error, participants))
    }

    /// Who gives way when the backend has no cells, of those that ran `before` the step was
    /// settled: the latest of those that are not computed, or else of all.
    fn gives_way(&self, before: &[(RequestId, usize)], refused: &[RequestId]) -> Option<RequestId> {
        let left = before.iter().map(|(request, _)| *request).filter(|id| !refused.contains(id));
        left.max_by_key(|id| (self.ledger.live.get(id).is_some_and(|entry| entry.paused), *id))
    }
}
