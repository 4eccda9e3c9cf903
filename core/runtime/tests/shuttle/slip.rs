//! What befalls the model of the worker, and what it or its callers may do wrong: what the checker
//! is to find.

/// What befalls the worker.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    /// Computations may fail.
    pub(crate) fails: bool,
    /// The worker may go down.
    pub(crate) ends: bool,
}

impl Weather {
    pub(crate) const FAIR: Self = Self { fails: false, ends: false };
    pub(crate) const FOUL: Self = Self { fails: true, ends: true };
}

/// One thing that is done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slip {
    /// The key stays when a computation ends.
    NeverLands,
    /// What is stored by now does not serve a request that comes.
    ForgetsTheStore,
    /// A request that was to lead and was served by what is stored leaves its key behind.
    ServesWithoutLanding,
    /// A request that follows what is over begins a computation that nobody can join.
    LeadsUnopened,
    /// What its leader leaves ends for all.
    EndsWithLeader,
    /// Who was behind and has read is told nothing.
    LeavesBehind,
    /// Who was behind at the end is told the end, and not what it missed.
    EndsInTheMiddle,
    /// A caller that joins is told only what is new.
    JoinsInTheMiddle,
    /// A computation goes on when its last caller has left.
    ComputesForNobody,
    /// A computation that was on hold stays so when someone joins who is not behind.
    StaysOnHold,
    /// A worker that goes down does not look at what was sent to it, and keeps it.
    EndsWithoutLooking,
}

impl Slip {
    pub(crate) const ALL: [Self; 11] = [
        Self::NeverLands,
        Self::ForgetsTheStore,
        Self::ServesWithoutLanding,
        Self::LeadsUnopened,
        Self::EndsWithLeader,
        Self::LeavesBehind,
        Self::EndsInTheMiddle,
        Self::JoinsInTheMiddle,
        Self::ComputesForNobody,
        Self::StaysOnHold,
        Self::EndsWithoutLooking,
    ];
}
