//! More callers than KV cells: requests give way to each other and come back, all answers are
//! those that they get alone, and more of them are computed at once than if each reserved all it
//! could need.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use indwell::{Engine, Event, Reply, TokenLogprob, TokenStream};
use indwell_tests::{Score, Scorer, cached_cells, engine, model, stats, wait_until};

const CALLERS: usize = 24;
const TOKENS: u32 = 64;
const CONTEXT_TOKENS: u32 = 512;

/// As many as fit with their whole answers.
const RESERVED: u32 = CONTEXT_TOKENS / (PROMPT_TOKENS_ABOUT + TOKENS);
const PROMPT_TOKENS_ABOUT: u32 = 40;

/// Prompts of about 40 tokens that differ from the first word on, so that none shares cells.
fn prompts() -> Vec<String> {
    let subjects = ["A llama", "The river", "Old bread", "My violin", "Her harbour", "Cold winter"];
    let places = ["in the north", "by the sea", "under the hill", "behind the wall"];
    let about = |subject: &str, place: &str| {
        format!(
            "{subject} {place} is what this story is about, and it begins on a morning in spring, \
             when nobody in the village had seen the sun for seven days and the"
        )
    };
    subjects.iter().flat_map(|s| places.iter().map(move |p| about(s, p))).collect()
}

/// What a caller does with its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Quick,
    /// Lets its mailbox fill up, and looks seldom.
    Slow,
    /// Leaves after some tokens.
    Leaves,
}

fn reader(caller: usize) -> Reader {
    match caller % 6 {
        3 => Reader::Slow,
        5 => Reader::Leaves,
        _ => Reader::Quick,
    }
}

fn stream(engine: &Engine, prompt: &str) -> TokenStream {
    let request = engine.complete(prompt).max_tokens(TOKENS).ignore_eos(true).logprobs(true);
    request.stream().expect("a stream")
}

/// Reads an answer to its end; `None` if the caller leaves before.
fn read(mut stream: TokenStream, reader: Reader) -> Option<Vec<TokenLogprob>> {
    let mut logprobs = Vec::new();
    loop {
        if reader == Reader::Slow {
            std::thread::park_timeout(Duration::from_millis(40));
        }
        match stream.next_blocking() {
            Some(Event::Text(delta)) => logprobs.extend(delta.logprobs),
            Some(Event::Finished(finished)) => {
                assert_eq!(finished.usage.completion_tokens, TOKENS);
                return Some(logprobs);
            }
            other => panic!("{other:?} after {} tokens", logprobs.len()),
        }
        if reader == Reader::Leaves && logprobs.len() >= 20 {
            return None;
        }
    }
}

#[test]
fn more_callers_than_cells_all_get_the_answers_they_get_alone() {
    let builder = engine().context_tokens(CONTEXT_TOKENS).sequences_max(24).stream_capacity(8);
    let engine = builder.build().expect("an engine");
    let prompts = prompts();
    assert_eq!(prompts.len(), CALLERS);
    let start = Barrier::new(CALLERS);
    let answers: Vec<Option<Vec<TokenLogprob>>> = std::thread::scope(|scope| {
        let mut callers = Vec::new();
        for (caller, prompt) in prompts.iter().enumerate() {
            let (engine, start) = (&engine, &start);
            callers.push(scope.spawn(move || {
                start.wait();
                read(stream(engine, prompt), reader(caller))
            }));
        }
        callers.into_iter().map(|caller| caller.join().expect("no panic")).collect()
    });
    let after = wait_until(&engine, |stats| stats.requests_running + stats.requests_waiting == 0);
    assert!(after.preemptions > 0, "nobody gave way: {after:?}");
    assert_eq!((after.requests_failed, after.requests_cancelled), (0, 4));
    assert_eq!(u64::from(after.cells_used), cached_cells(&engine));
    assert!(after.cells_used <= CONTEXT_TOKENS);

    let mut scorer = Scorer::new(&model());
    let mut worst = Score::default();
    let mut complete = 0;
    for (prompt, logprobs) in prompts.iter().zip(&answers) {
        let Some(logprobs) = logprobs else { continue };
        assert_eq!(logprobs.len(), TOKENS as usize);
        let score = scorer.score(prompt, logprobs);
        assert!(score.agrees(), "{prompt:?} was answered otherwise than alone: {score:?}");
        worst = worst.worse(score);
        complete += 1;
    }
    assert_eq!(complete, 20);
    println!(
        "{CALLERS} callers, {CONTEXT_TOKENS} cells: {} preemptions, {} tokens computed once more \
         of {}; at worst {worst:?}",
        after.preemptions, after.recomputed_tokens, after.prompt_tokens,
    );
}

/// Asks all at once, reads quickly, and says how long it took and in how many steps.
fn timed(sequences_max: u32) -> (Duration, u64, u64) {
    let builder = engine().context_tokens(CONTEXT_TOKENS).sequences_max(sequences_max);
    let engine = builder.build().expect("an engine");
    let began = Instant::now();
    let prompts = prompts();
    let streams: Vec<TokenStream> = prompts.iter().map(|prompt| stream(&engine, prompt)).collect();
    std::thread::scope(|scope| {
        let spawn = |stream: TokenStream| scope.spawn(move || stream.reply());
        let readers: Vec<_> = streams.into_iter().map(spawn).collect();
        for reader in readers {
            let reply: Reply = reader.join().expect("no panic").expect("an answer");
            assert_eq!(reply.usage.completion_tokens, TOKENS);
        }
    });
    let took = began.elapsed();
    let stats = stats(&engine);
    (took, stats.steps, stats.preemptions)
}

/// The worst case for lending cells: every answer is as long as it may be. Those that end sooner
/// would reserve cells that they never use.
#[test]
fn lending_cells_takes_fewer_steps_than_reserving_them() {
    let (reserved, reserved_steps, none) = timed(RESERVED);
    let (lent, lent_steps, preemptions) = timed(24);
    println!(
        "{CALLERS} answers of {TOKENS} tokens: {reserved_steps} steps in {reserved:.2?} with {RESERVED} \
         at once, {lent_steps} in {lent:.2?} with {preemptions} preemptions; \
         throughput {:.2} times as high",
        reserved.as_secs_f64() / lent.as_secs_f64()
    );
    assert_eq!(none, 0);
    assert!(preemptions > 0);
    assert!(lent_steps < reserved_steps);
}
