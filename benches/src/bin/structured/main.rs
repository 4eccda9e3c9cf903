//! What do answers within a form cost, what does forcing their tokens bring, and do they have the
//! form?
//!
//! | module | question |
//! |---|---|
//! | [`schemas`] | which schemas of a public benchmark compile, and whether complete answers fit them |
//! | [`masks`] | how long it takes to find out which tokens may come next |
//! | [`speed`] | tokens per second within a schema and without one |

mod masks;
mod schemas;
mod speed;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::{Parser, ValueEnum};
use indwell_benches::{Document, plot, requantized};
use indwell_llama::{GrammarCompiler, Model, ModelParams};

/// Measures constrained answers.
#[derive(Debug, Parser)]
struct Arguments {
    /// An alias, or the path of a GGUF file; its weights are requantized to Q4_0
    #[arg(long, default_value = "smollm2-135m")]
    model: String,
    /// A folder of JSON schemas called GROUP__NAME.json; without it, only the part `speed` runs
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/schemas"))]
    schemas: PathBuf,
    /// What to measure; everything when nothing is named
    #[arg(long, value_enum, value_delimiter = ',')]
    part: Vec<Part>,
    /// Workloads of the part `speed` whose names have this in them; all without it
    #[arg(long, default_value = "")]
    workload: String,
    /// Rounds that count
    #[arg(long, default_value_t = 7)]
    rounds: u32,
    /// Threads that compute; 0 for all processors
    #[arg(long, default_value_t = 0)]
    threads: u32,
    /// Tokens of an answer to a schema, at most
    #[arg(long, default_value_t = 512)]
    max_tokens: u32,
    /// Where the results go
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    output: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Schemas,
    Masks,
    Speed,
}

fn main() -> Result<()> {
    let mut arguments = Arguments::parse();
    if arguments.threads == 0 {
        arguments.threads = u32::try_from(std::thread::available_parallelism()?.get())?;
    }
    let model = requantized::q4_0(&arguments.model)?;
    let has_schemas = arguments.schemas.is_dir();
    let parts = match arguments.part.as_slice() {
        [] if has_schemas => Part::value_variants().to_vec(),
        [] => vec![Part::Speed],
        named => named.to_vec(),
    };
    let name = model.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let notes = vec![format!("{name}, {} threads.", arguments.threads)];
    let mut document = Document::new("Constrained answers", notes);
    if parts.contains(&Part::Schemas) || parts.contains(&Part::Masks) {
        if !has_schemas {
            bail!("{} is no folder of schemas: name one", arguments.schemas.display());
        }
        let weights = Arc::new(Model::load(&model, ModelParams::default(), |_| {})?);
        let compiler = GrammarCompiler::new(Arc::clone(&weights))?;
        let mut found = schemas::compile(&arguments.schemas, &compiler)?;
        schemas::answer(&mut found, &model, arguments.threads, arguments.max_tokens)?;
        if parts.contains(&Part::Schemas) {
            document.sections.push(schemas::section(&found, arguments.max_tokens)?);
        }
        if parts.contains(&Part::Masks) {
            document.sections.push(masks::measure(&found, &weights)?);
        }
        document.save(&arguments.output, "structured")?;
    }
    if parts.contains(&Part::Speed) {
        let (section, panel) = speed::measure(&model, &arguments)?;
        document.sections.push(section);
        std::fs::create_dir_all(&arguments.output)?;
        plot::draw(&arguments.output.join("structured.svg"), &[panel])?;
    }
    let [json, markdown] = document.save(&arguments.output, "structured")?;
    eprintln!("written: {}, {}", json.display(), markdown.display());
    print!("{}", document.to_markdown());
    Ok(())
}
