//! Which schemas compile, how long that takes, and whether complete answers fit them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use indwell::{CacheMode, Engine, FinishReason, TokenStream};
use indwell_benches::document::{Aim, Expectation, Section};
use indwell_benches::percentile;
use indwell_kernel::Constraint;
use indwell_llama::{Grammar, GrammarCompiler};
use serde::Serialize;
use serde_json::Value;

/// Answers that are asked for at once.
const CLIENTS: u32 = 8;
const PROMPT: &str = "Answer with a short example in JSON.";

/// One schema with what became of it.
#[derive(Debug, Serialize)]
pub(crate) struct Found {
    pub(crate) group: String,
    pub(crate) name: String,
    #[serde(skip)]
    pub(crate) schema: Value,
    pub(crate) compile_ms: f64,
    /// Why it does not compile.
    pub(crate) refused: Option<String>,
    #[serde(skip)]
    pub(crate) constraint: Option<Arc<dyn Constraint>>,
    pub(crate) answer: Option<Answer>,
}

/// What the model answered.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) tokens: u32,
    pub(crate) end: End,
    /// What in a complete answer does not fit its schema.
    pub(crate) wrong: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum End {
    Complete,
    CutShort,
    Failed,
}

/// Compiles every schema of a folder.
pub(crate) fn compile(folder: &Path, compiler: &GrammarCompiler) -> Result<Vec<Found>> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    files.iter().map(|file| compile_file(file, compiler)).collect()
}

fn compile_file(file: &Path, compiler: &GrammarCompiler) -> Result<Found> {
    let name = file.file_stem().context("a file's name")?.to_string_lossy().into_owned();
    let group = name.split("__").next().unwrap_or_default().to_owned();
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let grammar = Grammar::JsonSchema(schema.clone());
    let begun = Instant::now();
    let compiled = compiler.compile(&grammar);
    let compile_ms = begun.elapsed().as_secs_f64() * 1000.0;
    let (constraint, refused) = match compiled {
        Ok(constraint) => (Some(constraint), None),
        Err(error) => (None, Some(error.to_string())),
    };
    Ok(Found { group, name, schema, compile_ms, refused, constraint, answer: None })
}

/// Has the model answer every schema that compiles.
pub(crate) fn answer(
    found: &mut [Found],
    model: &Path,
    threads: u32,
    max_tokens: u32,
) -> Result<()> {
    let engine = Engine::builder(model)
        .context_tokens(8192)
        .sequences_max(CLIENTS)
        .threads(threads)
        .response_cache_bytes(0)
        .build()?;
    let mut compiled: Vec<&mut Found> =
        found.iter_mut().filter(|found| found.constraint.is_some()).collect();
    for (at, some) in compiled.chunks_mut(CLIENTS as usize).enumerate() {
        eprintln!("schemas: answers from {}", at * CLIENTS as usize);
        let streams: Vec<TokenStream> =
            some.iter().map(|found| ask(&engine, found, max_tokens)).collect::<Result<_>>()?;
        for (found, stream) in some.iter_mut().zip(streams) {
            found.answer = Some(judge(&found.schema, stream)?);
        }
    }
    Ok(())
}

fn ask(engine: &Engine, found: &Found, max_tokens: u32) -> Result<TokenStream> {
    let chat = engine.chat(PROMPT).json_schema(found.schema.clone()).max_tokens(max_tokens);
    Ok(chat.temperature(1.0).seed(1).cache(CacheMode::Bypass).stream()?)
}

