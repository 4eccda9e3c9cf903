//! Fetching and loading, shown on standard error.
//!
//! On a terminal: a bar, or a spinner where the end is not known, cleared once its stage is
//! over. Elsewhere: a plain line for a stage that takes longer than a second, and another now
//! and then, so that a log is neither noisy nor silent for minutes.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use indwell::{Engine, Progress, Stage};

use crate::arguments::EngineArguments;
use crate::size;

/// How long a stage may take before a log hears of it.
const QUIET: Duration = Duration::from_secs(1);
/// How often a log hears of it then.
const LOG_INTERVAL: Duration = Duration::from_secs(15);

/// Loads the model with its progress shown.
///
/// # Errors
/// What loading fails with, and files of its options that cannot be read.
pub(crate) fn load(model: &str, options: &EngineArguments) -> anyhow::Result<Engine> {
    let display = Display::new(model);
    let builder = Engine::builder(model).on_progress(move |progress| display.show(progress));
    Ok(options.apply(builder)?.build()?)
}

/// Shows the progress of one model's way into memory.
#[derive(Debug)]
pub(crate) struct Display {
    model: String,
    is_terminal: bool,
    step: Mutex<Option<Step>>,
}

/// The stage that is under way.
#[derive(Debug)]
struct Step {
    stage: Stage,
    view: View,
}

#[derive(Debug)]
enum View {
    Bar(ProgressBar),
    Log(Log),
}

/// When a log hears of a stage.
#[derive(Debug)]
struct Log {
    next_line: Instant,
}

impl Display {
    pub(crate) fn new(model: &str) -> Self {
        let is_terminal = io::stderr().is_terminal();
        Self { model: model.to_owned(), is_terminal, step: Mutex::new(None) }
    }

    /// Takes the library's word of how far it is.
    pub(crate) fn show(&self, progress: Progress) {
        let mut step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        if step.as_ref().is_none_or(|step| step.stage != progress.stage) {
            // Dropping the last stage's bar clears it.
            *step = None;
        }
        let title = || format!("{} {}", verb(progress.stage), self.model);
        match &mut step.get_or_insert_with(|| self.begin(progress, title())).view {
            View::Bar(bar) => move_bar(bar, progress),
            View::Log(log) => {
                if log.is_due(Instant::now()) {
                    // Nobody reads the log: then it need not be told.
                    let _ = writeln!(io::stderr(), "{}: {}", title(), amount(progress));
                }
            }
        }
    }

    fn begin(&self, progress: Progress, title: String) -> Step {
        let view = if self.is_terminal {
            let bar = ProgressBar::no_length()
                .with_message(format!("{title} ({})", amount(progress)))
                .with_prefix(title)
                .with_style(style("{spinner} {msg} {elapsed}"))
                .with_finish(ProgressFinish::AndClear);
            bar.enable_steady_tick(Duration::from_millis(120));
            View::Bar(bar)
        } else {
            View::Log(Log { next_line: Instant::now() + QUIET })
        };
        Step { stage: progress.stage, view }
    }
}

impl Log {
    fn is_due(&mut self, now: Instant) -> bool {
        let due = now >= self.next_line;
        if due {
            self.next_line = now + LOG_INTERVAL;
        }
        due
    }
}

/// A spinner becomes a bar once something is known to be done.
fn move_bar(bar: &ProgressBar, progress: Progress) {
    if let (Some(total), 1..) = (progress.total, progress.done) {
        if bar.length() != Some(total) {
            bar.set_length(total);
            bar.set_style(style("{spinner} {prefix} {bar:24} {percent}% {elapsed}"));
        }
        bar.set_position(progress.done);
    }
}

fn verb(stage: Stage) -> &'static str {
    match stage {
        Stage::Fetch => "fetching",
        Stage::Verify => "unpacking and verifying",
        Stage::Load => "loading",
        // A stage that a later library adds.
        other => other.as_str(),
    }
}

/// `12%` where something is known to be done, else the size of it all.
fn amount(progress: Progress) -> String {
    match (progress.stage, progress.done, progress.total) {
        (_, done @ 1.., Some(total @ 1..)) => format!("{}%", done.min(total) * 100 / total),
        (Stage::Fetch | Stage::Verify, 0, Some(total)) => size::human(total),
        (Stage::Fetch | Stage::Verify, done, None) => size::human(done),
        _ => "0%".to_owned(),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates are constants of this file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_hears_of_slow_stages_only_and_seldom() {
        let start = Instant::now();
        let mut log = Log { next_line: start + QUIET };
        let due: Vec<u64> = (0..40_u64)
            .filter(|half| log.is_due(start + Duration::from_millis(half * 500)))
            .collect();
        assert_eq!(due, [2, 32], "after 1 s, and 15 s later");
    }
}
