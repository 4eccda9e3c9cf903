//! What do drafts bring where an answer repeats its prompt, and what do they cost where it does not?
//!
//! One engine drafts and one does not; both answer the same prompts, in turns. Edits are texts of which a
//! small model repeats most; free prompts are chats.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::Parser;
use indwell::{Engine, Request, Speculation};
use indwell_benches::rounds;

/// Measures an engine with drafts against one without, in one run.
#[derive(Debug, Parser)]
struct Arguments {
    /// An alias, or the path of a GGUF file
    #[arg(long, default_value = "smollm2-135m")]
    model: String,
    /// Free prompts, a JSON object with `prompt` a line
    #[arg(long)]
    prompts: PathBuf,
    /// Rounds that count
    #[arg(long, default_value_t = 5)]
    rounds: u32,
}

const SUBJECTS: [(&str, &str); 4] =
    [("harbour", "station"), ("mill", "forge"), ("garden", "orchard"), ("school", "museum")];
const EDIT_TOKENS: u32 = 200;
const FREE_TOKENS: u32 = 96;
const CLIENTS: usize = 8;

/// What one contender did in one round.
struct Round {
    tokens_per_s: f64,
}

fn text_about(subject: &str) -> String {
    format!(
        "The old {subject} lies at the end of the long road, where the hills come down to the water. Every \
         morning at seven the keeper of the {subject} opens the heavy doors and sweeps the yard. In spring the \
         children come to see the {subject}, and they bring bread and apples. In summer it is quiet, and only \
         the swallows fly in and out under the roof. When autumn comes, the people of the town gather at the \
         {subject} for three days, and there is music, and long tables stand in the shade of the lime trees. In \
         winter the snow covers the road, and the {subject} stays closed until the first warm day. Nobody \
         remembers who built it, but the oldest letters that speak of the {subject} are three hundred years old."
    )
}

fn edits() -> Vec<String> {
    let edit = |(old, new): &(&str, &str)| {
        let text = text_about(old);
        let begun: String = text_about(new).split_inclusive(' ').take(12).collect();
        format!(
            "Original text:\n{text}\n\nThe same text, with every \"{old}\" replaced by \"{new}\":\n{}",
            begun.trim_end()
        )
    };
    SUBJECTS.iter().map(edit).collect()
}

fn free(path: &PathBuf) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let prompt = |line: &str| -> Result<String> {
        let line: serde_json::Value = serde_json::from_str(line)?;
        Ok(line["prompt"].as_str().context("a line without a prompt")?.to_owned())
    };
    text.lines().take(16).map(prompt).collect()
}

/// Tokens a second of all answers, asked by so many clients at once.
fn measure<M: Send>(
    prompts: &[String],
    clients: usize,
    ask: impl Fn(&str) -> Request<M> + Sync,
) -> Result<Round>
where
    Request<M>: Send,
{
    let began = Instant::now();
    let answer = |client: usize| -> Result<u32> {
        let own = prompts.iter().skip(client).step_by(clients);
        let mut tokens = 0;
        for prompt in own {
            tokens += ask(prompt).run()?.usage.completion_tokens;
        }
        Ok(tokens)
    };
    let tokens = std::thread::scope(|scope| -> Result<u32> {
        let answer = &answer;
        let clients: Vec<_> =
            (0..clients).map(|client| scope.spawn(move || answer(client))).collect();
        clients.into_iter().map(|client| client.join().expect("no panic")).sum()
    })?;
    Ok(Round { tokens_per_s: f64::from(tokens) / began.elapsed().as_secs_f64() })
}

fn median(rounds: &[Round]) -> f64 {
    let mut all: Vec<f64> = rounds.iter().map(|round| round.tokens_per_s).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let load = |speculation| {
        let builder = Engine::builder(arguments.model.as_str()).speculation(speculation);
        builder.response_cache_bytes(0).build()
    };
    let engines = [load(Speculation::Auto)?, load(Speculation::Off)?];
    let (edits, free) = (edits(), free(&arguments.prompts)?);
    println!("| workload | with drafts, tok/s | without | ratio | drafted | accepted |");
    println!("|---|---|---|---|---|---|");
    for (name, prompts, clients, tokens) in [
        ("edits, single stream", &edits, 1, EDIT_TOKENS),
        ("free chats, single stream", &free, 1, FREE_TOKENS),
        ("free chats, 8 clients", &free, CLIENTS, FREE_TOKENS),
    ] {
        let before = engines[0].stats()?;
        let measured = rounds::turns(2, 1, arguments.rounds, |contender, _| {
            let engine = &engines[contender];
            if std::ptr::eq(prompts, &edits) {
                measure(prompts, clients, |prompt| engine.complete(prompt).max_tokens(tokens))
            } else {
                measure(prompts, clients, |prompt| engine.chat(prompt).max_tokens(tokens))
            }
        })?;
        let after = engines[0].stats()?;
        let [with, without] = [&measured[0], &measured[1]].map(|rounds| median(rounds));
        println!(
            "| {name} | {with:.1} | {without:.1} | {:.3} | {} | {} |",
            with / without,
            after.drafted_tokens - before.drafted_tokens,
            after.accepted_tokens - before.accepted_tokens,
        );
    }
    Ok(())
}
