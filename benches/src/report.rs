//! What was measured, as a table for people and as JSON for programs.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::{Comparison, Series, Summary, machine};

/// From this share of the processors on, others' work makes the figures worth little.
const OTHERS_SHARE_MAX: f64 = 0.05;

/// One program's findings.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What the question was.
    pub title: String,
    /// What it was measured on.
    pub machine: String,
    /// What has to be known to read the figures.
    pub notes: Vec<String>,
    /// The figures, round by round.
    pub comparisons: Vec<Comparison>,
}

impl Report {
    /// A report of what was measured on this machine.
    #[must_use]
    pub fn new(title: &str, notes: &[&str], comparisons: Vec<Comparison>) -> Self {
        let notes = notes.iter().map(|&note| note.to_owned()).collect();
        Self { title: title.to_owned(), machine: machine::description(), notes, comparisons }
    }

    /// The report as Markdown: one table, a line a contender and workload.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = format!(
            "# {}\n\n{}. Median of the rounds [smallest to largest].\n\n",
            self.title, self.machine
        );
        text += "| workload | contender | tokens/s | ratio to the first | CPU µs an event | beyond the first's |\n";
        text += "|---|---|---|---|---|---|\n";
        for comparison in &self.comparisons {
            for series in &comparison.contenders {
                text += &row(comparison, series);
            }
        }
        text.push('\n');
        for note in &self.notes {
            writeln!(text, "- {note}").expect("a string can be written to");
        }
        text + &self.noise()
    }

    /// Writes `NAME.json` and `NAME.md` into `directory`, and gives their paths.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn save(&self, directory: &Path, name: &str) -> Result<[PathBuf; 2]> {
        save(self, &self.to_markdown(), directory, name)
    }

    /// Says how much of the machine others used.
    fn noise(&self) -> String {
        let worst = self.comparisons.iter().filter_map(Comparison::others_share);
        let Some(worst) = worst.max_by(|a, b| a.median.total_cmp(&b.median)) else {
            return "- How busy the machine was otherwise is not known.\n".to_owned();
        };
        let verdict = if worst.median > OTHERS_SHARE_MAX {
            ": **too much for these figures to mean anything**"
        } else {
            ""
        };
        format!(
            "- Others used {:.0}% of the processors meanwhile (the median of the worst workload; {:.0}% at most){verdict}.\n",
            worst.median * 100.0,
            worst.max * 100.0
        )
    }
}

fn row(comparison: &Comparison, series: &Series) -> String {
    let baseline = comparison.baseline();
    let is_baseline = std::ptr::eq(baseline, series);
    let cpu: Vec<f64> =
        series.measurements.iter().filter_map(|measured| measured.cpu_us_per_event()).collect();
    let unless_baseline = |values: Vec<f64>, decimals| {
        if is_baseline { String::new() } else { cell(&values, decimals) }
    };
    format!(
        "| {} | {} | {} | {} | {} | {} |\n",
        comparison.workload,
        series.name,
        cell(&series.rates(), 1),
        unless_baseline(series.ratios(baseline), 3),
        cell(&cpu, 0),
        unless_baseline(series.extra_us_per_event(baseline), 0),
    )
}

fn cell(values: &[f64], decimals: usize) -> String {
    let Some(Summary { median, min, max }) = Summary::of(values) else { return String::new() };
    format!("{median:.decimals$} [{min:.decimals$} to {max:.decimals$}]")
}

/// Writes what was measured as `NAME.json` and `NAME.md` into `directory`, and gives their paths.
///
/// # Errors
/// When they can't be written.
pub fn save(
    measured: &impl Serialize,
    markdown: &str,
    directory: &Path,
    name: &str,
) -> Result<[PathBuf; 2]> {
    let at = |path: &Path| format!("{} could not be written", path.display());
    fs::create_dir_all(directory).with_context(|| at(directory))?;
    let paths = ["json", "md"].map(|ending| directory.join(format!("{name}.{ending}")));
    let json = serde_json::to_string_pretty(measured)? + "\n";
    for (path, text) in paths.iter().zip([json.as_str(), markdown]) {
        fs::write(path, text).with_context(|| at(path))?;
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Measurement;

    #[test]
    fn the_table_has_a_line_for_each_contender() {
        let measured = |seconds| Measurement {
            cpu_seconds: Some(seconds),
            others_share: Some(0.5),
            ..Measurement::of_tokens(100, seconds)
        };
        let series = |name: &str, seconds: [f64; 2]| Series {
            name: name.to_owned(),
            measurements: seconds.map(measured).to_vec(),
        };
        let comparison = Comparison {
            workload: "one stream".to_owned(),
            contenders: vec![series("Rust", [1.0, 2.0]), series("Node", [1.25, 2.5])],
        };
        let markdown = Report::new("Binding cost", &["A note."], vec![comparison]).to_markdown();
        for line in [
            "| one stream | Rust | 75.0 [50.0 to 100.0] |  | 15000 [10000 to 20000] |  |",
            "| one stream | Node | 60.0 [40.0 to 80.0] | 0.800 [0.800 to 0.800] | \
             18750 [12500 to 25000] | 3750 [2500 to 5000] |",
            "- A note.",
        ] {
            assert!(markdown.contains(line), "{markdown}");
        }
        assert!(markdown.contains("50% of the processors") && markdown.contains("too much"));
    }
}
