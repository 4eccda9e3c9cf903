//! Many callers on one engine: every answer is the one it gets alone, in far fewer steps.

use std::sync::Barrier;

use indwell::{Engine, Reply};
use indwell_tests::{Score, Scorer, cached_cells, engine, model, stats};

const CALLERS: usize = 32;
const TOKENS: u32 = 24;

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

/// Asks every prompt at once, each from a thread of its own.
fn ask_together(engine: &Engine, prompts: &[String]) -> Vec<Reply> {
    let start = Barrier::new(prompts.len());
    std::thread::scope(|scope| {
        let callers: Vec<_> = prompts
            .iter()
            .map(|prompt| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    ask(engine, prompt)
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().expect("no panic")).collect()
    })
}

#[test]
fn thirty_two_callers_get_the_answers_they_get_alone_in_far_fewer_steps() {
    let engine = engine().build().expect("an engine");
    let prompts = prompts();
    assert_eq!(prompts.len(), CALLERS);
    let before = stats(&engine);
    let replies = ask_together(&engine, &prompts);
    let after = stats(&engine);
    let cells_used = u64::from(after.cells_used);
    assert_eq!((after.requests_running, cells_used), (0, cached_cells(&engine)));

    let mut scorer = Scorer::new(&model());
    let mut worst = Score::default();
    for (prompt, reply) in prompts.iter().zip(&replies) {
        assert_eq!(reply.logprobs.len() as u32, reply.usage.completion_tokens);
        let score = scorer.score(prompt, &reply.logprobs);
        assert!(
            score.agrees(),
            "{prompt:?} was answered otherwise than alone: {score:?}, {reply:?}"
        );
        worst = worst.worse(score);
    }
    let steps = after.steps - before.steps;
    let tokens = after.completion_tokens - before.completion_tokens;
    println!("{CALLERS} callers: {tokens} tokens in {steps} steps; at worst {worst:?}");
    assert!(steps * 8 <= tokens, "{steps} steps for {tokens} tokens are not batched");
}

/// That the comparison can fail: a neighbour's answer is told from one's own.
#[test]
fn a_neighbours_answer_would_be_noticed() {
    let engine = engine().build().expect("an engine");
    let prompts = prompts();
    let replies = ask_together(&engine, &prompts);
    let mut scorer = Scorer::new(&model());
    let noticed = (0..CALLERS)
        .filter(|&caller| {
            let neighbour = &replies[(caller + 1) % CALLERS];
            !scorer.score(&prompts[caller], &neighbour.logprobs).agrees()
        })
        .count();
    println!("{noticed} of {CALLERS} neighbours' answers were told from the callers' own");
    assert!(noticed * 10 >= CALLERS * 9, "only {noticed} of {CALLERS}");
}

/// The same answer, whoever else is asking, where nothing rounds differently: a caller alone, one
/// after the other.
#[test]
fn asking_again_alone_gives_the_same_tokens() {
    let engine = engine().build().expect("an engine");
    for prompt in &prompts()[..4] {
        let (first, again) = (ask(&engine, prompt), ask(&engine, prompt));
        assert_eq!(first.logprobs, again.logprobs);
    }
}
