//! Threads that callers' functions run on, and the time that each function has.
//!
//! Owns the threads, the deadlines and the bounds, one of each for the whole process. Knows
//! nothing of what the functions do. Everything is started when it is first needed, and ends when
//! there was nothing to do for a while.
//!
//! - A function gets a [`Turn`] when it is asked for, which has a deadline; waiting for a thread
//!   counts. Whoever comes first ends the turn: the function's thread, by [`Turn::over`], or the
//!   clock, by calling what was left for that case. Never both, and always one of them.
//! - A function whose turn the clock ended is abandoned: nobody can stop it, and its thread is lost
//!   until it returns. Threads are at most [`Limits::threads_max`], lost ones counted in. From
//!   [`Limits::abandoned_max`] of them on nothing is run, and what waits is told so.
//! - What waits is not bounded here: each belongs to a request, which holds a place in its engine's
//!   queue.
//! - No thread keeps the process alive: they are detached, and nobody joins them.
//!
//! Threads: one clock (`indwell-clock`), which runs no function, and those for functions
//! (`indwell-asking`). All share one lock, which is never held while other code runs. In a forked
//! process none of them is there, so it has a lock, bounds and threads of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// For the whole process.
const LIMITS: Limits =
    Limits { threads_max: 16, abandoned_max: 8, idle_max: Duration::from_secs(10) };

/// From one warning that too many functions are abandoned to the next.
const WARNING_EVERY: Duration = Duration::from_secs(60);

/// Stands for deadlines that the clock can't express.
const LONGEST: Duration = Duration::from_secs(1 << 30);

static THREADS: Threads = Threads::new(LIMITS, start_thread);

/// The bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Functions that run at once, abandoned ones counted in.
    pub(super) threads_max: usize,
    /// Abandoned functions from which on nothing is run until one of them returns.
    pub(super) abandoned_max: usize,
    /// How long a thread waits for something to do before it ends.
    pub(super) idle_max: Duration,
}

/// Why a function had no turn, or lost it.
#[derive(Debug)]
pub(super) enum Missed {
    /// Its time was over before a thread was free.
    Waiting,
    /// Its time was over before it returned.
    Running,
    /// Too many functions never returned. Already logged.
    Full,
    /// A thread could not be started.
    NoThread(io::Error),
}

/// What runs on a thread of its own.
pub(super) type Work = Box<dyn FnOnce(Turn) + Send>;

/// What the clock calls when a turn's time is over, or when it won't come.
pub(super) type OnMissed = Box<dyn FnOnce(Missed) + Send>;

