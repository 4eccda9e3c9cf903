//! The handoffs between callers and the worker under many schedules: model checking.
//!
//! The library's own files are compiled here once more, with locks that a scheduler owns; nothing
//! of the library is built in another way for it. They find this crate's `sync` and `Event` where
//! they look for the library's. Their unit tests would need real locks, so they have none: those
//! of the mailbox are in `tests/mailbox.rs`.
//!
//! | module | owns |
//! |---|---|
//! | [`checker`] | running a model under many schedules |
//! | [`sync`], [`event`] | what the library's files look for |
//! | [`scenarios`] | one writer and one reader of a mailbox |
//! | [`handoff`], [`mistaken`] | the mailbox, and copies with a mistake that has to be found |
//! | [`callers`], [`worker`] | whole conversations: many callers, one computation |
//! | [`slip`], [`tally`] | what may go wrong in them, and what has to happen |

mod callers;
mod checker;
mod event;
mod handoff;
#[path = "../../src/responses/in_flight.rs"]
mod in_flight;
#[path = "../../src/mailbox.rs"]
mod mailbox;
mod mistaken;
mod scenarios;
mod slip;
mod sync;
mod tally;
mod worker;

use std::sync::Arc;

use callers::{Asked, Manners};
use event::Event;
use handoff::Real;
use mistaken::{Mistake, Mistaken};
use scenarios::Way;
use slip::{Slip, Weather};
use tally::{Happening, Total};

/// How many schedules what is right is checked under, at random and again by PCT.
const SCHEDULES: usize = 3000;

/// How many of each are enough to find what is wrong.
const TO_FIND: usize = 1000;

#[test]
fn readers_that_stay_get_everything_in_order_and_one_end() {
    for way in Way::ALL {
        println!("{way:?}");
        checker::check(SCHEDULES, move || scenarios::reads_to_the_end(Real, way));
    }
}

#[test]
fn readers_that_leave_keep_nobody_waiting() {
    for way in Way::ALL {
        println!("{way:?}");
        checker::check(SCHEDULES, move || scenarios::leaves(Real, way));
    }
}

#[test]
fn every_schedule_of_the_smallest_handoff_delivers_it() {
    for way in [Way::Blocking, Way::Task, Way::MovedTask] {
        let schedules = checker::check_all(move || scenarios::one_text(Real, way));
        println!("{way:?}: {schedules} schedules");
    }
}

#[test]
fn every_mistake_is_found() {
    for way in Way::ALL {
        checker::check(TO_FIND, move || scenarios::reads_to_the_end(Mistaken(None), way));
        checker::check(TO_FIND, move || scenarios::leaves(Mistaken(None), way));
    }
    for mistake in Mistake::ALL {
        let wrong = Mistaken(Some(mistake));
        let complaint = Way::ALL.into_iter().find_map(|way| {
            checker::complaint(TO_FIND, move || scenarios::reads_to_the_end(wrong, way))
                .or_else(|| checker::complaint(TO_FIND, move || scenarios::leaves(wrong, way)))
        });
        let complaint = complaint.unwrap_or_else(|| panic!("{mistake:?} was not noticed"));
        println!("{mistake:?}: {complaint}");
    }
}

#[test]
fn callers_that_stay_share_one_computation() {
    checker::check(SCHEDULES, || {
        let Asked { tally, questions } = callers::ask(Manners::QUIET, Weather::FAIR, None);
        assert_eq!(tally.count(Happening::Begun), questions);
        assert_eq!(tally.count(Happening::Finished), questions);
    });
}

#[test]
fn a_caller_that_does_not_read_holds_up_nobody_else() {
    checker::check(SCHEDULES, || callers::dawdle(None));
}

#[test]
fn callers_that_leave_hand_over_and_the_last_one_ends_it() {
    let total = Arc::new(Total::default());
    let sum = Arc::clone(&total);
    checker::check(SCHEDULES, move || {
        let Asked { tally, questions } = callers::ask(Manners::FREE, Weather::FAIR, None);
        let anew = tally.count(Happening::BegunAlone);
        assert!(tally.count(Happening::Finished) <= questions + anew);
        sum.add(tally);
    });
    total.expect(
        SCHEDULES / 50,
        &[
            Happening::BegunAlone,
            Happening::Abandoned,
            Happening::Joined,
            Happening::ServedLate,
            Happening::HandedOver,
            Happening::Held,
            Happening::CaughtUp,
            Happening::Expired,
        ],
    );
}

#[test]
fn computations_that_fail_and_workers_that_go_down_leave_nobody_waiting() {
    let total = Arc::new(Total::default());
    let fails = Weather { fails: true, ..Weather::FAIR };
    let ends = Weather { ends: true, ..Weather::FAIR };
    for weather in [fails, ends, Weather::FOUL] {
        let sum = Arc::clone(&total);
        checker::check(SCHEDULES, move || {
            sum.add(callers::ask(Manners::FREE, weather, None).tally);
        });
    }
    total.expect(SCHEDULES / 50, &[Happening::Failed, Happening::Lost]);
}

#[test]
fn every_slip_is_found() {
    for slip in Slip::ALL {
        let asking = |manners, weather| {
            checker::complaint(TO_FIND, move || {
                callers::ask(manners, weather, Some(slip));
            })
        };
        let complaint = asking(Manners::QUIET, Weather::FAIR)
            .or_else(|| checker::complaint(TO_FIND, move || callers::dawdle(Some(slip))))
            .or_else(|| asking(Manners::FREE, Weather::FAIR))
            .or_else(|| asking(Manners::FREE, Weather::FOUL));
        let complaint = complaint.unwrap_or_else(|| panic!("{slip:?} was not noticed"));
        println!("{slip:?}: {complaint}");
    }
}
