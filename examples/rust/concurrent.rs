//! Many threads, one engine: it batches them, so it takes far fewer steps than tokens.
//!
//! `cargo run -p indwell-examples --bin example-concurrent [MODEL]`

use std::thread;

use indwell::{Engine, Result};

const THREADS: u32 = 8;
const TOKENS_EACH: u32 = 24;

fn main() -> Result<()> {
    let model = std::env::args().nth(1).unwrap_or_else(|| "smollm2-135m".to_owned());
    let engine = Engine::builder(model).build()?;

    // A clone is the same engine; here the threads borrow it.
    let replies: Vec<_> = thread::scope(|scope| {
        let ask = |n: u32| {
            let prompt = format!("{n}, {}, {},", n + 1, n + 2);
            engine.complete(prompt).max_tokens(TOKENS_EACH).run()
        };
        let threads: Vec<_> = (1..=THREADS).map(|n| scope.spawn(move || ask(n * 10))).collect();
        threads.into_iter().map(|thread| thread.join().expect("asking does not panic")).collect()
    });
    for reply in replies {
        println!("{}", reply?.text.trim().replace('\n', " "));
    }

    let stats = engine.stats()?;
    println!("{} tokens in {} steps", stats.completion_tokens, stats.steps);
    Ok(())
}
