//! One computation that several callers wait for: who leads, who is behind, and whose time is up.
//!
//! Pure: what is computed and how it reaches the callers is not known here. A caller is whatever
//! the owner needs of one.
//!
//! Invariants: callers are in the order in which they came, so the first one leads, and when it
//! leaves the next one does; who is behind is told nothing until it has read, and then all it
//! missed; computing pauses only when everybody is behind.

use crate::{RequestId, Timestamp};

/// The callers of one computation.
#[derive(Debug)]
pub struct Flight<C> {
    callers: Vec<Caller<C>>,
    /// What the owner was told last.
    is_on_hold: bool,
}

/// One of them.
#[derive(Debug)]
pub struct Caller<C> {
    /// Its own request.
    pub id: RequestId,
    /// When it has waited long enough.
    pub deadline: Option<Timestamp>,
    /// Whether it has to read before it is told more.
    is_behind: bool,
    /// What the owner needs of it.
    pub reader: C,
}

/// Whether computing goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hold {
    /// All callers are behind: computing on would be for nobody now.
    Pause,
    /// One of them has read.
    Resume,
}

impl<C> Caller<C> {
    /// A caller that is not behind.
    pub fn new(id: RequestId, deadline: Option<Timestamp>, reader: C) -> Self {
        Self { id, deadline, is_behind: false, reader }
    }
}

impl<C> Flight<C> {
    /// A computation with its first caller, who leads.
    pub fn new(first: Caller<C>) -> Self {
        Self { callers: vec![first], is_on_hold: false }
    }

    /// Someone else wants the same.
    pub fn join(&mut self, caller: Caller<C>) {
        self.callers.push(caller);
    }

    /// Takes a caller away: `None` if it is none of them.
    pub fn leave(&mut self, id: RequestId) -> Option<Caller<C>> {
        let at = self.callers.iter().position(|caller| caller.id == id)?;
        Some(self.callers.remove(at))
    }

    /// Takes away whose deadline has passed, in the order in which they came.
    pub fn expire(&mut self, now: Timestamp) -> Vec<Caller<C>> {
        let passed = |caller: &mut Caller<C>| caller.deadline.is_some_and(|at| at <= now);
        self.callers.extract_if(.., passed).collect()
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.callers.iter().filter_map(|caller| caller.deadline).min()
    }

    /// Whether nobody waits any more.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.callers.is_empty()
    }

    /// Offers each caller that is not behind what is new to it; `tell` says whether that caller is
    /// behind now.
    pub fn tell(&mut self, mut tell: impl FnMut(&mut C) -> bool) {
        for caller in self.callers.iter_mut().filter(|caller| !caller.is_behind) {
            caller.is_behind = tell(&mut caller.reader);
        }
    }

    /// A caller has read. If it was behind it is told what it missed, and `tell` says whether it
    /// is behind again.
    pub fn catch_up(&mut self, id: RequestId, tell: impl FnOnce(&mut C) -> bool) {
        let caller = self.callers.iter_mut().find(|caller| caller.id == id && caller.is_behind);
        if let Some(caller) = caller {
            caller.is_behind = tell(&mut caller.reader);
        }
    }

    /// Whether computing has to pause or to go on, if that changed since the last call. To be
    /// asked after everything else.
    pub fn hold(&mut self) -> Option<Hold> {
        let all_behind =
            !self.callers.is_empty() && self.callers.iter().all(|caller| caller.is_behind);
        let changed = all_behind != self.is_on_hold;
        self.is_on_hold = all_behind;
        changed.then_some(if all_behind { Hold::Pause } else { Hold::Resume })
    }

    /// Who waits, the leader first.
    pub fn callers(&self) -> impl ExactSizeIterator<Item = &Caller<C>> {
        self.callers.iter()
    }

    /// Ends it: everybody who waited, the leader first.
    pub fn land(self) -> impl ExactSizeIterator<Item = Caller<C>> {
        self.callers.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn caller(id: u64, deadline_ms: Option<u64>) -> Caller<u64> {
        let deadline = deadline_ms.map(|ms| Timestamp(Duration::from_millis(ms)));
        Caller::new(RequestId(id), deadline, id)
    }

    fn ids(callers: impl IntoIterator<Item = Caller<u64>>) -> Vec<u64> {
        callers.into_iter().map(|caller| caller.id.0).collect()
    }

    #[test]
    fn who_came_first_leads_until_it_leaves() {
        let mut flight = Flight::new(caller(1, None));
        flight.join(caller(2, None));
        flight.join(caller(3, None));
        assert_eq!(flight.leave(RequestId(1)).expect("there").reader, 1);
        assert!(flight.leave(RequestId(1)).is_none(), "gone");
        assert_eq!(flight.callers().next().expect("two are left").id, RequestId(2));
        assert_eq!(ids(flight.land()), [2, 3]);
    }

    #[test]
    fn computing_pauses_when_all_are_behind_and_goes_on_with_the_first_that_has_read() {
        let mut flight = Flight::new(caller(1, None));
        flight.join(caller(2, None));
        flight.tell(|&mut reader| reader == 1);
        assert_eq!(flight.hold(), None);
        flight.tell(|&mut reader| {
            assert_eq!(reader, 2, "who is behind is told nothing");
            true
        });
        assert_eq!(flight.hold(), Some(Hold::Pause));
        assert_eq!(flight.hold(), None, "told once");
        flight.catch_up(RequestId(2), |_| false);
        assert_eq!(flight.hold(), Some(Hold::Resume));
        flight.catch_up(RequestId(2), |_| panic!("it is not behind"));
        flight.leave(RequestId(2));
        assert_eq!(flight.hold(), Some(Hold::Pause), "the other one is still behind");
        flight.join(caller(3, None));
        assert_eq!(flight.hold(), Some(Hold::Resume));
    }

    #[test]
    fn each_caller_has_its_own_deadline() {
        let mut flight = Flight::new(caller(1, Some(30)));
        flight.join(caller(2, None));
        flight.join(caller(3, Some(10)));
        flight.join(caller(4, Some(10)));
        let at = |ms| Timestamp(Duration::from_millis(ms));
        assert_eq!(flight.next_deadline(), Some(at(10)));
        assert!(flight.expire(at(9)).is_empty());
        assert_eq!(ids(flight.expire(at(10))), [3, 4]);
        assert_eq!(flight.next_deadline(), Some(at(30)));
        assert_eq!(ids(flight.expire(at(99))), [1]);
        assert_eq!(flight.next_deadline(), None);
        assert!(!flight.is_abandoned());
        flight.leave(RequestId(2));
        assert!(flight.is_abandoned());
        assert_eq!(flight.hold(), None, "for nobody there is nothing to hold");
    }
}
