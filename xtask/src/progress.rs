//! What a developer sees while something takes longer than a second.
//!
//! On a terminal: one bar or spinner that redraws itself below the lines printed so far. Anywhere
//! else (CI, a pipe): a plain line when a step starts, and one every [`HEARTBEAT`] without other
//! output. Both show the same title, position, detail and elapsed time.

use std::time::{Duration, Instant};

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long a plain log may be silent.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// One step that is under way.
#[derive(Debug)]
pub(crate) struct Progress {
    title: String,
    position: Option<Position>,
    detail: String,
    started: Instant,
    shown: Instant,
    /// None when output is no terminal.
    bar: Option<ProgressBar>,
}

/// How far a step is, in whatever it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// Finished so far.
    pub(crate) done: u64,
    /// All there is, as far as known.
    pub(crate) total: u64,
}

impl Progress {
    /// Begins a step, which shows at once.
    pub(crate) fn start(title: &str) -> Self {
        let now = Instant::now();
        let progress = Self {
            title: title.to_owned(),
            position: None,
            detail: String::new(),
            started: now,
            shown: now,
            bar: is_terminal().then(|| spinner(title)),
        };
        if progress.bar.is_none() {
            println!("{title} ...");
        }
        progress
    }

    /// Says what the step is at; the last words count.
    pub(crate) fn detail(&mut self, detail: &str) {
        detail.trim().clone_into(&mut self.detail);
        if let Some(bar) = &self.bar {
            bar.set_message(self.detail.clone());
        }
        self.tick();
    }

    /// Turns the spinner into a bar, or moves it.
    pub(crate) fn position(&mut self, position: Position) {
        if let Some(bar) = &self.bar {
            if self.position.is_none() {
                bar.set_style(style(
                    "{spinner} {prefix} {bar:24} {pos}/{len} {elapsed} {wide_msg:.dim}",
                ));
            }
            bar.set_length(position.total);
            bar.set_position(position.done);
        }
        self.position = Some(position);
    }

    /// Prints a line above the bar.
    pub(crate) fn print(&mut self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| println!("{line}")),
            None => println!("{line}"),
        }
        self.shown = Instant::now();
    }

    /// To be called now and then: keeps a plain log from going silent.
    pub(crate) fn tick(&mut self) {
        if self.bar.is_none() && self.shown.elapsed() >= HEARTBEAT {
            println!("{}", self.plain_line(self.started.elapsed()));
            self.shown = Instant::now();
        }
    }

    /// Ends the step: the bar goes away; a plain log says how long it took when that was a while.
    pub(crate) fn finish(self) {
        let elapsed = self.started.elapsed();
        match &self.bar {
            Some(bar) => bar.finish_and_clear(),
            None if elapsed >= HEARTBEAT => {
                println!("{}: took {}", self.title, duration(elapsed));
            }
            None => {}
        }
    }

    fn plain_line(&self, elapsed: Duration) -> String {
        let mut line = format!("{}: {}", self.title, duration(elapsed));
        if let Some(Position { done, total }) = self.position {
            line.push_str(&format!(", {done}/{total}"));
        }
        if !self.detail.is_empty() {
            line.push_str(&format!(", {}", self.detail));
        }
        line
    }
}

/// Whether somebody watches, rather than a log file.
pub(crate) fn is_terminal() -> bool {
    Term::stdout().is_term()
}

/// A time as people write it: `8s`, `3m12s`, `1h02m`.
pub(crate) fn duration(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

fn spinner(title: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout())
        .with_style(style("{spinner} {prefix} {elapsed} {wide_msg:.dim}"))
        .with_prefix(title.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("progress templates are constants")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_naturally() {
        let texts = [0, 59, 60, 192, 3600, 3725].map(|s| duration(Duration::from_secs(s)));
        assert_eq!(texts, ["0s", "59s", "1m00s", "3m12s", "1h00m", "1h02m"]);
    }

    #[test]
    fn plain_line_has_title_time_position_and_detail() {
        let mut progress = Progress::start("build");
        assert_eq!(progress.plain_line(Duration::from_secs(15)), "build: 15s");
        progress.position(Position { done: 3, total: 9 });
        progress.detail("llama.cpp");
        assert_eq!(progress.plain_line(Duration::from_secs(75)), "build: 1m15s, 3/9, llama.cpp");
    }
}
