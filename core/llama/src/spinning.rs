//! How long threads that compute spin for each other before they sleep.
//!
//! llama.cpp's threads meet at a barrier after each operation, thousands of times a token. OpenMP's
//! (libgomp's) spin there for up to 300,000 turns. Where nothing else runs that is the fastest way to
//! wait; beside a busy process the one who spins keeps a processor from the one it waits for. Which
//! of them a machine is changes while an application runs, but libgomp reads its environment
//! (`OMP_WAIT_POLICY`, `GOMP_SPINCOUNT`) once, when it is loaded, which is before anybody can ask us.
//!
//! It spins for 100 turns alone where the process has more of OpenMP's threads than there are
//! processors (`gomp_throttled_spin_count_var` in its `env.c`). A [`Crowd`] is such threads: a team
//! that has met once and sleeps from then on. [`Spinning`] keeps one while the machine is busy, which
//! it tells by how long the thread that leads the computation was ready to run and was not let: the
//! second number of `/proc/thread-self/schedstat`. On two processors that is about 1% of the time
//! where nothing else runs, and 30 to 40% beside one busy process, with a crowd or without.
//!
//! Whoever sets one of the variables has decided otherwise, and nothing is done; nor is it elsewhere
//! than on Linux.

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

use std::time::{Duration, Instant};

#[cfg(not(target_os = "linux"))]
use self::elsewhere::{Crowd, Waits};
#[cfg(target_os = "linux")]
use self::linux::{Crowd, Waits};

/// The variables with which a user decides.
const VARIABLES: [&str; 2] = ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"];

/// Decides whether the threads of a computation spin.
#[derive(Debug)]
pub(crate) struct Spinning {
    threads: u32,
    /// Of the thread that leads; opened by it. `None` where there is nothing to decide.
    watch: Option<Watch>,
    crowd: Option<Crowd>,
}

#[derive(Debug, Default)]
struct Watch {
    waits: Option<Waits>,
    judgement: Judgement,
}

impl Spinning {
    /// For a computation with so many threads.
    pub(crate) fn new(threads: u32) -> Self {
        let is_decided = VARIABLES.iter().any(|name| std::env::var_os(name).is_some());
        let watch = (threads > 1 && !is_decided).then(Watch::default);
        Self { threads, watch, crowd: None }
    }

    /// Computes on the thread that leads, and looks how it went.
    pub(crate) fn around<T>(&mut self, compute: impl FnOnce() -> T) -> T {
        let before = self.waited();
        let began = Instant::now();
        let computed = compute();
        let took = began.elapsed();
        if let (Some(before), Some(after)) = (before, self.waited()) {
            self.judge(took, after.saturating_sub(before));
        }
        computed
    }

    /// How long the thread has waited for a processor in all its life; `None` where nobody tells.
    fn waited(&mut self) -> Option<Duration> {
        let watch = self.watch.as_mut()?;
        if watch.waits.is_none() {
            watch.waits = Waits::of_this_thread();
        }
        let waited = watch.waits.as_ref().and_then(Waits::read);
        if waited.is_none() {
            self.watch = None;
        }
        waited
    }

    fn judge(&mut self, took: Duration, waited: Duration) {
        let Some(watch) = &mut self.watch else { return };
        match watch.judgement.add(took, waited) {
            Some(true) => match Crowd::gather(self.threads) {
                Ok(crowd) => {
                    tracing::debug!("the machine is busy: threads don't spin");
                    self.crowd = Some(crowd);
                }
                Err(error) => {
                    tracing::debug!(%error, "the machine is busy, and threads go on spinning");
                    self.watch = None;
                }
            },
            Some(false) => {
                tracing::debug!("the machine is quiet again: threads spin");
                self.crowd = None;
            }
            None => {}
        }
    }
}

/// Whether a machine is busy, by how much of its time a thread waited.
#[derive(Debug, Default)]
struct Judgement {
    is_busy: bool,
    took: Duration,
    waited: Duration,
}

impl Judgement {
    /// A machine is judged by so much time of computing: soon when it becomes busy,
    const QUIET_LOOK: Duration = Duration::from_millis(200);
    /// and later when it seems quiet again.
    const BUSY_LOOK: Duration = Duration::from_secs(2);
    /// Percent of the time that a thread waits on a busy machine, and on a quiet one: in between it
    /// stays what it was.
    const BUSY_PERCENT: u32 = 10;
    const QUIET_PERCENT: u32 = 4;

    /// Adds a computation; says when the machine has become busy, or quiet.
    fn add(&mut self, took: Duration, waited: Duration) -> Option<bool> {
        self.took += took;
        self.waited += waited;
        let look = if self.is_busy { Self::BUSY_LOOK } else { Self::QUIET_LOOK };
        if self.took < look {
            return None;
        }
        let was_busy = self.is_busy;
        let percent = if was_busy { Self::QUIET_PERCENT } else { Self::BUSY_PERCENT };
        self.is_busy = self.waited * 100 > self.took * percent;
        (self.took, self.waited) = (Duration::ZERO, Duration::ZERO);
        (self.is_busy != was_busy).then_some(self.is_busy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: [bool; 0] = [];
    const STEP: Duration = Duration::from_millis(20);

    /// What is said in so many steps of 20 ms, of each of which a part is waited.
    fn said(judgement: &mut Judgement, steps: u32, percent: u32) -> Vec<bool> {
        (0..steps).filter_map(|_| judgement.add(STEP, STEP * percent / 100)).collect()
    }

    #[test]
    fn a_busy_machine_is_seen_soon_and_a_quiet_one_for_sure() {
        let mut judgement = Judgement::default();
        assert_eq!(said(&mut judgement, 100, 1), NOTHING);
        assert_eq!(said(&mut judgement, 10, 35), [true]);
        assert_eq!(said(&mut judgement, 300, 35), NOTHING);
        assert_eq!(said(&mut judgement, 99, 1), NOTHING);
        assert_eq!(said(&mut judgement, 1, 1), [false]);
    }

    #[test]
    fn between_busy_and_quiet_nothing_changes() {
        let mut judgement = Judgement::default();
        assert_eq!(said(&mut judgement, 1000, 7), NOTHING);
        assert_eq!(said(&mut judgement, 10, 11), [true]);
        assert_eq!(said(&mut judgement, 1000, 7), NOTHING);
    }

    #[test]
    fn who_computes_alone_has_nobody_to_wait_for() {
        let mut spinning = Spinning::new(1);
        assert!(spinning.watch.is_none());
        assert_eq!(spinning.around(|| 7), 7);
    }
}
