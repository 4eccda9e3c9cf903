//! A model of the worker: computations that several callers wait for, and commands.
//!
//! Real are the mailboxes, the registry of what is in flight, the worker's own account of who waits
//! for which computation, and the kernel's flights. A model is what goes around with them, in the
//! order in which the worker's `intake` does it: all commands first, then what has expired, then a
//! step of everything that is not on hold, whose news the callers are told. An answer is 0, 1, 2,
//! ... and the store is a map from which nothing leaves. A computation may fail, and the worker
//! may go down. Places in the queue are left out, and the scheduler: it does at once what it is
//! told.
//!
//! It checks as it goes: no two computations of one key that others could have joined at a time,
//! none for an answer that is stored, no step for nobody.

#[path = "../../src/worker/sharing.rs"]
mod sharing;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use indwell_kernel::{Caller, Flight, Hold, RequestId, ResponseKey, Timestamp};
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::mpsc::{Receiver, TryRecvError};
use shuttle::thread;

use crate::event::Event;
use crate::in_flight::InFlight;
use crate::mailbox::{Delivery, Sender};
use crate::slip::{Slip, Weather};
use crate::sync::Mutex;
use crate::tally::{Happening, Tally};
use sharing::Sharing;

/// What callers and the worker share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) in_flight: InFlight,
    store: Mutex<HashMap<ResponseKey, Vec<u32>>>,
    /// Set, and submissions sent, under one lock: none slips past the worker's last look.
    pub(crate) over: Mutex<bool>,
}

impl Shared {
    pub(crate) fn find(&self, key: ResponseKey) -> Option<Vec<u32>> {
        self.store.lock().get(&key).cloned()
    }
}

/// What the worker is asked.
#[derive(Debug)]
pub(crate) enum Command {
    Submit(Box<Job>),
    /// Hold it until it is judged.
    Hold(Box<Job>),
    /// An answer that serves what is held, or none.
    Judged(RequestId, Option<Vec<u32>>),
    Cancel(RequestId),
    Resume(RequestId),
}

/// A request on its way.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) request: Request,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) events: Sender,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) id: RequestId,
    pub(crate) key: ResponseKey,
    /// Whether it shares a computation; else it is computed anew, and its answer replaces the
    /// stored one.
    pub(crate) shares: bool,
}

/// The worker.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    commands: Receiver<Command>,
    /// By the request that began it; in order, so that a schedule is a history.
    computations: BTreeMap<RequestId, Computation>,
    sharing: Sharing,
    now: Timestamp,
    weather: Weather,
    slip: Option<Slip>,
    tally: Tally,
}

struct Computation {
    request: Request,
    /// How much of the answer is there.
    said: u32,
    flight: Flight<Listener>,
    is_on_hold: bool,
}

/// What the worker needs of a caller.
struct Listener {
    events: Sender,
    told: u32,
}

/// How long the answer to this question is.
pub(crate) fn length(key: ResponseKey) -> u32 {
    u32::from(key.as_bytes()[0])
}

impl Listener {
    fn new(events: Sender) -> Self {
        Self { events, told: 0 }
    }

    /// Tells all that is new; whether the reader is behind now.
    fn tell(&mut self, said: u32) -> bool {
        if self.told == said {
            return false;
        }
        let news = (self.told..said).collect();
        self.told = said;
        self.events.send(Event::Text(news)) == Delivery::Full
    }
}

impl Worker {
    pub(crate) fn new(
        shared: Arc<Shared>,
        commands: Receiver<Command>,
        weather: Weather,
        slip: Option<Slip>,
    ) -> Self {
        Self {
            shared,
            commands,
            computations: BTreeMap::new(),
            sharing: Sharing::default(),
            now: Timestamp(Duration::ZERO),
            weather,
            slip,
            tally: Tally::default(),
        }
    }

    /// Serves until every caller is gone, or it goes down.
    pub(crate) fn run(mut self) -> Tally {
        while self.take_commands() {
            self.expire();
            self.step();
            if self.weather.ends && thread_rng().gen_bool(0.05) {
                self.go_down();
                break;
            }
        }
        assert!(!self.sharing.holds_any(), "who is gone is not held");
        let ends = [Happening::Finished, Happening::Failed, Happening::Abandoned, Happening::Lost];
        let ended = ends.into_iter().map(|end| self.tally.count(end)).sum();
        assert_eq!(self.tally.count(Happening::Begun), ended, "each has one end");
        self.tally
    }

