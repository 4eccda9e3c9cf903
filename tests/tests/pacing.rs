//! A long prompt beside a stream, on the real model: how much of it goes into a step is by time.

use indwell::{CacheMode, Engine, Event, Speculation};
use indwell_tests::{Scorer, engine, model, stats};

/// What a prompt gets of a step at least.
const TOKENS_MIN: u64 = 16;

fn engine_with_target(milliseconds: u32) -> Engine {
    let builder = engine().context_tokens(4096).itl_target_ms(milliseconds);
    builder.speculation(Speculation::Off).build().expect("an engine")
}

/// About a thousand tokens.
fn long_prompt() -> String {
    let line = |at| format!("Entry {at}: the lamp was lit at dusk and put out at dawn. ");
    (0..60).map(line).collect()
}

/// The steps in which a long prompt is computed beside a stream, its tokens, and whether its answer
/// is as likely as it should be.
fn steps_beside_a_stream(engine: &Engine, scorer: &mut Scorer) -> (u64, u64) {
    let bypassing = |prompt: &str| engine.complete(prompt).cache(CacheMode::Bypass);
    // What a stream takes alone, and a prompt.
    bypassing("It was a long way to the harbour, and").max_tokens(8).run().expect("an answer");
    let stream = bypassing("Count to a thousand: one, two, three,").max_tokens(1500);
    let mut stream = stream.ignore_eos(true).stream().expect("a stream");
    assert!(matches!(stream.next_blocking(), Some(Event::Text(_))));
    let prompt = long_prompt();
    let before = stats(engine).steps;
    let reply = bypassing(&prompt).max_tokens(4).logprobs(true).run().expect("an answer");
    let steps = stats(engine).steps - before;
    let score = scorer.score(&prompt, &reply.logprobs);
    assert!(score.agrees(), "{score:?}, {reply:?}");
    (steps, reply.usage.prompt_tokens.into())
}

#[test]
fn a_short_target_spreads_a_prompt_over_many_steps_and_a_long_one_over_few() {
    let mut scorer = Scorer::new(&model());
    let (steps, tokens) = steps_beside_a_stream(&engine_with_target(1), &mut scorer);
    assert!(steps >= tokens / TOKENS_MIN, "{tokens} tokens in {steps} steps");
    let (steps, tokens) = steps_beside_a_stream(&engine_with_target(60_000), &mut scorer);
    assert!(steps < tokens / TOKENS_MIN, "{tokens} tokens in {steps} steps");
}
