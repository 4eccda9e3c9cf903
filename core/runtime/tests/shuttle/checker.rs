//! Runs a model under many schedules: at random, by PCT (few changes of priority at random
//! points, which finds what needs few but certain switches), or all there are.
//!
//! A model is a function that starts threads and asserts; what it draws by `shuttle::rand` is part
//! of its schedule. A schedule in which nobody can go on fails as a deadlock.
//!
//! A failure prints its schedule. The same seed gives the same schedules, as far as nothing but the
//! schedule is drawn (the order of a hash map is): `INDWELL_SHUTTLE_SEED` gives others, and
//! `INDWELL_SHUTTLE_SCHEDULES` so many times as many.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::sync::Once;
use std::thread;

use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, MaxSteps, Runner};

const SEED: u64 = 20_261_122;

/// How many times PCT changes priorities in a schedule, and one more.
const PCT_DEPTHS: [usize; 3] = [2, 3, 5];

/// Checks `model` under `schedules` schedules at random, and as many by PCT.
pub(crate) fn check(schedules: usize, model: impl Fn() + Clone + Send + Sync + 'static) {
    let schedules = schedules * from_env("INDWELL_SHUTTLE_SCHEDULES").unwrap_or(1);
    let seed = from_env("INDWELL_SHUTTLE_SEED").unwrap_or(SEED);
    println!("INDWELL_SHUTTLE_SEED={seed}");
    run(RandomScheduler::new_from_seed(seed, schedules), model.clone());
    for depth in PCT_DEPTHS {
        let schedules = schedules.div_ceil(PCT_DEPTHS.len());
        run(PctScheduler::new_from_seed(seed, depth, schedules), model.clone());
    }
}

/// Checks `model` under every schedule there is; how many. It must draw nothing at random.
pub(crate) fn check_all(model: impl Fn() + Send + Sync + 'static) -> usize {
    run(DfsScheduler::new(None, false), model)
}

/// What [`check`] says of a model in which something is wrong; `None` if it sees nothing.
pub(crate) fn complaint(
    schedules: usize,
    model: impl Fn() + Clone + Send + Sync + 'static,
) -> Option<String> {
    note_first_panics();
    // A thread of its own: a schedule that is given up in the middle of a panic leaves its thread
    // panicking for ever, and whatever is checked there next would seem to be wrong.
    let checking = thread::spawn(move || {
        let checked = catch_unwind(AssertUnwindSafe(|| check(schedules, model)));
        checked.err().map(|_| FIRST_PANIC.take().expect("a panic was noted"))
    });
    checking.join().expect("it is caught")
}

thread_local! {
    /// What a model's first panic said: others follow from it. All threads of a model are one
    /// thread of the system.
    static FIRST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

fn note_first_panics() {
    static NOTED: Once = Once::new();
    NOTED.call_once(|| {
        let other = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            FIRST_PANIC.with_borrow_mut(|first| {
                first.get_or_insert_with(|| {
                    info.payload_as_str().unwrap_or("without words").to_owned()
                });
            });
            other(info);
        }));
    });
}

fn run(scheduler: impl Scheduler + 'static, model: impl Fn() + Send + Sync + 'static) -> usize {
    let mut config = Config::new();
    config.stack_size = 1 << 18;
    // A thread that goes round for ever is found out soon.
    config.max_steps = MaxSteps::FailAfter(20_000);
    config.ungraceful_shutdown_config.immediately_return_on_panic = true;
    Runner::new(scheduler, config).run(model)
}

fn from_env<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}