fn judge(schema: &Value, stream: TokenStream) -> Result<Answer> {
    let reply = match stream.reply() {
        Ok(reply) => reply,
        Err(error) => {
            let (end, wrong) = (End::Failed, vec![error.to_string()]);
            return Ok(Answer { text: String::new(), tokens: 0, end, wrong });
        }
    };
    let tokens = reply.usage.completion_tokens;
    if reply.finish_reason == FinishReason::Length {
        return Ok(Answer { text: reply.text, tokens, end: End::CutShort, wrong: Vec::new() });
    }
    let wrong = match serde_json::from_str::<Value>(&reply.text) {
        Err(error) => vec![error.to_string()],
        Ok(value) => {
            let validator = jsonschema::options().should_validate_formats(true).build(schema)?;
            validator.iter_errors(&value).map(|error| error.to_string()).collect()
        }
    };
    Ok(Answer { text: reply.text, tokens, end: End::Complete, wrong })
}

/// One group, counted.
#[derive(Default)]
struct Group {
    schemas: usize,
    compiled: usize,
    complete: usize,
    valid: usize,
    cut: usize,
    failed: usize,
    compile_ms: Vec<f64>,
    tokens: u32,
}

impl Group {
    fn add(&mut self, found: &Found) {
        self.schemas += 1;
        self.compile_ms.push(found.compile_ms);
        self.compiled += usize::from(found.constraint.is_some());
        let Some(answer) = &found.answer else { return };
        self.tokens += answer.tokens;
        match answer.end {
            End::Complete => {
                self.complete += 1;
                self.valid += usize::from(answer.wrong.is_empty());
            }
            End::CutShort => self.cut += 1,
            End::Failed => self.failed += 1,
        }
    }

    fn row(&self, name: &str) -> Vec<String> {
        let ms = |share| format!("{:.1}", percentile(self.compile_ms.iter().copied(), share));
        let count = |count: usize| count.to_string();
        vec![
            name.to_owned(),
            count(self.schemas),
            format!("{} ({:.0}%)", self.compiled, share(self.compiled, self.schemas)),
            count(self.complete),
            format!("{} ({:.0}%)", self.valid, share(self.valid, self.complete)),
            count(self.cut),
            count(self.failed),
            self.tokens.to_string(),
            ms(0.5),
            ms(0.99),
        ]
    }
}

fn share(part: usize, all: usize) -> f64 {
    if all == 0 { 100.0 } else { part as f64 * 100.0 / all as f64 }
}

/// The table by group.
pub(crate) fn section(found: &[Found], max_tokens: u32) -> Result<Section> {
    let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
    let mut all = Group::default();
    for one in found {
        groups.entry(&one.group).or_default().add(one);
        all.add(one);
    }
    let mut rows: Vec<Vec<String>> = groups.iter().map(|(name, group)| group.row(name)).collect();
    rows.push(all.row("all"));
    let columns = [
        "group",
        "schemas",
        "compiled",
        "complete",
        "valid",
        "cut short",
        "failed",
        "tokens",
        "compile ms p50",
        "p99",
    ];
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for refused in found.iter().filter_map(|found| found.refused.as_deref()) {
        *reasons.entry(refused.lines().next().unwrap_or_default().to_owned()).or_default() += 1;
    }
    let mut reasons: Vec<(String, usize)> = reasons.into_iter().collect();
    reasons.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    let mut notes = vec![format!(
        "Asked: {PROMPT:?}, temperature 1, at most {max_tokens} tokens. An answer that is cut \
         short has no end, and is not judged. Judged by the crate jsonschema, formats included."
    )];
    notes.extend(reasons.iter().map(|(reason, count)| format!("Refused, {count} times: {reason}")));
    let wrong = found.iter().filter_map(|found| {
        let answer = found.answer.as_ref().filter(|answer| !answer.wrong.is_empty())?;
        Some(format!("{}: {:?}", found.name, answer.wrong))
    });
    notes.extend(wrong);
    let valid = Expectation {
        what: "complete answers that fit their schema, of all complete".to_owned(),
        aim: Aim::AtLeast(1.0),
        values: vec![share(all.valid, all.complete) / 100.0],
    };
    Ok(Section {
        title: format!("{} schemas", found.len()),
        columns: columns.map(str::to_owned).to_vec(),
        rows,
        expectations: vec![valid],
        notes,
        data: serde_json::to_value(found)?,
    })
}
