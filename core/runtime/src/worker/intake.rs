//! Callers as they come, wait and leave: whether their requests are computed, share a computation
//! or are served by a stored answer.

use indwell_kernel::{Backend, Caller, Hold, RequestId, ResponseKey, Timestamp};

use super::answer::{Answer, Reader};
use super::{Job, Worker, deadline_exceeded};
use crate::responses::answer::{Serving, StoredAnswer, Told};
use crate::responses::semantic::Verdict;
use crate::responses::stats::Served;
use crate::responses::{Generation, Responses};
use crate::{Error, Event};

impl<B: Backend + Send + 'static> Worker<B> {
    /// Computes a request, or lets it share what is computed already.
    pub(super) fn begin(&mut self, mut job: Box<Job>) {
        let responses = self.shared.responses().cloned();
        if let Some(responses) = responses.as_ref().filter(|_| job.shares())
            && let Some(keyed) = &job.keyed
        {
            let key = keyed.key;
            if let Some(computation) = self.sharing.computation_of(key) {
                return self.join(*job, computation);
            }
            // It may have been stored since the caller looked, and then there is no computation.
            if let Some(answer) = responses.find(key) {
                // Whoever led by the callers' view does not, after all.
                responses.in_flight.land(key);
                return self.serve_stored(*job, &answer, None);
            }
            if !job.is_queued {
                // The computation that it was to follow is over, and left nothing.
                if let Err(overload) = self.shared.gate.lock().enter(job.prompt_tokens) {
                    return self.refuse(*job, overload.into());
                }
                job.is_queued = true;
            }
            responses.in_flight.lead(key);
            self.sharing.open(key, job.request.id);
        }
        let generation = self.begin_to_store(responses.as_deref(), &job);
        let (request, answer) = Answer::of(*job, generation);
        self.answers.insert(request.id, answer);
        self.scheduler.submit(request);
    }

    fn begin_to_store(&self, responses: Option<&Responses>, job: &Job) -> Generation {
        match responses {
            Some(responses) if job.keyed.is_some() => {
                responses.count(Served::Missed);
                responses.generation()
            }
            _ => Generation::default(),
        }
    }

    fn join(&mut self, job: Job, computation: RequestId) {
        let Some(answer) = self.answers.get_mut(&computation) else { return };
        if job.is_queued {
            self.shared.gate.lock().leave(job.prompt_tokens, self.shared.now());
        }
        if let Some(responses) = self.shared.responses() {
            responses.count(Served::Shared);
        }
        if let Some(note) = job.keyed.and_then(|keyed| keyed.note) {
            answer.remember(note);
        }
        let reader = Reader::new(job.events, job.submitted);
        answer.join(Caller::new(job.request.id, job.deadline, reader));
        self.sharing.join(job.request.id, computation);
        self.hold_or_go_on(computation);
    }

    /// A stored answer serves a request.
    fn serve_stored(&self, job: Job, answer: &StoredAnswer, distance: Option<f32>) {
        let now = self.shared.now();
        if job.is_queued {
            self.shared.gate.lock().leave(job.prompt_tokens, now);
        }
        if let Some(responses) = self.shared.responses() {
            let served = if distance.is_some() { Served::Semantic } else { Served::Hit };
            responses.count(served);
        }
        let waited_ms = now.since(job.submitted).as_secs_f64() * 1000.0;
        let serving = Serving { prompt_tokens: job.prompt_tokens, waited_ms, distance };
        let Told { prompt, text, finished } = answer.events(serving);
        self.shared.count_end(&finished);
        prompt.into_iter().chain([text]).for_each(|event| {
            job.events.send(event);
        });
        job.events.finish(finished);
    }

    /// A request ends before anything was computed for it.
    pub(super) fn refuse(&self, job: Job, error: Error) {
        self.part(job, Event::Failed(error));
    }

    fn part(&self, job: Job, event: Event) {
        if job.is_queued {
            self.shared.gate.lock().leave(job.prompt_tokens, self.shared.now());
        }
        self.shared.count_end(&event);
        job.events.finish(event);
    }

    /// It is known whether an answer to another question serves a request.
    pub(super) fn judged(&mut self, request: RequestId, verdict: Verdict) {
        // Its caller may have left.
        let Some(mut job) = self.sharing.let_go(request) else { return };
        match verdict {
            Verdict::Serve { answer, distance } => self.serve_stored(*job, &answer, Some(distance)),
            Verdict::Compute { note } => {
                let Some(keyed) = &mut job.keyed else { return self.begin(job) };
                keyed.note = note.map(Box::new);
                if keyed.policy.computes {
                    self.begin(job);
                } else {
                    if let Some(responses) = self.shared.responses() {
                        responses.count(Served::Missed);
                    }
                    self.refuse(*job, Error::not_cached());
                }
            }
        }
    }

    /// A caller wants no more.
    pub(super) fn cancel(&mut self, caller: RequestId) {
        if let Some(job) = self.sharing.let_go(caller) {
            return self.part(*job, Event::Cancelled);
        }
        let computation = self.sharing.computation_for(caller);
        let Some(answer) = self.answers.get_mut(&computation) else { return };
        let Some(left) = answer.flight().leave(caller) else { return };
        self.has_lost(computation, vec![(left, Event::Cancelled)]);
    }

    /// A caller has read.
    pub(super) fn catch_up(&mut self, caller: RequestId) {
        let computation = self.sharing.computation_for(caller);
        if let Some(answer) = self.answers.get_mut(&computation) {
            answer.catch_up(caller);
            self.hold_or_go_on(computation);
        }
    }

    /// Ends whose deadline has passed.
    pub(super) fn expire(&mut self, now: Timestamp) {
        self.scheduler.expire(now);
        // Refusing needs more than the table of those that are held.
        let late: Vec<_> = self.sharing.expired(now).collect();
        for job in late {
            self.refuse(*job, deadline_exceeded());
        }
        let passed = |answer: &Answer| answer.callers().next_deadline().is_some_and(|at| at <= now);
        let due = self.answers.iter().filter(|(_, answer)| passed(answer));
        let due: Vec<RequestId> = due.map(|(computation, _)| *computation).collect();
        for computation in due {
            let Some(answer) = self.answers.get_mut(&computation) else { continue };
            let expired = answer.flight().expire(now);
            let ends = expired
                .into_iter()
                .map(|caller| (caller, Event::Failed(deadline_exceeded())))
                .collect();
            self.has_lost(computation, ends);
        }
    }

    /// The earliest deadline: of all callers, and of the engine if it is drained.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let shared = self.answers.values().filter_map(|answer| answer.callers().next_deadline());
        let held = self.sharing.next_deadline();
        let engine = self.draining.deadline();
        shared.chain(held).chain(engine).chain(self.scheduler.next_deadline()).min()
    }

    /// Some callers of a computation have left: it ends if they were the last ones, and they hear
    /// their ends.
    fn has_lost(&mut self, computation: RequestId, left: Vec<(Caller<Reader>, Event)>) {
        for (caller, _) in &left {
            self.sharing.leave(caller.id);
        }
        if self.answers.get(&computation).is_some_and(|answer| answer.callers().is_abandoned()) {
            self.close_to_joiners(self.key_of(computation), computation);
            self.scheduler.cancel(computation);
        } else {
            self.hold_or_go_on(computation);
        }
        // Before the events: whoever reads one may ask for the load and for the queue next.
        self.tell();
        for (caller, event) in left {
            self.shared.count_end(&event);
            caller.reader.finish(event);
        }
    }

    /// What a computation's answer is stored by.
    pub(super) fn key_of(&self, computation: RequestId) -> Option<ResponseKey> {
        self.answers.get(&computation)?.keyed().map(|keyed| keyed.key)
    }

    /// From now on requests with the same key are computed anew, or served by what is stored.
    pub(super) fn close_to_joiners(&mut self, key: Option<ResponseKey>, computation: RequestId) {
        if let Some(key) = key
            && self.sharing.close(key, computation)
            && let Some(responses) = self.shared.responses()
        {
            responses.in_flight.land(key);
        }
    }

    /// Computing pauses while everybody who waits for it is behind.
    pub(super) fn hold_or_go_on(&mut self, computation: RequestId) {
        let Some(answer) = self.answers.get_mut(&computation) else { return };
        match answer.hold() {
            Some(Hold::Pause) => self.scheduler.pause(computation),
            Some(Hold::Resume) => self.scheduler.resume(computation),
            None => {}
        }
    }
}
