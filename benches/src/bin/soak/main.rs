//! Does an engine last? Requests of all kinds from many threads, and loading over and over.
//!
//! | module | question |
//! |---|---|
//! | [`traffic`] | does every request end once, and as it should, and does memory stay flat? |
//! | [`kinds`] | what is asked, and which ends are right |
//! | [`reloads`] | does closing give everything back? |

mod kinds;
mod reloads;
mod traffic;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use indwell_benches::Document;
use indwell_benches::plot::curves;

/// Uses an engine hard and long.
#[derive(Debug, Parser)]
struct Arguments {
    /// An alias, or the path of a GGUF file
    #[arg(long, default_value = "smollm2-135m")]
    model: String,
    /// What to measure; everything when nothing is named
    #[arg(long, value_enum, value_delimiter = ',')]
    part: Vec<Part>,
    /// Seconds of traffic
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Threads that ask
    #[arg(long, default_value_t = 24)]
    clients: u32,
    /// What the requests are drawn from
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Times that a model is loaded, used and closed
    #[arg(long, alias = "rounds", default_value_t = 200)]
    reloads: u32,
    /// Where the results go
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    output: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Traffic,
    Reloads,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let all = Part::value_variants();
    let parts = if arguments.part.is_empty() { all } else { arguments.part.as_slice() };
    let notes = vec![format!("{}, seed {}.", arguments.model, arguments.seed)];
    let mut document = Document::new("An engine in use", notes);
    let mut drawn = Vec::new();
    let mut faults = Vec::new();
    for part in parts {
        let found = match part {
            Part::Traffic => traffic::run(&arguments)?,
            Part::Reloads => reloads::run(&arguments)?,
        };
        document.sections.push(found.section);
        drawn.push(found.curve);
        faults.extend(found.faults);
        let [json, markdown] = document.save(&arguments.output, "soak")?;
        curves::draw(&arguments.output.join("soak.svg"), &drawn)?;
        eprintln!("written: {}, {}", json.display(), markdown.display());
    }
    print!("{}", document.to_markdown());
    ensure!(faults.is_empty(), "{} requests did not end as they should", faults.len());
    Ok(())
}

/// What a part found.
struct Found {
    section: indwell_benches::Section,
    curve: curves::Curve,
    /// What should not have happened.
    faults: Vec<String>,
}

const MIB: f64 = 1024.0 * 1024.0;

/// This process's memory, in MiB; 0 where it is not known.
fn resident_mib() -> f64 {
    indwell_benches::machine::resident_bytes().map_or(0.0, |bytes| bytes as f64 / MIB)
}
