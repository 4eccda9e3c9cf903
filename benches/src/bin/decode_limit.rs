//! How near does the engine come to a bare decode loop?
//!
//! The bare loop has what the engine has: one context of the same size, the same batches, greedy
//! sampling. It has no scheduler, no threads but those that compute, no text and no streams. Both
//! get the same prompts and are timed from the first request until the last token.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use indwell::Engine;
use indwell_benches::machine::Usage;
use indwell_benches::plot::{self, Panel};
use indwell_benches::report::Report;
use indwell_benches::{Comparison, Measurement, Workload, rounds, streams};
use indwell_kernel::{Draws, SeqId, Token};
use indwell_llama::{Batch, Context, ContextParams, Lexicon, Model, ModelParams, Sampler};

/// Measures the engine against a bare decode loop, in one run.
#[derive(Debug, Parser)]
struct Arguments {
    /// An alias, or the path of a GGUF file
    #[arg(long, default_value = "smollm2-135m")]
    model: String,
    /// Rounds that count
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Tokens of each answer
    #[arg(long, default_value_t = 64)]
    max_tokens: u32,
    /// Where the results go
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    output: PathBuf,
}

const SEQUENCES: [u32; 5] = [1, 4, 8, 16, 32];
const SEQUENCES_MAX: u32 = 32;
const CONTEXT_TOKENS: u32 = 8192;
const BATCH_TOKENS: u32 = 512;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let threads = u32::try_from(std::thread::available_parallelism()?.get())?;
    let engine = Engine::builder(arguments.model.as_str())
        .context_tokens(CONTEXT_TOKENS)
        .sequences_max(SEQUENCES_MAX)
        .batch_tokens(BATCH_TOKENS)
        .threads(threads)
        .response_cache_bytes(0)
        .build()?;
    let mut bare = BareLoop::new(&engine.model().path, threads)?;

    let mut comparisons = Vec::new();
    let mut first_prompt = 0;
    for sequences in SEQUENCES {
        let names = ["bare loop", "engine"];
        let contenders = rounds::take_turns(&names, 1, arguments.rounds, |contender, round| {
            let first = first_prompt + round * sequences;
            let workload = Workload::repeating(sequences, arguments.max_tokens, first);
            let measured = measure(&workload, || match contender {
                0 => bare.run(&workload),
                _ => streams::read_all(&engine, &workload),
            })?;
            let (name, rate) = (names[contender], measured.tokens_per_second());
            eprintln!("{sequences} sequences, round {round}, {name}: {rate:.1} tokens/s");
            Ok(measured)
        })?;
        first_prompt += (1 + arguments.rounds) * sequences;
        comparisons.push(Comparison { workload: format!("{sequences} sequences"), contenders });
    }

    let notes =
        ["Time is from the first request until the last token, reading the prompts included."];
    let report = Report::new("The engine against a bare decode loop", &notes, comparisons);
    print!("{}", report.to_markdown());
    let [json, markdown] = report.save(&arguments.output, "decode_limit")?;
    let svg = arguments.output.join("decode_limit.svg");
    plot::draw(&svg, &[panel(&report.comparisons)])?;
    eprintln!("written: {}, {}, {}", json.display(), markdown.display(), svg.display());
    Ok(())
}

/// Times `run`, which gives the number of tokens it made.
fn measure(workload: &Workload, run: impl FnOnce() -> Result<u64>) -> Result<Measurement> {
    let before = Usage::of_process(std::process::id());
    let started = Instant::now();
    let tokens = run()?;
    let seconds = started.elapsed().as_secs_f64();
    let after = Usage::of_process(std::process::id());
    ensure!(
        tokens == workload.tokens(),
        "the answers have {tokens} tokens instead of {}: one ended early",
        workload.tokens()
    );
    Ok(Measurement {
        others_share: after.others_since(&before),
        ..Measurement::of_tokens(tokens, seconds)
    })
}

/// Decoding without an engine around it.
struct BareLoop {
    context: Context,
    batch: Batch,
}

