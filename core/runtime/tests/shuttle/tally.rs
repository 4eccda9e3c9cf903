//! What happened in a run of the model, and in all of them: a check that never saw a thing happen
//! says nothing of it.

use std::sync::Mutex;

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    /// A computation began.
    Begun,
    /// One that nobody could join.
    BegunAlone,
    /// A computation came to its end.
    Finished,
    Failed,
    /// Its last caller left.
    Abandoned,
    /// The worker went down.
    Lost,
    /// A caller joined a computation.
    Joined,
    /// A request reached the worker when its answer was stored already.
    ServedLate,
    /// A leader left while others stayed.
    HandedOver,
    /// A computation was held as everybody was behind.
    Held,
    /// A caller was behind, and was told what it had missed.
    CaughtUp,
    /// A caller's deadline passed.
    Expired,
}

impl Happening {
    const COUNT: usize = Self::Expired as usize + 1;
}

/// How often what happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally([usize; Happening::COUNT]);

impl Tally {
    pub(crate) fn note(&mut self, happening: Happening) {
        self.0[happening as usize] += 1;
    }

    pub(crate) fn count(&self, happening: Happening) -> usize {
        self.0[happening as usize]
    }
}

/// The sum over many runs. Not a lock of the model: no schedule depends on it.
#[derive(Debug, Default)]
pub(crate) struct Total(Mutex<Tally>);

impl Total {
    pub(crate) fn add(&self, run: Tally) {
        let mut total = self.0.lock().expect("nothing panics while it is held");
        total.0.iter_mut().zip(run.0).for_each(|(sum, count)| *sum += count);
    }

    /// Panics unless each of these happened at least `times`.
    pub(crate) fn expect(&self, times: usize, happenings: &[Happening]) {
        let total = *self.0.lock().expect("nothing panics while it is held");
        for &happening in happenings {
            let count = total.count(happening);
            println!("{happening:?}: {count}");
            assert!(count >= times, "what is checked has to happen: {happening:?} {count} times");
        }
    }
}