    /// All that there are; waits for one if there is nothing to compute. Whether to go on.
    fn take_commands(&mut self) -> bool {
        loop {
            let command = match self.commands.try_recv() {
                Ok(command) => command,
                Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) if self.has_work() => return true,
                Err(TryRecvError::Empty) => match self.next_deadline() {
                    Some(deadline) => {
                        // What happens if nobody comes for long enough.
                        thread::yield_now();
                        self.now = self.now.max(deadline);
                        return true;
                    }
                    None => match self.commands.recv() {
                        Ok(command) => command,
                        Err(_) => return false,
                    },
                },
            };
            self.take(command);
        }
    }

    fn has_work(&self) -> bool {
        self.computations.values().any(|computation| !computation.is_on_hold)
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Submit(job) => self.begin(*job),
            Command::Hold(job) => self.sharing.hold(job),
            Command::Judged(request, verdict) => self.judged(request, verdict),
            Command::Cancel(caller) => self.cancel(caller),
            Command::Resume(caller) => self.catch_up(caller),
        }
    }

    fn begin(&mut self, job: Job) {
        let Request { id, key, shares } = job.request;
        if shares {
            if let Some(computation) = self.sharing.computation_of(key) {
                return self.join(job, computation);
            }
            let stored = self.shared.find(key);
            if let Some(answer) = stored.filter(|_| self.slip != Some(Slip::ForgetsTheStore)) {
                if self.slip != Some(Slip::ServesWithoutLanding) {
                    self.shared.in_flight.land(key);
                }
                self.tally.note(Happening::ServedLate);
                return serve(job, answer);
            }
            assert!(self.shared.find(key).is_none(), "computed, but it is stored");
            self.shared.in_flight.lead(key);
            if self.slip != Some(Slip::LeadsUnopened) {
                self.sharing.open(key, id);
            }
        }
        let twice = |other: &Computation| other.request.key == key && other.request.shares;
        assert!(!(shares && self.computations.values().any(twice)), "computed twice");
        self.tally.note(Happening::Begun);
        if !shares {
            self.tally.note(Happening::BegunAlone);
        }
        let flight = Flight::new(Caller::new(id, job.deadline, Listener::new(job.events)));
        let computation = Computation { request: job.request, said: 0, flight, is_on_hold: false };
        self.computations.insert(id, computation);
    }

    fn join(&mut self, job: Job, id: RequestId) {
        let computation = self.computations.get_mut(&id).expect("what is open is computed");
        self.tally.note(Happening::Joined);
        let mut listener = Listener::new(job.events);
        if self.slip == Some(Slip::JoinsInTheMiddle) {
            listener.told = computation.said;
        }
        computation.flight.join(Caller::new(job.request.id, job.deadline, listener));
        computation.flight.tell(|listener| listener.tell(computation.said));
        self.sharing.join(job.request.id, id);
        if self.slip != Some(Slip::StaysOnHold) {
            self.hold_or_go_on(id);
        }
    }

    fn judged(&mut self, request: RequestId, verdict: Option<Vec<u32>>) {
        let Some(job) = self.sharing.let_go(request) else { return };
        match verdict {
            Some(answer) => serve(*job, answer),
            None => self.begin(*job),
        }
    }

    fn cancel(&mut self, caller: RequestId) {
        if let Some(job) = self.sharing.let_go(caller) {
            return job.events.finish(Event::Cancelled);
        }
        let id = self.sharing.computation_for(caller);
        let Some(computation) = self.computations.get_mut(&id) else { return };
        let led = computation.flight.callers().next().map(|leader| leader.id);
        let Some(left) = computation.flight.leave(caller) else { return };
        let mut all = vec![(left, Event::Cancelled)];
        if led == Some(caller) && !computation.flight.is_abandoned() {
            self.tally.note(Happening::HandedOver);
            if self.slip == Some(Slip::EndsWithLeader) {
                let others: Vec<_> = computation.flight.callers().map(|other| other.id).collect();
                let left = others.into_iter().filter_map(|other| computation.flight.leave(other));
                all.extend(left.map(|other| (other, Event::Cancelled)));
            }
        }
        self.has_lost(id, all);
    }

    fn catch_up(&mut self, caller: RequestId) {
        let id = self.sharing.computation_for(caller);
        let Some(computation) = self.computations.get_mut(&id) else { return };
        if self.slip == Some(Slip::LeavesBehind) {
            return;
        }
        computation.flight.catch_up(caller, |listener| {
            self.tally.note(Happening::CaughtUp);
            listener.tell(computation.said)
        });
        self.hold_or_go_on(id);
    }

    fn expire(&mut self) {
        let late: Vec<_> = self.sharing.expired(self.now).collect();
        for job in late {
            self.tally.note(Happening::Expired);
            job.events.finish(Event::Late);
        }
        let ids: Vec<RequestId> = self.computations.keys().copied().collect();
        for id in ids {
            let Some(computation) = self.computations.get_mut(&id) else { continue };
            let expired = computation.flight.expire(self.now);
            if !expired.is_empty() {
                expired.iter().for_each(|_| self.tally.note(Happening::Expired));
                self.has_lost(id, expired.into_iter().map(|late| (late, Event::Late)).collect());
            }
        }
    }

    fn has_lost(&mut self, id: RequestId, left: Vec<(Caller<Listener>, Event)>) {
        for (caller, _) in &left {
            self.sharing.leave(caller.id);
        }
        let is_abandoned = self.computations.get(&id).is_some_and(|c| c.flight.is_abandoned());
        if is_abandoned && self.slip != Some(Slip::ComputesForNobody) {
            self.close_to_joiners(id);
            self.computations.remove(&id);
            self.tally.note(Happening::Abandoned);
        } else {
            self.hold_or_go_on(id);
        }
        for (caller, event) in left {
            caller.reader.events.finish(event);
        }
    }

    fn step(&mut self) {
        self.now = self.now.after(Duration::from_millis(1));
        let mut ended = Vec::new();
        for (&id, computation) in &mut self.computations {
            if computation.is_on_hold {
                continue;
            }
            assert!(!computation.flight.is_abandoned(), "a step for nobody");
            computation.said += 1;
            computation.flight.tell(|listener| listener.tell(computation.said));
            let fails = self.weather.fails && thread_rng().gen_bool(0.1);
            if fails || computation.said == length(computation.request.key) {
                ended.push((id, if fails { Event::Failed } else { Event::Finished }));
            }
        }
        for (id, end) in ended {
            self.end(id, &end);
        }
        let ids: Vec<RequestId> = self.computations.keys().copied().collect();
        for id in ids {
            self.hold_or_go_on(id);
        }
    }

    fn end(&mut self, id: RequestId, end: &Event) {
        let computation = &self.computations[&id];
        for caller in computation.flight.callers() {
            self.sharing.leave(caller.id);
        }
        if *end == Event::Finished {
            self.tally.note(Happening::Finished);
            let answer = (0..computation.said).collect();
            self.shared.store.lock().insert(computation.request.key, answer);
        } else {
            self.tally.note(Happening::Failed);
        }
        self.close_to_joiners(id);
        let Some(computation) = self.computations.remove(&id) else { return };
        for mut caller in computation.flight.land() {
            if self.slip != Some(Slip::EndsInTheMiddle) {
                caller.reader.tell(computation.said);
            }
            caller.reader.events.finish(end.clone());
        }
    }

    fn close_to_joiners(&mut self, id: RequestId) {
        let key = self.computations[&id].request.key;
        if self.sharing.close(key, id) && self.slip != Some(Slip::NeverLands) {
            self.shared.in_flight.land(key);
        }
    }

    fn hold_or_go_on(&mut self, id: RequestId) {
        let Some(computation) = self.computations.get_mut(&id) else { return };
        match computation.flight.hold() {
            Some(Hold::Pause) => {
                self.tally.note(Happening::Held);
                computation.is_on_hold = true;
            }
            Some(Hold::Resume) => computation.is_on_hold = false,
            None => {}
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let shared = self.computations.values().filter_map(|c| c.flight.next_deadline());
        shared.chain(self.sharing.next_deadline()).min()
    }

    /// Makes the life over, then answers whoever it holds or finds in the channel.
    fn go_down(&mut self) {
        *self.shared.over.lock() = true;
        if self.slip == Some(Slip::EndsWithoutLooking) {
            let unseen: Vec<Command> = self.commands.try_iter().collect();
            std::mem::forget(unseen);
        }
        while let Ok(command) = self.commands.try_recv() {
            if let Command::Submit(job) | Command::Hold(job) = command {
                self.sharing.hold(job);
            }
        }
        for job in self.sharing.drain_held() {
            job.events.finish(Event::Lost);
        }
        for computation in std::mem::take(&mut self.computations).into_values() {
            self.tally.note(Happening::Lost);
            for caller in computation.flight.land() {
                caller.reader.events.finish(Event::Lost);
            }
        }
    }
}

/// An answer that is there serves a request.
fn serve(job: Job, answer: Vec<u32>) {
    job.events.send(Event::Text(answer));
    job.events.finish(Event::Finished);
}
