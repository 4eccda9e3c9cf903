//! What was found: a document of sections, as Markdown for people and as JSON for programs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use indwell_benches::report::save;
use indwell_benches::{Summary, machine};
use serde::Serialize;

/// All findings.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    pub(crate) title: String,
    /// What it was measured on.
    pub(crate) machine: String,
    pub(crate) notes: Vec<String>,
    pub(crate) sections: Vec<Section>,
}

/// The answer to one question.
#[derive(Debug, Serialize)]
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) expectations: Vec<Expectation>,
    pub(crate) notes: Vec<String>,
    /// The figures, round by round.
    pub(crate) data: serde_json::Value,
}

/// A figure with what it was expected to be.
#[derive(Debug, Serialize)]
pub(crate) struct Expectation {
    pub(crate) what: String,
    pub(crate) aim: Aim,
    /// One a round.
    pub(crate) values: Vec<f64>,
}

/// What a figure was expected to be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Aim {
    AtLeast(f64),
    AtMost(f64),
    /// Nothing: it is told for comparison.
    None,
}

impl Document {
    /// Findings on this machine.
    pub(crate) fn new(title: &str, notes: Vec<String>) -> Self {
        let machine = machine::description();
        Self { title: title.to_owned(), machine, notes, sections: Vec::new() }
    }

    /// Writes `NAME.json` and `NAME.md` into `directory`, and gives their paths.
    ///
    /// # Errors
    /// When they can't be written.
    pub(crate) fn save(&self, directory: &Path, name: &str) -> Result<[PathBuf; 2]> {
        save(self, &self.to_markdown(), directory, name)
    }

    /// The document for people.
    pub(crate) fn to_markdown(&self) -> String {
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
    pub(crate) fn to_markdown(&self) -> String {
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
    pub(crate) fn is_met(&self) -> bool {
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

/// Values over the rounds in short.
pub(crate) fn cell(values: &[f64], decimals: usize) -> String {
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