impl BareLoop {
    fn new(model: &std::path::Path, threads: u32) -> Result<Self> {
        let model = Arc::new(Model::load(model, ModelParams::default(), |_| {})?);
        let params = ContextParams {
            context_tokens: CONTEXT_TOKENS,
            batch_tokens: BATCH_TOKENS,
            sequences_max: SEQUENCES_MAX,
            residents_max: 0,
            threads,
            flash_attention: None,
        };
        let batch = Batch::new(BATCH_TOKENS as usize);
        Ok(Self { context: Context::new(model, params)?, batch })
    }

    /// Reads every prompt, then decodes all sequences in step.
    fn run(&mut self, workload: &Workload) -> Result<u64> {
        let draws = Draws::greedy();
        let lexicon = Lexicon::of(self.context.model(), &draws.sampling);
        let mut sampler = Sampler::new(&draws, lexicon, &[], &[])?;
        let mut sequences = self.prefill(&workload.prompts, &mut sampler)?;
        for _ in 1..workload.max_tokens {
            self.batch.clear();
            for (seq, sequence) in (0..).map(SeqId).zip(&mut sequences) {
                let pushed = self.batch.push(seq, sequence.length, sequence.last, true);
                pushed.context("a batch holds all sequences")?;
                sequence.length += 1;
            }
            self.context.decode(&mut self.batch)?;
            for (index, sequence) in sequences.iter_mut().enumerate() {
                sequence.last = self.draw(index, &mut sampler)?;
            }
        }
        (0..).map(SeqId).zip(&sequences).for_each(|(seq, _)| self.context.release(seq));
        Ok(sequences.len() as u64 * u64::from(workload.max_tokens))
    }

    /// Reads the prompts, as many as fit in a batch at a time, and draws each answer's first
    /// token.
    fn prefill(&mut self, prompts: &[String], sampler: &mut Sampler) -> Result<Vec<Sequence>> {
        let mut sequences = Vec::new();
        let mut ends = Vec::new();
        self.batch.clear();
        for (seq, prompt) in (0..).map(SeqId).zip(prompts) {
            let vocabulary = self.context.model().vocabulary();
            let tokens = vocabulary.tokenize(prompt, true, false);
            if self.batch.len() + tokens.len() > BATCH_TOKENS as usize {
                self.finish_prefill(&mut ends, &mut sequences, sampler)?;
            }
            let length = u32::try_from(tokens.len())?;
            for (position, token) in (0..).zip(tokens) {
                let pushed = self.batch.push(seq, position, token, position + 1 == length);
                pushed.context("a batch holds any prompt")?;
            }
            ends.push(self.batch.len() - 1);
            sequences.push(Sequence { length, last: Token(0) });
        }
        self.finish_prefill(&mut ends, &mut sequences, sampler)?;
        Ok(sequences)
    }

    /// Computes the batch of the last `ends.len()` prompts, which end at these places in it.
    fn finish_prefill(
        &mut self,
        ends: &mut Vec<usize>,
        sequences: &mut [Sequence],
        sampler: &mut Sampler,
    ) -> Result<()> {
        self.context.decode(&mut self.batch)?;
        let first = sequences.len() - ends.len();
        for (sequence, end) in sequences[first..].iter_mut().zip(ends.drain(..)) {
            sequence.last = self.draw(end, sampler)?;
        }
        self.batch.clear();
        Ok(())
    }

    fn draw(&mut self, index: usize, sampler: &mut Sampler) -> Result<Token> {
        let logits = self.context.logits(&self.batch, index).context("it asked for logits")?;
        Ok(sampler.draw(logits, None)?.token)
    }
}

/// A sequence that is being decoded.
struct Sequence {
    /// Tokens with cells.
    length: u32,
    /// Drawn, but not computed yet.
    last: Token,
}

fn panel(comparisons: &[Comparison]) -> Panel {
    let columns = comparisons.iter().filter_map(|comparison| {
        let engine = comparison.contenders.get(1)?;
        Some((comparison.workload.clone(), engine.ratios(comparison.baseline())))
    });
    Panel {
        title: "Tokens/s by the bare loop's".to_owned(),
        columns: columns.collect(),
        aim: Some(1.0),
    }
}
