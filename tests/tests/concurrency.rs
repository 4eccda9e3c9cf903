//! Many callers on one engine: every answer is the one it gets alone, in far fewer steps.

use std::sync::Barrier;

use indwell::{Engine, Reply};
use indwell_tests::{engine, stats};

const CALLERS: usize = 32;
const TOKENS: u32 = 24;

/// The most that a token's log-probability may differ between an answer computed alone and the
/// same answer computed in a batch.
///
/// llama.cpp's kernels depend on the batch's shape: matrix products of several rows go through
/// other code than those of one, and flash attention splits its sums by the number of rows. The
/// inputs are quantized to 4 bits, activations to 8, so a changed rounding moves logits: by up to
/// 0.49 for this model where we measured it. A log-probability moves by at most twice the
/// largest change of a logit. Text mixed up between callers differs by several units.
const TOLERANCE: f32 = 1.0;

fn prompts() -> Vec<String> {
    let subjects = ["llama", "river", "clock", "bread", "moon", "violin", "harbour", "winter"];
    let forms = [
        "Write one sentence about a",
        "Here is a short poem about the",
        "The most important thing to know about a",
        "Once upon a time there was a",
    ];
    forms.iter().flat_map(|form| subjects.iter().map(move |s| format!("{form} {s}"))).collect()
}

fn ask(engine: &Engine, prompt: &str) -> Reply {
    engine.complete(prompt).max_tokens(TOKENS).logprobs(true).run().expect("an answer")
}

/// The largest difference of log-probabilities up to and including the first differing token,
/// and whether there is one. Where two tokens are nearly as likely, either may be chosen; after
/// that the answers are different texts and can't be compared. At the differing position the
/// chosen tokens' log-probabilities are compared: each is the largest of its run, so they are as
/// close as any token's two are.
fn difference(alone: &Reply, together: &Reply) -> (f32, bool) {
    let mut largest = 0.0_f32;
    for (a, b) in alone.logprobs.iter().zip(&together.logprobs) {
        largest = largest.max((a.logprob - b.logprob).abs());
        if a.token != b.token {
            return (largest, true);
        }
    }
    (largest, false)
}

#[test]
fn thirty_two_callers_get_the_answers_they_get_alone_in_far_fewer_steps() {
    let engine = engine().build().expect("an engine");
    let prompts = prompts();
    assert_eq!(prompts.len(), CALLERS);
    let alone: Vec<Reply> = prompts.iter().map(|prompt| ask(&engine, prompt)).collect();

    let before = stats(&engine);
    let start = Barrier::new(CALLERS);
    let together: Vec<Reply> = std::thread::scope(|scope| {
        let callers: Vec<_> = prompts
            .iter()
            .map(|prompt| {
                let (engine, start) = (&engine, &start);
                scope.spawn(move || {
                    start.wait();
                    ask(engine, prompt)
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().expect("no panic")).collect()
    });
    let after = stats(&engine);

    let mut largest = 0.0_f32;
    let mut diverged = 0;
    for ((prompt, alone), together) in prompts.iter().zip(&alone).zip(&together) {
        assert_eq!(together.usage.prompt_tokens, alone.usage.prompt_tokens);
        assert_eq!(together.logprobs.len() as u32, together.usage.completion_tokens);
        let (distance, differs) = difference(alone, together);
        assert!(distance <= TOLERANCE, "{prompt:?} is off by {distance}:\n{alone:?}\n{together:?}");
        largest = largest.max(distance);
        diverged += usize::from(differs);
    }
    let steps = after.steps - before.steps;
    let tokens = after.completion_tokens - before.completion_tokens;
    println!(
        "{CALLERS} callers: {tokens} tokens in {steps} steps; largest difference of a \
         log-probability {largest:.3}; {diverged} answers took another of two near-equal tokens"
    );
    assert!(steps * 8 <= tokens, "{steps} steps for {tokens} tokens are not batched");
    assert_eq!(after.requests_running, 0);
    assert_eq!(after.cells_used, 0);
}

/// That the comparison above can fail: answers to different prompts are told apart.
#[test]
fn answers_of_different_callers_are_further_apart_than_the_tolerance() {
    let engine = engine().build().expect("an engine");
    let prompts = prompts();
    let answers: Vec<Reply> = prompts[..8].iter().map(|prompt| ask(&engine, prompt)).collect();
    let mixed_up = (0..8)
        .map(|i| difference(&answers[i], &answers[(i + 1) % 8]).0)
        .filter(|&distance| distance > TOLERANCE)
        .count();
    println!("{mixed_up} of 8 neighbouring pairs differ by more than {TOLERANCE}");
    assert!(mixed_up >= 2, "the tolerance is too wide to notice answers that were mixed up");
}
