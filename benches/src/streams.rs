//! An engine's streams, all at once, each read to its end in a thread of its own.

use anyhow::{Result, bail};
use indwell::{Engine, Event};

use crate::Workload;

/// Makes all requests of `workload` at once, and reads them; how many tokens they had.
///
/// # Errors
/// A stream that ends otherwise than by finishing.
///
/// # Panics
/// When a reader does.
pub fn read_all(engine: &Engine, workload: &Workload) -> Result<u64> {
    std::thread::scope(|scope| {
        let readers: Vec<_> = workload
            .prompts
            .iter()
            .map(|prompt| scope.spawn(|| read(engine, prompt, workload.max_tokens)))
            .collect();
        readers.into_iter().map(|reader| reader.join().expect("a reader does not panic")).sum()
    })
}

fn read(engine: &Engine, prompt: &str, max_tokens: u32) -> Result<u64> {
    let last = engine.complete(prompt).max_tokens(max_tokens).stream()?.into_iter().last();
    match last {
        Some(Event::Finished(finished)) => Ok(finished.usage.completion_tokens.into()),
        other => bail!("the stream ended with {other:?}"),
    }
}
