//! Model files with something wrong in them, each loaded in a child process: whatever is in a file,
//! the application lives.
//!
//! A mutant is made from a seed, which is its number. The child loads it with the engine and asks
//! for eight tokens; it answers with these or with a typed error. A child that dies, or does not
//! answer in time, fails the test, which prints the mutant.
//!
//! ```text
//! cargo test --workspace --test mutants                            a share, of each model
//! INDWELL_MUTANTS=0..500 cargo test .. --test mutants -- --ignored these numbers, of each model
//! ```

mod child;
mod edits;
mod models;
mod mutant;
mod outcome;
mod random;

use std::ops::Range;

use libtest_mimic::{Arguments, Failed, Trial};

use child::Child;
use models::{Base, Source};
use outcome::Tally;

/// Which mutants of each model the whole run makes: `0..500`, say.
const RANGE_VARIABLE: &str = "INDWELL_MUTANTS";

fn main() {
    if std::env::args().nth(1).as_deref() == Some(child::ARGUMENT) {
        child::serve();
        return;
    }
    let trials = models::ALL.iter().flat_map(|model| {
        let Source { name, open, share, all } = *model;
        let some = Trial::test(format!("mutants_of_{name}_end_no_process"), move || {
            run(name, open, 0..share)
        });
        let every = Trial::test(format!("all_mutants_of_{name}_end_no_process"), move || {
            run(name, open, range(all)?)
        });
        [(share > 0).then_some(some), Some(every.with_ignored_flag(true))]
    });
    let mut arguments = Arguments::from_args();
    // One child at a time: a mutant's time is bounded.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials.flatten().collect()).exit();
}

fn range(all: u64) -> Result<Range<u64>, Failed> {
    let Ok(text) = std::env::var(RANGE_VARIABLE) else { return Ok(0..all) };
    let ends =
        text.split_once("..").ok_or_else(|| format!("{RANGE_VARIABLE}={text}: say 0..500"))?;
    Ok(ends.0.parse()?..ends.1.parse()?)
}

fn run(name: &str, open: models::Open, numbers: Range<u64>) -> Result<(), Failed> {
    let Some(path) = open() else {
        println!(
            "skipped: {name} is not here; models lie in the folder `shared` beside the checkout"
        );
        return Ok(());
    };
    let base = Base::of(&path)?;
    let folder = tempfile::tempdir()?;
    let mut child = Child::start()?;
    let mut tally = Tally::default();
    // The child must be able to do what is asked: the model as it is gives its tokens.
    let whole = folder.path().join("whole.gguf");
    std::fs::copy(&path, &whole)?;
    let first = child.load(&whole)?;
    tally.expect_answered(name, &first, base.generates)?;
    for number in numbers {
        let mutant = mutant::make(&base, number);
        let file = mutant.write(&base, folder.path(), &whole)?;
        let outcome = child.load(file.path())?;
        file.restore(&base, &mutant)?;
        tally.add(name, number, &mutant.what, &outcome);
        if outcome.is_death() {
            child = Child::start()?;
        }
    }
    tally.finish(name)
}
