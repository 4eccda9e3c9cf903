//! One round: callers of the same answer, and the driver that lets them share it, as the engine's
//! worker does.

use std::collections::HashMap;
use std::time::Duration;

use indwell_kernel::testing::{ScriptedBackend, StepFault, VirtualClock};
use indwell_kernel::{
    Backend, CacheUse, Caller, Draws, End, Flight, Goal, Hold, Outcome, Output, Plan, Request,
    RequestId, Scheduler, SchedulerConfig, SchedulerOptions, StepError, Token,
};

use crate::random::Random;

/// Callers of the same answer in a round.
const CALLERS: u64 = 64;
/// Turns in which they come, go and read as they like; in those after it, all read.
const TURMOIL_TURNS: u32 = 80;
/// More turns than any round needs.
const TURNS_MAX: u32 = 4000;

/// How often what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) whole: u64,
    pub(crate) cancelled: u64,
    pub(crate) expired: u64,
    pub(crate) failed: u64,
    /// Leaders that left others behind.
    pub(crate) handed_over: u64,
    /// Computations that nobody waited for any more.
    pub(crate) abandoned: u64,
    /// Computations that paused as everybody was behind.
    pub(crate) held_up: u64,
    /// Readers that were behind and read on.
    pub(crate) caught_up: u64,
    pub(crate) computations: u64,
    pub(crate) failed_computations: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.whole += other.whole;
        self.cancelled += other.cancelled;
        self.expired += other.expired;
        self.failed += other.failed;
        self.handed_over += other.handed_over;
        self.abandoned += other.abandoned;
        self.held_up += other.held_up;
        self.caught_up += other.caught_up;
        self.computations += other.computations;
        self.failed_computations += other.failed_computations;
    }
}

/// A bounded mailbox, as far as its reader has not read it, and what the reader has read.
#[derive(Debug)]
struct Reader {
    told: usize,
    unread: Vec<Token>,
    read: Vec<Token>,
    capacity: usize,
}

impl Reader {
    /// Tells all that is new; whether the reader is behind.
    fn tell(&mut self, said: &[Token]) -> bool {
        self.unread.extend_from_slice(&said[self.told..]);
        self.told = said.len();
        self.unread.len() >= self.capacity
    }

    fn read(&mut self) {
        self.read.append(&mut self.unread);
    }
}

/// The round.
pub(crate) struct Room {
    random: Random,
    scheduler: Scheduler,
    backend: ScriptedBackend,
    clock: VirtualClock,
    config: SchedulerConfig,
    prompt: Vec<Token>,
    max_tokens: u32,
    /// The answer, as it is without anybody else.
    expected: Vec<Token>,
    /// The computation, and what it has said.
    flight: Option<(RequestId, Flight<Reader>, Vec<Token>)>,
    /// The stored answer.
    stored: Option<Vec<Token>>,
    /// Who leaves, and in which turn.
    leaving: Vec<(u32, RequestId)>,
    ids: u64,
    to_come: u64,
    /// Others that are computed meanwhile.
    others: HashMap<RequestId, u32>,
    /// At most so many come in each turn after the first.
    latecomers: u32,
    faults: u32,
    ended: u64,
    tally: Tally,
}

