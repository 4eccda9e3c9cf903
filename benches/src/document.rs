//! What was found: a document of sections, as Markdown for people and as JSON for programs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

use crate::report::save;
use crate::{Summary, machine};

/// From this share of the processors on, others' work makes the figures worth little.
const OTHERS_SHARE_MAX: f64 = 0.05;

/// All findings.
#[derive(Debug, Serialize)]
pub struct Document {
    /// What was asked.
    pub title: String,
    /// What it was measured on.
    pub machine: String,
    /// What has to be known to read all of it.
    pub notes: Vec<String>,
    /// In the order of the questions.
    pub sections: Vec<Section>,
}

/// The answer to one question.
#[derive(Debug, Serialize)]
pub struct Section {
    /// The question.
    pub title: String,
    /// The table's head.
    pub columns: Vec<String>,
    /// The table, a cell a column.
    pub rows: Vec<Vec<String>>,
    /// What was expected.
    pub expectations: Vec<Expectation>,
    /// What has to be known to read the table.
    pub notes: Vec<String>,
    /// The figures, round by round.
    pub data: serde_json::Value,
}

/// A figure with what it was expected to be.
#[derive(Debug, Serialize)]
pub struct Expectation {
    /// Which figure, with its unit.
    pub what: String,
    /// What it was expected to be.
    pub aim: Aim,
    /// One a round.
    pub values: Vec<f64>,
}

/// What a figure was expected to be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// No less than this.
    AtLeast(f64),
    /// No more than this.
    AtMost(f64),
    /// Nothing: it is told for comparison.
    None,
}

impl Document {
    /// Findings on this machine.
    #[must_use]
    pub fn new(title: &str, notes: Vec<String>) -> Self {
        let machine = machine::description();
        Self { title: title.to_owned(), machine, notes, sections: Vec::new() }
    }

    /// Writes `NAME.json` and `NAME.md` into `directory`, and gives their paths.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn save(&self, directory: &Path, name: &str) -> Result<[PathBuf; 2]> {
        save(self, &self.to_markdown(), directory, name)
    }

    /// The document for people.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = format!(
            "# {}\n\n{}. Median of the rounds [smallest to largest].\n\n",
            self.title, self.machine
        );
        list(&mut text, &self.notes);
        for section in &self.sections {
            text += &section.to_markdown();
        }
        text
    }
}

impl Section {
    /// The section for people.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = format!("\n## {}\n\n", self.title);
        line(&mut text, &self.columns);
        line(&mut text, &vec!["---".to_owned(); self.columns.len()]);
        for row in &self.rows {
            line(&mut text, row);
        }
        text.push('\n');
        let expectations: Vec<String> =
            self.expectations.iter().map(Expectation::to_sentence).collect();
        list(&mut text, &expectations);
        list(&mut text, &self.notes);
        text
    }
}

impl Expectation {
    /// Whether the median is what was expected.
    #[must_use]
    pub fn is_met(&self) -> bool {
        let Some(Summary { median, .. }) = Summary::of(&self.values) else { return false };
        match self.aim {
            Aim::AtLeast(least) => median >= least,
            Aim::AtMost(most) => median <= most,
            Aim::None => true,
        }
    }

    fn to_sentence(&self) -> String {
        let found = cell(&self.values, 3);
        let (word, bound) = match self.aim {
            Aim::AtLeast(least) => ("at least", least),
            Aim::AtMost(most) => ("at most", most),
            Aim::None => return format!("{}: {found}.", self.what),
        };
        let verdict = if self.is_met() { "met" } else { "**not met**" };
        format!("{}: {found}; expected {word} {bound}: {verdict}.", self.what)
    }
}

/// Says how much of the machine others used, given the shares of all measurements.
#[must_use]
pub fn noise(shares: &[f64]) -> String {
    let Some(Summary { median, max, .. }) = Summary::of(shares) else {
        return "How busy the machine was otherwise is not known.".to_owned();
    };
    let verdict = match median > OTHERS_SHARE_MAX {
        true => ": **too much for these figures to mean anything**",
        false => "",
    };
    format!(
        "Others used {:.0}% of the processors meanwhile ({:.0}% at most){verdict}.",
        median * 100.0,
        max * 100.0
    )
}

/// Values over the rounds in short.
#[must_use]
pub fn cell(values: &[f64], decimals: usize) -> String {
    match Summary::of(values) {
        None => "none".to_owned(),
        Some(Summary { median, min, max }) => {
            format!("{median:.decimals$} [{min:.decimals$} to {max:.decimals$}]")
        }
    }
}

fn line(text: &mut String, cells: &[String]) {
    writeln!(text, "| {} |", cells.join(" | ")).expect("a string can be written to");
}

fn list(text: &mut String, sentences: &[String]) {
    for sentence in sentences {
        writeln!(text, "- {sentence}").expect("a string can be written to");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_are_judged_by_the_median() {
        let expect = |aim, values: &[f64]| Expectation {
            what: "ratio".to_owned(),
            aim,
            values: values.to_vec(),
        };
        assert!(expect(Aim::AtLeast(3.0), &[2.0, 3.1, 4.0]).is_met());
        assert!(!expect(Aim::AtMost(0.2), &[0.1, 0.25, 0.3]).is_met());
        assert!(!expect(Aim::AtLeast(0.0), &[]).is_met(), "nothing was measured");
        let missed = expect(Aim::AtMost(0.2), &[0.3]).to_sentence();
        assert_eq!(missed, "ratio: 0.300 [0.300 to 0.300]; expected at most 0.2: **not met**.");
    }

    #[test]
    fn a_section_is_a_table_and_sentences() {
        let section = Section {
            title: "Restart".to_owned(),
            columns: vec!["engine".to_owned(), "ms".to_owned()],
            rows: vec![vec!["cold".to_owned(), "17".to_owned()]],
            expectations: Vec::new(),
            notes: vec!["A note.".to_owned()],
            data: serde_json::Value::Null,
        };
        let markdown = section.to_markdown();
        for part in ["## Restart", "| engine | ms |", "| --- | --- |", "| cold | 17 |", "- A note."]
        {
            assert!(markdown.contains(part), "{markdown}");
        }
    }
}