/// Starts a detached thread.
pub(super) type Start = fn(&'static str, Box<dyn FnOnce() + Send>) -> io::Result<()>;

/// The time that one function has.
#[derive(Debug)]
#[must_use = "dropped, it is over"]
pub(super) struct Turn {
    threads: &'static Threads,
    due: Due,
    is_open: bool,
}

/// The threads of one process.
pub(super) struct Threads {
    limits: Limits,
    start: Start,
    /// Whose they are; 0 until they are needed.
    process: AtomicU32,
    state: Mutex<State>,
    /// Something waits for a thread.
    waiting: Condvar,
    /// There is an earlier deadline than the clock knows.
    earlier: Condvar,
    /// Those of a process that was forked from this one.
    forked: OnceLock<Box<Threads>>,
}

/// A deadline, with a number that makes it one turn's alone.
type Due = (Instant, u64);

struct State {
    /// Of every turn that nobody ended yet.
    turns: BTreeMap<Due, OnMissed>,
    /// Of those, the ones that no thread has taken, in order of arrival.
    waiting: BTreeMap<u64, (Instant, Work)>,
    last: u64,
    /// All that were started and have not ended.
    threads: usize,
    /// Of those, the ones that wait for work.
    idle: usize,
    /// Of those, the ones in a function whose time is over.
    abandoned: usize,
    clock: Clock,
    warned: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// It has no thread.
    Off,
    /// It will look at the deadlines before it sleeps.
    Awake,
    /// It sleeps until there is a deadline.
    Idle,
    Until(Instant),
}

/// A turn that the clock ended.
struct Ended {
    on_missed: OnMissed,
    missed: Missed,
    /// Dropped outside the lock.
    _work: Option<Work>,
}

impl Threads {
    /// This process's.
    pub(super) fn of_process() -> &'static Threads {
        THREADS.of(std::process::id())
    }

    pub(super) const fn new(limits: Limits, start: Start) -> Self {
        Self {
            limits,
            start,
            process: AtomicU32::new(0),
            state: Mutex::new(State::new()),
            waiting: Condvar::new(),
            earlier: Condvar::new(),
            forked: OnceLock::new(),
        }
    }

    /// Those of `process`, which is the one that they were first used in or a fork of it. Takes no
    /// lock: in a fork it may be held for ever.
    pub(super) fn of(&'static self, process: u32) -> &'static Threads {
        let mut threads = self;
        loop {
            let owner =
                threads.process.compare_exchange(0, process, Ordering::Relaxed, Ordering::Relaxed);
            threads = match owner {
                Err(owner) if owner != process => threads
                    .forked
                    .get_or_init(|| Box::new(Threads::new(threads.limits, threads.start))),
                _ => return threads,
            };
        }
    }

    /// Runs `work` on one of the threads, within `timeout` from now on. Returns at once. When the
    /// time is over first, `on_missed` is called on the clock's thread, and must be quick.
    ///
    /// # Errors
    /// `Full` and `NoThread`; neither closure is called then.
    pub(super) fn run(
        &'static self,
        timeout: Duration,
        on_missed: OnMissed,
        work: Work,
    ) -> Result<(), Missed> {
        let now = Instant::now();
        let at = after(now, timeout);
        let mut state = self.state.lock();
        if state.abandoned >= self.limits.abandoned_max {
            let is_due = state.warned.is_none_or(|at| now - at >= WARNING_EVERY);
            state.warned = if is_due { Some(now) } else { state.warned };
            let abandoned = state.abandoned;
            drop(state);
            if is_due {
                tracing::warn!(
                    abandoned,
                    "functions of semantic mode do not return; until one does, requests are \
                     computed without asking any"
                );
            }
            return Err(Missed::Full);
        }
        self.wake_clock(&mut state, at).map_err(Missed::NoThread)?;
        self.wake_thread(&mut state).map_err(Missed::NoThread)?;
        let (_, number) = state.add_turn(at, on_missed);
        state.waiting.insert(number, (at, work));
        Ok(())
    }

    /// A turn for another function on the same thread, within `timeout` from now on.
    ///
    /// # Errors
    /// `NoThread`; `on_missed` is not called then.
    pub(super) fn another_turn(
        &'static self,
        timeout: Duration,
        on_missed: OnMissed,
    ) -> Result<Turn, Missed> {
        let at = after(Instant::now(), timeout);
        let mut state = self.state.lock();
        self.wake_clock(&mut state, at).map_err(Missed::NoThread)?;
        let due = state.add_turn(at, on_missed);
        Ok(Turn { threads: self, due, is_open: true })
    }

    /// Sees to it that the clock will look again by `at`.
    fn wake_clock(&'static self, state: &mut State, at: Instant) -> io::Result<()> {
        match state.clock {
            Clock::Off => {
                (self.start)("indwell-clock", Box::new(|| self.tell_time()))?;
                state.clock = Clock::Awake;
            }
            Clock::Awake => {}
            Clock::Idle => {
                self.earlier.notify_one();
            }
            Clock::Until(later) if at < later => {
                self.earlier.notify_one();
            }
            Clock::Until(_) => {}
        }
        Ok(())
    }

    /// Sees to it that one more thread looks for work, if there may be one more.
    fn wake_thread(&'static self, state: &mut State) -> io::Result<()> {
        if state.idle > state.waiting.len() {
            self.waiting.notify_one();
        } else if state.threads < self.limits.threads_max {
            (self.start)("indwell-asking", Box::new(|| self.serve()))?;
            state.threads += 1;
        }
        Ok(())
    }

    /// A function thread's life.
    fn serve(&'static self) {
        while let Some((turn, work)) = self.next_work() {
            guarded("judging a question", || work(turn));
        }
    }

    /// Waits for work; `None` when there was none for long enough.
    fn next_work(&'static self) -> Option<(Turn, Work)> {
        let mut state = self.state.lock();
        loop {
            if let Some((number, (at, work))) = state.waiting.pop_first() {
                return Some((Turn { threads: self, due: (at, number), is_open: true }, work));
            }
            state.idle += 1;
            let waited = self.waiting.wait_for(&mut state, self.limits.idle_max);
            state.idle -= 1;
            if waited.timed_out() && state.waiting.is_empty() {
                state.threads -= 1;
                return None;
            }
        }
    }

    /// The clock's life.
    fn tell_time(&'static self) {
        while let Some(ended) = self.next_ended() {
            for Ended { on_missed, missed, _work } in ended {
                guarded("giving up a question", || on_missed(missed));
            }
        }
    }

    /// Waits for turns whose time is over; `None` when there were none for long enough.
    fn next_ended(&self) -> Option<Vec<Ended>> {
        let mut state = self.state.lock();
        loop {
            match state.turns.first_key_value().map(|(&(at, _), _)| at) {
                None => {
                    state.clock = Clock::Idle;
                    let waited = self.earlier.wait_for(&mut state, self.limits.idle_max);
                    if waited.timed_out() && state.turns.is_empty() {
                        state.clock = Clock::Off;
                        return None;
                    }
                }
                Some(at) if at <= Instant::now() => {
                    state.clock = Clock::Awake;
                    return Some(state.end_first(&self.limits));
                }
                Some(at) => {
                    // Not for longer than it may be idle: the turn may be over long before.
                    let until = at.min(after(Instant::now(), self.limits.idle_max));
                    state.clock = Clock::Until(until);
                    self.earlier.wait_until(&mut state, until);
                }
            }
        }
    }
}

impl State {
    const fn new() -> Self {
        Self {
            turns: BTreeMap::new(),
            waiting: BTreeMap::new(),
            last: 0,
            threads: 0,
            idle: 0,
            abandoned: 0,
            clock: Clock::Off,
            warned: None,
        }
    }

    fn add_turn(&mut self, at: Instant, on_missed: OnMissed) -> Due {
        self.last += 1;
        let due = (at, self.last);
        self.turns.insert(due, on_missed);
        due
    }

    /// Ends the turn whose deadline is first; with it, if it is one too many that is abandoned,
    /// those that wait.
    fn end_first(&mut self, limits: &Limits) -> Vec<Ended> {
        let Some(((_, number), on_missed)) = self.turns.pop_first() else { return Vec::new() };
        let work = self.waiting.remove(&number).map(|(_, work)| work);
        let missed = if work.is_some() { Missed::Waiting } else { Missed::Running };
        let was_running = work.is_none();
        let mut ended = vec![Ended { on_missed, missed, _work: work }];
        if was_running {
            self.abandoned += 1;
            if self.abandoned >= limits.abandoned_max {
                ended.extend(self.end_waiting());
            }
        }
        ended
    }

    fn end_waiting(&mut self) -> impl Iterator<Item = Ended> {
        std::mem::take(&mut self.waiting).into_iter().filter_map(|(number, (at, work))| {
            let on_missed = self.turns.remove(&(at, number))?;
            Some(Ended { on_missed, missed: Missed::Full, _work: Some(work) })
        })
    }
}

impl Turn {
    /// Says that the function returned; whether it did in time. If not, `on_missed` was called or
    /// is about to be.
    pub(super) fn over(mut self) -> bool {
        self.end()
    }

    fn end(&mut self) -> bool {
        self.is_open = false;
        let mut state = self.threads.state.lock();
        let on_missed = state.turns.remove(&self.due);
        if on_missed.is_none() {
            state.abandoned -= 1;
        }
        drop(state);
        on_missed.is_some()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.is_open {
            self.end();
        }
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Calls what must not end the thread.
pub(super) fn guarded(what: &'static str, call: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(call)).is_err() {
        tracing::error!(what, "a panic in semantic mode");
    }
}

fn after(now: Instant, timeout: Duration) -> Instant {
    now.checked_add(timeout).unwrap_or(now + LONGEST)
}

fn start_thread(name: &'static str, life: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(life).map(drop)
}

#[cfg(test)]
mod counts {
    use super::*;

    /// What tests look at.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Counts {
        pub(crate) threads: usize,
        pub(crate) idle: usize,
        pub(crate) abandoned: usize,
        pub(crate) turns: usize,
        pub(crate) clock: Clock,
    }

    impl Threads {
        pub(crate) fn counts(&self) -> Counts {
            let state = self.state.lock();
            Counts {
                threads: state.threads,
                idle: state.idle,
                abandoned: state.abandoned,
                turns: state.turns.len(),
                clock: state.clock,
            }
        }

        /// Waits for what other threads are about to do.
        pub(crate) fn wait_until(&self, is_so: impl Fn(Counts) -> bool) {
            let deadline = Instant::now() + Duration::from_secs(60);
            while !is_so(self.counts()) {
                assert!(Instant::now() < deadline, "{:?}", self.counts());
                std::thread::yield_now();
            }
        }
    }
}
