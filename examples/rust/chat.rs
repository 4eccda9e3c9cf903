//! One question, one answer: the blocking form.
//!
//! `cargo run -p indwell-examples --bin example-chat [MODEL]`

use indwell::{Engine, system, user};

fn main() -> indwell::Result<()> {
    let model = std::env::args().nth(1).unwrap_or_else(|| "smollm2-135m".to_owned());

    // An alias is fetched the first time; a path is loaded as it is.
    let engine = Engine::builder(model)
        .context_tokens(4096)
        .on_progress(|progress| {
            if progress.total == Some(progress.done) {
                println!("{} done", progress.stage.as_str());
            }
        })
        .build()?;
    println!("{}: {}", engine.model().name, engine.model().description);

    let reply = engine
        .chat([system("You answer in one sentence."), user("Name the capital of France.")])
        .max_tokens(32)
        .run()?;

    println!("{}", reply.text);
    println!(
        "{} prompt tokens, {} completion tokens, finished: {}, first token after {:.0} ms",
        reply.usage.prompt_tokens,
        reply.usage.completion_tokens,
        reply.finish_reason.as_str(),
        reply.timings.ttft_ms,
    );
    Ok(())
}
