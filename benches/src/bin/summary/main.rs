//! What was aimed at, and what the other programs found, in one table.
//!
//! It reads the JSON that they left in the folder of results. A figure whose program has not run,
//! or that no program measures yet, is told as not measured.

mod found;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use indwell_benches::document::{Aim, cell};
use indwell_benches::report::save;
use indwell_benches::{Expectation, machine};
use serde::Serialize;

use found::{Source, find};

/// Sums up the results of the other programs.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where the results are, and where the summary goes
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    output: PathBuf,
}

/// One figure of the table.
struct Row {
    figure: &'static str,
    aim: Aim,
    source: Source,
}

/// What the table says of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Met,
    NotMet,
    NotMeasured,
}

/// A figure as it is told.
#[derive(Debug, Serialize)]
struct Told {
    expectation: Expectation,
    verdict: Verdict,
}

#[derive(Debug, Serialize)]
struct Summary {
    machine: String,
    figures: Vec<Told>,
}

const ROWS: [Row; 13] = [
    Row {
        figure: "the engine's tok/s by the bare loop's, the worst of 1 to 32 sequences",
        aim: Aim::AtLeast(0.98),
        source: Source::Ratios {
            program: "decode_limit",
            contender: "engine",
            unlike: "no such workload",
        },
    },
    Row {
        figure: "distinct prompts, 8 clients: tok/s by llama-server's",
        aim: Aim::AtLeast(1.05),
        source: Source::Section {
            program: "serving",
            title: "Distinct prompts, clients: 8",
            what: "output tok/s by llama-server's",
        },
    },
    Row {
        figure: "shared prefix, 8 clients: requests/s by llama-server's",
        aim: Aim::AtLeast(3.0),
        source: Source::Section {
            program: "prefix_cache",
            title: "words in common",
            what: "requests/s by those of llama-server",
        },
    },
    Row {
        figure: "multi-turn, 8 clients: requests/s by llama-server's",
        aim: Aim::AtLeast(1.2),
        source: Source::Section {
            program: "prefix_cache",
            title: "chats of 4 turns",
            what: "requests/s by those of llama-server",
        },
    },
    Row {
        figure: "repeats, 8 clients: requests/s by llama-server's",
        aim: Aim::AtLeast(2.5),
        source: Source::Section {
            program: "response_cache",
            title: "by Zipf's law",
            what: "requests/s by those of llama-server",
        },
    },
    Row {
        figure: "long prompt among four streams: their ITL p99 by the one without it",
        aim: Aim::AtMost(2.5),
        source: Source::Section {
            program: "serving",
            title: "arrives among",
            what: "ITL p99 beside the long prompt by p99 alone",
        },
    },
    Row {
        figure: "the long prompt's TTFT by llama-server's",
        aim: Aim::AtMost(1.0),
        source: Source::Section {
            program: "serving",
            title: "arrives among",
            what: "TTFT in the engine by llama-server's",
        },
    },
    Row {
        figure: "one busy neighbour: tok/s by llama-server's beside the same",
        aim: Aim::AtLeast(1.3),
        source: Source::Section {
            program: "serving",
            title: "beside one busy process",
            what: "output tok/s by llama-server's",
        },
    },
    Row {
        figure: "prompt lookup on editing prompts, single stream",
        aim: Aim::AtLeast(1.3),
        source: Source::Section {
            program: "speculation",
            title: "Tokens per second with drafts",
            what: "edits, one stream: tokens/s with drafts",
        },
    },
    Row {
        figure: "200 prompts repeatable, alone and 16 at once: bit-equal",
        aim: Aim::AtLeast(200.0),
        source: Source::Nobody,
    },
    Row {
        figure: "Python's streaming by Rust's, the worst workload",
        aim: Aim::AtLeast(0.98),
        source: Source::Ratios {
            program: "binding_cost",
            contender: "Python",
            unlike: "small model",
        },
    },
    Row {
        figure: "Node's streaming by Rust's, the worst workload",
        aim: Aim::AtLeast(0.97),
        source: Source::Ratios {
            program: "binding_cost",
            contender: "Node",
            unlike: "small model",
        },
    },
    Row {
        figure: "peak RSS by llama-server's, same context",
        aim: Aim::AtMost(1.0),
        source: Source::Section {
            program: "serving",
            title: "Peak memory",
            what: "peak RSS by llama-server's",
        },
    },
];

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut figures = Vec::new();
    for row in ROWS {
        let values = find(&row.source, &arguments.output)?;
        figures.push(Told::of(row.figure, row.aim, values));
    }
    let summary = Summary { machine: machine::description(), figures };
    let markdown = summary.to_markdown();
    print!("{markdown}");
    let [json, markdown] = save(&summary, &markdown, &arguments.output, "summary")?;
    eprintln!("written: {}, {}", json.display(), markdown.display());
    Ok(())
}

impl Told {
    fn of(figure: &str, aim: Aim, values: Vec<f64>) -> Self {
        let expectation = Expectation { what: figure.to_owned(), aim, values };
        let verdict = match (expectation.values.is_empty(), expectation.is_met()) {
            (true, _) => Verdict::NotMeasured,
            (false, true) => Verdict::Met,
            (false, false) => Verdict::NotMet,
        };
        Self { expectation, verdict }
    }

    fn row(&self) -> String {
        let Expectation { what, aim, values } = &self.expectation;
        let aim = match aim {
            Aim::AtLeast(least) => format!("at least {least}"),
            Aim::AtMost(most) => format!("at most {most}"),
            Aim::None => String::new(),
        };
        let (found, verdict) = match self.verdict {
            Verdict::Met => (cell(values, 3), "met"),
            Verdict::NotMet => (cell(values, 3), "**not met**"),
            Verdict::NotMeasured => (String::new(), "not measured"),
        };
        format!("| {what} | {aim} | {found} | {verdict} |\n")
    }
}

impl Summary {
    fn to_markdown(&self) -> String {
        let mut text = format!(
            "# What was aimed at\n\n{}. Median of the rounds [smallest to largest].\n\n\
             | figure | aim | found | |\n|---|---|---|---|\n",
            self.machine
        );
        text.extend(self.figures.iter().map(Told::row));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_met_or_not_or_not_measured() {
        let verdict = |values: &[f64]| Told::of("x", Aim::AtLeast(2.0), values.to_vec());
        assert_eq!(
            verdict(&[1.0, 2.0, 3.0]).row(),
            "| x | at least 2 | 2.000 [1.000 to 3.000] | met |\n"
        );
        assert_eq!(verdict(&[1.0]).verdict, Verdict::NotMet);
        assert_eq!(verdict(&[]).row(), "| x | at least 2 |  | not measured |\n");
    }
}