impl Room {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let options = SchedulerOptions {
            context_tokens: Some(i64::from(random.within(60..=200))),
            request_tokens_max: Some(50),
            sequences_max: Some(i64::from(random.within(1..=4))),
            batch_tokens: Some(8),
            prefill_chunk_tokens: Some(i64::from(random.within(1..=8))),
            itl_target_ms: None,
        };
        let config = options.validate().expect("within the limits");
        let prompt: Vec<Token> = (0..random.within(1..=9))
            .map(|at| Token(7 + i32::try_from(at).expect("few")))
            .collect();
        let max_tokens = random.within(5..=40);
        let answer_tokens = u64::from(random.pick(&[6, 30, u32::MAX]));
        let backend = ScriptedBackend::new(&config, config.context_tokens);
        let mut room = Self {
            scheduler: Scheduler::new(config),
            backend: backend.with_answers_of_about(answer_tokens),
            clock: VirtualClock::default(),
            config,
            prompt,
            max_tokens,
            expected: Vec::new(),
            flight: None,
            stored: None,
            leaving: Vec::new(),
            ids: 0,
            to_come: CALLERS,
            others: HashMap::new(),
            latecomers: random.pick(&[0, 1, 2]),
            faults: random.pick(&[0, 0, 6, 30]),
            ended: 0,
            tally: Tally::default(),
            random,
        };
        room.expected = room.alone(answer_tokens);
        room
    }

    /// The answer of a scheduler and a backend that have nothing else to do.
    fn alone(&self, answer_tokens: u64) -> Vec<Token> {
        let mut scheduler = Scheduler::new(self.config);
        let backend = ScriptedBackend::new(&self.config, self.config.context_tokens);
        let mut backend = backend.with_answers_of_about(answer_tokens);
        scheduler.submit(self.request(RequestId(0)));
        let (mut plan, mut outcome, mut answer) = (Plan::default(), Outcome::default(), Vec::new());
        loop {
            scheduler.plan(&mut plan);
            backend.execute(&plan, &mut outcome).expect("nothing fails");
            scheduler.commit(&plan, &outcome);
            for output in scheduler.drain_outputs() {
                match output {
                    Output::Token { token, .. } => answer.push(token),
                    Output::Ended { .. } => return answer,
                    _ => {}
                }
            }
        }
    }

    fn request(&self, id: RequestId) -> Request {
        Request {
            id,
            prompt: self.prompt.clone(),
            boundaries: Vec::new(),
            goal: Goal::Generate,
            cache: CacheUse::Bypass,
            max_tokens: self.max_tokens,
            draws: Draws::greedy().into(),
            prompt_logprobs: false,
            deadline: None,
        }
    }

    pub(crate) fn run(mut self) -> Result<Tally, String> {
        for turn in 0..TURNS_MAX {
            if turn < TURMOIL_TURNS {
                self.callers_act(turn)?;
            } else {
                self.faults = 0;
                self.come(turn)?;
                self.everybody_reads();
            }
            self.clock.advance(Duration::from_millis(1));
            self.expire();
            self.step()?;
            if self.ended == CALLERS && self.flight.is_none() && self.others.is_empty() {
                return self.check();
            }
        }
        Err(format!("{} of {CALLERS} callers have ended after {TURNS_MAX} turns", self.ended))
    }

    fn callers_act(&mut self, turn: u32) -> Result<(), String> {
        // A crowd at first, and some who come at any time.
        let crowd = self.random.pick(&[1, 2, 50, 64, 64]);
        let coming = if turn == 0 { crowd } else { self.random.within(0..=self.latecomers) };
        for _ in 0..coming {
            self.come(turn)?;
        }
        if self.random.one_in(4) {
            self.ids += 1;
            let id = RequestId(self.ids);
            let mut request = self.request(id);
            request.prompt = vec![Token(1000 + i32::try_from(self.ids).expect("few")); 3];
            request.max_tokens = self.random.within(1..=9);
            self.others.insert(id, request.max_tokens);
            self.scheduler.submit(request);
        }
        for (_, id) in self.leaving.extract_if(.., |(at, _)| *at <= turn).collect::<Vec<_>>() {
            self.leave(id);
        }
        let Some((_, flight, _)) = &self.flight else { return Ok(()) };
        let ids: Vec<RequestId> = flight.callers().map(|caller| caller.id).collect();
        for id in ids {
            if self.random.one_in(3) {
                self.read(id);
            }
        }
        Ok(())
    }

    /// One more caller: the stored answer serves it, or it follows, or it leads.
    fn come(&mut self, turn: u32) -> Result<(), String> {
        if self.to_come == 0 {
            return Ok(());
        }
        self.to_come -= 1;
        self.ids += 1;
        let id = RequestId(self.ids);
        if let Some(answer) = &self.stored {
            if *answer != self.expected {
                return Err("the stored answer is another one".to_owned());
            }
            self.tally.whole += 1;
            self.ended += 1;
            return Ok(());
        }
        let capacity = self.random.pick(&[1, 2, 5, 100]);
        let reader = Reader { told: 0, unread: Vec::new(), read: Vec::new(), capacity };
        let patience = Duration::from_millis(self.random.within(1..=60).into());
        let deadline = self.random.one_in(8).then(|| self.clock.now().after(patience));
        let caller = Caller::new(id, deadline, reader);
        // A third of them leave at some moment, if they have not their answers by then.
        if self.random.one_in(3) {
            let answer = u32::try_from(self.expected.len()).expect("short answers");
            self.leaving.push((turn + self.random.within(0..=answer), id));
        }
        if let Some((_, flight, said)) = &mut self.flight {
            flight.join(caller);
            flight.tell(|reader| reader.tell(said));
            self.hold();
        } else {
            self.tally.computations += 1;
            self.flight = Some((id, Flight::new(caller), Vec::new()));
            self.scheduler.submit(self.request(id));
        }
        Ok(())
    }

    fn everybody_reads(&mut self) {
        let Some((_, flight, _)) = &self.flight else { return };
        let ids: Vec<RequestId> = flight.callers().map(|caller| caller.id).collect();
        for id in ids {
            self.read(id);
        }
    }

    fn read(&mut self, id: RequestId) {
        let Some((_, flight, said)) = &mut self.flight else { return };
        flight.catch_up(id, |reader| {
            self.tally.caught_up += 1;
            reader.read();
            reader.tell(said)
        });
        self.hold();
    }

    fn leave(&mut self, id: RequestId) {
        let Some((_, flight, _)) = &mut self.flight else { return };
        let leads = flight.callers().next().is_some_and(|caller| caller.id == id);
        if flight.leave(id).is_some() {
            self.tally.cancelled += 1;
            self.has_lost(1, leads);
        }
    }

    fn expire(&mut self) {
        let Some((_, flight, _)) = &mut self.flight else { return };
        let leader = flight.callers().next().map(|caller| caller.id);
        let expired = flight.expire(self.clock.now());
        let leads = expired.iter().any(|caller| Some(caller.id) == leader);
        self.tally.expired += expired.len() as u64;
        self.has_lost(expired.len() as u64, leads);
    }

    fn has_lost(&mut self, callers: u64, led: bool) {
        self.ended += callers;
        let Some((computation, flight, _)) = &self.flight else { return };
        if flight.is_abandoned() {
            self.tally.abandoned += 1;
            self.scheduler.cancel(*computation);
            self.flight = None;
        } else {
            self.tally.handed_over += u64::from(led);
            self.hold();
        }
    }

    fn hold(&mut self) {
        let Some((computation, flight, _)) = &mut self.flight else { return };
        match flight.hold() {
            Some(Hold::Pause) => {
                self.tally.held_up += 1;
                self.scheduler.pause(*computation);
            }
            Some(Hold::Resume) => self.scheduler.resume(*computation),
            None => {}
        }
    }

    fn step(&mut self) -> Result<(), String> {
        let (mut plan, mut outcome) = (Plan::default(), Outcome::default());
        self.scheduler.plan(&mut plan);
        self.hear()?;
        if plan.is_empty() {
            return Ok(());
        }
        if !plan.chunks.is_empty() && self.random.one_in(self.faults) {
            let error = self.random.pick(&[0, 0, 1]);
            let error =
                if error == 0 { StepError::Aborted } else { StepError::Fatal("scripted".into()) };
            self.backend.script(Some(StepFault::Step { error, partial: 0 }));
        }
        match self.backend.execute(&plan, &mut outcome) {
            Ok(()) => self.scheduler.commit(&plan, &outcome),
            Err(error) => self.scheduler.fail(&plan, &outcome, &error),
        }
        self.hear()
    }

    fn hear(&mut self) -> Result<(), String> {
        let outputs: Vec<Output> = self.scheduler.drain_outputs().collect();
        for output in outputs {
            match output {
                Output::Token { request, token, .. } => {
                    let Some((_, flight, said)) =
                        self.flight.as_mut().filter(|(computation, ..)| *computation == request)
                    else {
                        continue;
                    };
                    said.push(token);
                    flight.tell(|reader| reader.tell(said));
                    self.hold();
                }
                Output::Ended { request, end } => self.end(request, &end)?,
                _ => {}
            }
        }
        self.scheduler.audit()
    }

    fn end(&mut self, request: RequestId, end: &End) -> Result<(), String> {
        self.others.remove(&request);
        let Some((_, flight, said)) =
            self.flight.take_if(|(computation, ..)| *computation == request)
        else {
            return Ok(());
        };
        let finished = matches!(end, End::Finished(_));
        self.tally.failed_computations += u64::from(!finished);
        for mut caller in flight.land() {
            self.ended += 1;
            if !finished {
                self.tally.failed += 1;
                continue;
            }
            caller.reader.tell(&said);
            caller.reader.read();
            if caller.reader.read != self.expected {
                return Err(format!("{} read another answer", caller.id));
            }
            self.tally.whole += 1;
        }
        if finished {
            self.stored = Some(said);
        }
        Ok(())
    }

    fn check(self) -> Result<Tally, String> {
        let tally = self.tally;
        let all = tally.whole + tally.cancelled + tally.expired + tally.failed;
        if all != CALLERS {
            return Err(format!("{all} callers have ended: {tally:?}"));
        }
        // Computed once, unless nobody waited any more or it failed.
        let succeeded = u64::from(self.stored.is_some());
        if tally.computations != succeeded + tally.abandoned + tally.failed_computations {
            return Err(format!("computed without need: {tally:?}"));
        }
        Ok(tally)
    }
}
